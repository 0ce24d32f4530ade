"""Where a row came from: labels in a frame's index that survive resampling."""

from __future__ import annotations

import numbers
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

_TOLERANCE = 2e-5  # of standardised features: many float32 steps, few chance meetings
_CHUNK = 512  # rows projected at a time, so that they stay in the cache


class Synthetic:
    """Index label of an invented row: the labels of the rows it was made from.

    A tuple would do, were it not that pandas reads a list of tuples as a MultiIndex,
    and that a user's own labels may be tuples. Labels of this class sort behind all
    others, so that `sort_index`, `groupby` and `union` go on working.
    """

    __slots__ = ("parents",)

    parents: tuple[Hashable, ...]

    def __init__(self, parents: Iterable[Hashable]) -> None:
        """Hold the original labels once each, in the order first met."""
        flat: dict[Hashable, None] = {}
        for parent in parents:
            known = parent.parents if isinstance(parent, Synthetic) else (parent,)
            flat.update(dict.fromkeys(known))
        object.__setattr__(self, "parents", tuple(flat))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("the parents of a synthetic row cannot be changed")

    def __reduce__(self) -> tuple[Any, ...]:
        return Synthetic, (self.parents,)

    def __hash__(self) -> int:
        return hash((Synthetic, self.parents))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Synthetic) and self.parents == other.parents

    def __lt__(self, other: object) -> bool:
        return isinstance(other, Synthetic) and repr(self) < repr(other)

    def __gt__(self, other: object) -> bool:
        return not isinstance(other, Synthetic) or repr(self) > repr(other)

    def __repr__(self) -> str:
        return f"synthetic({', '.join(map(str, self.parents))})"


@dataclass(frozen=True)
class Origins:
    """For each row the original labels it came from, as (row, label) pairs.

    A plain row has one pair, a synthetic row one for each of its parents. Pairs stand
    row after row.
    """

    labels: pd.Index  # the original labels, each once; not all need be rows
    rows: np.ndarray  # (n_pairs,) position of the row
    codes: np.ndarray  # (n_pairs,) position in `labels`
    synthetic: np.ndarray  # (n,) bool
    original: np.ndarray  # (n,) bool: the first row with a plain label

    def __len__(self) -> int:
        return len(self.synthetic)

    def __iter__(self) -> Iterator[frozenset[Hashable]]:
        starts = np.searchsorted(self.rows, np.arange(len(self) + 1))
        for start, stop in pairwise(starts):
            yield frozenset(self.labels[c] for c in self.codes[start:stop])


def origins(index: pd.Index) -> Origins:
    """Read from an index where each row came from."""
    if index.dtype != object or isinstance(index, pd.MultiIndex):
        synthetic = np.zeros(len(index), dtype=bool)
        codes, labels = index.factorize(use_na_sentinel=False)
        rows = np.arange(len(index))
        codes = codes.astype(np.intp)
    else:
        found = index.to_numpy()
        synthetic = np.fromiter(
            (type(label) is Synthetic for label in found), bool, len(found)
        )
        pairs = [
            (row, parent)
            for row, label in enumerate(found)
            for parent in (label.parents if synthetic[row] else (label,))
        ]
        rows = np.fromiter((row for row, _ in pairs), np.intp, len(pairs))
        codes, labels = label_index([parent for _, parent in pairs]).factorize(
            use_na_sentinel=False
        )
        codes = codes.astype(np.intp)
    plain = ~synthetic[rows]
    original = np.zeros(len(index), dtype=bool)
    _, first = np.unique(codes[plain], return_index=True)
    original[rows[plain][first]] = True
    return Origins(labels, rows, codes, synthetic, original)


def is_original(index: pd.Index) -> np.ndarray:
    """(n,) bool: first rows of a plain label; False for copies and synthetic rows."""
    return origins(index).original


def label_index(labels: Iterable[Hashable], name: Hashable = None) -> pd.Index:
    """An index of labels as they are, with tuples left whole."""
    labels = list(labels)
    cells = np.empty(len(labels), dtype=object)
    for position, label in enumerate(labels):
        cells[position] = label
    return pd.Index(cells, dtype=object, name=name, tupleize_cols=False)


def align_sample_weight(
    sample_weight: Any, index: pd.Index | None, n_rows: int
) -> np.ndarray:
    """One weight a row: (n_rows,) float64, or float32 where that was given.

    A Series is aligned by label, so that weights made for the original rows serve
    behind a sampler too: a copy has the weight of its original, a synthetic row the
    mean of its parents' weights. Anything else stands row by row.
    """
    dtype = getattr(sample_weight, "dtype", None)
    dtype = np.float32 if dtype == np.float32 else np.float64
    if isinstance(sample_weight, numbers.Number):
        return np.full(n_rows, sample_weight, dtype=dtype)
    if isinstance(sample_weight, pd.Series) and index is not None:
        if len(sample_weight) != n_rows or not sample_weight.index.equals(index):
            return _align_by_label(sample_weight, index).astype(dtype)
        sample_weight = sample_weight.to_numpy()
    weight = np.asarray(sample_weight, dtype=dtype)
    if weight.ndim != 1:
        raise ValueError(
            f"sample_weight has shape {weight.shape}; expected ({n_rows},). "
            "Sample weights must be 1D array or scalar."
        )
    if len(weight) != n_rows:
        raise ValueError(
            f"sample_weight has {len(weight)} entries, X has {n_rows} rows. Behind a "
            "sampler, give the weights of the original rows as a pandas Series that "
            "carries X's labels: it is aligned by label."
        )
    return weight


