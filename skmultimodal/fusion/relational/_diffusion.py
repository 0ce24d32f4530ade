"""Similarity networks of several modalities, diffused into one."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

_EPS = np.finfo(float).eps


def affinity(distance: np.ndarray, n_neighbors: int, mu: float) -> np.ndarray:
    """Normal density of each distance, as wide as its surroundings are sparse.

    W_ij = exp(-(d_ij / μ ε_ij)² / 2) / μ ε_ij, where ε_ij is the mean of d_ij and the
    mean distances of i and of j to their nearest rows.

    distance: (n, n), symmetric -> (n, n)
    """
    nearest = np.sort(distance, axis=1)[:, 1 : n_neighbors + 1]
    around = nearest.mean(axis=1) + _EPS  # (n,)
    width = (around[:, None] + around + distance) / 3 + _EPS
    width *= mu
    return np.exp(-0.5 * (distance / width) ** 2) / width


def diffuse(
    affinities: list[np.ndarray], present: np.ndarray, n_neighbors: int, n_iter: int
) -> np.ndarray:
    """P_m ← S_m (mean of the other P) S_mᵀ, again and again; the mean of all P_m.

    S_m keeps the nearest of each row, itself among them. Means run over the modalities
    that both rows have.

    affinities: (n, n) each, 0 where a row lacks the modality; present: (n, M)
    -> (n, n) symmetric, diagonal 1/2
    """
    here = present.T.astype(float)  # (M, n)
    networks = [_normalize(w, h) for w, h in zip(affinities, here)]
    local = [_nearest(p, n_neighbors) for p in networks]
    shared = here.T @ here  # (n, n), number of modalities that two rows share
    for _ in range(n_iter):
        total = sum(networks)
        diffused = []
        for p, s, h in zip(networks, local, here):
            others = (total - p) / np.maximum(shared - np.outer(h, h), 1)
            diffused.append(_normalize(s @ (s @ others).T, h))
        networks = diffused
    fused = sum(networks) / np.maximum(shared, 1)
    return _normalize(fused, np.ones(len(fused)))


def _normalize(w: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Rows sum to 1, half of it on the diagonal; then made symmetric."""
    off = w.copy()
    np.fill_diagonal(off, 0)
    total = off.sum(axis=1)
    off /= 2 * np.where(total > 0, total, 1)[:, None]
    np.fill_diagonal(off, here / 2)
    return (off + off.T) / 2


def _nearest(p: np.ndarray, n_neighbors: int) -> csr_matrix:
    """The largest entries of each row, made to sum to 1."""
    n = len(p)
    k = min(n_neighbors, n)
    columns = np.argpartition(p, n - k, axis=1)[:, n - k :]
    values = np.take_along_axis(p, columns, axis=1)
    total = values.sum(axis=1, keepdims=True)
    values = values / np.where(total > 0, total, 1)
    rows = np.repeat(np.arange(n), k)
    return csr_matrix((values.ravel(), (rows, columns.ravel())), shape=(n, n))
