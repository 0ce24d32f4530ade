"""Specifications: small objects with parameters, from which `fit` builds a module."""

from __future__ import annotations

import re
from abc import ABCMeta
from collections.abc import Mapping
from typing import Any, ClassVar

from sklearn.base import BaseEstimator, clone
from sklearn.utils._param_validation import validate_parameter_constraints


class Specification(BaseEstimator, metaclass=ABCMeta):
    """Holds parameters; is cloned, printed, compared, hashed and searched.

    It is to a head what a kernel is to
    :class:`~sklearn.gaussian_process.GaussianProcessClassifier`.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}

    def validate(self) -> None:
        """Raise a ValueError that names a parameter that is not allowed."""
        validate_parameter_constraints(
            self._parameter_constraints,
            self.get_params(deep=False),
            type(self).__name__,
        )

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        items = tuple(sorted(self.get_params(deep=False).items()))
        try:
            return hash((type(self), items))
        except TypeError:  # a list among them
            return hash(type(self))


def specification_name(cls: type, suffix: str) -> str:
    """``CrossAttentionFusion`` -> ``"cross_attention"``, ``FiLMFusion`` -> ``"film"``.

    A word starts at a capital with a small letter behind it, or two before it.
    """
    stem = cls.__name__.removesuffix(suffix)
    start = r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z0-9]{2})(?=[A-Z])"
    return re.sub(start, "_", stem).lower()


def known_specifications(base: type, suffix: str) -> dict[str, Any]:
    """Every class below `base` by name, a user's own included."""
    found: dict[str, Any] = {}
    stack: list[Any] = [base]
    while stack:
        for cls in stack.pop().__subclasses__():
            stack.append(cls)
            if not cls.__abstractmethods__:
                found[specification_name(cls, suffix)] = cls
    return dict(sorted(found.items()))


def make_specification(
    given: Any,
    base: type,
    known: Mapping[str, Any],
    parameter: str,
    plural: str,
    remedy: str,
) -> Any:
    """A validated copy of what was given as a specification or by its name.

    `parameter` is where it was given, `plural` what there are several of, and `remedy`
    ends the sentence "Give one of these names, ".
    """
    if isinstance(given, str):
        if given not in known:
            raise ValueError(
                f"{parameter}={given!r} is not known. Known {plural}: {sorted(known)}. "
                f"Give one of these names, {remedy}."
            )
        return known[given]()
    if isinstance(given, type) and issubclass(given, base):
        name = next((n for n, cls in known.items() if cls is given), None)
        raise ValueError(
            f"{parameter}={given.__name__} is a class; give an instance, "
            f"{given.__name__}()" + (f", or its name {name!r}." if name else ".")
        )
    if not isinstance(given, base):
        article = "an" if base.__name__[0] in "AEIOU" else "a"
        raise ValueError(
            f"{parameter}={given!r} is neither the name of a {parameter} ("
            f"{sorted(known)}) nor {article} {base.__name__}."
        )
    given = clone(given)
    given.validate()
    return given
