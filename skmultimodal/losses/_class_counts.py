"""What losses make of the number of rows of each class."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def at_least_one(counts: np.ndarray) -> np.ndarray:
    """A class without a row counts as one row: no weight or margin is infinite."""
    return np.maximum(np.asarray(counts, dtype=np.float64), 1.0)


def effective_number_weights(counts: np.ndarray, beta: float) -> Tensor:
    """w_k ∝ (1 - β) / (1 - β^n_k), with mean 1 over the training rows.

    counts: (K,), or (2, L), of which each column is by itself -> the same shape
    """
    n = at_least_one(counts)
    # 1 - β^n as a difference of near-equal numbers would lose its digits
    weight = 1 / -np.expm1(n * np.log(beta)) if beta > 0 else np.ones_like(n)
    share = np.asarray(counts, dtype=np.float64)
    share = share / np.maximum(share.sum(axis=0), 1e-12)
    weight = weight / (share * weight).sum(axis=0)
    return torch.from_numpy(weight.astype(np.float32))
