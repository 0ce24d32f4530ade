"""The steps before the head: told apart, and fitted once a fold."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import joblib
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object

from skmultimodal.model_selection.searching._remembering import Memory

_PIPELINES = ("sklearn.pipeline", "imblearn.pipeline")


def has_prefix(estimator: Any) -> bool:
    """Whether it is a Pipeline, fitted as we know it, with an estimator at its end."""
    return (
        isinstance(estimator, Pipeline)
        and type(estimator).fit.__module__ in _PIPELINES
        and len(estimator.steps) > 0
        and hasattr(estimator.steps[-1][1], "fit")
    )


def head_of(estimator: Any) -> Any:
    return estimator.steps[-1][1] if has_prefix(estimator) else estimator


def prefix_key(estimator: Any) -> Hashable:
    """Equal for candidates whose heads are fitted on the same rows.

    That is a matter of all steps before the last and their parameters, and of what is
    passed on to the last one.
    """
    if not has_prefix(estimator):
        return None
    *before, (name, head) = estimator.steps
    asked = None
    if get_config()["enable_metadata_routing"]:
        asked = repr(get_routing_for_object(head))
    steps = tuple((step, content(part)) for step, part in before)
    return type(estimator), steps, content(estimator.transform_input), name, asked


def content(value: Any) -> Hashable:
    """Equal for estimators and parameters that are equal in all they hold.

    What cannot be pickled, a lambda, is equal to itself only.
    """
    if hasattr(value, "get_params") and not isinstance(value, type):
        params = sorted(value.get_params(deep=False).items())
        return type(value), tuple((name, content(held)) for name, held in params)
    if isinstance(value, list | tuple):
        return type(value), tuple(content(held) for held in value)
    if isinstance(value, Mapping):
        return type(value), tuple((content(k), content(v)) for k, v in value.items())
    if value is None or isinstance(value, str | bytes | bool | int | float):
        return type(value), repr(value)
    try:
        return joblib.hash(value)
    except Exception:  # whatever its own pickling raises
        return "object", id(value)


@dataclass
class Prepared:
    """What the heads of one prefix are fitted on, on one fold."""

    pipeline: Any  # its steps fitted, but for the last; None where there is none
    X: Any
    y: Any
    params: Mapping[str, Any]
    seconds: float = 0.0
    memory: Memory | None = None

    @property
    def steps(self) -> list[Any]:
        """The fitted steps."""
        if self.pipeline is None:
            return []
        steps = [step for _, step in self.pipeline.steps[:-1]]
        return [s for s in steps if s is not None and not isinstance(s, str)]

    def whole(self, estimator: Any, head: Any) -> Any:
        """The estimator of a candidate, all of it fitted."""
        if self.pipeline is None:
            return head
        name = estimator.steps[-1][0]
        estimator.steps = [*self.pipeline.steps[:-1], (name, head)]
        return estimator


def prepare(estimator: Any, X: Any, y: Any, params: Mapping[str, Any]) -> Prepared:
    """Fit the steps before the head as the Pipeline itself would."""
    if not has_prefix(estimator):
        return Prepared(None, X, y, params)
    start = time.perf_counter()
    name, head = estimator.steps[-1]
    catch = _Catch(head)
    estimator.steps = [*estimator.steps[:-1], (name, catch)]
    estimator.fit(X, y, **params)
    seconds = time.perf_counter() - start
    X, y, caught = catch.__dict__.pop("caught_")
    return Prepared(estimator, X, y, caught, seconds)


class _Catch(BaseEstimator):
    """Stands in the place of the head and keeps what that would be fitted on."""

    def __init__(self, head: Any = None):
        self.head = head

    def fit(self, X: Any, y: Any = None, **params: Any) -> _Catch:
        self.caught_ = X, y, params
        return self

    def get_metadata_routing(self) -> Any:
        return get_routing_for_object(self.head)
