"""Cells of a raw frame: what is missing, frames of other libraries, what is refused."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse


def is_missing(cell: Any) -> bool:
    """Whether a cell says "this sample lacks it": None, NaN, NA, NaT, "" or []."""
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return True
    if isinstance(cell, (str, bytes)):
        return len(cell) == 0
    if isinstance(cell, (float, np.floating)):
        return bool(np.isnan(cell))
    if isinstance(cell, (list, tuple)):
        return all(is_missing(part) for part in cell)
    if isinstance(cell, np.ndarray):
        if cell.dtype.kind == "f":
            return cell.size == 0 or bool(np.isnan(cell).all())
        return cell.size == 0
    if isinstance(cell, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(cell))
    return False


def missing_cells(X: Any) -> np.ndarray:
    """(n, k) bool: which cells of a frame, series or array are missing."""
    if isinstance(X, pd.Series):
        return _missing_column(X)[:, None]
    if isinstance(X, pd.DataFrame):
        found = np.empty(X.shape, dtype=bool)
        for k in range(X.shape[1]):
            found[:, k] = _missing_column(X.iloc[:, k])
        return found
    if hasattr(X, "toarray"):
        return np.isnan(X.toarray())
    array = np.asarray(X)
    array = array.reshape(len(array), -1)
    if array.dtype.kind == "f":
        return np.isnan(array)
    if array.dtype.kind in "mM":
        return np.isnat(array)
    if array.dtype.kind in "OUST":
        cells = array.astype(object)
        return np.frompyfunc(is_missing, 1, 1)(cells).astype(bool)
    return np.zeros(array.shape, dtype=bool)


def _missing_column(column: pd.Series) -> np.ndarray:
    if column.dtype.kind in "biufcMm":
        return np.asarray(column.isna(), dtype=bool)
    if isinstance(column.dtype, pd.CategoricalDtype):
        return np.asarray(column.isna() | (column == ""), dtype=bool)
    return np.fromiter(
        (is_missing(cell) for cell in column), dtype=bool, count=len(column)
    )


def to_pandas(X: Any) -> Any:
    """A polars frame as a pandas frame with the same cells; anything else as it is."""
    if not type(X).__module__.startswith("polars"):
        return X
    if hasattr(X, "collect"):
        X = X.collect()
    if not hasattr(X, "columns"):
        return _pandas_column(X)
    return pd.DataFrame({name: _pandas_column(X[name]) for name in X.columns})


def _pandas_column(column: Any) -> pd.Series:
    dtype = column.dtype
    if dtype.is_numeric() and not dtype.is_decimal():
        return pd.Series(column.to_numpy(), name=column.name)
    cells = column.to_list()
    kind = str(dtype)
    if kind.startswith(("Categorical", "Enum")):
        return pd.Series(pd.Categorical(cells), name=column.name)
    if kind.startswith(("Date", "Datetime", "Duration")):
        if kind == "Date":
            cells = [c and datetime.datetime.combine(c, datetime.time()) for c in cells]
        return pd.Series(cells, name=column.name)
    if kind == "Boolean" and column.null_count() == 0:
        return pd.Series(cells, dtype=bool, name=column.name)
    return pd.Series(
        cells, dtype="str" if kind == "String" else object, name=column.name
    )


def without_arrow(X: pd.DataFrame) -> pd.DataFrame:
    """The frame with Arrow's dates, times and decimals as Python's.

    pandas reads Arrow's numbers as its own, but not the rest: neither gaps in dates
    nor decimals can be cast to float.
    """
    found = {
        k: X.iloc[:, k]
        for k, dtype in enumerate(X.dtypes)
        if isinstance(dtype, pd.ArrowDtype) and dtype.kind not in "biuf"
    }
    if not found:
        return X
    X = X.copy(deep=False)
    for k, column in found.items():
        cells = [None if cell is pd.NA else cell for cell in column]
        plain = pd.Series(cells, index=X.index, dtype=object).infer_objects()
        X.isetitem(k, plain)
    return X


def refuse_repeated_columns(X: Any) -> None:
    """Columns are told by name, so that no two may share one."""
    if not isinstance(X, pd.DataFrame) or X.columns.is_unique:
        return
    twice = X.columns[X.columns.duplicated()]
    raise ValueError(
        f"X has more than one column {twice[0]!r}: columns are told by name. Rename "
        "one of them, or keep the first with X.loc[:, ~X.columns.duplicated()]."
    )


def refuse_records(X: Any, owner: str) -> None:
    """What is no table yet, though pandas makes one of it."""
    if sparse.issparse(X):  # some of them are dicts
        return
    first = X[0] if isinstance(X, list | tuple) and len(X) else None
    if isinstance(X, Mapping) or isinstance(first, Mapping):
        what = "a list of dicts" if isinstance(first, Mapping) else "a dict"
        raise TypeError(
            f"{owner} reads a frame or a 2-D array, X is {what}. Give pd.DataFrame(X)."
        )
    if isinstance(first, str | bytes):
        raise ValueError(
            f"Expected 2D array, got 1D array instead: {owner} reads a frame or a 2-D "
            f"array, X is a list of {type(first).__name__}. Give it as a column: "
            "pd.DataFrame({'text': X})."
        )


def refuse_missing_targets(y: Any) -> None:
    """NaN or None in y, and in which row."""
    if np.ndim(y) == 0:
        return
    missing = np.flatnonzero(np.asarray(pd.isna(y)).reshape(len(y), -1).any(1))
    if len(missing):
        raise ValueError(
            f"Input y contains NaN in {len(missing)} rows, first in row {missing[0]}. "
            "Drop the rows without a target from X and y."
        )
