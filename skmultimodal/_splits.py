"""The one place where a validation part is drawn from training rows.

Families come first: rows of one group, copies and near-equal rows go to one side
together. Validation rows are original rows; a synthetic row trains only if none of
its parents is validated on.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import PredefinedSplit, check_cv

from skmultimodal._provenance import (
    Origins,
    components,
    label_index,
    near_equal,
    origins,
    stock_tail,
)

_CANDIDATES = 16  # draws to choose the best stratified from, where units mix classes


@dataclass(frozen=True)
class _Families:
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
    families = _families(n, family, near, grouping, tail)
    if splitter is not None:
        train, valid = _first_split(
            splitter, target, grouping, families, stratify and classes is not None
        )
        train, valid = families.split(train, valid)
        train &= families.original | _parents_train(train, family)
    else:
        if not 0 < fraction < 1:
            raise ValueError(
                f"validation_fraction={fraction!r} must lie between 0 and 1."
            )
        strata = classes if stratify and classes is not None else np.zeros(n, np.intp)
        rng = _generator(random_state)
        drawn = _draw_units(families, strata, fraction, rng)
        if not drawn.any() and near is not None:
            # constant or few-valued features: equality tells nothing about kinship
            families = _families(n, family, None, grouping, tail)
            drawn = _draw_units(families, strata, fraction, rng)
        train, valid = families.split(np.ones(n, dtype=bool), drawn[families.unit])
    _check_parts(train, valid, families, fraction, splitter)
    return np.flatnonzero(train), np.flatnonzero(valid)


def _n_rows(target: np.ndarray | None, index: Any, x: np.ndarray | None) -> int:
    lengths = [len(part) for part in (target, index, x) if part is not None]
    if not lengths:
        raise ValueError("draw_validation needs y, an index or x to know the rows.")
    if len(set(lengths)) > 1:
        raise ValueError(
            f"y, the index and X differ in their number of rows: {lengths}."
        )
    return lengths[0]


def _generator(random_state: Any) -> np.random.Generator:
    if isinstance(random_state, np.random.Generator):
        return random_state
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(np.iinfo(np.int32).max))
    return np.random.default_rng(random_state)


# --- families -------------------------------------------------------------------------


def _families(
    n: int,
    family: Origins | None,
    near: np.ndarray | None,
    groups: tuple[np.ndarray, np.ndarray] | None,
    tail: int,
) -> _Families:
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
    return _Families(
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


# --- stock over-samplers --------------------------------------------------------------


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
        stacklevel=4,
    )


# --- drawing --------------------------------------------------------------------------


def _draw_units(
    families: _Families,
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


def _first_split(
    splitter: Any,
    target: np.ndarray | None,
    groups: tuple[np.ndarray, np.ndarray] | None,
    families: _Families,
    is_classifier: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) bool twice: training and validation rows by the splitter alone."""
    n = len(families.unit)
    rows = np.arange(n)
    if _is_pair(splitter):
        parts = splitter
    else:
        cv = check_cv(splitter, target, classifier=is_classifier)
        # a splitter sees the rows there were before sampling; ready indices see all
        if not isinstance(cv, PredefinedSplit) and hasattr(splitter, "split"):
            rows = np.flatnonzero(families.original)
        group = None
        if groups is not None:
            group = np.zeros(n, dtype=np.intp)
            group[groups[0]] = groups[1]
            group = group[rows]
        part_y = None if target is None else target[rows]
        with warnings.catch_warnings():
            # by the splitter; they are kept together below all the same
            warnings.filterwarnings("ignore", "The groups parameter is ignored")
            parts = next(iter(cv.split(np.zeros((len(rows), 1)), part_y, group)))
    masks = []
    for part in map(np.asarray, parts):
        if part.dtype.kind not in ("b", "i", "u") or (
            part.dtype.kind != "b" and part.max(initial=0) >= len(rows)
        ):
            raise ValueError(
                f"validation_split gives rows that X, of {len(rows)} rows, does not "
                "have: expected positions or a mask."
            )
        mask = np.zeros(n, dtype=bool)
        mask[rows[part]] = True
        masks.append(mask)
    if len(rows) < n:
        masks[0] |= ~families.original
    return masks[0] & ~masks[1], masks[1]


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
    train: np.ndarray,
    valid: np.ndarray,
    families: _Families,
    fraction: float,
    splitter: Any,
) -> None:
    if train.any() and valid.any():
        return
    n_units = len(np.unique(families.unit[families.original]))
    what = "training" if valid.any() else "validation"
    how = (
        f"validation_split={splitter!r}"
        if splitter is not None
        else f"validation_fraction={fraction}"
    )
    raise ValueError(
        f"{how} leaves no {what} rows: X has {int(families.original.sum())} original "
        f"rows in {n_units} independent units (rows of one group or one index "
        "label, copies and near-equal rows stay together, and every class keeps a "
        "unit to train on). Give more rows, other groups, or X_val and y_val; "
        "X.reset_index(drop=True) where equal labels are no copies."
    )
