"""The best linear guess of an absent block's scores from those of present blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_FLOOR = 1e-3  # least variance of a direction, in units of a score's variance


@dataclass
class BlockRegression:
    """Scores of an absent block as E[s_absent | s_present] = C_ap C_pp⁻¹ s_present.

    The covariance between two blocks is taken over the rows that have both, and shrunk
    towards zero the more, the less sure it is (Schäfer and Strimmer, "A Shrinkage
    Approach to Large-Scale Covariance Matrix Estimation", Stat. Appl. Genet. Mol.
    Biol. 2005). Scores have mean zero and variance about one.
    """

    covariance: np.ndarray  # (k, k), k = Σ k_m
    owner: np.ndarray  # (k,), number of the block that each score belongs to

    @classmethod
    def learn(cls, scores: list[np.ndarray], present: np.ndarray) -> BlockRegression:
        """scores: (n, k_m) each, 0 where absent; present: (n, M)"""
        widths = [s.shape[1] for s in scores]
        owner = np.repeat(np.arange(len(scores)), widths)
        covariance = np.zeros((len(owner), len(owner)))
        for a in range(len(scores)):
            for b in range(a + 1):
                both = present[:, a] & present[:, b]
                block = _covariance(scores[a][both], scores[b][both], shrink=a != b)
                covariance[np.ix_(owner == a, owner == b)] = block
                covariance[np.ix_(owner == b, owner == a)] = block.T
        return cls(_positive(covariance), owner)

    def __call__(self, scores: np.ndarray, present: np.ndarray) -> np.ndarray:
        """scores: (n, k), 0 where absent; present: (n, M) -> (n, k) without gaps"""
        filled = scores.copy()
        patterns, pattern_of = np.unique(present, axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            if pattern.all() or not pattern.any():
                continue
            here = pattern[self.owner]
            rows = np.ix_(pattern_of.ravel() == number, here)
            gone = np.ix_(pattern_of.ravel() == number, ~here)
            weights = np.linalg.solve(
                self.covariance[np.ix_(here, here)],
                self.covariance[np.ix_(here, ~here)],
            )  # (k_present, k_absent)
            filled[gone] = scores[rows] @ weights
        return filled


def _covariance(a: np.ndarray, b: np.ndarray, shrink: bool) -> np.ndarray:
    """(n, k_a), (n, k_b) -> (k_a, k_b); a shrunk one by 1 - Σ var(c_ij) / Σ c_ij²"""
    n = len(a)
    if n < 2:
        return np.zeros((a.shape[1], b.shape[1]))
    covariance = a.T @ b / n
    if not shrink:
        return covariance
    total = (covariance**2).sum()
    products = ((a**2).sum(axis=1) * (b**2).sum(axis=1)).mean()  # Σ_ij mean a_i² b_j²
    noise = (products - total) / (n - 1)
    return covariance * max(0.0, 1 - noise / max(total, 1e-300))


def _positive(covariance: np.ndarray) -> np.ndarray:
    """The same, raised a little where it is singular and more where it is indefinite.

    Covariances over different rows need not go together.
    """
    raised = covariance + _FLOOR * np.eye(len(covariance))
    try:
        np.linalg.cholesky(raised)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        return (vectors * np.maximum(values, _FLOOR)) @ vectors.T
    return raised
