"""All that a worker has to know of a search."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from sklearn.base import clone
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params

from skmultimodal.model_selection._candidates import seeded
from skmultimodal.model_selection.searching._once import Encoded


@dataclass
class Stage:
    """How far heads train this time, and where those from before go on."""

    resource: str  # the parameter that says it in the end
    until: int  # epochs
    last: int  # epochs of the last stage: the length of schedules
    paused: dict[tuple[int, int], Any]  # by candidate and fold

    def of(self, candidate: int, fold: int) -> dict[str, Any]:
        """What `Fit` is to be told."""
        paused = self.paused.get((candidate, fold))
        return {"until": min(self.until, self.last), "paused": paused}


@dataclass
class SearchProblem:
    """Data, candidates, folds, and what to do with them; sent to a worker once."""

    estimator: Any
    X: Any
    y: Any
    candidates: list[dict[str, Any]]
    splits: list[tuple[Any, Any]]
    seeds: list[int]  # one a fold, for what has none
    scorer: Any
    fit_params: dict[str, Any] = field(default_factory=dict)
    score_params: dict[str, Any] = field(default_factory=dict)
    return_train_score: bool = False
    error_score: Any = float("nan")
    batched: bool = True
    max_models: int | str = "auto"
    stage: Stage | None = None  # of a search that trains in several
    # by prefix, what is encoded once; here since its rows hold the cells of X, which
    # stay the same objects in a worker if both travel together
    once: dict[int, list[Encoded | None]] = field(default_factory=dict)
    label: str = field(default_factory=lambda: uuid4().hex[:8])  # of its stacks

    def candidate(self, number: int) -> Any:
        """The estimator of a candidate, not fitted, as the user asked for it."""
        # parameters may be estimators themselves, which fits must not share
        params = clone(self.candidates[number], safe=False)
        if self.stage is not None:
            params[self.stage.resource] = self.stage.last
        return clone(self.estimator).set_params(**params)

    def trained(self, number: int, fold: int) -> Any:
        """The same as it is trained on a fold: with the fold's seed if it has none."""
        return seeded(self.candidate(number), self.seeds[fold], overrule=False)

    def train_part(self, estimator: Any, fold: int) -> tuple[Any, Any]:
        return _safe_split(estimator, self.X, self.y, self.splits[fold][0])

    def test_part(self, estimator: Any, fold: int) -> tuple[Any, Any]:
        train, test = self.splits[fold]
        return _safe_split(estimator, self.X, self.y, test, train)

    def fit_params_of(self, fold: int) -> dict[str, Any]:
        return _check_method_params(self.X, self.fit_params, self.splits[fold][0])

    def score_params_of(self, fold: int, *, test: bool) -> dict[str, Any]:
        rows = self.splits[fold][1 if test else 0]
        return _check_method_params(self.X, self.score_params, rows)
