"""What is compared: labels, levels and estimators that take an encoded frame."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sklearn.base import clone, is_classifier, is_regressor
from sklearn.pipeline import Pipeline, make_pipeline

from skmultimodal.compose import ModalitySelector
from skmultimodal.fusion import (
    ModalityStackingClassifier,
    ModalityStackingRegressor,
    ModalityVotingClassifier,
    ModalityVotingRegressor,
)
from skmultimodal.fusion._base import (
    AUTO,
    NeuralFusion,
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
from skmultimodal.model_selection._paired_differences import SINGLE

ALL = "all"
OTHER = "other"
_LONGEST_LABEL = 60
_VOTES = {
    "classifier": {
        "voting": ModalityVotingClassifier,
        "stacking": ModalityStackingClassifier,
    },
    "regressor": {
        "voting": ModalityVotingRegressor,
        "stacking": ModalityStackingRegressor,
    },
}
_ANSWERS = {
    "classification": "classes",
    "multilabel": "labels",
    "regression": "numbers",
}


@dataclass(frozen=True)
class Candidate:
    """One row of the table."""

    label: str
    level: str
    estimator: Any


@dataclass(frozen=True)
class Ground:
    """What all candidates share."""

    head: Any  # gets another fusion a candidate
    task: str  # in the words of `NeuralFusion.tasks`
    seed: int

    @property
    def kind(self) -> str:
        return "regressor" if self.task == "regression" else "classifier"


def closed_form_fusions() -> dict[str, type[ClosedFormFusion]]:
    """Every closed-form fusion there is by name, a user's own included."""
    found: dict[str, Any] = {}
    stack: list[Any] = [ClosedFormFusion]
    while stack:
        for cls in stack.pop().__subclasses__():
            stack.append(cls)
            if not inspect.isabstract(cls):
                found[fusion_name(cls)] = cls
    return dict(sorted(found.items()))


def read_fusions(fusions: Any) -> dict[str, Any] | None:
    """What `fusions` asks for by label; None for all there are."""
    if isinstance(fusions, str):
        if fusions == ALL:
            return None
        fusions = [fusions]
    if isinstance(fusions, Mapping):
        asked = [(str(label), _read(label, given)) for label, given in fusions.items()]
    elif isinstance(fusions, list | tuple):
        asked = [(_label(found), found) for found in (_read(None, f) for f in fusions)]
    else:
        asked = [(_label(found), found) for found in [_read(None, fusions)]]
    if not asked:
        raise ValueError(
            "fusions is empty: there is nothing to compare. Name some of "
            f"{_known_names()}, or give 'all'."
        )
    labels = [label for label, _ in asked]
    twice = [label for label in labels if labels.count(label) > 1]
    if twice:
        raise ValueError(
            f"fusions has {twice[0]!r} twice. Give a dict whose keys are the labels of "
            "the table's rows."
        )
    return dict(asked)


def _known_names() -> list[str]:
    return sorted(
        {*known_fusions(), *closed_form_fusions(), *_VOTES["classifier"], AUTO}
    )


def _read(label: Any, given: Any) -> Any:
    """A name, specification, transformer or estimator; a name stays what it is."""
    where = "fusions" if label is None else f"fusions[{label!r}]"
    if isinstance(given, str):
        if given not in _known_names():
            raise ValueError(
                f"{where}: {given!r} is not known. Give one of {_known_names()}, a "
                "fusion such as BottleneckFusion(n_tokens=2), or an estimator."
            )
        return given
    if isinstance(given, type):
        raise TypeError(
            f"{where}: {given.__name__} is a class. Give an instance, "
            f"{given.__name__}()."
        )
    if isinstance(given, NeuralFusion):
        return make_fusion(given)
    if hasattr(given, "fit") and (hasattr(given, "predict") or _transforms(given)):
        return given
    raise TypeError(
        f"{where}: {given!r:.80} is neither a fusion nor a transformer or estimator. "
        f"Give one of {_known_names()}, a fusion, or an estimator with fit and predict."
    )


def _transforms(given: Any) -> bool:
    return hasattr(given, "transform") or isinstance(given, Pipeline)


def _label(given: Any) -> str:
    """``BottleneckFusion(n_tokens=2)`` -> ``"bottleneck(n_tokens=2)"``."""
    if isinstance(given, str):
        return given
    printed = re.sub(r"\s+", " ", repr(given))
    name, _, rest = printed.partition("(")
    if isinstance(given, NeuralFusion | ClosedFormFusion):
        name = fusion_name(type(given))
    label = name if rest in ("", ")") else f"{name}({rest}"
    if len(label) > _LONGEST_LABEL:
        label = label[: _LONGEST_LABEL - 3] + "..."
    return label


