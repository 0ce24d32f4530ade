"""One space for the representations of several nets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

_PENALTIES = np.logspace(-3, 4, 8)
_FEWEST = 2  # rows to learn a map from

Map = Callable[[np.ndarray], np.ndarray]


def learn_map(found: np.ndarray, wanted: np.ndarray, n_blocks: int) -> Map:
    """The map by which `found` becomes most like `wanted`, block by block.

    A ridge regression whose penalty generalised cross-validation chooses. A rotation
    (orthogonal Procrustes) keeps distances, but two nets differ by more than one: what
    stood behind it was the worse, the more hidden layers the fusion had.

    found, wanted: (n, n_blocks * d), rows of a block NaN where they lack it
    """
    maps = [
        _learn_block(a, b)
        for a, b in zip(
            np.split(found, n_blocks, axis=1), np.split(wanted, n_blocks, axis=1)
        )
    ]

    def apply(values: np.ndarray) -> np.ndarray:
        parts = np.split(values, n_blocks, axis=1)
        return np.concatenate([f(part) for f, part in zip(maps, parts)], axis=1)

    return apply


def _learn_block(found: np.ndarray, wanted: np.ndarray) -> Map:
    here = ~(np.isnan(found[:, 0]) | np.isnan(wanted[:, 0]))
    if here.sum() < _FEWEST:
        return np.copy
    ridge = make_pipeline(StandardScaler(), RidgeCV(_PENALTIES))
    ridge.fit(found[here].astype(np.float64), wanted[here].astype(np.float64))

    def apply(values: np.ndarray) -> np.ndarray:
        moved = np.full(values.shape, np.nan, dtype=np.float32)
        here = ~np.isnan(values[:, 0])
        if here.any():
            part = ridge.predict(values[here].astype(np.float64))
            moved[here] = part.reshape(-1, values.shape[1])
        return moved

    return apply
