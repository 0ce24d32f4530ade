"""Column names are the layout: which columns belong to which modality."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

SEPARATOR = "__"
NAMELESS = "x"
_STEP = re.compile(r"t(\d+)__(.+)", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9](?:_?[A-Za-z0-9])*", re.ASCII)


@dataclass(frozen=True)
class Block:
    """The columns of one modality: `n_steps` rows of `n_features` columns each."""

    name: str
    columns: tuple[int, ...]  # positions in X, step by step
    n_steps: int
    n_features: int
    is_sequence: bool
    features: tuple[str, ...]

    @property
    def width(self) -> int:
        return self.n_steps * self.n_features


@dataclass(frozen=True)
class Layout:
    """An ordered set of blocks that together cover the columns of X."""

    blocks: tuple[Block, ...]

    def __iter__(self) -> Iterator[Block]:
        return iter(self.blocks)

    def __len__(self) -> int:
        return len(self.blocks)

    def __getitem__(self, name: str) -> Block:
        for block in self.blocks:
            if block.name == name:
                return block
        raise KeyError(name)

    @property
    def names(self) -> list[str]:
        return [block.name for block in self.blocks]

    @property
    def n_columns(self) -> int:
        return sum(block.width for block in self.blocks)

    @property
    def order(self) -> np.ndarray:
        """Positions that put the columns of X block after block."""
        return np.fromiter(
            (c for block in self.blocks for c in block.columns), dtype=np.intp
        )

    @property
    def is_ordered(self) -> bool:
        """Whether X already stands block after block, step after step."""
        return bool(np.array_equal(self.order, np.arange(self.n_columns)))

    def slices(self) -> dict[str, slice]:
        """Where each block stands once the columns are in `order`."""
        ends = np.cumsum([block.width for block in self.blocks])
        return {b.name: slice(int(e) - b.width, int(e)) for b, e in zip(self, ends)}


def check_modality_name(name: Any) -> str:
    """A modality's name as it may stand before the first ``__`` of a column."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot name a modality: use letters, digits and single "
            "underscores between them (no '__', which parts modality and feature)."
        )
    return name


def layout_from_names(names: Sequence[Any]) -> Layout:
    """Read the layout of an encoded frame from its column names."""
    columns: dict[str, list[int]] = {}
    features: dict[str, list[str]] = {}
    for position, name in enumerate(names):
        modality, separator, feature = str(name).partition(SEPARATOR)
        if not separator or not modality or not feature:
            modality, feature = NAMELESS, str(name)
        columns.setdefault(modality, []).append(position)
        features.setdefault(modality, []).append(feature)
    return Layout(tuple(_block(m, columns[m], features[m]) for m in columns))


def _block(modality: str, columns: list[int], features: list[str]) -> Block:
    steps = [_STEP.fullmatch(feature) for feature in features]
    if not all(steps):
        return _vector_block(modality, columns, tuple(features))
    grid: dict[tuple[int, str], int] = {}
    names: dict[str, None] = {}
    for match, column in zip(steps, columns):
        assert match is not None
        if (int(match[1]), match[2]) in grid:
            raise ValueError(
                f"Modality {modality!r} reads as a sequence, but two columns stand for "
                f"step {int(match[1])} of feature {match[2]!r}. Rename or drop one of "
                f"them: {f'{modality}__{match[0]}'!r}."
            )
        grid[int(match[1]), match[2]] = column
        names[match[2]] = None
    n_steps = max(step for step, _ in grid) + 1
    holes = [
        f"{modality}__t{step}__{feature}"
        for step in range(n_steps)
        for feature in names
        if (step, feature) not in grid
    ]
    if holes:
        more = f" and {len(holes) - 1} more" if len(holes) > 1 else ""
        raise ValueError(
            f"Modality {modality!r} reads as a sequence, but its grid of "
            f"{n_steps} steps x {len(names)} features has a hole: column "
            f"{holes[0]!r}{more} is missing. Keep or drop whole steps and whole "
            "features; a step that a sample lacks is NaN, not a missing column. If "
            f"{modality!r} is no sequence, rename its columns."
        )
    ordered = tuple(grid[t, f] for t in range(n_steps) for f in names)
    return Block(modality, ordered, n_steps, len(names), True, tuple(names))


def _vector_block(
    modality: str, columns: Sequence[int], features: tuple[str, ...]
) -> Block:
    columns = tuple(int(c) for c in columns)
    return Block(modality, columns, 1, len(columns), False, features)


