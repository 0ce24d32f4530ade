"""Principal axes of a centred block, on its smaller side."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

_RELATIVE_VARIANCE = 1e-10  # below it, an axis of float32 data is rounding


def principal_axes(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Axes (p, r) and variances (r,) of centred rows x (n, p), largest first.

    r is the numerical rank, at least 1. The largest loading of an axis is positive.
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
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(rank)])
    return axes * np.where(signs, signs, 1), variances
