"""How many copies rows get, and which of their label's copies each is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd


def copies_of_all(n_rows: int, n_copies: int) -> np.ndarray:
    """(n_rows * n_copies,) positions: all rows once, then once more, ..."""
    return np.tile(np.arange(n_rows), n_copies)


def copies_by_class(
    labels: np.ndarray, plan: Mapping[Any, int], rng: np.random.Generator
) -> np.ndarray:
    """Positions of rows to copy: so many of each class that the plan names.

    No row of a class is copied once more before all others have been.
    """
    drawn = []
    for label, n in plan.items():
        rows = np.flatnonzero(labels == label)
        rounds = [rng.permutation(rows) for _ in range(-(-n // len(rows)))]
        drawn.append(np.concatenate([*rounds, rows[:0]])[:n])
    return np.concatenate(drawn) if drawn else np.empty(0, dtype=np.intp)


def copy_numbers(index: pd.Index, rows: np.ndarray) -> np.ndarray:
    """(len(rows),): the copy of its label that each of these rows becomes.

    Counting goes on behind the rows there are, which may hold copies already.
    """
    codes = index.factorize(use_na_sentinel=False)[0]
    before = np.bincount(codes, minlength=1)
    copied = codes[rows]
    return before[copied] + pd.Series(copied).groupby(copied).cumcount().to_numpy()
