"""Which rows belong together: one group, one index label, copies, near-equal rows."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skmultimodal._provenance import (
    Origins,
    components,
    label_index,
    near_equal,
    origins,
    stock_tail,
)


@dataclass(frozen=True)
class Families:
    """Which rows must not be parted, and which may be validated on."""

    unit: np.ndarray  # (n,) the family of a row; of a synthetic row, its own
    original: np.ndarray  # (n,) bool
    synthetic: np.ndarray  # (n,) bool
    rows: np.ndarray  # (n_ties,) rows that are not original ...
    ties: np.ndarray  # (n_ties,) ... and the families each of them came from
    n_units: int

    def split(
        self, train: np.ndarray, valid: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Keep validation pure, and drop from training what is kin to it."""
        valid = valid & self.original
        seen = np.zeros(self.n_units, dtype=bool)
        seen[self.unit[valid]] = True
        related = seen[self.unit]
        related[self.rows[seen[self.ties]]] = True
        return train & ~related, valid

    def describe(self) -> str:
        """How many rows may be validated on, for an error message."""
        n_units = len(np.unique(self.unit[self.original]))
        return (
            f"{int(self.original.sum())} original rows in {n_units} independent units"
        )


@dataclass(frozen=True)
class Kinship:
    """What y, the index, the features and groups tell of some rows."""

    n_rows: int
    target: np.ndarray | None  # (n,) or (n, n_outputs)
    classes: np.ndarray | None  # (n,) codes; None where y holds no classes
    origins: Origins | None
    near: np.ndarray | None  # (n,) codes of near-equal rows
    groups: tuple[np.ndarray, np.ndarray] | None  # (row, group) pairs
    tail: int  # where rows begin that a stock over-sampler appended

    def families(self, *, compare: bool = True) -> Families:
        """Families of the rows; near-equal ones are strangers unless `compare`."""
        near = self.near if compare else None
        return _join(self.n_rows, self.origins, near, self.groups, self.tail)

    def strata(self, stratify: bool) -> np.ndarray:
        """(n,) codes to stratify by; all zero where there are none, or not asked."""
        if stratify and self.classes is not None:
            return self.classes
        return np.zeros(self.n_rows, dtype=np.intp)


def read_kinship(
    y: Any, *, index: pd.Index | None, x: np.ndarray | None, groups: Any
) -> Kinship:
    """Read what there is to know; warn of rows that cannot be told apart."""
    target = None if y is None else np.asarray(y)
    n = _n_rows(target, index, x)
    classes = None
    if target is not None and target.ndim == 1 and target.dtype.kind != "f":
        classes = pd.factorize(target, use_na_sentinel=False)[0]
    family = None if index is None else origins(index)
    near = None if x is None else near_equal(x)
    is_plain = index is None or (
        isinstance(index, pd.RangeIndex) and index.equals(pd.RangeIndex(n))
    )
    tail = n
    if is_plain and classes is not None:
        tail = stock_tail(classes)
        if tail < n:
            _judge_tail(tail, n, near)
    grouping = _group_codes(groups, index, n, family)
    return Kinship(n, target, classes, family, near, grouping, tail)


def _n_rows(target: np.ndarray | None, index: Any, x: np.ndarray | None) -> int:
    lengths = [len(part) for part in (target, index, x) if part is not None]
    if not lengths:
        raise ValueError("A split needs y, an index or x to know the rows.")
    if len(set(lengths)) > 1:
        raise ValueError(
            f"y, the index and X differ in their number of rows: {lengths}."
        )
    return lengths[0]


def _join(
    n: int,
    family: Origins | None,
    near: np.ndarray | None,
    groups: tuple[np.ndarray, np.ndarray] | None,
    tail: int,
) -> Families:
    """Join rows through shared labels, groups and near-equality.

    Synthetic rows join nobody (a class that SMOTE has filled would be one family);
    they are tied to the families of their parents instead.
    """
    synthetic = np.zeros(n, dtype=bool) if family is None else family.synthetic
    original = np.ones(n, dtype=bool) if family is None else family.original.copy()
    original[tail:] = False
    rows = [np.arange(n)]
    nodes = [np.arange(n)]
    n_nodes = n
    for shared in (
        None if family is None else (family.rows, family.codes),
        groups,
        None if near is None else (np.arange(n), near),
    ):
        if shared is not None and len(shared[0]):
            rows.append(shared[0])
            nodes.append(shared[1] + n_nodes)
            n_nodes += int(shared[1].max()) + 1
    row, node = np.concatenate(rows), np.concatenate(nodes)
    joins = ~synthetic[row]
    component = components(n_nodes, [(row[joins], node[joins])])
    tied = synthetic[row]
    return Families(
        unit=component[:n],
        original=original,
        synthetic=synthetic,
        rows=row[tied],
        ties=component[node[tied]],
        n_units=int(component.max()) + 1,
    )


def _group_codes(
    groups: Any, index: pd.Index | None, n: int, family: Origins | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """(row, group) pairs; a synthetic row is in the groups of all its parents."""
    if groups is None:
        return None
    aligned = isinstance(groups, pd.Series) and index is not None
    if aligned and (len(groups) != n or not groups.index.equals(index)):
        assert family is not None
        known = groups.index
        if not known.is_unique:
            raise ValueError(
                f"groups has the label {known[known.duplicated()][0]!r} more than "
                "once and cannot be aligned to X by label."
            )
        if isinstance(known, pd.MultiIndex):
            known = label_index(known)
        places = known.get_indexer(label_index(family.labels))
        if (places < 0).any():
            missing = family.labels[int(np.flatnonzero(places < 0)[0])]
            raise ValueError(f"groups is a Series without X's label {missing!r}.")
        codes = pd.factorize(groups, use_na_sentinel=False)[0]
        return family.rows, codes[places][family.codes].astype(np.intp)
    values = groups.to_numpy() if hasattr(groups, "to_numpy") else np.asarray(groups)
    if values.ndim != 1 or len(values) != n:
        raise ValueError(
            f"groups has shape {values.shape}; expected one group a row, ({n},). "
            "Behind a sampler, give the groups of the original rows as a pandas "
            "Series that carries X's labels: it is aligned by label."
        )
    codes = pd.factorize(values, use_na_sentinel=False)[0]
    return np.arange(n), codes.astype(np.intp)


def _judge_tail(tail: int, n: int, near: np.ndarray | None) -> None:
    """Warn unless the appended rows are copies, which near-equality finds."""
    if near is not None and np.isin(near[tail:], near[:tail]).mean() > 0.5:
        return
    warnings.warn(
        f"The last {n - tail} rows of X look like the output of a stock over-sampler "
        "such as SMOTE, whose rows cannot be told apart from original ones: a "
        "validation part drawn from the rest has children in the training part, and "
        "its score is too good. Wrap the sampler, ModalitySampler(SMOTE()), keep "
        "pandas output between it and the head, or pass X_val and y_val.",
        UserWarning,
        stacklevel=5,
    )
