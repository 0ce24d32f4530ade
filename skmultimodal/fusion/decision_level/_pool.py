"""What modalities say together, and the weights that suit it best."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logit, softmax

_LEAST_WEIGHT = 1e-3  # so that a row which has nothing else is still answered
_LEAST_PROBABILITY = 1e-6


def linear_pool(
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


def log_pool(
    answers: np.ndarray,
    present: np.ndarray,
    weights: np.ndarray,
    prior: np.ndarray,
    each: bool,
) -> np.ndarray:
    """Sum of the evidence of the modalities that a row has, on top of the prior.

    Where those weigh less than all, and less than one, they are scaled up: what is
    left must not fade into the prior. With `each`, every column is a label of its own.

    answers: (n, M, K), present: (n, M), weights: (M,), prior: (K,) -> (n, K)
    """
    base, evidence = _evidence(answers, present, prior, each)
    total = np.where(present, weights, 0).sum(axis=1)
    least = min(1.0, float(weights.sum()))
    scale = np.where((total > 0) & (total < least), least / np.maximum(total, 1e-30), 1)
    share = np.where(present, weights, 0) * scale[:, None]  # (n, M)
    scores = base + np.einsum("nm,nmk->nk", share, evidence)
    return expit(scores) if each else softmax(scores, axis=1)


def weights_of_log_pool(
    answers: np.ndarray,
    present: np.ndarray,
    truth: np.ndarray,
    weight: np.ndarray | None,
    prior: np.ndarray,
    each: bool,
) -> np.ndarray:
    """(M,) weights of least log loss, shrunk towards 0.

    To the sum of the losses comes half the sum of the squared weights, as if these
    were standard normal: otherwise they would have no bound where the modalities
    together make no mistake, and that of noise would be a matter of chance.

    answers: (n, M, K), present: (n, M), truth: (n, K), weight: (n,) or None
    """
    base, evidence = _evidence(answers, present, prior, each)
    m = answers.shape[1]
    count = np.ones(len(truth)) if weight is None else weight
    total = count.sum()

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        scores = base + np.einsum("m,nmk->nk", w, evidence)
        if each:
            said = np.logaddexp(0, scores) - truth * scores
            wrong = expit(scores) - truth
        else:
            logs = log_softmax(scores, axis=1)
            said, wrong = -truth * logs, np.exp(logs) - truth
        slope = np.einsum("nk,nmk->nm", wrong, evidence)
        value = count @ said.sum(axis=1) + w @ w / 2
        return float(value / total), (count @ slope + w) / total

    start = np.full(m, 1 / m)
    bounds = [(_LEAST_WEIGHT, None)] * m
    options = {"ftol": 1e-12, "gtol": 1e-8}
    return minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options
    ).x


def _evidence(
    answers: np.ndarray, present: np.ndarray, prior: np.ndarray, each: bool
) -> tuple[np.ndarray, np.ndarray]:
    """(K,) log of the prior, and (n, M, K) by how much answers differ from it.

    Of labels, log-odds.
    """
    known = np.where(present[:, :, None], answers, prior)
    low, high = _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY
    known, prior = np.clip(known, low, high), np.clip(prior, low, high)
    if each:
        return logit(prior), logit(known) - logit(prior)
    return np.log(prior), np.log(known) - np.log(prior)


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
