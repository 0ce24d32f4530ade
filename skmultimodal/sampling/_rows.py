"""Take rows of X, or combine pairs of them, in whatever X holds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_integer_dtype
from scipy import sparse

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
    return X if X.dtype.kind == "f" else X.astype(np.float64)


def take(rows: Any, positions: np.ndarray) -> Any:
    if isinstance(rows, (pd.DataFrame, pd.Series)):
        return rows.iloc[positions]
    if isinstance(rows, (list, tuple)):
        return [rows[position] for position in positions]
    return rows[positions]


def combine(X: Any, parents: Parents, missing: str) -> Any:
    """Rows of X, taken or combined, of the type that X has."""
    if sparse.issparse(X):
        return type(X)(_mix(X.toarray(), parents, missing))
    if not isinstance(X, pd.DataFrame):
        return _mix(X, parents, missing)
    index = _provenance(X.index, parents)
    dtypes = list(X.dtypes)
    if all(dtype == dtypes[0] and isinstance(dtype, np.dtype) for dtype in dtypes):
        mixed = _mix(X.to_numpy(), parents, missing)
        return pd.DataFrame(mixed, index=index, columns=X.columns)
    parts = []
    for k, dtype in enumerate(dtypes):
        column = X.iloc[:, k]
        if isinstance(dtype, np.dtype):
            values = _mix(column.to_numpy()[:, None], parents, missing)[:, 0]
            parts.append(pd.Series(values, index=index))
        else:
            values = _mix(floats(column.to_frame()), parents, missing)[:, 0]
            if is_bool_dtype(dtype) or is_integer_dtype(dtype):
                values = np.rint(values)
            parts.append(pd.Series(values, index=index).astype(dtype))
    out = pd.concat(parts, axis=1, ignore_index=True)
    out.columns = X.columns
    return out


def _mix(x: np.ndarray, parents: Parents, missing: str) -> np.ndarray:
    """(n_out, p) of x's dtype; whole numbers are rounded."""
    out = x[parents.first]
    new = np.flatnonzero(parents.made)
    kind = x.dtype if x.dtype.kind == "f" else np.float64
    first = out[new].astype(kind, copy=False)
    second = x[parents.second[new]].astype(kind, copy=False)
    share = parents.share[new, None].astype(kind)
    mixed = (1 - share) * first + share * second
    if missing == "neighbour":
        absent = np.isnan(mixed)
        if absent.any():
            mixed = np.where(absent & np.isnan(second), first, mixed)
            mixed = np.where(absent & np.isnan(first), second, mixed)
    out[new] = np.rint(mixed) if x.dtype.kind in "biu" else mixed
    return out


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
