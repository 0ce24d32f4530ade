"""What is compared: single modalities, the decision level, and fusions asked for."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sklearn.base import clone, is_classifier, is_regressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils._pprint import _changed_params

from skmultimodal._specs import required_parameters
from skmultimodal.compose import ModalitySelector
from skmultimodal.fusion import (
    ModalityStackingClassifier,
    ModalityStackingRegressor,
    ModalityVotingClassifier,
    ModalityVotingRegressor,
    NeuralFusion,
)
from skmultimodal.fusion._base import (
    AUTO,
    fusion_name,
    known_fusions,
    make_fusion,
)
from skmultimodal.fusion._blocks import ClosedFormFusion
from skmultimodal.fusion.decision_level._defaults import (
    PerLabel,
    default_final_estimator,
)
from skmultimodal.fusion.decision_level._ensemble import ModalityEnsemble
from skmultimodal.heads._base import FusionHead

ALL = "all"
LEVELS = ("single", "decision", "feature", "hierarchical", "relational")
_QUADRATIC = 3_000  # rows beyond which similarities of all pairs are left out of "all"


@dataclass(frozen=True)
class Candidate:
    """An estimator of encoded rows, not fitted yet."""

    label: str
    level: str
    estimator: Any
    modality: str | None = None  # the only one that it sees


@dataclass(frozen=True)
class Question:
    """What the candidates have to answer."""

    kind: str  # "classes", "labels" (an indicator matrix) or "numbers"
    head: FusionHead  # whose fusion is replaced
    modalities: list[str]
    n_rows: int

    @property
    def task(self) -> str:
        tasks = {"classes": "classification", "labels": "multilabel"}
        return tasks.get(self.kind, "regression")

    def with_fusion(self, fusion: Any, **params: Any) -> Any:
        return clone(self.head).set_params(fusion=fusion, **params)

    def behind(self, transformer: Any) -> Pipeline:
        """A linear model of what a transformer gives."""
        final = default_final_estimator(self.kind, passthrough=True)
        return make_pipeline(
            clone(transformer), PerLabel(final) if self.kind == "labels" else final
        )


def list_candidates(fusions: Any, question: Question) -> list[Candidate]:
    """Single modalities, the decision level, then what was asked for.

    What was asked for under the label of another takes its place.
    """
    asked = _asked(fusions, question)
    labels = {candidate.label for candidate in asked}
    given = [*_singles(question), *_decisions(question)]
    return [c for c in given if c.label not in labels] + asked


def _singles(question: Question) -> list[Candidate]:
    """Each modality twice: a head without anything to fuse, and a linear model."""
    head = question.with_fusion("concat", modality_balance=None)
    voting, _ = _decision_classes(question)
    linear = voting(weights="uniform")  # a vote of one: rows that lack it get the prior
    found = [
        Candidate(f"{name} alone", "single", head, name) for name in question.modalities
    ]
    return found + [
        Candidate(f"{name} alone, linear", "single", linear, name)
        for name in question.modalities
    ]


def _decisions(question: Question) -> list[Candidate]:
    if len(question.modalities) < 2:
        return []
    voting, stacking = _decision_classes(question)
    return [
        Candidate("voting", "decision", voting()),
        Candidate("stacking", "decision", stacking()),
    ]


def _decision_classes(question: Question) -> tuple[Any, Any]:
    if question.kind == "numbers":
        return ModalityVotingRegressor, ModalityStackingRegressor
    return ModalityVotingClassifier, ModalityStackingClassifier


# --- what was asked for ---------------------------------------------------------------


def _asked(fusions: Any, question: Question) -> list[Candidate]:
    if isinstance(fusions, str) and fusions == ALL:
        return _everything(question)
    if isinstance(fusions, Mapping):
        found = [_candidate(f, question, str(label)) for label, f in fusions.items()]
    else:
        if isinstance(fusions, str | type) or hasattr(fusions, "get_params"):
            fusions = [fusions]
        found = [_candidate(fusion, question) for fusion in fusions]
    if not found:
        raise ValueError(
            f"fusions={fusions!r} asks for nothing. Give 'all', a list of names such "
            "as ['concat', 'gated'], or a dict of labels to fusions or estimators."
        )
    labels = [candidate.label for candidate in found]
    twice = [label for label in labels if labels.count(label) > 1]
    if twice:
        raise ValueError(
            f"fusions has {twice[0]!r} more than once. Give a dict, {{'a': ..., 'b': "
            "...}}, to tell them apart."
        )
    return found


def _everything(question: Question) -> list[Candidate]:
    """All that suit y and the number of modalities; one cannot be fused."""
    n_modalities = len(question.modalities)
    if n_modalities < 2:
        return []
    names = [
        name
        for name, cls in known_fusions().items()
        if question.task in cls.tasks
        and n_modalities >= cls.min_modalities
        and not required_parameters(cls)
    ]
    names += [
        name
        for name, cls in _closed_forms().items()
        if n_modalities >= cls.min_modalities
        and (name != "similarity_network" or question.n_rows <= _QUADRATIC)
    ]
    order = {level: place for place, level in enumerate(LEVELS)}
    found = [_candidate(name, question) for name in [*names, AUTO]]
    return sorted(found, key=lambda c: order.get(c.level, len(order)))


def _closed_forms() -> dict[str, type[ClosedFormFusion]]:
    """Every closed form there is by name, a user's own included."""
    found: dict[str, Any] = {}
    stack: list[Any] = [ClosedFormFusion]
    while stack:
        for cls in stack.pop().__subclasses__():
            stack.append(cls)
            if not inspect.isabstract(cls):
                found[fusion_name(cls)] = cls
    return dict(sorted(found.items()))


