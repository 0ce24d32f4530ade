"""One encoder over the rows that have its modality."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn import config_context

from skmultimodal._cells import missing_cells
from skmultimodal.compose._feature_names import feature_names


def describe(modality: str, columns: Sequence[Any]) -> str:
    """``modality 'text' (column 'review')``, as it stands in messages."""
    shown = ", ".join(repr(column) for column in list(columns)[:3])
    if len(columns) > 3:
        shown += f" and {len(columns) - 3} more"
    word = "column" if len(columns) == 1 else "columns"
    return f"modality {modality!r} ({word} {shown})" if shown else f"{modality!r}"


@contextmanager
def naming(modality: str, columns: Sequence[Any], note: str = "") -> Iterator[None]:
    """Put modality and column before the message of whatever is raised inside."""
    try:
        yield
    except Exception as error:
        text = _text(error)
        text += note if re.search(r"\brow", text) else ""
        message = f"{sentence(describe(modality, columns))}: {text}"
        raise _same_kind(error, message) from error


def sentence(text: str) -> str:
    """The same text as it stands at the beginning of a message."""
    return text[:1].upper() + text[1:]


def _text(error: Exception) -> str:
    if isinstance(error, KeyError) and len(error.args) == 1:
        return f"{type(error).__name__}: {error}"
    text = str(error) or type(error).__name__
    if text.startswith(("Expected 2D array", "Expected a 2-dimensional container")):
        text = (
            "1D data passed to an encoder that expects 2D data. Give its columns as "
            f"a list: ['a'] in place of 'a'. ({text.splitlines()[0]})"
        )
    return text


def _same_kind(error: Exception, message: str) -> Exception:
    """An exception of the same type, or of its next base that is made of a message."""
    for kind in type(error).__mro__:
        try:
            named = kind(message)
        except Exception:  # its constructor wants something else
            continue
        if isinstance(named, Exception) and message in "".join(map(str, named.args)):
            return named
    return RuntimeError(message)


def present_rows(X: Any) -> np.ndarray | None:
    """Positions of the rows that have the modality, None when all of them do."""
    if sparse.issparse(X):
        return None
    if not isinstance(X, pd.DataFrame) or X.shape[1] == 0:
        absent = np.flatnonzero(missing_cells(X).all(axis=1))
    else:  # most rows are told by their first column
        absent = np.flatnonzero(missing_cells(X.iloc[:, 0])[:, 0])
        if len(absent):
            absent = absent[_missing(X.iloc[absent]).all(axis=1)]
    return np.delete(np.arange(X.shape[0]), absent) if len(absent) else None


def _missing(X: pd.DataFrame) -> np.ndarray:
    """(n, k) bool, in one go where all columns are numbers or dates."""
    if all(dtype.kind in "biufmM" for dtype in X.dtypes):
        return X.isna().to_numpy()
    return missing_cells(X)


def encode(
    func: Callable[..., Any],
    *,
    transformer: Any,
    X: Any,
    modality: str,
    columns: Sequence[Any],
    names_in: np.ndarray | None = None,
    n_samples: int | None = None,
    **kwargs: Any,
) -> tuple[np.ndarray, list[str] | None, Any]:
    """Run scikit-learn's `func` on one encoder and its rows, in a worker perhaps.

    Gives its output as float32 (n, d), the names of the d features (None where it has
    none, or `names_in` was not given) and the encoder. `n_samples` is given when X is
    cut to fewer rows.
    """
    n_rows = X.shape[0]
    note = f" (Rows are counted among the {n_rows} of {n_samples} that have it.)"
    note = note if n_samples else ""
    with (
        naming(modality, columns, note),
        config_context(transform_output="default"),
    ):
        result = func(transformer=transformer, X=X, **kwargs)
        if isinstance(result, tuple):
            result, transformer = result
        array = _as_float32(result, transformer)
        if len(array) != n_rows:
            raise ValueError(
                f"its encoder {type(transformer).__name__} gave {len(array)} rows for "
                f"{n_rows}. An encoder keeps the number of rows; one that reads a "
                "single column of text needs that column as a plain name: 'a' in place "
                "of ['a']."
            )
        names = None
        if names_in is not None:
            names = feature_names(transformer, names_in, result)
    return array, names, transformer


def _as_float32(result: Any, encoder: Any) -> np.ndarray:
    """What an encoder gave, dense: (n, d)."""
    name = type(encoder).__name__
    if sparse.issparse(result):
        return result.astype(np.float32).toarray()
    if hasattr(result, "to_numpy"):
        result = result.to_numpy()
    array = np.asarray(result)
    if array.ndim != 2:
        raise ValueError(
            f"the output of its encoder {name} should be 2D (numpy array, scipy sparse "
            f"array, dataframe), it has shape {array.shape}. A sequence is given as "
            "(n_samples, n_steps * n_features) with the features named 't0__0', "
            "'t0__1', ..., 't1__0', ... by `get_feature_names_out`."
        )
    if array.dtype.kind not in "biufO":
        raise ValueError(
            f"its encoder {name} gives values of type {array.dtype}, not numbers."
        )
    try:
        with np.errstate(over="raise"):
            if array.dtype == object:
                array = _numbers(array)
            return array.astype(np.float32, copy=False)
    except FloatingPointError as error:
        raise ValueError(
            f"its encoder {name} gives values beyond the range of float32 (3.4e38). "
            "Scale them inside the encoder, after a StandardScaler for example."
        ) from error
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"its encoder {name} gives cells that are not numbers: {error}"
        ) from error


def _numbers(array: np.ndarray) -> np.ndarray:
    missing = missing_cells(array)
    return np.where(missing, np.nan, array).astype(np.float64)


def scatter(array: np.ndarray, rows: np.ndarray | None, n_samples: int) -> np.ndarray:
    """Put encoded rows back to their places, NaN in those that lack the modality."""
    if rows is None:
        return array
    full = np.full((n_samples, array.shape[1]), np.nan, dtype=np.float32)
    full[rows] = array
    return full
