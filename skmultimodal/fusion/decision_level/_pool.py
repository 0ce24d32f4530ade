"""The weighted mean of what modalities say, and the weights that suit it best."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

_LEAST_WEIGHT = 1e-3  # so that a row which has nothing else is still answered
_LEAST_PROBABILITY = 1e-6


def pool(
    answers: np.ndarray, present: np.ndarray, weights: np.ndarray, prior: np.ndarray
) -> np.ndarray:
    """Mean over the modalities that a row has; `prior` for a row that has none.

    answers: (n, M, K), present: (n, M), weights: (M,), prior: (K,) -> (n, K)
    """
    share = present * weights  # (n, M)
    total = share.sum(axis=1, keepdims=True)
    known = np.where(present[:, :, None], answers, 0)
    mean = np.einsum("nm,nmk->nk", share, known) / np.where(total > 0, total, 1)
    return np.where(total > 0, mean, prior)


def weights_by_log_loss(
    answers: np.ndarray,
    present: np.ndarray,
    truth: np.ndarray,
    weight: np.ndarray | None,
    each: bool,
) -> np.ndarray:
    """(M,) weights of least log loss; `each` column is a label of its own.

    answers: (n, M, K), present: (n, M), truth: (n, K), weight: (n,) or None
    """
    _, m, k = answers.shape
    if each:  # how probable the label was, as it is: (n, M, L) -> (n L, M)
        right = np.where(truth[:, None] > 0, answers, 1 - answers)
        right = right.transpose(0, 2, 1).reshape(-1, m)
        present = present.repeat(k, axis=0)
        weight = None if weight is None else weight.repeat(k)
    else:
        right = np.take_along_axis(
            answers, truth.argmax(axis=1)[:, None, None], axis=2
        )[:, :, 0]  # (n, M)
    right = np.clip(np.where(present, right, 1), _LEAST_PROBABILITY, 1)
    count = _shares(weight, len(right))

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        share = present * w
        total = share.sum(axis=1)
        mean = (share * right).sum(axis=1) / total
        slope = present * (right - mean[:, None]) / (mean * total)[:, None]
        return -float(count @ np.log(mean)), -(count @ slope)

    return _minimize(loss, m)


def weights_by_squared_error(
    answers: np.ndarray,
    present: np.ndarray,
    truth: np.ndarray,
    weight: np.ndarray | None,
) -> np.ndarray:
    """(M,) weights of least squared error; outputs count alike, whatever their unit.

    answers: (n, M, K), present: (n, M), truth: (n, K), weight: (n,) or None
    """
    spread = truth.std(axis=0)
    error = (answers - truth[:, None]) / np.where(spread > 0, spread, 1)
    error = np.where(present[:, :, None], error, 0)  # (n, M, K)
    count = _shares(weight, len(truth))

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        share = present * w
        total = share.sum(axis=1)
        mean = np.einsum("nm,nmk->nk", share, error) / total[:, None]
        slope = np.einsum("nmk,nk->nm", error - mean[:, None], mean)
        slope = 2 * present * slope / total[:, None]
        return float(count @ np.square(mean).sum(axis=1)), count @ slope

    return _minimize(loss, answers.shape[1])


def _shares(weight: np.ndarray | None, n: int) -> np.ndarray:
    return np.full(n, 1 / n) if weight is None else weight / weight.sum()


def _minimize(
    loss: Callable[[np.ndarray], tuple[float, np.ndarray]], m: int
) -> np.ndarray:
    """(m,) weights with sum 1, from a loss that gives its slope too."""
    start = np.full(m, 1 / m)
    if m == 1:
        return start
    found = minimize(
        loss,
        start,
        jac=True,
        method="SLSQP",
        bounds=[(_LEAST_WEIGHT, 1)] * m,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-10, "maxiter": 200},
    )
    weights = np.clip(found.x, _LEAST_WEIGHT, 1)
    return weights / weights.sum()
