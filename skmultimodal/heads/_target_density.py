"""Weights of rows by how common numbers like their target are."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

POWERS = {"inverse": 1.0, "sqrt_inverse": 0.5}
_LARGEST = 10.0  # times the mean
_FAR = 20.0  # deviations from the median; what is beyond counts as there
_CELLS = 4  # of the grid, in a bandwidth
_NORMAL_IQR = 1.349  # of a normal distribution with deviation 1


def robust_spread(y: np.ndarray) -> np.ndarray:
    """Deviation of a column, from its quartiles where these differ: (n, k) -> (k,)"""
    low, high = np.quantile(y, (0.25, 0.75), axis=0)
    spread = (high - low) / _NORMAL_IQR
    return np.where(spread > 0, spread, y.std(axis=0))


def density_weights(y: np.ndarray, weight: np.ndarray | None, how: str) -> np.ndarray:
    """Weights by the inverse of the smoothed density of y, or its root: (n,) -> (n,)

    Label-distribution smoothing: Yang, Zha, Chen, Wang and Katabi, "Delving into Deep
    Imbalanced Regression", arXiv:2102.09554. Their bins are years of age; here a
    Gaussian kernel has the width of Silverman's rule, so that any unit will do.
    """
    own = np.ones(len(y)) if weight is None else weight / weight.mean()
    heavy = own > 0
    spread = float(robust_spread(y[heavy, None])[0])
    if not spread > 0:
        return np.ones(len(y))
    width = 0.9 * min(spread, float(y[heavy].std())) * heavy.sum() ** -0.2
    middle = np.median(y[heavy])
    low = max(y[heavy].min(), middle - _FAR * spread)
    high = min(y[heavy].max(), middle + _FAR * spread)
    cell = np.floor((np.clip(y, low, high) - low) * _CELLS / width).astype(np.int64)
    counts = np.bincount(cell, own)
    density = gaussian_filter1d(counts, _CELLS, mode="constant", truncate=5.0)[cell]
    rarity = np.maximum(density, density[heavy].min()) ** -POWERS[how]
    return np.minimum(rarity, _LARGEST * np.average(rarity, weights=own))
