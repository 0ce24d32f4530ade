"""The one place where a validation part is drawn from training rows.

Families come first: rows of one group, copies and near-equal rows go to one side
together. Validation rows are original rows; a synthetic row trains only if none of
its parents is validated on.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import PredefinedSplit, check_cv

from skmultimodal._families import Families, Kinship, read_kinship
from skmultimodal._provenance import Origins

_CANDIDATES = 16  # draws to choose the best stratified from, where units mix classes


def draw_validation(
    y: Any,
    *,
    index: pd.Index | None = None,
    x: np.ndarray | None = None,
    groups: Any = None,
    splitter: Any = None,
    fraction: float = 0.1,
    stratify: bool = True,
    random_state: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a validation part that holds no relative of a training row.

    Parameters
    ----------
    y : array-like of shape (n,) or (n, n_outputs)
        Targets. Encoded labels are stratified by; floats and two dimensions are not.
    index : Index of length n, default=None
        Index of X, whose labels tell where a row came from.
    x : ndarray of shape (n, p), default=None
        Standardised features; near-equal rows are kept together. NaN is a value.
    groups : array-like of shape (n,) or Series, default=None
        Rows of one group stay together. A Series is aligned to `index` by label.
    splitter : cross-validation splitter, iterable or (train, valid), default=None
        Its first split is taken, and cleaned of relatives.
    fraction : float, default=0.1
        Share of the original rows to validate on.
    stratify : bool, default=True
        Whether to keep the shares of the classes.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the draw. None draws afresh; the global state is never touched.

    Returns
    -------
    train, valid : ndarray of int
        Positions, ascending.
    """
    kin = read_kinship(y, index=index, x=x, groups=groups)
    families = kin.families()
    if splitter is not None:
        train, valid = next(read_splits(splitter, kin, families, stratify))
        how = f"validation_split={splitter!r}"
    else:
        if not 0 < fraction < 1:
            raise ValueError(
                f"validation_fraction={fraction!r} must lie between 0 and 1."
            )
        strata = kin.strata(stratify)
        rng = make_generator(random_state)
        drawn = _draw_units(families, strata, fraction, rng)
        if not drawn.any() and kin.near is not None:
            # constant or few-valued features: equality tells nothing about kinship
            families = kin.families(compare=False)
            drawn = _draw_units(families, strata, fraction, rng)
        train, valid = families.split(
            np.ones(kin.n_rows, dtype=bool), drawn[families.unit]
        )
        how = f"validation_fraction={fraction}"
    _check_parts(train, valid, families, how)
    return np.flatnonzero(train), np.flatnonzero(valid)


def make_generator(random_state: Any) -> np.random.Generator:
    if isinstance(random_state, np.random.Generator):
        return random_state
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(np.iinfo(np.int32).max))
    return np.random.default_rng(random_state)


# --- drawing --------------------------------------------------------------------------