def layout_from_modalities(
    modalities: Mapping[str, Any], n_columns: int, names: Sequence[Any] | None = None
) -> Layout:
    """Read the layout from ``modalities={"text": slice(0, 384), ...}``.

    A value is a slice of positions, a list of positions or names, a boolean mask, or
    one position or name.
    """
    positions = {str(n): i for i, n in enumerate(names)} if names is not None else {}
    blocks, taken = [], np.zeros(n_columns, dtype=int)
    for modality, selection in modalities.items():
        check_modality_name(modality)
        columns = _resolve(modality, selection, n_columns, positions)
        np.add.at(taken, columns, 1)
        features = tuple(
            str(names[c]) if names is not None else str(c) for c in columns
        )
        blocks.append(_vector_block(modality, columns, features))
    if (taken != 1).any():
        shown = [str(n) for n in (names if names is not None else range(n_columns))]
        missed = [name for name, count in zip(shown, taken) if count == 0]
        twice = [name for name, count in zip(shown, taken) if count > 1]
        what = [f"{_some(missed)} in none" if missed else ""]
        what += [f"{_some(twice)} in more than one" if twice else ""]
        raise ValueError(
            f"modalities= do not cover the {n_columns} columns of X once each: "
            f"{', '.join(w for w in what if w)}. Every column belongs to exactly one "
            "modality; drop the columns that none needs from X."
        )
    return Layout(tuple(blocks))


def _some(items: list[str]) -> str:
    shown = ", ".join(repr(item) for item in items[:3])
    return f"column {shown}" + (f" and {len(items) - 3} more" if len(items) > 3 else "")


def _resolve(
    modality: str, selection: Any, n_columns: int, positions: dict[str, int]
) -> list[int]:
    if isinstance(selection, slice):
        if isinstance(selection.start, str) or isinstance(selection.stop, str):
            raise ValueError(
                f"modalities={{{modality!r}: {selection!r}}} slices by name. Give "
                "positions, or a list of column names."
            )
        columns = list(range(n_columns))[selection]
    else:
        one = isinstance(selection, (str, Integral))
        if not one and not isinstance(selection, Iterable):
            raise TypeError(_unselectable(modality, selection))
        items = [selection] if one else list(selection)
        if items and all(isinstance(i, (bool, np.bool_)) for i in items):
            items = list(np.flatnonzero(items))
        if not all(isinstance(i, (str, Integral)) for i in items):
            raise TypeError(_unselectable(modality, selection))
        unknown = [i for i in items if isinstance(i, str) and i not in positions]
        if unknown:
            raise ValueError(
                f"modalities={{{modality!r}: ...}} names the column {unknown[0]!r}, "
                f"which X does not have. Its columns are {list(positions)[:6]}."
            )
        columns = [positions[i] if isinstance(i, str) else int(i) for i in items]
    if not columns:
        raise ValueError(
            f"modalities={{{modality!r}: ...}} selects no column of X, which has "
            f"{n_columns} feature(s)."
        )
    beyond = [c for c in columns if not -n_columns <= c < n_columns]
    if beyond:
        raise ValueError(
            f"modalities={{{modality!r}: ...}} asks for column {beyond[0]}, but X has "
            f"{n_columns} columns."
        )
    return [c % n_columns for c in columns]


def _unselectable(modality: str, selection: Any) -> str:
    return (
        f"modalities={{{modality!r}: {selection!r:.80}}}: expected a slice of "
        "positions, a list of positions or names, a boolean mask, or one of these."
    )


def presence(gone: np.ndarray, layout: Layout) -> np.ndarray:
    """Which steps each sample has: a step is absent where all of it is NaN.

    gone: (n, n_columns) NaN or not, columns in order -> (n, Σ T_m) bool
    """
    parts = []
    for block, columns in zip(layout, layout.slices().values()):
        steps = gone[:, columns].reshape(len(gone), block.n_steps, block.n_features)
        parts.append(~steps.all(axis=2))
    return np.concatenate(parts, axis=1)


def block_names(modality: str, shape: tuple[int, ...]) -> list[str]:
    """Column names of a block of shape (n, d) or (n, T, d)."""
    if len(shape) == 2:
        return [f"{modality}__{k}" for k in range(shape[1])]
    return [f"{modality}__t{t}__{k}" for t in range(shape[1]) for k in range(shape[2])]


