"""Ridge regression of y on one block, out of fold, in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA

from skmultimodal._layout import Layout
from skmultimodal.heads._network import step_slices

_WIDEST = 768  # columns of a Gram matrix; wider blocks go through a PCA
_PENALTIES = np.logspace(-4, 3, 15)  # in units of the mean eigenvalue


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
class Ridge:
    """f(x) = (x - mean) W + intercept"""

    mean: np.ndarray  # (d,)
    weights: np.ndarray  # (d, k)
    intercept: np.ndarray  # (k,)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return (features - self.mean) @ self.weights + self.intercept


def cross_fit(
    features: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray,
    folds: list[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, Ridge]:
    """Predictions out of fold, and the model of all rows.

    One penalty for all folds: the one with the lowest squared error out of fold.

    features: (n, d), target: (n, k), weight: (n,) -> (n, k)
    """
    n_outputs = target.shape[1]
    shape = (len(_PENALTIES), len(features), n_outputs)
    if shape[0] * shape[1] * shape[2] > 2e8:  # many classes and rows: fewer penalties
        penalties = _PENALTIES[::3]
    else:
        penalties = _PENALTIES
    found = np.zeros((len(penalties), *shape[1:]), dtype=np.float32)
    tested = np.zeros(len(features), dtype=bool)
    for train, test in folds:
        paths = _ridge_path(features[train], target[train], weight[train], penalties)
        for number, ridge in enumerate(paths):
            found[number, test] = ridge(features[test])
        tested[test] = True
    wrong = (found[:, tested] - target[tested]) ** 2 * weight[tested, None]
    best = int(wrong.sum(axis=(1, 2)).argmin())
    whole = _ridge_path(features, target, weight, penalties[best : best + 1])[0]
    return found[best], whole


def _ridge_path(
    features: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray,
    penalties: np.ndarray,
) -> list[Ridge]:
    """One model a penalty, from one eigendecomposition."""
    total = max(weight.sum(), 1e-12)
    mean = (weight @ features / total).astype(np.float64)
    goal = weight @ target / total
    root = np.sqrt(weight)[:, None]
    x = ((features - mean) * root).astype(np.float64)  # (n, d)
    y = (target - goal) * root  # (n, k)
    wide = x.shape[1] > len(x)
    values, vectors = np.linalg.eigh(x @ x.T if wide else x.T @ x)
    values = np.maximum(values, 0)
    inside = vectors.T @ (y if wide else x.T @ y)
    size = max(values.mean(), 1e-12)
    found = []
    for penalty in penalties:
        solved = vectors @ (inside / (values + penalty * size)[:, None])
        found.append(Ridge(mean, x.T @ solved if wide else solved, goal))
    return found
