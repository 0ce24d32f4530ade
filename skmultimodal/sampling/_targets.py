"""What samplers are given beside X: classes, a plan for them, weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from imblearn.utils import check_target_type
from scipy import sparse
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    validate_data,
)

from skmultimodal._cells import (
    refuse_missing_targets,
    refuse_records,
    refuse_repeated_columns,
    to_pandas,
)
from skmultimodal._provenance import align_sample_weight
from skmultimodal.sampling._rows import take
from skmultimodal.sampling._tracing import Parents


def check_rows(sampler: Any, X: Any, y: Any) -> tuple[Any, Any]:
    """X as a frame or array (n, p), and y of n rows; sets the names of columns."""
    X, y = to_pandas(X), to_pandas(y)
    refuse_records(X, type(sampler).__name__)
    refuse_repeated_columns(X)
    validate_data(sampler, X, y, skip_check_array=True)
    if not isinstance(X, pd.DataFrame):
        X = check_array(
            X, dtype=None, accept_sparse=["csr", "csc"], ensure_all_finite=False
        )
    elif 0 in X.shape:
        raise ValueError(
            f"X has {X.shape[0]} rows and {X.shape[1]} columns; a minimum of 1 each is "
            "required."
        )
    check_consistent_length(X, y)
    return X, y


def class_labels(y: Any, who: str, remedy: str) -> np.ndarray:
    """(n,) classes, of labels or one-vs-all indicators."""
    several = (
        "With several labels a row, or none, there is no one class to balance. "
        f"{remedy}, or weigh the labels in the head."
    )
    try:
        y = y.toarray() if sparse.issparse(y) else np.asarray(y)
    except ValueError as error:  # lists of labels, not as many in each
        raise ValueError(f"y holds lists of labels. {several}") from error
    refuse_missing_targets(y)
    try:
        check_classification_targets(y)
    except ValueError as error:
        raise ValueError(_no_classes(y, error, who, remedy)) from error
    try:
        labels, one_vs_all = check_target_type(y, indicate_one_vs_all=True)
    except ValueError as error:
        raise ValueError(f"{error} {several}") from error
    if one_vs_all and not y.any(axis=1).all():
        row = int(np.argmin(y.any(axis=1)))
        raise ValueError(f"y has no label in row {row}. {several}")
    return np.asarray(labels)


def _no_classes(y: np.ndarray, error: Exception, who: str, remedy: str) -> str:
    if y.dtype.kind == "f":
        return (
            f"{error} {who} balances classes; a regression target has none. {remedy}, "
            "or bin y for it."
        )
    held = sorted({type(label).__name__ for label in y.flat})
    return (
        f"Unknown label type: y holds {', '.join(held)}. {who} balances classes, whose "
        "labels are strings, whole numbers or booleans, not several kinds of these. "
        f"Convert y, or {remedy[0].lower()}{remedy[1:]}."
    )


def check_strategy_labels(sampling_strategy: Any, labels: np.ndarray) -> None:
    """The classes that a dict or list names must be classes of y."""
    if not isinstance(sampling_strategy, (dict, list)):
        return
    known = np.unique(labels).tolist()
    unknown = [label for label in sampling_strategy if label not in known]
    if unknown:
        raise ValueError(
            f"sampling_strategy names {_listed(unknown)}, which y does not have: its "
            f"classes are {_listed(known)}. Name classes as y has them, "
            f"{type(known[0]).__name__} and not another type."
        )


def _listed(labels: Iterable[Any]) -> str:
    shown = [repr(x.item() if isinstance(x, np.generic) else x) for x in labels]
    return ", ".join(shown[:10]) + (" ..." if shown[10:] else "")


def take_target(y: Any, rows: np.ndarray, X_new: Any) -> Any:
    """Rows of y, of the kind that came in, with the index of the resampled X."""
    y_new = take(y, rows)
    if isinstance(y_new, (pd.Series, pd.DataFrame)):
        y_new.index = _index_of(X_new, len(y_new))
    return y_new


def resample_weight(
    sample_weight: Any, parents: Parents, X: Any, X_new: Any
) -> np.ndarray | pd.Series:
    """A weight for each resampled row: its original's, or the mean of its parents'."""
    index = X.index if isinstance(X, pd.DataFrame) else None
    n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
    weight = align_sample_weight(sample_weight, index, n_rows)
    weight = (weight[parents.first] + weight[parents.second]) / 2
    if not isinstance(sample_weight, pd.Series):
        return weight
    index = _index_of(X_new, len(weight))
    return pd.Series(weight, index=index, name=sample_weight.name)


def _index_of(X: Any, n_rows: int) -> pd.Index:
    return X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(n_rows)
