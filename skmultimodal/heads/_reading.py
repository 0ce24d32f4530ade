"""What a head accepts as X, and what it says of anything else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import validate_data

from skmultimodal._cells import refuse_repeated_columns, to_pandas
from skmultimodal._provenance import align_sample_weight


def read_encoded(estimator: Any, X: Any, *, reset: bool) -> np.ndarray:
    """X as (n, p) float32, NaN and infinity still in it."""
    if _is_as_encoders_give_it(X):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        return X.to_numpy()
    _refuse_raw(estimator, X)
    with np.errstate(over="ignore"):  # becomes infinity, which is refused later
        return validate_data(
            estimator, X, reset=reset, dtype=np.float32, ensure_all_finite=False
        )


def read_validation(estimator: Any, X_val: Any) -> np.ndarray:
    """X_val as X, with a word on what is most often wrong with it."""
    if hasattr(X_val, "__len__") and len(X_val) == 0:
        raise ValueError("X_val has no rows. Leave it out, or set early_stopping=True.")
    try:
        return read_encoded(estimator, X_val, reset=False)
    except (ValueError, TypeError) as error:
        name = type(estimator).__name__
        raise ValueError(
            f"X_val does not look like the X that {name} was fitted on: it seems to "
            "reach the head raw. In a Pipeline, let the earlier steps transform it: "
            'Pipeline([...], transform_input=["X_val"]) with '
            f"{name}(...).set_fit_request(X_val=True, y_val=True) and metadata routing "
            f"enabled. What was wrong with it: {error}"
        ) from error


def row_index(X: Any) -> pd.Index | None:
    return X.index if isinstance(X, pd.DataFrame) else None


def read_weight(given: Any, X: Any, n: int) -> np.ndarray | None:
    """`sample_weight` of n rows, aligned to X: (n,)"""
    if given is None:
        return None
    weight = np.asarray(align_sample_weight(given, row_index(X), n))
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError("sample_weight must be finite and not negative.")
    if not weight.any():
        raise ValueError("sample_weight is zero in every row; nothing to learn.")
    return weight


def _is_as_encoders_give_it(X: Any) -> bool:
    """A float32 frame: scikit-learn's look at each dtype takes longer than a net."""
    return (
        isinstance(X, pd.DataFrame)
        and min(X.shape) > 0
        and set(X.dtypes) == {np.dtype(np.float32)}
        and X.columns.is_unique
    )


def _refuse_raw(estimator: Any, X: Any) -> None:
    """A frame with cells that are no numbers has not been encoded."""
    X = to_pandas(X)
    if not isinstance(X, pd.DataFrame):
        return
    refuse_repeated_columns(X)
    if not X.shape[1]:
        raise ValueError(
            f"X has 0 feature(s) (shape={X.shape}) while a minimum of 1 is required by "
            f"{type(estimator).__name__}: no encoder gave it any columns. Name some in "
            "the ModalityTransformer, or look for columns that are missing in all rows."
        )
    for name, dtype in X.dtypes.items():
        if isinstance(dtype, np.dtype) and dtype.kind in "fiub":
            continue
        if pd.api.types.is_numeric_dtype(dtype) or _holds_numbers(X[name]):
            continue
        raise ValueError(
            f"Column {name!r} holds {dtype} cells; {type(estimator).__name__} takes an "
            "encoded frame of numbers. Put a ModalityTransformer before it, as "
            "multimodal_pipeline does."
        )


def _holds_numbers(column: Any) -> bool:
    if not isinstance(column, pd.Series) or column.dtype != object:
        return False
    kind = pd.api.types.infer_dtype(column)
    return kind in ("floating", "integer", "mixed-integer-float", "boolean")