def _draw_units(
    families: Families,
    strata: np.ndarray,
    fraction: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """(n_units,) bool: the families to validate on; none if there is no choice."""
    rows = np.flatnonzero(families.original)
    units, unit = np.unique(families.unit[rows], return_inverse=True)
    classes = pd.factorize(strata[rows])[0]
    n_classes = int(classes.max()) + 1 if len(classes) else 0
    sizes = np.bincount(unit, minlength=len(units))
    # the classes that a unit holds, as (unit, class) pairs without repetition
    holds = np.unique(unit * n_classes + classes)
    unit_of, class_of = holds // n_classes, holds % n_classes
    # a unit counts for the rarest of its classes
    rarity = np.bincount(classes, minlength=n_classes)[class_of]
    order = np.lexsort((rarity, unit_of))
    stratum = class_of[order][np.flatnonzero(np.diff(unit_of, prepend=-1))]
    n_trials = 1 if (sizes == 1).all() else _CANDIDATES
    share = np.bincount(classes, minlength=n_classes) / max(len(rows), 1)
    best, least = np.zeros(len(units), dtype=bool), np.inf
    for _ in range(n_trials):
        drawn = _draw_once(sizes, stratum, fraction, rng)
        _spare_classes(drawn, sizes, unit_of, class_of, n_classes)
        inside = drawn[unit]
        if not inside.any():
            continue
        found = np.bincount(classes[inside], minlength=n_classes) / inside.sum()
        off_size = abs(inside.mean() - fraction) / fraction
        miss = float(np.abs(found - share).sum() + off_size)
        if miss < least:
            best, least = drawn, miss
    chosen = np.zeros(families.n_units, dtype=bool)
    chosen[units[best]] = True
    return chosen


def _draw_once(
    sizes: np.ndarray, stratum: np.ndarray, fraction: float, rng: np.random.Generator
) -> np.ndarray:
    """Take every k-th unit along an order by stratum and size: systematic sampling.

    Strata get their share within one unit, however many there are and however small.
    """
    drawn = np.zeros(len(sizes), dtype=bool)
    order = np.lexsort((rng.random(len(sizes)), sizes, stratum))
    order = order[np.bincount(stratum)[stratum[order]] > 1]  # the last one must train
    goal = int(np.ceil(round(fraction * len(sizes), 9)))
    steps = np.arange(len(order) + 1) * (min(goal, len(order)) / max(len(order), 1))
    drawn[order[np.diff(np.floor(steps + rng.random())) > 0]] = True
    return drawn


def _spare_classes(
    drawn: np.ndarray,
    sizes: np.ndarray,
    unit_of: np.ndarray,
    class_of: np.ndarray,
    n_classes: int,
) -> None:
    """Give a unit back for each class that training would have none of."""
    while drawn.any():
        left = np.bincount(class_of[~drawn[unit_of]], minlength=n_classes)
        lost = np.flatnonzero(left == 0)
        if not len(lost):
            return
        able = unit_of[(class_of == lost[0])]
        drawn[able[np.argmin(sizes[able])]] = False


# --- splitters of the user -----------------------------------------------------------


def read_splits(
    splitter: Any,
    kin: Kinship,
    families: Families,
    stratify: bool = True,
    parameter: str = "validation_split",
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(n,) bool twice, split by split: training and validation rows without kin.

    A splitter sees the rows there were before sampling; ready indices see all.
    """
    n = kin.n_rows
    rows = np.arange(n)
    if _is_pair(splitter):
        splits = iter([splitter])
    else:
        stratify = stratify and kin.classes is not None
        cv = check_cv(splitter, kin.target, classifier=stratify)
        if not isinstance(cv, PredefinedSplit) and hasattr(splitter, "split"):
            rows = np.flatnonzero(families.original)
        group = None
        if kin.groups is not None:
            group = np.zeros(n, dtype=np.intp)
            group[kin.groups[0]] = kin.groups[1]
            group = group[rows]
        part_y = None if kin.target is None else kin.target[rows]
        splits = _split_quietly(cv, len(rows), part_y, group)
    for parts in splits:
        train, valid = (_as_mask(part, rows, n, parameter) for part in parts)
        if len(rows) < n:
            train |= ~families.original
        train, valid = families.split(train & ~valid, valid)
        train &= families.original | _parents_train(train, kin.origins)
        yield train, valid


def _split_quietly(
    cv: Any, n: int, y: np.ndarray | None, group: np.ndarray | None
) -> Iterator[Any]:
    """Splits of a splitter that may ignore groups: they are kept together anyway."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The groups parameter is ignored")
        splits = iter(cv.split(np.zeros((n, 1)), y, group))
        first = next(splits, None)
    if first is not None:
        yield first
        yield from splits


def _as_mask(part: Any, rows: np.ndarray, n: int, parameter: str) -> np.ndarray:
    """(n,) bool from positions or a mask among some rows."""
    part = np.asarray(part)
    if part.dtype.kind not in ("b", "i", "u") or (
        part.dtype.kind != "b" and part.max(initial=0) >= len(rows)
    ):
        raise ValueError(
            f"{parameter} gives rows that X, of {len(rows)} rows, does not have: "
            "expected positions or a mask."
        )
    mask = np.zeros(n, dtype=bool)
    mask[rows[part]] = True
    return mask


def _is_pair(splitter: Any) -> bool:
    """Whether this is (train, valid) itself, not an iterable of such pairs."""
    if not isinstance(splitter, (tuple, list)) or len(splitter) != 2:
        return False
    return all(np.ndim(next(iter(part), 0)) == 0 for part in splitter)


def _parents_train(train: np.ndarray, family: Origins | None) -> np.ndarray:
    """(n,) bool: rows none of whose originals a splitter has left out."""
    fine = np.ones(len(train), dtype=bool)
    if family is not None:
        known = family.original[family.rows]
        left_out = np.zeros(len(family.labels), dtype=bool)
        left_out[family.codes[known]] = ~train[family.rows[known]]
        fine[family.rows[left_out[family.codes]]] = False
    return fine


def _check_parts(
    train: np.ndarray, valid: np.ndarray, families: Families, how: str
) -> None:
    if train.any() and valid.any():
        return
    what = "training" if valid.any() else "validation"
    raise ValueError(
        f"{how} leaves no {what} rows: X has {families.describe()} (rows of one group "
        "or one index label, copies and near-equal rows stay together, and every "
        "class keeps a unit to train on). Give more rows, other groups, or X_val and "
        "y_val; X.reset_index(drop=True) where equal labels are no copies."
    )
