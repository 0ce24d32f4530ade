"""The one place where folds are drawn from training rows.

As for a validation part: families are never parted, test parts hold original rows
only, and a synthetic row trains in the folds that test none of its parents.
"""

from __future__ import annotations

import heapq
import warnings
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from skmultimodal._families import Families, Kinship, read_kinship
from skmultimodal._splits import make_generator, read_splits


def draw_folds(
    y: Any,
    *,
    index: pd.Index | None = None,
    x: np.ndarray | None = None,
    groups: Any = None,
    cv: Any = 5,
    stratify: bool = True,
    random_state: Any = None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draw folds whose training part holds no relative of the test part.

    Parameters
    ----------
    y : array-like of shape (n,) or (n, n_outputs), or None
        Targets. Encoded labels are stratified by; floats and two dimensions are not.
    index : Index of length n, default=None
        Index of X, whose labels tell where a row came from.
    x : ndarray of shape (n, p), default=None
        Standardised features; near-equal rows are kept together. NaN is a value.
    groups : array-like of shape (n,) or Series, default=None
        Rows of one group stay together. A Series is aligned to `index` by label.
    cv : int, cross-validation splitter or iterable, default=5
        Number of folds. Where a class has fewer units (rows that may be parted), there
        are as many folds as it has units, with a warning; classes with one unit do not
        count. The splits of a splitter or iterable are taken and cleaned of relatives;
        who gives an iterable of ready splits means them, so that near-equal rows are
        not compared.
    stratify : bool, default=True
        Whether to keep the shares of the classes, as far as families allow.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the draw. None draws afresh; the global state is never touched.

    Returns
    -------
    list of (train, test)
        Positions, ascending. With a number of folds, each original row is in one test
        part; copies and synthetic rows are in none.
    """
    if not isinstance(cv, Integral) and not hasattr(cv, "split"):
        x = None if y is not None or index is not None else x
    kin = read_kinship(y, index=index, x=x, groups=groups)
    families = kin.families()
    if isinstance(cv, Integral):
        cv = int(cv)
        if cv < 2:
            raise ValueError(f"cv={cv} folds: expected at least 2.")
        strata = kin.strata(stratify)
        if kin.near is not None and _most_folds(families, strata) < cv:
            # constant or few-valued features: equality tells nothing about kinship
            families = kin.families(compare=False)
        n_folds = _count_folds(cv, families, strata, kin)
        fold = _deal(families, strata, n_folds, make_generator(random_state))
        every = np.ones(kin.n_rows, dtype=bool)
        splits = [families.split(every, fold == k) for k in range(n_folds)]
    else:
        splits = list(read_splits(cv, kin, families, stratify, parameter="cv"))
    _check_folds(splits, families, cv)
    return [(np.flatnonzero(train), np.flatnonzero(test)) for train, test in splits]


# --- how many -------------------------------------------------------------------------


def _units_by_class(families: Families, strata: np.ndarray) -> np.ndarray:
    """(n_classes,): in how many families of original rows each class occurs."""
    rows = np.flatnonzero(families.original)
    pairs = np.unique(np.stack([strata[rows], families.unit[rows]]), axis=1)
    return np.bincount(pairs[0], minlength=int(strata.max(initial=0)) + 1)


def _most_folds(families: Families, strata: np.ndarray) -> int:
    """The number of units of the rarest class that has more than one."""
    counts = _units_by_class(families, strata)
    return int(counts[counts > 1].min(initial=_count_units(families)))


def _count_units(families: Families) -> int:
    return len(np.unique(families.unit[families.original]))


def _count_folds(cv: int, families: Families, strata: np.ndarray, kin: Kinship) -> int:
    if _count_units(families) < 2:
        raise ValueError(
            f"cv={cv} folds cannot be drawn: X has {families.describe()} (rows of one "
            "group or one index label, copies and near-equal rows stay together). Give "
            "more rows or other groups; X.reset_index(drop=True) where equal labels "
            "are no copies."
        )
    most = _most_folds(families, strata)
    counts = _units_by_class(families, strata)
    if (counts == 1).any():
        warnings.warn(
            f"Class {_name(kin, int(np.argmax(counts == 1)))} has one independent unit "
            "(rows of one group or one index label, copies and near-equal rows stay "
            "together): where it is tested, no model has seen the class. Give more "
            "rows of it, or join it with another class.",
            UserWarning,
            stacklevel=4,
        )
    if most >= cv:
        return cv
    of = "X"
    if most < _count_units(families):
        rare = np.where(counts > 1, counts, np.iinfo(np.intp).max)
        of = f"class {_name(kin, int(rare.argmin()))}"
    warnings.warn(
        f"Drawing {most} folds instead of cv={cv}: {of} has {most} independent units "
        "(rows of one group or one index label, copies and near-equal rows stay "
        "together). Lower cv, or give more rows.",
        UserWarning,
        stacklevel=4,
    )
    return most


def _name(kin: Kinship, code: int) -> str:
    assert kin.target is not None
    label = kin.target[int(np.argmax(kin.strata(True) == code))]
    return repr(label.item() if isinstance(label, np.generic) else label)


# --- dealing --------------------------------------------------------------------------


def _deal(
    families: Families, strata: np.ndarray, n_folds: int, rng: np.random.Generator
) -> np.ndarray:
    """(n,) the fold that tests a row; -1 for rows that are not original.

    Families of several rows come first, the weightiest before the others, each to the
    fold that has least of its classes, which keeps the sum of squared shares small.
    Single rows then level what is uneven, class by class.
    """
    rows = np.flatnonzero(families.original)
    unit = np.unique(families.unit[rows], return_inverse=True)[1]
    classes = np.unique(strata[rows], return_inverse=True)[1]
    sizes = np.bincount(unit)
    total = np.bincount(classes)
    held = np.zeros((n_folds, len(total)))  # rows of each class in each fold
    fold_of = np.empty(len(sizes), dtype=np.intp)

    order = rng.permutation(len(rows))
    order = order[np.argsort(unit[order], kind="stable")]  # family by family
    members = np.split(order, np.cumsum(sizes)[:-1])
    large = rng.permutation(np.flatnonzero(sizes > 1))
    shares = {u: np.bincount(classes[members[u]], minlength=len(total)) for u in large}
    weight = np.array([(shares[u] / total).max() for u in large])
    for u in large[np.argsort(-weight, kind="stable")]:
        crowd = held @ (shares[u] / total**2)
        fold_of[u] = np.lexsort((held.sum(axis=1), crowd))[0]
        held[fold_of[u]] += shares[u]

    single = rng.permutation(np.flatnonzero(sizes[unit] == 1))  # positions in rows
    tie = rng.permutation(n_folds)
    for k in np.argsort(total, kind="stable"):
        heap = list(zip(held[:, k], held.sum(axis=1), tie, range(n_folds)))
        heapq.heapify(heap)
        for row in single[classes[single] == k]:
            count, size, first, fold = heap[0]
            fold_of[unit[row]] = fold
            heapq.heapreplace(heap, (count + 1, size + 1, first, fold))
        for count, _, _, fold in heap:
            held[fold, k] = count
    fold_of_row = np.full(len(strata), -1, dtype=np.intp)
    fold_of_row[rows] = fold_of[unit]
    return fold_of_row


def _check_folds(
    splits: list[tuple[np.ndarray, np.ndarray]], families: Families, cv: Any
) -> None:
    if not splits:
        raise ValueError(f"cv={cv!r} gives no split.")
    for number, (train, test) in enumerate(splits):
        if train.any() and test.any():
            continue
        what = "training" if test.any() else "test"
        raise ValueError(
            f"cv={cv!r} leaves no {what} rows in fold {number}: X has "
            f"{families.describe()} (rows of one group or one index label, copies and "
            "near-equal rows stay together). Give more rows, other groups or fewer "
            "folds; X.reset_index(drop=True) where equal labels are no copies."
        )
