"""How loud each modality may speak: closed form, on a few rows, before training."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from skmultimodal._layout import Layout
from skmultimodal.heads._network import step_slices

_ROWS = 256  # rows of an n x n kernel
_DRAWS = 3  # on one, errors differ by chance as much as the tolerance allows
_FEWEST = 20
_STEPS = 15
_POWERS = (0.0, 0.5, 1.0, 1.5, 2.0)
_TOLERANCE = 0.02  # of the error, below which the plainer choice is taken


def relevance_draws(n: int) -> list[np.ndarray]:
    """At most 256 of n rows, then up to two times 256 others, always the same."""
    order = np.random.default_rng(0).permutation(n)
    count = min(max(n // _ROWS, 1), _DRAWS)
    return [np.sort(order[k * _ROWS : (k + 1) * _ROWS]) for k in range(count)]


def describe_blocks(
    x: np.ndarray, present: np.ndarray, layout: Layout
) -> list[np.ndarray]:
    """Each modality as a vector: the steps of a sequence by their mean and spread.

    x: (n, n_columns), present: (n, Σ T_m) -> (n, d_m) each
    """
    steps = step_slices(layout)
    parts = []
    for block, columns in zip(layout, layout.slices().values()):
        part = x[:, columns]
        if block.is_sequence:
            part = part.reshape(len(x), block.n_steps, -1)  # (n, T, d)
            part = _describe_steps(part, present[:, steps[block.name]])
        parts.append(part)
    return parts


def _describe_steps(steps: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Mean and spread of each feature over the present steps, each of equal size.

    All steps side by side would show a linear kernel what no mean over tokens does, and
    padding besides. Rows without any step get the mean of the other rows.

    steps: (n, T, d), present: (n, T) -> (n, 2 * d)
    """
    share = present / np.maximum(present.sum(1, keepdims=True), 1)
    mean = np.einsum("nt,ntd->nd", share, steps)
    square = np.einsum("nt,ntd->nd", share, (steps - mean[:, None]) ** 2)
    here = present.any(1)
    parts = []
    for part in (mean, np.sqrt(square)):
        part = part - part[here].mean(axis=0) if here.any() else part
        part[~here] = 0
        parts.append(part / max(part.std(), 1e-6))
    return np.concatenate(parts, axis=1)


def modality_gains(
    blocks: list[np.ndarray],
    y: np.ndarray,
    further: Iterable[tuple[list[np.ndarray], np.ndarray]] = (),
) -> np.ndarray:
    """Factors in (0, 1] for the blocks, the largest of them 1.

    A weak modality of many columns drowns a strong one of few when all blocks are
    equally loud. The model behind the factors is a Gaussian process whose kernel is a
    weighted sum of the blocks' linear kernels and of their pairwise products, so that a
    modality that only works together with another counts too. The weights v are
    variance components, found by a minorise-maximise algorithm [1]_. Factors are
    v^(2 p). The power p, zero (all blocks equal) included, is the smallest whose
    leave-one-out error in kernel ridge regression with weights v^p is within 2 % of
    the lowest. The square is an empirical choice: Adam's steps are as large in a quiet
    block as in a loud one, so that a net keeps to a factor less than a kernel does
    (``benchmarks/bench_block_scale.py``, on training rows).

    Chance alone moves errors on so few rows by 2 %, and one draw of rows may silence a
    modality that another leaves as it is. A power above zero is therefore checked on
    further draws, with the same v: of the powers up to it, the smallest is taken whose
    errors, added up over all draws, are within 2 % of the lowest of these. So further
    draws can only bring the factors nearer to each other, and where all are equal none
    is looked at.

    blocks: (n, d_m) standardised, y: (n, k), further: blocks and y of other rows
    -> (M,)

    .. [1] Zhou, Hu, Zhou and Lange, "MM Algorithms for Variance Components Models",
       Journal of Computational and Graphical Statistics 28, 2019, arXiv:1509.07426.
    """
    kernels, target = _prepare(blocks, y)
    if len(blocks) == 1 or len(y) < _FEWEST or not target.any():
        return np.ones(len(blocks))
    share = _relevance(kernels, target)
    errors = _errors(kernels, target, share, _POWERS)
    powers = _POWERS[: _plainest(errors) + 1]
    if len(powers) > 1:
        more = [_errors(*_prepare(*draw), share, powers) for draw in further]
        if more:
            errors = errors[: len(powers)] + np.sum(more, axis=0)
            powers = powers[: _plainest(errors) + 1]
    return share ** (2 * powers[-1])


