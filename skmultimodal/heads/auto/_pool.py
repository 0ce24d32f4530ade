"""Several predictions of y as one: a weighted sum on the scale of the link."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logit, softmax

_RARE = 1e-6


@dataclass(frozen=True)
class Target:
    """y as the pool compares with it.

    `task` is "classification" (values: one-hot), "multilabel" (zeros and ones) or
    "regression" (standardised).
    """

    task: str
    values: np.ndarray  # (n, k)
    weight: np.ndarray  # (n,)

    @property
    def offset(self) -> np.ndarray:
        """The link of what is said without any modality: (k,)"""
        share = self.weight @ self.values / self.weight.sum()
        if self.task == "classification":
            return np.log(np.maximum(share, _RARE))
        if self.task == "multilabel":
            return logit(np.clip(share, _RARE, 1 - _RARE))
        return share

    def losses(self, eta: np.ndarray) -> np.ndarray:
        """eta: (n, k) on the scale of the link -> (n,)"""
        if self.task == "classification":
            return -(self.values * log_softmax(eta, axis=1)).sum(axis=1)
        if self.task == "multilabel":
            return (np.logaddexp(0, eta) - self.values * eta).mean(axis=1)
        return ((eta - self.values) ** 2).mean(axis=1)

    def slope(self, eta: np.ndarray) -> np.ndarray:
        """Derivative of each row's loss: (n, k)"""
        if self.task == "classification":
            return softmax(eta, axis=1) - self.values
        k = eta.shape[1]
        if self.task == "multilabel":
            return (expit(eta) - self.values) / k
        return 2 * (eta - self.values) / k

    def take(self, rows: np.ndarray) -> Target:
        return Target(self.task, self.values[rows], self.weight[rows])


def fit_pool(scores: np.ndarray, target: Target) -> np.ndarray:
    """Weights w ≥ 0 that minimise the mean loss of offset + Σ_c w_c s_c.

    For classes that is a logarithmic opinion pool: p ∝ prior ∏_c r_c^w_c. A prediction
    that is not there is zero, and says nothing. Stacking with weights of one sign:
    Breiman, "Stacked regressions", Machine Learning 24, 1996.

    To the sum of the losses comes half the sum of the squared weights, in units of the
    predictions' size: otherwise they would have no bound where nothing is mistaken.

    scores: (C, n, k) centred predictions -> (C,)
    """
    offset = target.offset
    total, shrink = target.weight.sum(), 1 / len(target.weight)
    size = np.sqrt((scores**2).mean(axis=(1, 2)) + 1e-12)  # (C,)

    def cost(w: np.ndarray) -> tuple[float, np.ndarray]:
        eta = offset + np.tensordot(w / size, scores, axes=1)
        slope = target.slope(eta) * (target.weight / total)[:, None]
        gradient = np.einsum("nk,cnk->c", slope, scores) / size
        loss = target.weight @ target.losses(eta) / total
        return loss + 0.5 * shrink * (w @ w), gradient + shrink * w

    start = np.full(len(scores), 0.5 / len(scores))
    found = minimize(
        cost, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(scores)
    )
    return found.x / size


def pool(scores: np.ndarray, weights: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """scores: (C, n, k), weights: (C,) -> (n, k)"""
    return offset + np.tensordot(weights, scores, axes=1)


def out_of_fold_losses(
    scores: np.ndarray, target: Target, fold: np.ndarray
) -> np.ndarray:
    """Loss of each row where the weights were fitted on the other folds.

    scores: (C, n, k), fold: (n,) number of the fold that tests a row -> (n,)
    """
    losses = np.zeros(len(fold))
    for number in np.unique(fold):
        rows, rest = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        known = target.take(rest)
        weights = fit_pool(scores[:, rest], known)
        eta = pool(scores[:, rows], weights, known.offset)
        losses[rows] = target.take(rows).losses(eta)
    return losses
