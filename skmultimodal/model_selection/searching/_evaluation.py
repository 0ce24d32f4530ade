"""One task: encode the rows of its folds, train the heads together, score them."""

from __future__ import annotations

import copy
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Number
from typing import Any

from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection._validation import _score
from sklearn.utils.validation import _num_samples

from skmultimodal.heads._base import FusionHead
from skmultimodal.heads.stacked import Fit, Outcome, fit_together
from skmultimodal.model_selection.searching._groups import Part, Task
from skmultimodal.model_selection.searching._prefix import (
    Prepared,
    head_of,
    prepare,
)
from skmultimodal.model_selection.searching._problem import SearchProblem
from skmultimodal.model_selection.searching._remembering import Memory
from skmultimodal.model_selection.searching._results import Result


@dataclass
class _Attempt:
    """A candidate on a fold, on its way."""

    part: Part
    result: Result
    estimator: Any  # with the prefix of its own, not fitted
    prepared: Prepared
    memory: Memory | None


def evaluate(problem: SearchProblem, task: Task, number: int = 0) -> list[Result]:
    """Fit and score all candidates of a task; one that fails stops no other."""
    results: list[Result] = []
    attempts: list[_Attempt] = []
    for part in task:
        for attempt in _prepare_part(problem, part):
            if isinstance(attempt, Result):
                results.append(attempt)
            else:
                attempts.append(attempt)
    outcomes = _fit_heads(problem, attempts)
    for attempt, outcome in zip(attempts, outcomes):
        _conclude(problem, attempt, outcome, number)
        results.append(attempt.result)
    return results


def _prepare_part(problem: SearchProblem, part: Part) -> Iterable[Any]:
    """The attempts of a part; results at once where its prefix fails."""
    fold = part.fold
    first = problem.trained(part.candidates[0], fold)
    X, y = problem.train_part(first, fold)
    start = time.perf_counter()
    try:
        prepared = prepare(first, X, y, problem.fit_params_of(fold))
    except Exception:
        if problem.error_score == "raise":
            raise
        seconds = time.perf_counter() - start
        for number in part.candidates:
            result = Result(number, fold, fit_time=seconds)
            result.seconds = seconds / len(part.candidates)
            _fail(problem, result, traceback.format_exc())
            yield result
        return
    memory = None
    if prepared.pipeline is not None:
        rows = [problem.test_part(first, fold)[0]]
        rows += [X] * problem.return_train_score
        memory = Memory([s for _, s in prepared.pipeline.steps[:-1]], rows)
    for number in part.candidates:
        estimator = problem.trained(number, fold)
        result = Result(number, fold, seconds=prepared.seconds / len(part.candidates))
        yield _Attempt(part, result, estimator, prepared, memory)


def _fit_heads(problem: SearchProblem, attempts: list[_Attempt]) -> list[Outcome]:
    """Those of ours together, others one by one."""
    outcomes: dict[int, Outcome] = {}
    fits: dict[int, Fit] = {}
    for k, attempt in enumerate(attempts):
        head, given = head_of(attempt.estimator), attempt.prepared
        params = given.params
        if len(attempt.part.candidates) > 1:
            params = copy.copy(params)
        if isinstance(head, FusionHead):
            data = (attempt.part.prefix, attempt.part.fold)
            fits[k] = Fit(head, given.X, given.y, params, data)
        else:
            outcomes[k] = _fit_other(head, given.X, given.y, params)
    found = fit_together(
        list(fits.values()), batched=problem.batched, max_models=problem.max_models
    )
    outcomes.update(zip(fits, found))
    return [outcomes[k] for k in range(len(attempts))]


def _fit_other(head: Any, X: Any, y: Any, params: Any) -> Outcome:
    start = time.perf_counter()
    outcome = Outcome(head, alone=f"{type(head).__name__} is no head")
    try:
        if y is None:
            head.fit(X, **params)
        else:
            head.fit(X, y, **params)
    except Exception as error:
        outcome.error = error
    outcome.seconds = time.perf_counter() - start
    return outcome


def _conclude(
    problem: SearchProblem, attempt: _Attempt, outcome: Outcome, number: int
) -> None:
    """Score what was fitted, or say what failed."""
    result, fold = attempt.result, attempt.result.fold
    result.fit_time = attempt.prepared.seconds + outcome.seconds
    result.seconds += outcome.seconds
    result.alone = outcome.alone
    if outcome.stack is not None:
        result.stack = f"{number}.{outcome.stack}"
    if outcome.error is not None:
        if problem.error_score == "raise":
            raise outcome.error
        _fail(problem, result, "".join(traceback.format_exception(outcome.error)))
        return
    whole = attempt.prepared.whole(attempt.estimator, outcome.head)
    X, y = problem.test_part(whole, fold)
    result.n_test_samples = _num_samples(X)
    saved = attempt.memory.saved if attempt.memory else 0.0
    start = time.perf_counter()
    params = problem.score_params_of(fold, test=True)
    result.test_scores = _score(
        whole, X, y, problem.scorer, params, problem.error_score
    )
    result.score_time = time.perf_counter() - start
    if attempt.memory:
        result.score_time += attempt.memory.saved - saved
    if problem.return_train_score:
        X, y = problem.train_part(whole, fold)
        params = problem.score_params_of(fold, test=False)
        result.train_scores = _score(
            whole, X, y, problem.scorer, params, problem.error_score
        )
    result.seconds += time.perf_counter() - start


def _fail(problem: SearchProblem, result: Result, error: str) -> None:
    """The error and, where names of scores are known, the score that it gets."""
    result.fit_error = error
    given = problem.error_score
    assert isinstance(given, Number)
    if isinstance(problem.scorer, _MultimetricScorer):
        result.test_scores = dict.fromkeys(problem.scorer._scorers, given)
        result.train_scores = dict.fromkeys(problem.scorer._scorers, given)
    else:
        result.test_scores = result.train_scores = given
