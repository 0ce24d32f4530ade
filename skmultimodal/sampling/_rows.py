"""Take rows of X, or combine pairs of them, in whatever X holds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import (
    is_bool_dtype,
    is_complex_dtype,
    is_integer_dtype,
    is_numeric_dtype,
)
from scipy import sparse

from skmultimodal._cells import missing_cells
from skmultimodal._provenance import Synthetic, label_index
from skmultimodal.sampling._tracing import Parents


def floats(X: Any) -> np.ndarray:
    """(n, p) of floats, NaN where a value is missing; shares memory if it can."""
    if sparse.issparse(X):
        X = X.toarray()
    if isinstance(X, pd.DataFrame):
        if all(isinstance(dtype, np.dtype) for dtype in X.dtypes):
            X = X.to_numpy()
        else:
            X = X.to_numpy(dtype=np.float64, na_value=np.nan)
    if X.dtype == object:  # as a frame with pandas' own types gives it, pd.NA and all
        X = np.where(pd.isna(X), np.nan, X)
    return X if X.dtype.kind == "f" else X.astype(np.float64)


def take(rows: Any, positions: np.ndarray) -> Any:
    if isinstance(rows, (pd.DataFrame, pd.Series)):
        return rows.iloc[positions]
    if isinstance(rows, (list, tuple)):
        return [rows[position] for position in positions]
    return rows[positions]


def combine(X: Any, parents: Parents, missing: str) -> Any:
    """Rows of X, taken or combined, of the type that X has.

    Numbers are combined; what is no number comes from the nearer parent.
    """
    if sparse.issparse(X):
        return type(X)(_mix(X.toarray(), parents, missing))
    if not isinstance(X, pd.DataFrame):
        return _mix(X, parents, missing)
    index = _provenance(X.index, parents)
    groups: dict[Any, list[int]] = {}  # columns that are mixed as one block
    for k, dtype in enumerate(X.dtypes):
        is_plain = isinstance(dtype, np.dtype) and dtype.kind in "biuf"
        groups.setdefault(dtype if is_plain else k, []).append(k)
    parts = []
    for key, columns in groups.items():
        part = X if len(groups) == 1 else X.iloc[:, columns]
        if isinstance(key, np.dtype):
            mixed: Any = _mix(part.to_numpy(), parents, missing)
        else:
            mixed = _combined(part.iloc[:, 0], parents, missing).set_axis(index)
        parts.append(pd.DataFrame(mixed, index=index))
    out = pd.concat(parts, axis=1, ignore_index=True) if len(parts) > 1 else parts[0]
    order = [k for columns in groups.values() for k in columns]
    if order != sorted(order):
        out = out.iloc[:, np.argsort(order)]
    return out.set_axis(X.columns, axis=1)


def _combined(column: pd.Series, parents: Parents, missing: str) -> pd.Series:
    """A column of a type that is no plain number's."""
    dtype = column.dtype
    if not is_numeric_dtype(dtype) or is_complex_dtype(dtype):
        return _from_nearer(column, parents, missing)
    values = _mix(floats(column.to_frame()), parents, missing)[:, 0]
    if is_bool_dtype(dtype) or is_integer_dtype(dtype):
        values = _whole(values, np.dtype(getattr(dtype, "numpy_dtype", dtype)))
    return pd.Series(values).astype(dtype)


def _from_nearer(column: pd.Series, parents: Parents, missing: str) -> pd.Series:
    """Cells of the nearer parents; where one is missing, the other's, or none."""
    gone = missing_cells(column)[:, 0]
    lacks, other_lacks = gone[parents.first], gone[parents.second]
    if missing == "neighbour":
        return column.iloc[np.where(lacks, parents.second, parents.first)]
    return column.iloc[parents.first].mask(parents.made & (lacks | other_lacks))


def _mix(x: np.ndarray, parents: Parents, missing: str) -> np.ndarray:
    """(n_out, p) of x's dtype; whole numbers are rounded."""
    out = x[parents.first]
    new = np.flatnonzero(parents.made)
    kind = x.dtype if x.dtype.kind == "f" else np.float64
    first = floats(out[new])
    second = floats(x[parents.second[new]])
    share = parents.share[new, None].astype(kind)
    mixed = (1 - share) * first + share * second
    if missing == "neighbour":
        absent = np.isnan(mixed)
        if absent.any():
            mixed = np.where(absent & np.isnan(second), first, mixed)
            mixed = np.where(absent & np.isnan(first), second, mixed)
    out[new] = _whole(mixed, x.dtype) if x.dtype.kind in "biu" else mixed
    return out


def _whole(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Numbers rounded, within what the type can hold: a sampler may reach beyond."""
    low, high = 0.0, 1.0
    if dtype.kind != "b":
        low, high = float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
        if int(high) > np.iinfo(dtype).max:  # no float64 is the largest of 64 bits
            high = float(np.nextafter(high, 0))
    return np.rint(x).clip(low, high)


def _provenance(index: pd.Index, parents: Parents) -> pd.Index:
    """Labels of taken rows as they are, of invented ones by their parents."""
    labels = list(index)
    return label_index(
        (
            Synthetic((labels[a], labels[b])) if made else labels[a]
            for a, b, made in zip(parents.first, parents.second, parents.made)
        ),
        name=index.name,
    )
