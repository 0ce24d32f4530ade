"""Rows and estimators that the tests of decision-level fusion share."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import cross_val_predict

from skmultimodal import pack

WIDTHS = {"text": 4, "image": 3, "noise": 2}


def samples(n=150, n_classes=3, seed=0, gaps=False):
    """Two modalities that know something of y, and one that does not."""
    rng = np.random.default_rng(seed)
    y = rng.integers(n_classes, size=n)
    blocks = {name: rng.normal(size=(n, width)) for name, width in WIDTHS.items()}
    blocks["text"] += 0.7 * rng.normal(size=(n_classes, 4))[y]
    blocks["image"] += 0.7 * rng.normal(size=(n_classes, 3))[y]
    if gaps:
        for k, name in enumerate(WIDTHS):
            blocks[name][20 * k : 20 * k + 40] = np.nan
    index = [f"row{i}" for i in range(n)]
    return pack(blocks, index=index), np.array(["one", "three", "two", "zwei"])[y]


def numbers(n=150, seed=0, gaps=False):
    X, _ = samples(n, seed=seed)
    signal = X["text__0"] + 2 * X["text__1"] + X["image__0"]
    y = signal + np.random.default_rng(seed).normal(size=n)
    if gaps:
        X.iloc[:30, :4] = np.nan
    return X, y.to_numpy(dtype=float)


def columns(X, name):
    return [c for c in X if c.startswith(f"{name}__")]


def out_of_fold(estimator, X, y, cv, method):
    """(n, M, K) by scikit-learn's cross-validation; NaN for rows without a modality."""
    found = []
    for name in WIDTHS:
        part = X[columns(X, name)].to_numpy()
        here = np.flatnonzero(~np.isnan(part).all(axis=1))
        inside = [
            (
                np.searchsorted(here, np.intersect1d(train, here)),
                np.searchsorted(here, np.intersect1d(test, here)),
            )
            for train, test in cv
        ]
        said = cross_val_predict(
            estimator, part[here], y[here], cv=inside, method=method
        )
        said = said.reshape(len(here), -1)
        answers = np.full((len(X), said.shape[1]), np.nan)
        answers[here] = said
        found.append(answers)
    return np.stack(found, axis=1)


class Watcher(ClassifierMixin, BaseEstimator):
    """Remembers what it was fitted on, and what it was asked."""

    log: list = []

    def __init__(self, name="", random_state=None):
        self.name = name
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None, groups=None):
        self.classes_ = np.unique(y)
        self.X_, self.y_, self.weight_, self.groups_ = X, y, sample_weight, groups
        Watcher.log.append(("fit", self.name, X))
        return self

    def predict_proba(self, X):
        Watcher.log.append(("ask", self.name, X))
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    def predict(self, X):
        return np.full(len(X), self.classes_[0])