def _prepare(
    blocks: list[np.ndarray], y: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray]:
    """A kernel for each block, and y centred with spread 1, or zero if constant."""
    target = y - y.mean(axis=0)
    spread = target.std()
    target = (target / spread).astype(np.float64) if spread > 0 else np.zeros(y.shape)
    return [_linear_kernel(block) for block in blocks], target


def _errors(
    kernels: list[np.ndarray],
    target: np.ndarray,
    share: np.ndarray,
    powers: tuple[float, ...],
) -> np.ndarray:
    """Leave-one-out error with each power; zero where the target says nothing."""
    if not target.any():
        return np.zeros(len(powers))
    return np.array([_leave_one_out(_joint(kernels, share**p), target) for p in powers])


def _plainest(errors: np.ndarray) -> int:
    """Position of the first that is hardly above the lowest."""
    return int(np.argmax(errors <= errors.min() * (1 + _TOLERANCE)))


def _linear_kernel(block: np.ndarray) -> np.ndarray:
    """Centred, with mean diagonal 1; zero for a block that is constant."""
    centred = (block - block.mean(axis=0)).astype(np.float64)
    return _normalise(centred @ centred.T)


def _normalise(kernel: np.ndarray) -> np.ndarray:
    size = np.trace(kernel) / len(kernel)
    return kernel / size if size > 1e-12 else np.zeros_like(kernel)


def _centre(kernel: np.ndarray) -> np.ndarray:
    rows = kernel.mean(axis=0)
    return kernel - rows - rows[:, None] + rows.mean()


def _relevance(kernels: list[np.ndarray], target: np.ndarray) -> np.ndarray:
    """Variance that each modality explains, alone and in pairs, over the largest."""
    members = [[m] for m in range(len(kernels))]
    parts = list(kernels)
    for m in range(len(kernels)):
        for k in range(m):
            members.append([k, m])
            parts.append(_normalise(_centre(kernels[k] * kernels[m])))
    n, n_outputs = target.shape
    identity = np.eye(n)
    share, noise = np.full(len(parts), 0.5 / len(parts)), 0.5
    for _ in range(_STEPS):
        whole = sum(s * part for s, part in zip(share, parts))
        inverse = np.linalg.inv(whole + noise * identity)
        weighted = inverse @ target  # (n, k)
        for j, part in enumerate(parts):
            pull = (weighted * (part @ weighted)).sum() / n_outputs
            push = (inverse * part).sum()
            share[j] *= np.sqrt(max(pull, 0.0) / push) if push > 1e-12 else 0.0
        noise *= np.sqrt((weighted**2).sum() / n_outputs / np.trace(inverse))
        noise = max(noise, 1e-6)
    total = np.zeros(len(kernels))
    for names, s in zip(members, share):
        total[names] += s
    if not total.max() > 0:
        return np.ones(len(kernels))
    return np.maximum(total / total.max(), 1e-3)


def _joint(kernels: list[np.ndarray], gain: np.ndarray) -> np.ndarray:
    """Σ g_m K_m + Σ g_m g_k K_m ∘ K_k"""
    main = sum(g * kernel for g, kernel in zip(gain, kernels))
    squares = sum((g * kernel) ** 2 for g, kernel in zip(gain, kernels))
    return main + (main**2 - squares) / 2


def _leave_one_out(kernel: np.ndarray, target: np.ndarray) -> float:
    """Lowest error over ridge penalties, over that of the mean."""
    n = len(kernel)
    centred = _centre(kernel)
    size = max(np.trace(centred) / n, 1e-12)
    values, vectors = np.linalg.eigh(centred + 10 * size)  # the constant comes last
    inside = vectors.T @ target
    errors = []
    for penalty in size * np.logspace(-3, 3, 13):
        factor = 1 / (np.maximum(values, 0) + penalty)
        factor[-1] = 0.0  # the intercept is not penalised
        residual = vectors @ (factor[:, None] * inside)  # (n, k)
        residual /= (vectors**2 @ factor)[:, None]
        errors.append((residual**2).sum())
    return float(min(errors) / (target**2).sum())
