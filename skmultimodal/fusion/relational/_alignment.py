"""Weights of kernels by how well they align with the target."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import nnls
from sklearn.utils import check_array
from sklearn.utils.multiclass import type_of_target


def encode_target(y: Any, target_type: str) -> np.ndarray:
    """Classes as indicators, numbers in units of their deviation: (n, c), centred."""
    y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
    found = type_of_target(y, input_name="y")
    columns = y.reshape(len(y), -1)
    if target_type == "auto":
        classes = found.startswith(("binary", "multiclass"))
    else:
        classes = target_type != "continuous"
    if classes:
        parts = [column[:, None] == np.unique(column) for column in columns.T]
        target = np.concatenate(parts, axis=1).astype(float)
        return target - target.mean(axis=0)
    try:
        target = columns.astype(float)
    except ValueError as error:
        raise ValueError(
            f"target_type={target_type!r} needs numbers in y ({error}). Use "
            "target_type='multiclass' for classes."
        ) from error
    target = target - target.mean(axis=0)
    spread = target.std(axis=0)
    return target / np.where(spread > 0, spread, 1)


def center_kernel(kernel: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Centred in feature space over the rows that are there, 0 for the others.

    kernel: (n, n), here: (n,) -> (n, n)
    """
    inside = kernel[np.ix_(here, here)]
    rows = inside.mean(axis=1)
    centred = np.zeros_like(kernel)
    centred[np.ix_(here, here)] = inside - rows[:, None] - rows + rows.mean()
    return centred


def alignment_weights(kernels: list[np.ndarray], target: np.ndarray) -> np.ndarray:
    """The μ ≥ 0 whose Σ μ_m K_m aligns best with target · targetᵀ; they sum to 1.

    Up to its length, μ minimises μᵀ M μ - 2 aᵀ μ with M_kl = <K_k, K_l>_F and
    a_k = <K_k, target targetᵀ>_F. All weigh the same where no kernel aligns.

    kernels: centred, (n, n) each; target: (n, c)
    """
    gram = np.array([[np.vdot(a, b) for b in kernels] for a in kernels])
    aligned = np.array([np.vdot(target, k @ target) for k in kernels])
    lengths = np.sqrt(np.diag(gram))
    usable = lengths > 0
    lengths = np.where(usable, lengths, 1)
    gram = gram / np.outer(lengths, lengths) + 1e-10 * np.eye(len(kernels))
    gram[~usable, ~usable] = 1
    factor = np.linalg.cholesky(gram)
    scale = np.abs(aligned / lengths).max() or 1.0
    solution, _ = nnls(factor.T, np.linalg.solve(factor, aligned / lengths / scale))
    weights = np.where(usable, solution / lengths, 0)
    if not weights.sum() > 0:
        return np.full(len(kernels), 1 / len(kernels))
    return weights / weights.sum()
