"""How much each modality's vote weighs."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from skmultimodal._splits import make_generator
from skmultimodal.fusion.decision_level._ensemble import ModalityEnsemble, Training
from skmultimodal.fusion.decision_level._pool import (
    linear_pool,
    log_pool,
    weights_by_log_loss,
    weights_by_squared_error,
    weights_of_log_pool,
)


class ModalityVoting(ModalityEnsemble):
    """Base of both votes: a weight a modality, given or learned out of fold."""

    weights: Any
    weights_: dict[str, float]

    _parameter_constraints: ClassVar[dict] = {
        **ModalityEnsemble._parameter_constraints,
        "weights": [StrOptions({"loss", "uniform"}), Mapping],
    }

    def _fit(self, X: Any, y: Any, sample_weight: Any, groups: Any) -> None:
        training = self._read_training(X, y, sample_weight, groups)
        rng, seeds = make_generator(self.random_state).spawn(2)
        members = self._choose(training)
        for name, estimator in members.items():
            self._check_method(name, estimator)
            self._seed(estimator, seeds)
        folds = []
        if isinstance(self.weights, str) and self.weights == "loss":
            folds = self._draw_folds(training, rng)
        methods = dict.fromkeys(members, self._method)
        said = self._fit_members(members, methods, training, folds)
        weights = self._weigh(said, training) if folds else self._given(training)
        self.weights_ = {name: weights[name] for name in members}

    def _check_method(self, name: str, estimator: Any) -> None:
        """Refuse an estimator that cannot answer."""

    @property
    def _method(self) -> str:
        return "predict"

    @property
    def _is_log(self) -> bool:
        """Whether evidence is added up, or else answers are averaged."""
        return False

    def _given(self, training: Training) -> dict[str, float]:
        names = training.blocks.layout.names
        if isinstance(self.weights, str):
            return dict.fromkeys(names, 1 / len(self.estimators_))
        given = dict(self.weights)
        unknown = [name for name in given if name not in names]
        if unknown:
            raise ValueError(
                f"weights names the modality {unknown[0]!r}, which X does not have. "
                f"Its modalities are {names}."
            )
        left_out = [name for name in self.estimators_ if name not in given]
        if left_out:
            raise ValueError(
                f"weights has no entry for the modality {left_out[0]!r}. Give each of "
                f"{list(self.estimators_)} a weight; 0 leaves one out of the vote."
            )
        for name, value in given.items():
            if not isinstance(value, Real) or not 0 <= float(value) < np.inf:
                raise ValueError(
                    f"weights={{{name!r}: {value!r}}}: expected a number that is "
                    "finite and not negative."
                )
        total = sum(float(given[name]) for name in self.estimators_)
        if not total > 0:
            raise ValueError("weights are 0 for every modality: nobody has a vote.")
        return {name: float(given[name]) / total for name in self.estimators_}

    def _weigh(
        self, said: dict[str, np.ndarray], training: Training
    ) -> dict[str, float]:
        """Weights of least out-of-fold loss, and the score of each modality alone."""
        answers = np.stack(list(said.values()), axis=1)  # (n, M, K)
        present = ~np.isnan(answers[:, :, 0])
        self.modality_scores_ = self._score_alone(training, said)
        rows = np.flatnonzero(present.any(axis=1) & training.heavy)
        if not len(rows):
            return dict.fromkeys(said, 1 / len(said))
        weight = training.weight_of(rows)
        truth = training.target.columns[rows]
        parts = answers[rows], present[rows], truth, weight
        each = self._kind == "labels"
        if self._is_log:
            found = weights_of_log_pool(*parts, self._prior, each)
        elif self._method == "predict_proba":
            found = weights_by_log_loss(*parts, each)
        else:
            found = weights_by_squared_error(*parts)
        return dict(zip(said, found.tolist()))

    def _pool(self, X: Any) -> np.ndarray:
        """(n, K) what the modalities say together."""
        check_is_fitted(self)
        _, said = self._ask(X, dict.fromkeys(self.estimators_, self._method))
        answers = np.stack(list(said.values()), axis=1)
        weights = np.array([self.weights_[name] for name in said])
        parts = answers, ~np.isnan(answers[:, :, 0]), weights, self._prior
        return (
            log_pool(*parts, self._kind == "labels")
            if self._is_log
            else linear_pool(*parts)
        )