def _candidate(fusion: Any, question: Question, label: str | None = None) -> Candidate:
    """A fusion by name, a specification, a transformer or an estimator."""
    if isinstance(fusion, str):
        return _by_name(fusion, question, label or fusion)
    if isinstance(fusion, type):
        raise ValueError(
            f"fusions has the class {fusion.__name__}; give an instance, "
            f"{fusion.__name__}()."
        )
    if isinstance(fusion, NeuralFusion):
        fusion = make_fusion(fusion)
        head = question.with_fusion(fusion)
        return Candidate(label or _describe(fusion), fusion.level, head)
    if hasattr(fusion, "fit") and hasattr(fusion, "predict"):
        label = label or _describe(fusion)
        _refuse_other_kind(fusion, question, label)
        return Candidate(label, level_of(fusion), clone(fusion))
    if hasattr(fusion, "fit") and hasattr(fusion, "transform"):
        label = label or _describe(fusion)
        return Candidate(label, level_of(fusion), question.behind(fusion))
    raise ValueError(
        f"fusions has {fusion!r:.80}, which is neither the name of a fusion, a "
        "NeuralFusion, a transformer nor an estimator."
    )


def _refuse_other_kind(estimator: Any, question: Question, label: str) -> None:
    numbers = question.kind == "numbers"
    if is_classifier(estimator) if numbers else is_regressor(estimator):
        what = "classifier" if numbers else "regressor"
        raise ValueError(
            f"fusions has {label!r}, a {what}, but the comparison is one of "
            f"{'regressors' if numbers else 'classifiers'}. Leave it out, or give "
            "estimator=FusionClassifier() or FusionRegressor() to say what y is."
        )


def _by_name(name: str, question: Question, label: str) -> Candidate:
    if name == AUTO:
        return Candidate(label, "decision", question.with_fusion(AUTO))
    for decision in _decisions(question):
        if name == decision.label:
            return Candidate(label, decision.level, decision.estimator)
    closed = _closed_forms()
    if name in closed:
        return Candidate(label, closed[name].level, question.behind(closed[name]()))
    known = known_fusions()
    if name not in known:
        raise ValueError(
            f"fusions has {name!r}, which is not known. Known are "
            f"{[*known, *closed, 'voting', 'stacking', AUTO]}; anything else is given "
            "as a NeuralFusion, a transformer or an estimator."
        )
    fusion = make_fusion(name)  # a worker may not know the class of a name
    return Candidate(label, fusion.level, question.with_fusion(fusion))


def level_of(estimator: Any) -> str:
    """Where an estimator fuses; one that knows nothing of it, on the features."""
    if isinstance(estimator, ModalitySelector):
        names = estimator.modalities
        one = isinstance(names, str) or (names is not None and len(names) == 1)
        return "single" if one else "feature"
    if isinstance(estimator, Pipeline):
        levels = [level_of(step) for _, step in estimator.steps]
        return next((level for level in levels if level != "feature"), "feature")
    if isinstance(estimator, ModalityEnsemble):
        return "decision"
    fusion = getattr(estimator, "fusion", estimator)
    if isinstance(fusion, str):
        if fusion == AUTO:
            return "decision"
        known = known_fusions()
        return known[fusion].level if fusion in known else "feature"
    level = getattr(fusion, "level", "feature")
    return level if level in LEVELS else "feature"


def _describe(fusion: Any) -> str:
    """Its name as a string, or its class; with the parameters that differ."""
    cls = type(fusion)
    short = isinstance(fusion, NeuralFusion | ClosedFormFusion)
    name = fusion_name(cls) if short else cls.__name__
    if isinstance(fusion, Pipeline):
        return " + ".join(_describe(step) for _, step in fusion.steps)
    changed = ", ".join(f"{k}={v!r}" for k, v in _changed_params(fusion).items())
    return f"{name}({' '.join(changed.split())})" if changed else name


def seeded(estimator: Any, seed: int | None, *, overrule: bool = True) -> Any:
    """A clone with the seed as every `random_state`, or as those that are None."""
    estimator = clone(estimator)
    if seed is None:
        return estimator
    names = [
        name
        for name, value in estimator.get_params().items()
        if name.rpartition("__")[2] == "random_state" and (overrule or value is None)
    ]
    return estimator.set_params(**dict.fromkeys(names, seed))