def pack(blocks: Mapping[str, Any], *, index: Any = None) -> pd.DataFrame:
    """Put arrays of several modalities side by side in one encoded frame.

    Parameters
    ----------
    blocks : dict of str to array-like of shape (n_samples, n_features) or \
            (n_samples, n_steps, n_features)
        One array a modality. Two dimensions make a vector block, three a sequence
        block. A sample that lacks a modality has NaN in the whole block, a shorter
        sequence has NaN in its last steps.
    index : array-like of shape (n_samples,), default=None
        Index of the frame.

    Returns
    -------
    DataFrame of shape (n_samples, sum of the widths)
        One float32 block. Columns are named ``<modality>__<feature>`` and
        ``<modality>__t<step>__<feature>``.

    Raises
    ------
    TypeError
        If `blocks` is not a dict.
    ValueError
        If a name holds ``__``, if an array has another number of dimensions, no
        column, or holds what is no number, or if the arrays and `index` differ in
        their number of samples.

    See Also
    --------
    unpack : The way back.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal import pack
    >>> pack({"text": np.zeros((2, 2)), "audio": np.ones((2, 2, 1))})
       text__0  text__1  audio__t0__0  audio__t1__0
    0      0.0      0.0           1.0           1.0
    1      0.0      0.0           1.0           1.0
    """
    if not isinstance(blocks, Mapping):
        raise TypeError(
            "pack takes a dict of one array a modality, as in pack({'text': a, "
            f"'image': b}}); got {type(blocks).__name__}."
        )
    if not blocks:
        raise ValueError("pack needs at least one modality, got an empty dict.")
    names: list[str] = []
    parts: list[np.ndarray] = []
    for modality, values in blocks.items():
        check_modality_name(modality)
        array = _as_block(modality, values)
        if array.ndim not in (2, 3) or 0 in array.shape[1:]:
            raise ValueError(
                f"Modality {modality!r} has shape {array.shape}; expected "
                "(n_samples, n_features) or (n_samples, n_steps, n_features)."
            )
        if parts and len(array) != len(parts[0]):
            first = next(iter(blocks))
            raise ValueError(
                f"Modality {modality!r} has {len(array)} samples, {first!r} has "
                f"{len(parts[0])}. Give every modality the same rows; a sample that "
                "lacks one has NaN there."
            )
        names += block_names(modality, array.shape)
        parts.append(array.reshape(len(array), int(np.prod(array.shape[1:]))))
    joined = np.concatenate(parts, axis=1)
    if index is not None and len(index) != len(joined):
        raise ValueError(f"index has {len(index)} labels for {len(joined)} rows.")
    return pd.DataFrame(joined, index=index, columns=names, copy=False)


def _as_block(modality: str, values: Any) -> np.ndarray:
    try:
        return np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Modality {modality!r} is no array of numbers ({error}). pack takes what "
            "encoders give; rows of different lengths are filled up with NaN."
        ) from error


def unpack(
    X: Any, *, modalities: Mapping[str, Any] | None = None
) -> dict[str, np.ndarray]:
    """Take an encoded frame apart into one array a modality.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_samples, n_columns)
        Encoded data. A nameless array is one modality, ``x``, unless `modalities` says
        otherwise.
    modalities : dict of str to slice, list or mask, default=None
        Columns of each modality, for data whose column names do not tell.

    Returns
    -------
    dict of str to ndarray of shape (n_samples, n_features) or \
            (n_samples, n_steps, n_features)
        float32; sequence blocks have three dimensions. NaN marks what is absent.

    Raises
    ------
    ValueError
        If a sequence block has a hole in its grid, or `modalities` do not cover the
        columns.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal import pack, unpack
    >>> X = pack({"text": np.zeros((2, 2)), "audio": np.ones((2, 3, 1))})
    >>> {name: block.shape for name, block in unpack(X).items()}
    {'text': (2, 2), 'audio': (2, 3, 1)}
    """
    names = list(X.columns) if hasattr(X, "columns") else None
    array = np.asarray(X.to_numpy() if hasattr(X, "to_numpy") else X, dtype=np.float32)
    if array.ndim != 2:
        raise ValueError(f"Expected a frame or a 2-D array, got shape {array.shape}.")
    layout = read_layout(array.shape[1], names, modalities)
    return {
        b.name: array[:, list(b.columns)].reshape(
            (len(array), b.n_steps, b.n_features)
            if b.is_sequence
            else (len(array), b.n_features)
        )
        for b in layout
    }


def read_layout(
    n_columns: int,
    names: Sequence[Any] | None,
    modalities: Mapping[str, Any] | None = None,
) -> Layout:
    """The layout of X by `modalities`, else by its names, else one modality ``x``."""
    if modalities is not None:
        return layout_from_modalities(modalities, n_columns, names)
    if names is not None:
        return layout_from_names(names)
    features = tuple(str(k) for k in range(n_columns))
    return Layout((_vector_block(NAMELESS, range(n_columns), features),))