def make_candidates(
    asked: dict[str, Any] | None, modalities: list[str], ground: Ground
) -> list[Candidate]:
    """Single modalities, then the decision level, then what was asked for."""
    found = list(_singles(modalities, ground))
    if len(modalities) > 1:
        found += [_vote(name, ground) for name in _VOTES[ground.kind]]
    if asked is None:
        asked = _suitable(ground.task, len(modalities)) if len(modalities) > 1 else {}
    taken = {candidate.label for candidate in found}
    for label, given in asked.items():
        if isinstance(given, str) and given in _VOTES[ground.kind]:
            if label not in taken:
                found.append(_vote(given, ground, label))
        elif label in taken:
            raise ValueError(
                f"fusions has the label {label!r}, which is a row of its own in every "
                "comparison. Choose another label."
            )
        else:
            found.append(_candidate(label, given, ground))
    return found


def _suitable(task: str, n_modalities: int) -> dict[str, Any]:
    every: dict[str, Any] = {
        name: cls()
        for name, cls in known_fusions().items()
        if task in cls.tasks and n_modalities >= cls.min_modalities
    }
    every |= {
        name: cls()
        for name, cls in closed_form_fusions().items()
        if n_modalities >= cls.min_modalities
    }
    order = ["feature", "hierarchical", "relational"]
    ranks = {name: index for index, name in enumerate(order)}
    ranked = sorted(every, key=lambda name: (ranks.get(every[name].level, -1), name))
    return {name: every[name] for name in ranked} | {AUTO: AUTO}


def _singles(modalities: list[str], ground: Ground) -> Iterator[Candidate]:
    for name in modalities:
        head = clone(ground.head).set_params(fusion="concat")
        alone = Pipeline([("select", ModalitySelector([name])), ("head", head)])
        yield Candidate(f"{name} alone", SINGLE, alone)


def _vote(name: str, ground: Ground, label: str | None = None) -> Candidate:
    ensemble = _VOTES[ground.kind][name](random_state=ground.seed)
    return Candidate(label or name, "decision", ensemble)


def _candidate(label: str, given: Any, ground: Ground) -> Candidate:
    closed = closed_form_fusions()
    if isinstance(given, str) and given == AUTO:
        return Candidate(label, AUTO, clone(ground.head).set_params(fusion=AUTO))
    if isinstance(given, str):
        given = closed[given]() if given in closed else make_fusion(given)
    if isinstance(given, NeuralFusion):
        head = clone(ground.head).set_params(fusion=given)
        return Candidate(label, given.level, head)
    level = _level(given)
    if not hasattr(given, "predict"):
        given = make_pipeline(clone(given), _linear_model(ground.task))
    elif (ground.kind == "regressor" and is_classifier(given)) or (
        ground.kind == "classifier" and is_regressor(given)
    ):
        raise TypeError(
            f"fusions: {label!r} is no {ground.kind}, but y asks for {ground.task}. "
            "Give another estimator; estimator=FusionClassifier() or FusionRegressor() "
            "says what y is."
        )
    return Candidate(label, level, seeded(given, ground.seed, overrule=False))


def _level(given: Any) -> str:
    """Where a transformer or estimator stands: a pipeline by its steps."""
    if isinstance(given, ModalityEnsemble):
        return "decision"
    if isinstance(given, FusionHead):
        given = given.fusion if given.fusion == AUTO else make_fusion(given.fusion)
        return given if isinstance(given, str) else given.level
    if isinstance(given, Pipeline):
        for _, step in given.steps:
            if isinstance(step, ModalitySelector) and step.modalities is not None:
                names = step.modalities
                if isinstance(names, str) or len(names) == 1:
                    return SINGLE
            level = _level(step)
            if level != OTHER:
                return level
        return OTHER
    declared = getattr(given, "level", None)
    return declared if isinstance(declared, str) else OTHER


def _linear_model(task: str) -> Any:
    kind = _ANSWERS[task]
    model = default_final_estimator(kind, passthrough=True)
    return PerLabel(model) if kind == "labels" else model


def seeded(estimator: Any, seed: int, *, overrule: bool) -> Any:
    """A clone whose every `random_state` is `seed`, where it was None or always."""
    estimator = clone(estimator)
    params = estimator.get_params(deep=True)
    wanted = {
        name: seed
        for name, value in params.items()
        if name.rpartition("__")[2] == "random_state" and (overrule or value is None)
    }
    return estimator.set_params(**wanted)
