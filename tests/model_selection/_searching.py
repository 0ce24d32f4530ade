"""Small data, and steps that count what is done with them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skmultimodal.compose import ModalityTransformer
from skmultimodal.heads import FusionClassifier

CALLS: Counter[str] = Counter()


class Counting(TransformerMixin, BaseEstimator):
    """Scales, and counts its fits and the rows that it transforms."""

    def __init__(self, factor=1.0, name="counting", noise=0.0, random_state=None):
        self.factor = factor
        self.name = name
        self.noise = noise
        self.random_state = random_state

    def fit(self, X, y=None):
        CALLS[f"{self.name} fit"] += 1
        self.mean_ = np.asarray(X, dtype=float).mean(axis=0)
        self.n_features_in_ = np.shape(X)[1]
        rng = np.random.default_rng(self.random_state)
        self.offset_ = self.noise * rng.normal()
        return self

    def transform(self, X):
        CALLS[f"{self.name} transform"] += 1
        CALLS[f"{self.name} rows"] += len(X)
        values = np.asarray(X, dtype=float)
        return (values - self.mean_) * self.factor + self.offset_

    def get_feature_names_out(self, input_features=None):
        return np.array([str(k) for k in range(self.n_features_in_)], dtype=object)


class Stateless(Counting):
    """The same, with nothing learned."""

    def fit(self, X, y=None):
        super().fit(X)
        self.mean_ = np.zeros_like(self.mean_)
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


class EncodesInFit(Stateless):
    """Learns nothing, but looks at what its output is like, as encoders of media do."""

    def fit(self, X, y=None):
        self.fit_transform(X)
        return self

    def fit_transform(self, X, y=None):
        return super().fit(X).transform(X)


class CrossFitting(Counting):
    """Gives training rows something else than `transform` does."""

    def fit_transform(self, X, y=None):
        return self.fit(X).transform(X) + 0.5


def table(n=60, seed=0):
    """Four columns of numbers, and classes that they tell."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    X = pd.DataFrame(
        rng.normal(size=(n, 4)) + 0.8 * y[:, None], columns=["a", "b", "c", "d"]
    )
    return X, y


def head(**params):
    given = {"max_epochs": 2, "random_state": 0, "embed_dim": 4, "lr": 0.01}
    return FusionClassifier(**{**given, **params})


def pipeline(first=None, second=None, **params):
    entries = [
        ("one", first or StandardScaler(), ["a", "b"]),
        ("two", second or StandardScaler(), ["c", "d"]),
    ]
    return Pipeline(
        [("encode", ModalityTransformer(entries)), ("head", head(**params))]
    )


def same_results(found, expected, tolerance=1e-12):
    """That two `cv_results_` agree in all but the times."""
    assert list(found) == list(expected)
    for name, values in expected.items():
        if name == "params":
            assert repr(found[name]) == repr(values)
            continue
        assert found[name].dtype == values.dtype
        assert type(found[name]) is type(values)
        if "_time" in name:
            assert (found[name] >= 0).all()
        elif values.dtype.kind == "f":
            mask = np.ma.getmaskarray
            np.testing.assert_array_equal(mask(found[name]), mask(values))
            np.testing.assert_allclose(found[name], values, rtol=0, atol=tolerance)
        else:
            assert repr(found[name]) == repr(values)
