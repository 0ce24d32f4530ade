"""Estimators for those who name none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    TransformerMixin,
    clone,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from skmultimodal._layout import Block

_ALPHAS = np.logspace(-3, 5, 17)


class SequenceSummary(TransformerMixin, BaseEstimator):
    """Mean and standard deviation of each feature over the steps that are there."""

    def __init__(self, n_steps: int = 1):
        self.n_steps = n_steps

    def fit(self, X: Any, y: Any = None) -> SequenceSummary:
        """Check the width."""
        validate_data(self, X, ensure_all_finite="allow-nan")
        return self

    def transform(self, X: Any) -> np.ndarray:
        """(n, T * d), step by step -> (n, 2 d)"""
        x = validate_data(self, X, reset=False, ensure_all_finite="allow-nan")
        x = x.reshape(len(x), self.n_steps, -1)  # (n, T, d)
        gone = np.isnan(x)
        count = (~gone).sum(axis=1)  # (n, d)
        with np.errstate(invalid="ignore"):  # no step at all: NaN
            mean = np.where(gone, 0, x).sum(axis=1) / np.where(count, count, np.nan)
            apart = np.where(gone, 0, x - mean[:, None])
            spread = np.sqrt(np.square(apart).sum(axis=1) / np.maximum(count, 1))
        return np.concatenate([mean, np.where(count, spread, np.nan)], axis=1)


def _part_has(method: str) -> Callable[[Any], bool]:
    def check(self: Any) -> bool:
        getattr(self.estimator, method)  # AttributeError says what is missing
        return True

    return check


class PerLabel(ClassifierMixin, BaseEstimator):
    """One clone of a classifier for each column of an indicator matrix.

    A label that all rows have, or none, is answered by that.
    """

    def __init__(self, estimator: Any):
        self.estimator = estimator

    def fit(self, X: Any, y: Any, **params: Any) -> PerLabel:
        """Fit the clones; `params` go to each."""
        y = np.asarray(y)
        self.classes_ = np.arange(y.shape[1])
        self.estimators_ = [
            clone(self.estimator).fit(X, label, **params)
            if label.min() < label.max()
            else float(label[0])
            for label in y.T
        ]
        return self

    @available_if(_part_has("predict_proba"))
    def predict_proba(self, X: Any) -> np.ndarray:
        """(n, L) probability of each label."""
        check_is_fitted(self)
        columns = [
            np.full(len(X), fitted)
            if isinstance(fitted, float)
            else fitted.predict_proba(X)[:, 1]
            for fitted in self.estimators_
        ]
        return np.stack(columns, axis=1)

    @available_if(_part_has("decision_function"))
    def decision_function(self, X: Any) -> np.ndarray:
        """(n, L) decisions, positive for a label; of a constant one, 1 or -1."""
        check_is_fitted(self)
        columns = [
            np.full(len(X), 2 * fitted - 1)
            if isinstance(fitted, float)
            else fitted.decision_function(X)
            for fitted in self.estimators_
        ]
        return np.stack(columns, axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """(n, L) zeros and ones."""
        check_is_fitted(self)
        columns = [
            np.full(len(X), int(fitted))
            if isinstance(fitted, float)
            else fitted.predict(X)
            for fitted in self.estimators_
        ]
        return np.stack(columns, axis=1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def default_estimator(block: Block, kind: str) -> Any:
    """A linear model of the block's columns, or of what a sequence sums up to."""
    steps: list[Any] = [SequenceSummary(block.n_steps)] if block.is_sequence else []
    steps += [SimpleImputer(keep_empty_features=True), StandardScaler()]
    if kind == "numbers":
        return make_pipeline(*steps, RidgeCV(_ALPHAS))
    width = block.n_features * (2 if block.is_sequence else 1)
    # as if the block were scaled by 1/√width: a wide one is shrunk as a narrow one is
    return make_pipeline(
        *steps, LogisticRegression(C=min(1.0, 10 / width), max_iter=1000)
    )


def default_final_estimator(kind: str, passthrough: bool) -> Any:
    """A linear model of the standardised answers."""
    steps: list[Any] = [SimpleImputer(keep_empty_features=True)] if passthrough else []
    steps += [StandardScaler()]
    if kind == "numbers":
        return make_pipeline(*steps, RidgeCV(_ALPHAS))
    return make_pipeline(*steps, LogisticRegression(max_iter=1000))
