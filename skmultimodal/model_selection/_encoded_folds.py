"""Folds drawn once, and each of them encoded once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    check_cv,
)
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import Parallel, delayed

from skmultimodal._cells import to_pandas
from skmultimodal._layout import SEPARATOR, block_names, read_layout
from skmultimodal.fusion.decision_level._metadata import cut_groups, fit_params

Split = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Rows:
    """Encoded rows; `take` says which of them, so that folds can share one frame."""

    X: pd.DataFrame
    y: np.ndarray
    groups: Any
    take: np.ndarray | None = None

    def cut(self) -> tuple[pd.DataFrame, np.ndarray, Any]:
        if self.take is None:
            return self.X, self.y, self.groups
        groups = cut_groups(self.groups, self.take, len(self.X))
        return self.X.iloc[self.take], self.y[self.take], groups


@dataclass(frozen=True)
class EncodedFold:
    """What every candidate is fitted on and scored by in one fold."""

    train: Rows
    test: Rows

    @property
    def modalities(self) -> list[str]:
        X = self.train.X
        return read_layout(X.shape[1], list(X.columns)).names


def draw_splits(
    X: Any, y: np.ndarray, groups: Any, cv: Any, is_classes: bool, seed: int
) -> list[Split]:
    """The splits of `cv`; a number of folds is shuffled, stratified, and by group."""
    cv = 5 if cv is None else cv
    if isinstance(cv, int | np.integer):
        if groups is None:
            kind = StratifiedKFold if is_classes else KFold
        else:
            kind = StratifiedGroupKFold if is_classes else GroupKFold
        cv = kind(int(cv), shuffle=True, random_state=seed)
    splits = [
        (_positions(train, len(y)), _positions(test, len(y)))
        for train, test in check_cv(cv).split(X, y, groups)
    ]
    if not splits:
        raise ValueError(f"cv={cv!r} gives no split.")
    for number, (train, test) in enumerate(splits):
        if not len(train) or not len(test):
            what = "training" if len(test) else "test"
            raise ValueError(f"cv={cv!r} leaves no {what} rows in fold {number}.")
    return splits


def _positions(rows: Any, n: int) -> np.ndarray:
    """A mask or positions, as positions."""
    rows = np.asarray(rows)
    return np.flatnonzero(rows) if rows.dtype == bool else rows


def is_encoded(X: Any) -> bool:
    """Whether X is numbers whose names tell modalities, or a nameless array of them."""
    if not isinstance(X, pd.DataFrame):
        return bool(np.asarray(X).dtype.kind in "biuf")
    numbers = all(
        isinstance(dtype, np.dtype) and dtype.kind in "biuf" for dtype in X.dtypes
    )
    return numbers and any(SEPARATOR in str(name) for name in X.columns)


def as_frame(X: Any, modalities: Any) -> pd.DataFrame:
    """Encoded data as a float32 frame whose names tell the modalities."""
    X = to_pandas(X)
    named = isinstance(X, pd.DataFrame)
    if named and modalities is None:
        kinds = set(X.dtypes)
        return X if kinds == {np.dtype(np.float32)} else X.astype(np.float32)
    values = np.asarray(X, dtype=np.float32)
    names = list(X.columns) if named else None
    layout = read_layout(values.shape[1], names, modalities)
    labels = [n for b in layout for n in block_names(b.name, (len(values), b.width))]
    index = X.index if named else None
    return pd.DataFrame(values[:, layout.order], index=index, columns=labels)


def share_folds(
    X: pd.DataFrame, y: np.ndarray, groups: Any, splits: list[Split]
) -> list[EncodedFold]:
    """Folds of data that need no encoder: rows of one frame."""
    groups = _labelled(groups, X)
    return [
        EncodedFold(Rows(X, y, groups, train), Rows(X, y, groups, test))
        for train, test in splits
    ]


def encode_folds(
    steps: list[tuple[str, Any]],
    X: Any,
    y: np.ndarray,
    groups: Any,
    splits: list[Split],
    modalities: Any,
    n_jobs: int | None,
) -> list[EncodedFold]:
    """Fit the steps once a fold, on its training rows alone."""
    return Parallel(n_jobs=n_jobs)(
        delayed(_encode_fold)(steps, X, y, groups, train, test, modalities)
        for train, test in splits
    )


def _encode_fold(
    steps: list[tuple[str, Any]],
    X: Any,
    y: np.ndarray,
    groups: Any,
    train: np.ndarray,
    test: np.ndarray,
    modalities: Any,
) -> EncodedFold:
    fit_X, score_X = _safe_indexing(X, train), _safe_indexing(X, test)
    fit_y, fit_groups = y[train], _labelled(cut_groups(groups, train, len(y)), fit_X)
    for name, step in steps:
        if step is None or isinstance(step, str):  # "passthrough"
            continue
        step = clone(step)
        if hasattr(step, "fit_resample"):
            fit_X, fit_y = step.fit_resample(fit_X, fit_y)
            continue
        params, _ = fit_params(step, f"the step {name!r}", None, fit_groups)
        fit_X = step.fit_transform(fit_X, fit_y, **params)
        score_X = step.transform(score_X)
    return EncodedFold(
        Rows(as_frame(fit_X, modalities), np.asarray(fit_y), fit_groups),
        Rows(as_frame(score_X, modalities), y[test], None),
    )


def _labelled(groups: Any, X: Any) -> Any:
    """Groups by label, so that they still fit after a sampler."""
    if groups is None or isinstance(groups, pd.Series):
        return groups
    if not isinstance(X, pd.DataFrame):
        return np.asarray(groups)
    return pd.Series(np.asarray(groups), index=X.index)
