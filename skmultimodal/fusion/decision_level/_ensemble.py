"""One estimator a modality: chosen, seeded, fitted, and asked out of fold."""

from __future__ import annotations

import warnings
from abc import ABCMeta
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.utils import check_consistent_length, get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.parallel import Parallel, delayed

from skmultimodal._folds import draw_folds
from skmultimodal._provenance import align_sample_weight
from skmultimodal.fusion.decision_level._blocks import Blocks, read_blocks
from skmultimodal.fusion.decision_level._defaults import PerLabel, default_estimator
from skmultimodal.fusion.decision_level._metadata import cut_groups, fit_params
from skmultimodal.fusion.decision_level._targets import (
    Target,
    answer,
    read_classes,
    read_numbers,
)

_Fold = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Training:
    """Rows to learn from."""

    blocks: Blocks
    target: Target
    weight: np.ndarray | None  # (n,)
    groups: Any
    heavy: np.ndarray  # (n,) bool: rows that weigh something

    def rows_of(self, modality: str) -> np.ndarray:
        """Positions of the rows that an estimator of the modality is fitted on."""
        return np.flatnonzero(self.blocks.present(modality) & self.heavy)

    def weight_of(self, rows: np.ndarray) -> np.ndarray | None:
        """Weights of rows that are out of fold, standing for all rows.

        Copies and synthetic rows are in no test part. So that a sampler's balance
        lasts, each class weighs as much as in all rows.
        """
        weight = np.ones(len(self.target)) if self.weight is None else self.weight
        if len(rows) < len(self.target) and self.target.kind == "classes":
            code = self.target.columns.argmax(axis=1)
            wanted = np.bincount(code, weight, self.target.columns.shape[1])
            found = np.bincount(code[rows], weight[rows], len(wanted))
            gain = wanted / np.where(found > 0, found, 1)
            return weight[rows] * gain[code[rows]]
        return None if self.weight is None else weight[rows]


