"""Linear models of y on one block, out of fold, in closed form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA

from skmultimodal._layout import Layout
from skmultimodal.heads._network import step_slices
from skmultimodal.heads.auto._pool import Target

_WIDEST = 768  # columns of a Gram matrix; wider blocks go through a PCA
_PENALTIES = np.logspace(-4, 3, 15)  # in units of the mean eigenvalue
_FACTORS = (0.1, 0.25, 0.5, 1.0)  # of scores, to choose a penalty by
_JUDGED = 4096  # rows to choose it by
_MOST = 2e8  # scores to keep at once


@dataclass
class BlockFeatures:
    """One modality as a vector: the steps of a sequence by their mean and spread.

    Centred and of one size, by the rows that have it; zero where a row lacks it.
    """

    name: str
    columns: slice
    steps: slice
    n_steps: int
    shift: np.ndarray  # (d,)
    scale: float
    pca: PCA | None = None

    @classmethod
    def learn(
        cls, x: np.ndarray, present: np.ndarray, layout: Layout, seed: int
    ) -> list[BlockFeatures]:
        """x: (n, n_columns) standardised, present: (n, Σ T_m)"""
        found = []
        steps = step_slices(layout)
        for block, columns in zip(layout, layout.slices().values()):
            nowhere = np.zeros(1, dtype=np.float32)
            part = cls(
                block.name, columns, steps[block.name], block.n_steps, nowhere, 1.0
            )
            raw = part._describe(x, present)[part.present(present)]
            if len(raw):
                if raw.shape[1] > _WIDEST:
                    width = min(_WIDEST // 2, len(raw))
                    part.pca = PCA(width, svd_solver="randomized", random_state=seed)
                    raw = part.pca.fit_transform(raw)
                part.shift = raw.mean(axis=0)
                part.scale = 1 / max(float(np.linalg.norm(raw.std(axis=0))), 1e-9)
            found.append(part)
        return found

    def present(self, present: np.ndarray) -> np.ndarray:
        return np.asarray(present[:, self.steps].any(axis=1))

    def __call__(self, x: np.ndarray, present: np.ndarray) -> np.ndarray:
        """-> (n, d)"""
        raw = self._describe(x, present)
        if self.pca is not None:
            raw = self.pca.transform(raw)
        here = self.present(present)[:, None]
        return np.where(here, (raw - self.shift) * self.scale, 0).astype(np.float32)

    def _describe(self, x: np.ndarray, present: np.ndarray) -> np.ndarray:
        part = x[:, self.columns]
        if self.n_steps == 1:
            return part
        part = part.reshape(len(x), self.n_steps, -1)  # (n, T, d)
        here = present[:, self.steps]
        share = here / np.maximum(here.sum(1, keepdims=True), 1)
        mean = np.einsum("nt,ntd->nd", share, part)
        square = np.einsum("nt,ntd->nd", share, (part - mean[:, None]) ** 2)
        return np.concatenate([mean, np.sqrt(square)], axis=1)


@dataclass
class Probe:
    """Scores of rows, linear in the features, centred: (x - mean) W + intercept"""

    mean: np.ndarray  # (d,)
    weights: np.ndarray  # (d, k)
    intercept: np.ndarray  # (k,)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return (features - self.mean) @ self.weights + self.intercept


def cross_fit(
    features: np.ndarray,
    target: Target,
    weight: np.ndarray,
    folds: list[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, Probe]:
    """Scores out of fold, and the probe of all rows.

    One penalty for all folds: the one with the lowest loss out of fold.

    features: (n, d), weight: (n,), zero for rows that take no part -> (n, k)
    """
    values = target.values
    path = _discriminants if target.task == "classification" else _ridges
    penalties = _PENALTIES
    if penalties.size * values.size > _MOST:  # many classes and rows
        penalties = penalties[::3]
    found = np.zeros((len(penalties), *values.shape), dtype=np.float32)
    tested = np.zeros(len(features), dtype=bool)
    for train, test in folds:
        probes = path(features[train], values[train], weight[train], penalties)
        for number, probe in enumerate(probes):
            found[number, test] = probe(features[test])
        tested[test] = True
    rows = np.flatnonzero(tested & (weight > 0))
    few = rows[:: max(1, len(rows) // _JUDGED)]
    judge = target.take(few)
    losses = [_loss(scores[few], judge) for scores in found]
    best = int(np.argmin(losses))
    whole = path(features, values, weight, penalties[best : best + 1])[0]
    return found[best], whole


def _loss(scores: np.ndarray, target: Target) -> float:
    """With the best of a few factors: a pool weighs the scores later."""
    factors = [1.0] if target.task == "regression" else _FACTORS
    size = max(float(np.sqrt((scores**2).mean())), 1e-9)
    if target.task == "multilabel":
        scores = scores / size  # shares, which are no log-odds
    return min(
        float(target.weight @ target.losses(target.offset + factor * scores))
        for factor in factors
    )


def _ridges(
    features: np.ndarray, values: np.ndarray, weight: np.ndarray, penalties: np.ndarray
) -> list[Probe]:
    """Ridge regressions of the values, one a penalty."""
    total = max(weight.sum(), 1e-12)
    mean = (weight @ features / total).astype(np.float64)
    goal = weight @ values / total
    root = np.sqrt(weight)[:, None]
    x = ((features - mean) * root).astype(np.float64)  # (n, d)
    y = (values - goal) * root  # (n, k)
    nothing = np.zeros(values.shape[1])
    solve = _solver(x)
    return [Probe(mean, w, nothing) for w in solve(x.T @ y, penalties)]


def _discriminants(
    features: np.ndarray, values: np.ndarray, weight: np.ndarray, penalties: np.ndarray
) -> list[Probe]:
    """Linear discriminants with the scatter within classes shrunk, one a penalty.

    Ridge regression of class indicators masks classes that lie between others; this
    does not, and takes as long. Friedman, "Regularized Discriminant Analysis", Journal
    of the American Statistical Association 84, 1989.
    """
    total = max(weight.sum(), 1e-12)
    mean = (weight @ features / total).astype(np.float64)
    x = (features - mean).astype(np.float64)
    share = weight[:, None] * values  # (n, k)
    counts = share.sum(axis=0)
    centres = (share.T @ x) / np.maximum(counts, 1e-12)[:, None]  # (k, d)
    within = (x - values @ centres) * np.sqrt(weight / total)[:, None]
    solve = _solver(within)
    found = []
    for w in solve(centres.T, penalties):
        intercept = -0.5 * (centres.T * w).sum(axis=0)
        intercept[counts == 0] = intercept.min()  # a class that these rows lack
        centre = w.mean(axis=1, keepdims=True)
        found.append(Probe(mean, w - centre, intercept - intercept.mean()))
    return found


def _solver(
    x: np.ndarray,
) -> Callable[[np.ndarray, np.ndarray], Iterator[np.ndarray]]:
    """Solutions of (xᵀ x + penalty s I) w = b for several penalties.

    s is the mean eigenvalue; one eigendecomposition, of the smaller Gram matrix.

    x: (n, d), b: (d, k)
    """
    wide = x.shape[1] > len(x)
    values, vectors = np.linalg.eigh(x @ x.T if wide else x.T @ x)
    values = np.maximum(values, 0)
    size = max(values.mean(), 1e-12)

    def solve(b: np.ndarray, penalties: np.ndarray) -> Iterator[np.ndarray]:
        inside = vectors.T @ (x @ b if wide else b)
        for penalty in penalties * size:
            solved = vectors @ (inside / (values + penalty)[:, None])
            yield (b - x.T @ solved) / penalty if wide else solved

    return solve
