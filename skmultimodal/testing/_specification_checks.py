"""What a specification promises before there is a module."""

from __future__ import annotations

import math
from typing import Any

from sklearn.base import clone

from skmultimodal._specs import required_parameters, specifications
from skmultimodal.fusion._base import (
    AUTO,
    TASKS,
    NeuralFusion,
    fusion_name,
)
from skmultimodal.heads import FusionClassifier
from skmultimodal.testing._require import require

LEVELS = ("feature", "hierarchical", "relational", "decision")


def check_name(fusion: NeuralFusion) -> None:
    """Its name as a string stands for it, with its defaults."""
    cls = type(fusion)
    name = fusion_name(cls)
    required = required_parameters(cls)
    require(
        not required,
        f"{cls.__name__}() cannot be made: {required} have no default. Give each "
        "parameter of __init__ one.",
    )
    require(
        name != AUTO,
        f"{cls.__name__} would be {AUTO!r}, which lets a head choose. Rename it.",
    )
    here = (cls.__module__, cls.__qualname__)  # a notebook's cell may run twice
    rivals = {
        f"{other.__module__}.{other.__qualname__}"
        for other in specifications(NeuralFusion)
        if fusion_name(other) == name and (other.__module__, other.__qualname__) != here
    }
    require(
        not rivals,
        f"{name!r} is also the name of {sorted(rivals)}; one hides the other. Rename "
        "the class.",
    )


def check_class_attributes(fusion: NeuralFusion) -> None:
    """The class says where it belongs and what it is for, in words that are known."""
    cls = type(fusion)
    require(
        fusion.level in LEVELS,
        f"level = {fusion.level!r}, and not one of {LEVELS}. Choose one of them.",
    )
    tasks = fusion.tasks
    require(
        isinstance(tasks, tuple) and tasks and set(tasks) <= set(TASKS),
        f"tasks = {tasks!r}. Give a tuple of some of {TASKS}, or leave it out for all.",
    )
    least = fusion.min_modalities
    require(
        isinstance(least, int) and least >= 1,
        f"min_modalities = {least!r}. Give the least number of modalities, 1 or more.",
    )
    unknown = set(cls._parameter_constraints) - set(fusion.get_params())
    require(
        not unknown,
        f"_parameter_constraints names {sorted(unknown)}, which __init__ does not "
        "take. List its parameters under their names.",
    )
    fusion.validate()


def check_parameters(fusion: NeuralFusion) -> None:
    """A specification is a small value: cloned, compared, hashed, printed, searched."""
    spec, again = clone(fusion), clone(fusion)
    name = type(fusion).__name__
    stores = "In __init__, store each parameter under its name and nothing else."
    require(
        spec == again and spec is not again, f"A clone is not equal to it. {stores}"
    )
    require(hash(spec) == hash(again), f"A clone has another hash. {stores}")
    require(len({spec, again}) == 1, f"A set holds it and a clone twice. {stores}")
    extra = vars(spec).keys() - spec.get_params().keys()
    require(not extra, f"It holds {sorted(extra)}, which are no parameters. {stores}")
    default = type(fusion)()
    require(
        repr(default) == f"{name}()",
        f"With defaults it prints as {default!r}, not as {name}(). {stores}",
    )
    for key, value in spec.get_params(deep=False).items():
        other = _another(value, getattr(default, key))
        changed = clone(spec).set_params(**{key: other})
        require(changed != spec, f"{key}={other!r} in place of {value!r} is equal.")
        require(
            f"{key}={other!r}" in repr(changed),
            f"With {key}={other!r} it prints as {changed!r}. {stores}",
        )
        head = FusionClassifier(fusion=spec).set_params(**{f"fusion__{key}": other})
        require(
            head.fusion == changed,
            f"fusion__{key}={other!r} does not reach it inside a head. {stores}",
        )
        spec.set_params(**{key: value})


def _another(value: Any, default: Any) -> Any:
    """A value that is neither: of what kind does not matter before `fit`."""
    if isinstance(value, bool) and isinstance(default, bool) and value == default:
        return not value
    numbers = [v for v in (value, default) if isinstance(v, int | float)]
    return max([0, *filter(math.isfinite, numbers)]) + 1