class ModalityEnsemble(BaseEstimator, metaclass=ABCMeta):
    """Base of the meta-estimators that fit one clone of an estimator a modality."""

    estimator: Any
    estimators: Mapping[str, Any] | None
    cv: Any
    n_jobs: int | None
    random_state: Any
    modalities: Mapping[str, Any] | None
    estimators_: dict[str, Any]
    modality_scores_: dict[str, float]

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [None, HasMethods(["fit", "predict"])],
        "estimators": [None, Mapping],
        "cv": ["cv_object"],
        "n_jobs": [None, Integral],
        "random_state": ["random_state"],
        "modalities": [None, Mapping],
    }

    # Fitting -----------------------------------------------------------------------

    def _read_training(self, X: Any, y: Any, sample_weight: Any, groups: Any) -> Any:
        who = type(self).__name__
        read = read_classes if is_classifier(self) else read_numbers
        blocks = read_blocks(self, X, self.modalities, reset=True)
        target = read(y, who)
        check_consistent_length(blocks.x, target.values)
        weight = None
        heavy = np.ones(len(target), dtype=bool)
        if sample_weight is not None:
            weight = align_sample_weight(sample_weight, blocks.index, len(target))
            weight = np.asarray(weight, dtype=np.float64)
            if not np.isfinite(weight).all() or (weight < 0).any():
                raise ValueError("sample_weight must be finite and not negative.")
            heavy = weight > 0
            if not heavy.any():
                raise ValueError(
                    "sample_weight is zero in every row; nothing to learn."
                )
        if target.kind == "classes" and not target.teaches(np.flatnonzero(heavy)):
            raise ValueError(
                f"{who} needs at least 2 classes, but the rows of y that have a "
                "sample_weight are of one class."
            )
        self._kind = target.kind
        if target.kind != "numbers":
            self.classes_ = target.classes
        self._flat = target.values.ndim == 1
        self._prior = target.prior(weight, np.flatnonzero(heavy))
        return Training(blocks, target, weight, groups, heavy)

    def _choose(self, training: Training) -> dict[str, Any]:
        """Unfitted clones, for the modalities that there is something to learn from."""
        layout = training.blocks.layout
        own = dict(self.estimators or {})
        unknown = [name for name in own if name not in layout.names]
        if unknown:
            raise ValueError(
                f"estimators names the modality {unknown[0]!r}, which X does not have. "
                f"Its modalities are {layout.names}."
            )
        members: dict[str, Any] = {}
        for block in layout:
            chosen = own.get(block.name, self.estimator)
            if isinstance(chosen, str) and chosen == "drop":
                continue
            if chosen is None:
                chosen = default_estimator(block, self._kind)
            elif not hasattr(chosen, "fit"):
                raise TypeError(
                    f"estimators={{{block.name!r}: {chosen!r}}}: expected an "
                    "estimator, 'drop', or None for the default."
                )
            if self._has_lessons(training, block.name):
                members[block.name] = self._prepare(chosen)
        if not members:
            raise ValueError(
                f"{type(self).__name__} has no modality to learn from: each of "
                f"{layout.names} is dropped, absent in every row, or has rows of one "
                "class only."
            )
        return members

    def _has_lessons(self, training: Training, modality: str) -> bool:
        rows = training.rows_of(modality)
        if len(rows) and training.target.teaches(rows):
            return True
        what = f"The rows that have the modality {modality!r} are of one class"
        if training.target.kind != "classes":
            what = f"One row has the modality {modality!r}"
        if not len(rows):
            what = f"Every row lacks the modality {modality!r}"
        warnings.warn(
            f"{what}: {type(self).__name__} goes on without it, also at predict.",
            UserWarning,
            stacklevel=7,
        )
        return False

    def _prepare(self, estimator: Any) -> Any:
        """A clone that fits the target."""
        estimator = clone(estimator)
        tags = get_tags(estimator).classifier_tags
        if self._kind == "labels" and tags is not None and not tags.multi_label:
            return PerLabel(estimator)
        return estimator

    def _seed(self, estimator: Any, rng: np.random.Generator) -> None:
        """Set every random_state among the parameters, if there is a seed."""
        if self.random_state is None:
            return
        names = sorted(estimator.get_params())
        seeds = {
            name: int(rng.integers(2**31 - 1))
            for name in names
            if name.split("__")[-1] == "random_state"
        }
        if seeds:
            estimator.set_params(**seeds)

    def _draw_folds(self, training: Training, rng: np.random.Generator) -> list[_Fold]:
        return draw_folds(
            training.target.strata,
            index=training.blocks.index,
            x=training.blocks.scaled(),
            groups=training.groups,
            cv=5 if self.cv is None else self.cv,
            stratify=self._kind == "classes",
            random_state=rng,
        )

    def _fit_members(
        self,
        members: dict[str, Any],
        methods: dict[str, str],
        training: Training,
        folds: list[_Fold],
    ) -> dict[str, np.ndarray]:
        """Fit on all rows, and on each training part to answer for its test part.

        Returns (n, K) a modality, the mean over the folds that test a row. NaN where
        none does, where the modality is absent, or where a training part has too few
        rows with the modality to learn from.
        """
        n = len(training.target)
        tasks = [
            (name, np.intersect1d(train, training.rows_of(name)), test)
            for name in members
            for train, test in [(np.arange(n), None), *folds]
        ]
        tasks = [task for task in tasks if training.target.teaches(task[1])]
        fitted = Parallel(n_jobs=self.n_jobs)(
            delayed(_fit_and_answer)(
                clone(members[name]), methods[name], training, name, rows, test
            )
            for name, rows, test in tasks
        )
        self.estimators_ = {}
        total = {
            name: np.zeros((n, self._n_answers(method)))
            for name, method in methods.items()
        }
        count = {name: np.zeros((n, 1)) for name in members}
        for (name, _, _), (estimator, tested, said) in zip(tasks, fitted):
            if estimator is not None:
                self.estimators_[name] = estimator
            else:
                total[name][tested] += said
                count[name][tested] += 1
        with np.errstate(invalid="ignore"):  # 0 / 0: NaN
            return {name: total[name] / count[name] for name in members}

    def _score_alone(
        self, training: Training, said: dict[str, np.ndarray]
    ) -> dict[str, float]:
        """Accuracy or R² of each modality on the rows that it has answered."""
        scores = {}
        for name, answers in said.items():
            rows = np.flatnonzero(~np.isnan(answers[:, 0]) & training.heavy)
            if len(rows):
                weight = None if training.weight is None else training.weight[rows]
                scores[name] = training.target.score(answers[rows], rows, weight)
        return scores

    def _n_answers(self, method: str) -> int:
        """How many columns an estimator says of a row."""
        if self._kind == "classes" and method == "decision_function":
            return 1 if len(self.classes_) == 2 else len(self.classes_)
        return len(self._prior)

    # Predicting --------------------------------------------------------------------

    def _ask(self, X: Any, methods: dict[str, str]) -> tuple[Blocks, dict]:
        """X as blocks, and (n, K) a modality; NaN for rows that lack it."""
        blocks = read_blocks(self, X, self.modalities, reset=False)
        said = {}
        for name, estimator in self.estimators_.items():
            method = methods[name]
            answers = np.full((len(blocks), self._n_answers(method)), np.nan)
            rows = np.flatnonzero(blocks.present(name))
            if len(rows):
                part = blocks.take(name, rows)
                answers[rows] = answer(
                    estimator, method, part, self._kind, self._classes, self._prior
                )
            said[name] = answers
        return blocks, said

    @property
    def _classes(self) -> np.ndarray:
        return getattr(self, "classes_", np.arange(len(self._prior)))

    # Parameters --------------------------------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get parameters for this estimator.

        Parameters
        ----------
        deep : bool, default=True
            Whether to add the parameters of contained estimators, those of
            `estimators` as ``estimators__<modality>__<parameter>``.

        Returns
        -------
        dict
            Parameter names mapped to their values.
        """
        params = super().get_params(deep=deep)
        if deep and isinstance(self.estimators, Mapping):
            for name, estimator in self.estimators.items():
                params[f"estimators__{name}"] = estimator
                if hasattr(estimator, "get_params") and not isinstance(estimator, type):
                    for key, value in estimator.get_params(deep=True).items():
                        params[f"estimators__{name}__{key}"] = value
        return params

    def set_params(self, **params: Any) -> Any:
        """Set the parameters of this estimator.

        Parameters
        ----------
        **params : dict
            Parameters, those of `estimators` as
            ``estimators__<modality>__<parameter>``.

        Returns
        -------
        self : object
        """
        inner: dict[str, dict[str, Any]] = {}
        for key in [key for key in params if key.startswith("estimators__")]:
            name, _, parameter = key.removeprefix("estimators__").partition("__")
            inner.setdefault(name, {})[parameter] = params.pop(key)
        super().set_params(**params)
        for name, values in inner.items():
            known = dict(self.estimators or {})
            if "" in values:
                self.estimators = {**known, name: values.pop("")}
            elif name not in known:
                raise ValueError(
                    f"Invalid parameter 'estimators__{name}' for {self}: estimators "
                    f"has {sorted(known)}."
                )
            if values:
                assert self.estimators is not None
                self.estimators[name].set_params(**values)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        if tags.classifier_tags is not None:
            tags.classifier_tags.multi_label = True
        return tags


def _fit_and_answer(
    estimator: Any,
    method: str,
    training: Training,
    modality: str,
    rows: np.ndarray,
    test: np.ndarray | None,
) -> tuple[Any, np.ndarray | None, np.ndarray | None]:
    """Fit on some rows; without a test part the result is the fitted estimator."""
    blocks, target = training.blocks, training.target
    weight = None if training.weight is None else training.weight[rows]
    groups = cut_groups(training.groups, rows, len(target))
    whose = f"the modality {modality!r}"
    params, routed = fit_params(estimator, whose, weight, groups)
    with config_context(enable_metadata_routing=routed):
        estimator.fit(blocks.take(modality, rows), target.values[rows], **params)
    if test is None:
        return estimator, None, None
    tested = test[blocks.present(modality)[test]]
    if not len(tested):
        return None, tested, np.zeros((0, 1))
    part = blocks.take(modality, tested)
    prior = target.prior(training.weight, np.flatnonzero(training.heavy))
    said = answer(estimator, method, part, target.kind, target.classes, prior)
    return None, tested, said
