"""What modalities say out of fold, as the features of a final estimator."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.special import expit
from sklearn import config_context
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_is_fitted

from skmultimodal._splits import make_generator
from skmultimodal.fusion.decision_level._blocks import Blocks
from skmultimodal.fusion.decision_level._defaults import default_final_estimator
from skmultimodal.fusion.decision_level._ensemble import ModalityEnsemble, Training
from skmultimodal.fusion.decision_level._metadata import (
    cut_groups,
    fit_params,
    takes_weight,
)

_LEAST_PROBABILITY = 1e-6


class ModalityStacking(ModalityEnsemble):
    """Base of both stacks: out-of-fold answers are the features of one more model."""

    final_estimator: Any
    passthrough: bool
    final_estimator_: Any
    stack_method_: dict[str, str]

    _parameter_constraints: ClassVar[dict] = {
        **ModalityEnsemble._parameter_constraints,
        "final_estimator": [None, HasMethods(["fit", "predict"])],
        "passthrough": ["boolean"],
    }

    def _fit(self, X: Any, y: Any, sample_weight: Any, groups: Any) -> None:
        training = self._read_training(X, y, sample_weight, groups)
        rng, seeds = make_generator(self.random_state).spawn(2)
        members = self._choose(training)
        final = self.final_estimator
        if final is None:
            final = default_final_estimator(self._kind, self.passthrough)
        final = self._prepare(final)
        for estimator in [*members.values(), final]:
            self._seed(estimator, seeds)
        self.stack_method_ = {
            name: self._choose_method(name, estimator)
            for name, estimator in members.items()
        }
        folds = self._draw_folds(training, rng)
        said = self._fit_members(members, self.stack_method_, training, folds)
        tested = np.zeros(len(training.target), dtype=bool)
        tested[np.concatenate([test for _, test in folds])] = True
        rows = np.flatnonzero(tested & training.heavy)
        self.modality_scores_ = self._score_alone(training, self._as_shares(said))
        self._learn_gaps(said, rows)
        features = self._features(training.blocks, said)[rows]
        self._fit_final(final, features, training, rows)

    def _fit_final(
        self, final: Any, features: np.ndarray, training: Training, rows: np.ndarray
    ) -> None:
        weight = training.weight_of(rows)
        if training.weight is None and not takes_weight(final):
            weight = None  # it would only keep a sampler's balance
        groups = cut_groups(training.groups, rows, len(training.target))
        params, routed = fit_params(final, "final_estimator", weight, groups)
        with config_context(enable_metadata_routing=routed):
            final.fit(features, training.target.values[rows], **params)
        self.final_estimator_ = final

    def _choose_method(self, name: str, estimator: Any) -> str:
        return "predict"

    def _as_shares(self, said: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Answers of which the largest, or those above one half, are meant."""
        shares = {}
        for name, answers in said.items():
            if self.stack_method_[name] == "decision_function":
                if self._kind == "labels" or answers.shape[1] == 1:
                    answers = expit(answers)
                if answers.shape[1] < len(self._prior):
                    answers = np.concatenate([1 - answers, answers], axis=1)
            shares[name] = answers
        return shares

    # Features of the final estimator -------------------------------------------------

    def _learn_gaps(self, said: dict[str, np.ndarray], rows: np.ndarray) -> None:
        """What stands for an answer that is not there, and which are to be marked."""
        self._fill, self._marked = {}, []
        for name, answers in said.items():
            gone = np.isnan(answers[rows, 0])
            if gone.any():
                self._marked.append(name)
            self._fill[name] = self._prior
            if self.stack_method_[name] == "decision_function":
                known = answers[rows][~gone]
                self._fill[name] = known.sum(axis=0) / max(len(known), 1)

    def _features(self, blocks: Blocks, said: dict[str, np.ndarray]) -> np.ndarray:
        """(n, Σ K_m) answers, then marks of absent ones, then X if it is passed on."""
        parts, marks = [], []
        for name, answers in said.items():
            gone = np.isnan(answers[:, :1])  # (n, 1)
            answers = np.where(gone, self._fill[name], answers)
            if self.stack_method_[name] != "decision_function":
                answers = self._spread(answers)
            parts.append(answers)
            if name in self._marked:
                marks.append(gone)
        passed = [blocks.x] if self.passthrough else []
        return np.concatenate([*parts, *marks, *passed], axis=1, dtype=np.float64)

    def _spread(self, answers: np.ndarray) -> np.ndarray:
        """Probabilities without a redundant column, as log-odds for the default."""
        if self._kind == "numbers":
            return answers
        two = self._kind == "classes" and answers.shape[1] == 2
        if self.final_estimator is not None:
            return answers[:, 1:] if two else answers
        p = np.clip(answers, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
        if two or self._kind == "labels":
            p = p[:, 1:] if two else p
            return np.log(p / (1 - p))
        logs = np.log(p)
        return logs - logs.mean(axis=1, keepdims=True)

    def _final_features(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        blocks, said = self._ask(X, self.stack_method_)
        return self._features(blocks, said)
