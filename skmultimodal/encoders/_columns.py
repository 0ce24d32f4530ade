"""One column of media cells: read from whatever holds it, unique parts found once."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass
from numbers import Real
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd

from skmultimodal._cells import is_missing, to_pandas
from skmultimodal._recipes import Recipe

Sequences = list[np.ndarray]  # of shapes (T, d), one a part


@dataclass(frozen=True)
class Column:
    """The cells of one column, with what an error needs to name one of them."""

    cells: list[Any]
    labels: Any  # index of the frame, or None
    name: str | None
    frame: pd.DataFrame | None  # carries the feature name, where there is one

    def where(self, row: int) -> str:
        """``column 'photo', row 3 (label 17)``."""
        column = f"column {self.name!r}, " if self.name is not None else ""
        return column + shown_row(row, self.labels)


@dataclass(frozen=True)
class Parts:
    """The unique texts or pictures of a column, and which rows hold them."""

    values: list[Any]
    first_rows: list[int]  # the first row that holds each value
    rows: np.ndarray  # (n_held,) row of each held part
    which: np.ndarray  # (n_held,) position in `values` of each held part


def shown_row(row: int, labels: Any) -> str:
    """``row 3 (label 17)``, or ``row 3`` where rows have no labels."""
    if labels is None:
        return f"row {row}"
    label = labels.take([row]).to_flat_index().tolist()[0]
    return f"row {row} (label {label!r})"


def read_column(X: Any, owner: str) -> Column:
    """The cells of a series, of a one-column frame or array, or of a list."""
    X = to_pandas(X)
    if isinstance(X, pd.Series):
        frame = None if X.name is None else X.to_frame()
        return _column(list(X), X.index, X.name, frame)
    if isinstance(X, pd.DataFrame):
        if X.shape[1] != 1:
            raise ValueError(_too_wide(owner, X.shape[1], tuple(X.columns)))
        return _column(list(X.iloc[:, 0]), X.index, X.columns[0], X)
    if isinstance(X, np.ndarray):
        return _column(_array_cells(X, owner), None, None, None)
    if isinstance(X, (list, tuple)):
        return _column(list(X), None, None, None)
    raise TypeError(
        f"{owner} takes one column: a pandas or polars Series, a frame of one column, "
        f"a list or a 1-D array of cells; got {type(X).__name__}."
    )


def _column(cells: list[Any], labels: Any, name: Any, frame: Any) -> Column:
    return Column(cells, labels, None if name is None else str(name), frame)


def _too_wide(owner: str, width: int, names: tuple[Any, ...]) -> str:
    shown = f" ({', '.join(map(repr, names[:6]))})" if names else ""
    return (
        f"{owner} takes one column, got {width}{shown}: give each its own entry in "
        "ModalityTransformer."
    )


def _array_cells(array: np.ndarray, owner: str) -> list[Any]:
    if array.ndim == 0:
        raise ValueError(
            f"{owner} takes a column of cells, got a single value: put it in a list."
        )
    if array.ndim == 2:
        if array.shape[1] != 1:
            raise ValueError(_too_wide(owner, array.shape[1], ()))
        return list(array[:, 0])
    return list(array)  # 3-D and 4-D: a stack of pictures


def is_several(cell: Any) -> bool:
    """Whether a cell is a list of parts, and not one picture as nested numbers."""
    if not isinstance(cell, (list, tuple)):
        return False
    held = next((part for part in cell if not is_missing(part)), None)
    if _is_turn(held) or _is_sound(held):
        return True
    return not isinstance(held, (list, tuple, Real))


def _is_turn(part: Any) -> bool:
    """Whether it is what somebody said: (role, text)."""
    return isinstance(part, tuple) and all(isinstance(word, str) for word in part)


def _is_sound(part: Any) -> bool:
    """Whether it is a sound as (rate, wave)."""
    return (
        isinstance(part, tuple)
        and len(part) == 2
        and isinstance(part[0], Real)
        and np.ndim(part[1]) > 0
    )


def unique_parts(column: Column) -> Parts:
    """Find the unique parts by value; missing cells and parts hold none."""
    known: dict[Hashable, int] = {}
    values: list[Any] = []
    first_rows: list[int] = []
    rows: list[int] = []
    which: list[int] = []
    for row, cell in enumerate(column.cells):
        if is_missing(cell):
            continue
        for part in cell if is_several(cell) else (cell,):
            if is_missing(part):
                continue
            key = _key(part)
            if key not in known:
                known[key] = len(values)
                values.append(part)
                first_rows.append(row)
            rows.append(row)
            which.append(known[key])
    return Parts(values, first_rows, np.array(rows, int), np.array(which, int))


def _key(part: Any) -> Hashable:
    if isinstance(part, (str, bytes)):
        return part
    if isinstance(part, PurePath):
        return ("path", str(part))
    if isinstance(part, np.ndarray) and part.dtype != object:
        data = np.ascontiguousarray(part).data
        digest = hashlib.blake2b(data, digest_size=16).digest() if part.size else b""
        return (part.dtype.str, part.shape, digest)
    if isinstance(part, (bool, int, float, np.generic)):
        return (type(part).__name__, part.item() if hasattr(part, "item") else part)
    if isinstance(part, (list, tuple)):
        return ("parts", tuple(map(_key, part)))
    if isinstance(part, Recipe):
        return ("recipe", part.key, _key(part.source))
    return ("object", id(part))  # the column keeps it alive


def gather(parts: Parts, features: np.ndarray, n_rows: int) -> np.ndarray:
    """Give each row the mean over its readable parts, NaN where it has none."""
    if len(parts.rows) == n_rows == len(features) and _in_order(parts):
        return features
    out = np.full((n_rows, features.shape[1]), np.nan, dtype=np.float32)
    readable = ~np.isnan(features).any(axis=1)[parts.which]
    rows, which = parts.rows[readable], parts.which[readable]
    counts = np.bincount(rows, minlength=n_rows)
    single = counts[rows] == 1
    out[rows[single]] = features[which[single]]
    for row in np.flatnonzero(counts > 1):
        out[row] = features[which[rows == row]].mean(axis=0)
    return out


def _in_order(parts: Parts) -> bool:
    """Whether part k stands in row k and nowhere else."""
    every = np.arange(len(parts.rows))
    return bool((parts.rows == every).all() and (parts.which == every).all())


def longest(parts: Parts, sequences: Sequences, n_rows: int) -> int:
    """The most steps of a row."""
    lengths = np.array([len(steps) for steps in sequences])
    return int(np.bincount(parts.rows, lengths[parts.which], minlength=n_rows).max())


def gather_steps(
    parts: Parts, sequences: Sequences, n_rows: int, n_steps: int, width: int
) -> np.ndarray:
    """Give each row the steps of its parts one after the other, NaN behind them.

    (n_rows, n_steps * width); what is longer is cut off.
    """
    out = np.full((n_rows, n_steps, width), np.nan, dtype=np.float32)
    filled = np.zeros(n_rows, dtype=int)
    for row, part in zip(parts.rows, parts.which):
        start = filled[row]
        steps = sequences[part][: n_steps - start]
        out[row, start : start + len(steps)] = steps
        filled[row] += len(steps)
    return out.reshape(n_rows, n_steps * width)
