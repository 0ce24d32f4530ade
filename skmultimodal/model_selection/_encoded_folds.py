"""Folds of encoded rows: each fold is encoded once, for all candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import Parallel, delayed

from skmultimodal._cells import to_pandas
from skmultimodal._layout import NAMELESS, SEPARATOR, read_layout
from skmultimodal.compose import ModalityTransformer
from skmultimodal.fusion.decision_level._metadata import cut_groups, fit_params
from skmultimodal.model_selection._heard import Heard, hear

Splits = list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Fold:
    """Encoded rows to train on and to test."""

    X_train: pd.DataFrame
    y_train: np.ndarray
    X_test: pd.DataFrame
    y_test: np.ndarray
    groups: Any

    @property
    def modalities(self) -> list[str]:
        return read_layout(self.X_train.shape[1], list(self.X_train.columns)).names

    def only(self, modality: str | None) -> Fold:
        """One modality; no column at all where no training row has it."""
        if modality is None:
            return self
        layout = read_layout(self.X_train.shape[1], list(self.X_train.columns))
        columns = layout[modality].columns if modality in layout.names else ()
        kept = np.sort(np.asarray(columns, dtype=int))
        return replace(
            self,
            X_train=self.X_train.iloc[:, kept],
            X_test=self.X_test.iloc[:, kept],
        )


@dataclass(frozen=True)
class EncodedFolds(Sequence[Fold]):
    """Folds of a frame that is encoded already, cut when they are needed."""

    X: pd.DataFrame
    y: np.ndarray
    groups: Any
    splits: Splits

    def __len__(self) -> int:
        return len(self.splits)

    @overload
    def __getitem__(self, number: int) -> Fold: ...
    @overload
    def __getitem__(self, number: slice) -> list[Fold]: ...
    def __getitem__(self, number: Any) -> Any:
        train, test = self.splits[number]
        return Fold(
            self.X.iloc[train],
            self.y[train],
            self.X.iloc[test],
            self.y[test],
            cut_groups(self.groups, train, len(self.X)),
        )


def is_encoded(X: Any) -> bool:
    """Whether X is an array of numbers, or its columns name modalities and are such."""
    if not isinstance(X, pd.DataFrame):
        return np.asarray(X).dtype.kind in "fiub"
    numbers = all(getattr(dtype, "kind", "O") in "fiub" for dtype in X.dtypes)
    return numbers and all(_names_a_modality(column) for column in X.columns)


def _names_a_modality(column: Any) -> bool:
    modality, separator, feature = str(column).partition(SEPARATOR)
    return bool(modality and separator and feature)


def named_blocks(X: Any, modalities: Any) -> pd.DataFrame:
    """An encoded array or frame with the modalities' names before its columns."""
    is_frame = isinstance(X, pd.DataFrame)
    names = list(X.columns) if is_frame else None
    x = np.asarray(X, dtype=np.float32)
    layout = read_layout(x.shape[1], names, modalities)
    if is_frame and modalities is None and NAMELESS not in layout.names:
        return X
    columns = [
        f"{block.name}{SEPARATOR}{k}" for block in layout for k in range(block.width)
    ]
    index = X.index if is_frame else None
    return pd.DataFrame(x[:, layout.order], index=index, columns=columns, copy=False)


def encode_folds(
    steps: list[Any],
    X: Any,
    y: np.ndarray,
    groups: Any,
    splits: Splits,
    modalities: Any,
    n_jobs: Any,
) -> tuple[list[Fold], Heard]:
    """Fit the steps before the head on each fold's training rows, once.

    The encoded rows of all folds are kept: every row as often as there are folds.
    `modalities` are the head's, for steps that give arrays.
    """
    parts = Parallel(n_jobs=n_jobs)(
        delayed(hear)(
            _encode,
            [clone(step) for step in steps],
            _safe_indexing(X, train),
            y[train],
            _safe_indexing(X, test),
            y[test],
            cut_groups(groups, train, len(y)),
            modalities,
        )
        for train, test in splits
    )
    return [fold for fold, _ in parts], [said for _, heard in parts for said in heard]


def _encode(
    steps: list[Any],
    train: Any,
    y_train: Any,
    test: Any,
    y_test: Any,
    groups: Any,
    modalities: Any,
) -> Fold:
    if groups is not None and hasattr(train, "index"):
        # a sampler changes the rows, not their labels
        groups = pd.Series(np.asarray(groups), index=train.index)
    for step in steps:
        if hasattr(step, "fit_resample"):
            train, y_train = step.fit_resample(train, y_train)
            continue
        params, routed = fit_params(step, "an encoder", None, groups)
        with config_context(enable_metadata_routing=routed):
            train = step.fit_transform(train, y_train, **params)
        test = step.transform(test)
    train, test = (named_blocks(to_pandas(part), modalities) for part in (train, test))
    return Fold(train, np.asarray(y_train), test, y_test, groups)


def default_steps() -> list[Any]:
    """What encodes a raw frame of those who name nothing."""
    return [ModalityTransformer()]
