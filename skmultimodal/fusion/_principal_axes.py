"""Principal axes of a centred block, and signs that do not hang on chance."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

_RELATIVE_VARIANCE = 1e-10  # below it, an axis of float32 data is rounding


def principal_axes(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Axes (p, r) and variances (r,) of centred rows x (n, p), largest first.

    r is the numerical rank, at least 1.
    """
    n, p = x.shape
    if p <= n:
        variances, axes = eigh(x.T @ x / n)
    else:
        variances, scores = eigh(x @ x.T / n)  # scores: (n, n)
        axes = x.T @ scores
        axes /= np.maximum(np.linalg.norm(axes, axis=0), 1e-300)
    variances, axes = variances[::-1], axes[:, ::-1]
    rank = max(1, int((variances > _RELATIVE_VARIANCE * variances[0]).sum()))
    variances, axes = np.maximum(variances[:rank], 0), axes[:, :rank]
    return signed(axes), variances


def signed(vectors: np.ndarray) -> np.ndarray:
    """Columns turned so that the largest entry of each is positive."""
    largest = np.abs(vectors).argmax(axis=0)
    signs = np.sign(vectors[largest, np.arange(vectors.shape[1])])
    return vectors * np.where(signs, signs, 1)
