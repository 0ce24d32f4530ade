"""Rows whose target is known, and what belongs to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils.validation import _num_samples

from skmultimodal._provenance import align_sample_weight
from skmultimodal.heads._reading import row_index

UNLABELLED = -1


@dataclass
class Labelled:
    """Some rows of X with their targets, weights and groups."""

    X: Any
    y: np.ndarray
    weight: np.ndarray | None
    groups: Any
    rows: np.ndarray  # positions in the X that all came from

    def take(self, rows: np.ndarray) -> Labelled:
        return Labelled(
            take_rows(self.X, rows),
            self.y[rows],
            None if self.weight is None else self.weight[rows],
            _take_groups(self.groups, rows, self.X),
            self.rows[rows],
        )


def read_labelled(
    X: Any, y: Any, sample_weight: Any, groups: Any, numbers: bool
) -> Labelled:
    """The rows whose y is known; with `numbers` these are all.

    Where 1-D y holds integers, -1 beside two or more others is no class but says that
    a row is unlabelled, as in :mod:`sklearn.semi_supervised`.
    """
    n = _num_samples(X)
    y = y.toarray() if sparse.issparse(y) else np.asarray(y)
    weight = None
    if sample_weight is not None:
        weight = np.asarray(align_sample_weight(sample_weight, row_index(X), n))
    every = Labelled(X, y, weight, groups, np.arange(n))
    if numbers or y.ndim != 1 or y.dtype.kind != "i" or len(y) != n:
        return every
    known = y != UNLABELLED
    if known.all() or len(np.unique(y[known])) < 2:
        return every
    return every.take(np.flatnonzero(known))


def take_rows(values: Any, rows: np.ndarray) -> Any:
    return values.iloc[rows] if hasattr(values, "iloc") else np.asarray(values)[rows]


def _take_groups(groups: Any, rows: np.ndarray, X: Any) -> Any:
    """Groups by position; a Series that is aligned by label serves as it is."""
    if groups is None:
        return None
    index = row_index(X)
    labels = groups.index if isinstance(groups, pd.Series) else None
    if index is not None and labels is not None and not labels.equals(index):
        return groups
    return take_rows(groups, rows)