def _align_by_label(sample_weight: pd.Series, index: pd.Index) -> np.ndarray:
    known = sample_weight.index
    if not known.is_unique:
        twice = known[known.duplicated()][0]
        raise ValueError(
            f"sample_weight has the label {twice!r} more than once, and its labels "
            "are not those of X row by row, so it cannot be aligned. Give each label "
            "one weight, or an array with one weight a row."
        )
    family = origins(index)
    # tuple labels of a MultiIndex and of a flat index find one another as objects
    if isinstance(known, pd.MultiIndex):
        known = label_index(known)
    places = known.get_indexer(label_index(family.labels))
    if (places < 0).any():
        missing = family.labels[int(np.flatnonzero(places < 0)[0])]
        raise ValueError(
            f"sample_weight is a Series without the label {missing!r} that X has. A "
            "Series is aligned to X by label; give an array to go row by row."
        )
    weight = sample_weight.to_numpy(dtype=np.float64)[places][family.codes]
    total = np.bincount(family.rows, weights=weight, minlength=len(family))
    return total / np.bincount(family.rows, minlength=len(family))


# --- rows without labels that tell ----------------------------------------------------


def near_equal(x: np.ndarray) -> np.ndarray:
    """(n,) codes: rows with the same code are equal up to rounding.

    Rows are projected on two fixed random directions; neighbours in each order are
    compared in full. Chains count as one.
    """
    n, p = x.shape
    if n < 2 or p == 0:
        return np.arange(n)
    # in one dimension, gaps shrink with n: a chance meeting must stay rare
    tolerance = min(_TOLERANCE, 1 / n)
    directions = np.random.default_rng(0).standard_normal((p, 2))
    shadow = np.empty((n, 2))
    for start in range(0, n, _CHUNK):
        chunk = x[start : start + _CHUNK].astype(np.float64)
        shadow[start : start + _CHUNK] = _fill(chunk) @ directions
    left, right = [], []
    for k in range(2):
        order = np.argsort(shadow[:, k], kind="stable")
        for lag in (1, 2):
            a, b = order[:-lag], order[lag:]
            reach = tolerance * (1 + np.abs(shadow[a]) + np.sqrt(p)) * 4
            close = (np.abs(shadow[a] - shadow[b]) <= reach).all(axis=1)
            left.append(np.minimum(a, b)[close])
            right.append(np.maximum(a, b)[close])
    pairs = np.unique(np.concatenate(left) * n + np.concatenate(right))
    a, b = pairs // n, pairs % n
    same = np.empty(len(pairs), dtype=bool)
    for start in range(0, len(pairs), _CHUNK):
        part = slice(start, start + _CHUNK)
        first, second = _fill(x[a[part]]), _fill(x[b[part]])
        slack = tolerance * np.maximum(1, np.abs(first))
        same[part] = (np.abs(first - second) <= slack).all(axis=1)
    return components(n, [(a[same], b[same])])


def _fill(x: np.ndarray) -> np.ndarray:
    """NaN as a value of its own, infinities as large ones."""
    if np.isfinite(x.sum()):
        return x
    return np.nan_to_num(x, nan=-97.3, posinf=1e6, neginf=-1e6)


def components(n: int, edges: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    a = np.concatenate([edge[0] for edge in edges])
    b = np.concatenate([edge[1] for edge in edges])
    graph = coo_array((np.ones(len(a)), (a, b)), shape=(n, n))
    return connected_components(graph.tocsr(), directed=False)[1].astype(np.intp)


def stock_tail(classes: np.ndarray) -> int:
    """Where the rows begin that a stock over-sampler appended; n if none did.

    imbalanced-learn keeps the rows it was given, then appends class by class until
    all counts are equal. Shuffled rows end in such runs once in a million times.
    """
    n = len(classes)
    counts = np.bincount(classes) if n else np.zeros(0, dtype=np.intp)
    n_classes = len(counts)
    if n_classes < 2 or (counts != counts[0]).any():
        return n
    starts = np.flatnonzero(np.diff(classes, prepend=-1))
    lengths = np.diff(starts, append=n)
    taken: set[int] = set()
    first = len(starts)
    while first > 0 and len(taken) < n_classes - 1:
        label = int(classes[starts[first - 1]])
        if label in taken or lengths[first - 1] < 2:
            break
        taken.add(label)
        first -= 1
    if first in (0, len(starts)):
        return n
    head = classes[: starts[first]]
    surprise = (lengths[first:] - 1).sum() * np.log(n_classes)
    if surprise < np.log(1e6) or len(np.unique(head)) < n_classes:
        return n
    longest = np.zeros(n_classes, dtype=np.intp)
    np.maximum.at(longest, classes[starts[:first]], lengths[:first])
    ordinary = longest[
        list(taken)
    ].sum()  # data recorded in blocks have runs throughout
    return int(starts[first]) if lengths[first:].sum() > 1.5 * ordinary else n
