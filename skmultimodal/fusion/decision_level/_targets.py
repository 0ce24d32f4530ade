"""What there is to predict, and an estimator's answers in one shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import column_or_1d


@dataclass(frozen=True)
class Target:
    """Targets, and the same as columns: shares of classes, labels or numbers."""

    kind: str  # "classes", "labels" (an indicator matrix) or "numbers"
    values: np.ndarray  # (n,) or (n, K), what estimators are fitted on
    columns: np.ndarray  # (n, K) float64
    classes: np.ndarray  # (K,)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def strata(self) -> np.ndarray:
        """(n,) or (n, K), what folds are stratified by."""
        return self.values if self.kind == "classes" else self.columns

    def prior(self, weight: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
        """(K,) shares of the classes or labels, or means."""
        part = None if weight is None else weight[rows]
        return np.average(self.columns[rows], axis=0, weights=part)

    def teaches(self, rows: np.ndarray) -> bool:
        """Whether there is anything to tell apart in some rows."""
        if self.kind == "classes":
            return len(np.unique(self.columns[rows].argmax(axis=1))) > 1
        return len(rows) > 1

    def score(self, answers: np.ndarray, rows: np.ndarray, weight: Any) -> float:
        """Accuracy, or R², of some rows' answers."""
        truth = self.columns[rows]
        if self.kind == "numbers":
            return float(r2_score(truth, answers, sample_weight=weight))
        if self.kind == "labels":
            truth, answers = truth.astype(int), (answers > 0.5).astype(int)
        else:
            truth, answers = truth.argmax(axis=1), answers.argmax(axis=1)
        return float(accuracy_score(truth, answers, sample_weight=weight))


def read_classes(y: Any, who: str) -> Target:
    """Class labels, or an indicator matrix of labels."""
    y = _as_array(y, who, "labels")
    _refuse_missing(y)
    kind = type_of_target(y, input_name="y", raise_unknown=True)
    if kind not in ("binary", "multiclass", "multilabel-indicator"):
        raise ValueError(
            f"Unknown label type: {kind}. {who} takes classes (1-D) or an indicator "
            f"matrix of zeros and ones; {who.replace('Classifier', 'Regressor')} takes "
            "numbers."
        )
    if kind == "multilabel-indicator":
        if not np.isin(y, (0, 1)).all():
            raise ValueError(
                f"y has {y.shape[1]} columns, and values other than 0 and 1: "
                f"{np.unique(y).tolist()[:5]}. A multilabel y is an indicator matrix "
                "of zeros and ones, as MultiLabelBinarizer makes it."
            )
        return Target("labels", y, y.astype(np.float64), np.arange(y.shape[1]))
    y = column_or_1d(y, warn=True)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"{who} needs at least 2 classes, y has one class: {classes.tolist()[0]!r} "
            f"in all {len(y)} rows."
        )
    return Target("classes", y, np.eye(len(classes))[codes], classes)


def read_numbers(y: Any, who: str) -> Target:
    """Numbers, one or several a row."""
    y = _as_array(y, who, "targets")
    if y.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {who} takes real numbers.")
    if y.dtype.kind not in "fiub":
        try:
            y = y.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"y holds {y.dtype} cells; {who} takes numbers ({error})."
            ) from error
    y = y.astype(np.float64)
    _refuse_missing(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    if y.ndim not in (1, 2):
        raise ValueError(
            f"y has shape {y.shape}; expected (n_samples,) or (n_samples, n_outputs)."
        )
    columns = y.reshape(len(y), -1)
    return Target("numbers", y, columns, np.arange(columns.shape[1]))


def _as_array(y: Any, who: str, what: str) -> np.ndarray:
    if y is None:
        raise ValueError(
            f"requires y to be passed, but the target y is None: {who} learns from "
            f"{what}."
        )
    y = y.toarray() if sparse.issparse(y) else np.asarray(y)
    return y.astype(object) if y.dtype.kind == "T" else y


def _refuse_missing(y: np.ndarray) -> None:
    if y.ndim == 0:
        return
    bad = np.asarray(pd.isna(y))
    what = "NaN"
    if not bad.any() and y.dtype.kind == "f":
        bad, what = np.isinf(y), "infinity"
    rows = np.flatnonzero(bad.reshape(len(y), -1).any(axis=1))
    if len(rows):
        raise ValueError(
            f"Input y contains {what} in {len(rows)} rows, first in row {rows[0]}. "
            "Drop the rows without a target from X and y."
        )


# --- answers --------------------------------------------------------------------------


def answer(
    estimator: Any,
    method: str,
    X: Any,
    kind: str,
    classes: np.ndarray,
    prior: np.ndarray,
) -> np.ndarray:
    """(n, K) what an estimator says of rows, with columns in the order of `classes`.

    The probability of a class that the estimator has not seen stays at the prior: it
    can say nothing of it. Decisions between two classes are one column.
    """
    found = getattr(estimator, method)(X)
    if kind == "numbers":
        return np.asarray(found, dtype=np.float64).reshape(len(X), -1)
    if kind == "labels":
        return _label_columns(estimator, found, method)
    if method == "predict":
        return (np.asarray(found)[:, None] == classes[None, :]).astype(np.float64)
    found = np.asarray(found, dtype=np.float64)
    known = np.searchsorted(classes, estimator.classes_)
    if found.ndim == 1:  # decisions: one column stands for two classes
        if len(classes) == 2:
            return found[:, None]
        found = np.stack([-found, found], axis=1)
    if len(known) == len(classes):
        return found
    if method == "predict_proba":
        columns = np.tile(prior, (len(found), 1))
        found = found * prior[known].sum() / prior.sum()
    else:
        columns = np.full((len(found), len(classes)), found.min(initial=0))
    columns[:, known] = found
    return columns


def _label_columns(estimator: Any, found: Any, method: str) -> np.ndarray:
    """One column a label; forests and MultiOutputClassifier give a list of pairs."""
    if isinstance(found, list):
        seen = estimator.classes_
        return np.stack(
            [
                pair[:, list(known).index(1)] if 1 in known else np.zeros(len(pair))
                for pair, known in zip(found, seen)
            ],
            axis=1,
        )
    return np.asarray(found, dtype=np.float64)
