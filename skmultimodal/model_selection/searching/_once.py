"""Encoders that learn nothing: they encode all rows once, whatever the folds are."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.validation import _num_samples

from skmultimodal.compose import ModalityTransformer
from skmultimodal.compose._encoding import present_rows
from skmultimodal.encoders._media import MediaEncoder
from skmultimodal.model_selection.searching._prefix import content, has_prefix

_LOOKED_AT = 3  # rows that are encoded again, to see that a row stands for itself


@dataclass
class Encoded:
    """An encoder that learns nothing, and what it makes of all rows."""

    encoder: Any  # fitted
    rows: Any  # what it was given
    made: Any
    seconds: float  # a row


@dataclass
class _Place:
    """Where an encoder stands in a pipeline, and on what columns of what it looks."""

    key: Hashable
    encoder: Any
    step: int
    columns: Any = None  # of a ModalityTransformer; None: the encoder is a step
    entry: int = 0


def encode_once(
    estimator: Any, X: Any, known: dict[Hashable, Encoded]
) -> Iterator[str]:
    """Encode all rows with what learns nothing in the prefix, and put it to `known`.

    Gives the name of each such encoder before it starts. One that fails, or whose rows
    depend on each other, is left to the folds.
    """
    table = X
    for place in _places(estimator):
        if place.key not in known:
            yield type(place.encoder).__name__
            part = table
            try:
                if place.columns is not None:
                    part = _safe_indexing(table, place.columns, axis=1)
                    present = present_rows(part)
                    part = part if present is None else _safe_indexing(part, present)
                known[place.key] = _encode(place, part)
            except Exception:  # whoever fits a fold is told what it is
                return
        if place.columns is None:
            table = known[place.key].made


def encoded_for(estimator: Any, known: dict[Hashable, Encoded]) -> list[Encoded | None]:
    """Of each encoder that learns nothing, what it made; None: it is left to folds.

    Keys hold what is of this process only, a function of a script by its identity:
    a worker goes by the order of the encoders.
    """
    return [known.get(place.key) for place in _places(estimator)]


def _places(estimator: Any) -> Iterator[_Place]:
    """Encoders that learn nothing and have nothing that learns before them."""
    if not has_prefix(estimator) or estimator.memory is not None:
        return
    before: list[Hashable] = []
    for number, (_, step) in enumerate(estimator.steps[:-1]):
        if step is None or (isinstance(step, str) and step == "passthrough"):
            continue
        if type(step) is ModalityTransformer and not step._is_auto:
            for entry, (_, encoder, columns) in enumerate(step.transformers):
                if _learns_nothing(encoder) and not callable(columns):
                    encoder = step._clone(encoder)
                    key = (*before, content(columns), content(encoder))
                    yield _Place(key, encoder, number, columns, entry)
            return
        if not _learns_nothing(step):
            return
        before.append(content(step))
        yield _Place(tuple(before), step, number)


def _learns_nothing(encoder: Any) -> bool:
    if not (hasattr(encoder, "fit_transform") and hasattr(encoder, "transform")):
        return False
    if isinstance(encoder, MediaEncoder):
        return not encoder._learns()
    try:
        return not get_tags(encoder).requires_fit
    except Exception:  # an estimator of others may have no tags
        return False


def _encode(place: _Place, part: Any) -> Encoded:
    keys = row_keys(part)
    if keys is None:
        raise TypeError("rows of this kind cannot be told apart")
    output = "default" if place.columns is not None else None
    with config_context(transform_output=output):
        encoder = clone(place.encoder)
        start = time.perf_counter()
        made = encoder.fit_transform(part)  # fitting and transforming encode twice
        seconds = time.perf_counter() - start
        few = np.linspace(0, len(keys) - 1, min(_LOOKED_AT, len(keys))).astype(int)
        again = encoder.transform(_safe_indexing(part, few))
    if not _learns_nothing(encoder):  # of arrays of any range, a picture's encoder does
        raise ValueError("it has learned something of the rows")
    if not _alike(_safe_indexing(made, few), again):
        raise ValueError("a row depends on the others")
    return Encoded(encoder, part, made, seconds / max(1, len(keys)))


def _alike(a: Any, b: Any) -> bool:
    a, b = (x.toarray() if sparse.issparse(x) else np.asarray(x) for x in (a, b))
    if a.shape != b.shape:
        return False
    if a.dtype.kind in "fc":
        size = np.nanmax(np.abs(a), initial=1e-30)
        return np.allclose(a, b, rtol=1e-3, atol=1e-4 * size, equal_nan=True)
    return bool((a == b).all())


def attach(estimator: Any, asked: Any, encoded: Sequence[Encoded | None]) -> float:
    """Let encoders of an estimator look up what they made before.

    `asked` is the same estimator as the user has it, without a seed of the fold. Gives
    the seconds a row that this saves.
    """
    saved = 0.0
    for place, found in zip(list(_places(asked)), encoded):
        if found is None:
            continue
        saved += found.seconds
        encoder = _looking_up(found)
        if place.columns is None:
            name, _ = estimator.steps[place.step]
            estimator.steps[place.step] = (name, encoder)
        else:
            step = estimator.steps[place.step][1]
            entries = list(step.transformers)
            entries[place.entry] = (entries[place.entry][0], encoder, place.columns)
            step.transformers = entries
    return saved


def _looking_up(found: Encoded) -> Any:
    """The fitted encoder; what fits and transforms it looks rows up first."""
    encoder = found.encoder
    if not isinstance(vars(encoder).get("transform"), _LookUp):
        look_up = _LookUp(encoder, found)
        encoder.transform = look_up
        encoder.fit_transform = look_up
        encoder.fit = _Nothing(encoder, "fit")
        encoder.__sklearn_clone__ = _Nothing(encoder, "__sklearn_clone__")
    return encoder


class _LookUp:
    """In the place of `transform`: rows that it knows are looked up."""

    def __init__(self, encoder: Any, found: Encoded):
        self._encoder, self._honest, self._made = encoder, encoder.transform, found.made
        keys = row_keys(found.rows) or []
        self._rows = found.rows  # keeps the cells that keys are made of
        self._at = {key: position for position, key in enumerate(keys)}

    def __call__(self, X: Any, y: Any = None, **params: Any) -> Any:
        keys = row_keys(X) if type(X) is type(self._rows) and not params else None
        if keys is not None:
            found = [self._at.get(key, -1) for key in keys]
            if found and min(found) >= 0:
                made = _safe_indexing(self._made, np.asarray(found))
                if hasattr(made, "index") and hasattr(X, "index"):
                    made.index = X.index
                return made
        return self._honest(X, **params)

    def __reduce__(self) -> Any:
        return getattr, (self._encoder, "transform")


class _Nothing:
    """In the place of `fit` and of cloning: gives the encoder as it is."""

    def __init__(self, encoder: Any, name: str):
        self._encoder, self._name = encoder, name

    def __call__(self, *args: Any, **params: Any) -> Any:
        return self._encoder

    def __reduce__(self) -> Any:
        return getattr, (self._encoder, self._name)


def row_keys(X: Any) -> list[Hashable] | None:
    """Of each row, something that is equal for equal rows; None for other tables."""
    if isinstance(X, pd.Series):
        X = X.to_frame()
    if isinstance(X, pd.DataFrame):
        if all(getattr(dtype, "kind", "O") in "biuf" for dtype in X.dtypes):
            X = X.to_numpy()
        else:
            columns = [_column_keys(X.iloc[:, k]) for k in range(X.shape[1])]
            return None if None in columns else list(zip(*columns))
    if not isinstance(X, np.ndarray) or X.ndim > 2:
        return None
    if X.dtype == object:
        cells = X.reshape(_num_samples(X), -1)
        return [tuple(map(_cell_key, row)) for row in cells]
    X = np.ascontiguousarray(X)
    return [row.tobytes() for row in X]


def _column_keys(column: pd.Series) -> list[Hashable] | None:
    if column.dtype == object:
        return [_cell_key(cell) for cell in column]
    cells = list(column)  # of dates and the like, made now: identity tells nothing
    if not all(isinstance(cell, Hashable) for cell in cells):
        return None
    plain = str | bytes | bool | int | float | np.generic
    kind = str(column.dtype)  # the same time elsewhere is an equal Timestamp
    return [_cell_key(c) if isinstance(c, plain) else (kind, c) for c in cells]


def _cell_key(cell: Any) -> Hashable:
    """A value by its type and itself, any other object by its identity."""
    if isinstance(cell, str | bytes | bool | int):
        return type(cell), cell
    if isinstance(cell, float | np.generic):
        return type(cell), repr(cell)
    return id(cell)
