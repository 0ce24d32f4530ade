"""One task: encode the rows of its folds, train the heads together, score them."""

from __future__ import annotations

import copy
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sklearn.model_selection._validation import _score
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import _num_samples

from skmultimodal.heads._base import FusionHead
from skmultimodal.heads.stacked import Fit, Outcome, fit_together
from skmultimodal.model_selection.searching._groups import Part, Task
from skmultimodal.model_selection.searching._once import attach
from skmultimodal.model_selection.searching._prefix import (
    Prepared,
    head_of,
    prepare,
)
from skmultimodal.model_selection.searching._problem import SearchProblem
from skmultimodal.model_selection.searching._remembering import Memory
from skmultimodal.model_selection.searching._results import Result, set_error_score

# Torch has one random state a process: threads train one after another.
_TRAINING = threading.RLock()


@dataclass
class _Attempt:
    """A candidate on a fold, on its way."""

    part: Part
    result: Result
    estimator: Any  # with the prefix of its own, not fitted
    prepared: Prepared


def evaluate(
    problem: SearchProblem,
    task: Task,
    number: int,
    *prepared: Prepared | str | None,
) -> list[Result]:
    """Fit and score all candidates of a task; one that fails stops no other.

    `prepared` are, for the parts of the task that are pieces, the fitted prefix or the
    error that it raised; None for other parts.
    """
    results: list[Result] = []
    attempts: list[_Attempt] = []
    for part, found in zip(task, prepared or [None] * len(task)):
        ready = prepare_part(problem, part) if found is None else found
        if isinstance(ready, Prepared) and ready.memory is not None:
            ready.memory.attach(ready.steps)
        for attempt in _begin(problem, part, ready):
            if isinstance(attempt, Result):
                results.append(attempt)
            else:
                attempts.append(attempt)
    outcomes = _fit_heads(problem, attempts)
    for attempt, outcome in zip(attempts, outcomes):
        _conclude(problem, attempt, outcome, number)
        results.append(attempt.result)
    return results


def prepare_part(
    problem: SearchProblem, part: Part, ahead: bool = False
) -> Prepared | str:
    """Fit the prefix of a part; the error as a text where it fails.

    With `ahead`, the rows to score are encoded too, so that each piece has them.
    """
    fold = part.fold
    if not isinstance(problem.estimator, Pipeline):
        X, y = problem.train_part(problem.estimator, fold)
        return Prepared(None, X, y, problem.fit_params_of(fold))
    first = part.candidates[0]
    estimator = problem.trained(first, fold)
    X, y = problem.train_part(estimator, fold)
    once = problem.once.get(part.prefix, [])
    seconds_a_row = attach(estimator, problem.candidate(first), once) if once else 0.0
    try:
        prepared = prepare(estimator, X, y, problem.fit_params_of(fold))
    except Exception:
        if problem.error_score == "raise":
            raise
        return traceback.format_exc()
    prepared.seconds += seconds_a_row * _num_samples(X)
    if prepared.pipeline is not None:
        rows = [problem.test_part(estimator, fold)[0]]
        rows += [X] * problem.return_train_score
        prepared.memory = Memory(prepared.steps, rows)
        if ahead:
            _encode_ahead(prepared.steps, rows)
    return prepared


def _encode_ahead(steps: list[Any], rows: list[Any]) -> None:
    for X in rows:
        try:
            for step in steps:
                X = step.transform(X) if hasattr(step, "transform") else X
        except Exception:  # whoever scores is told what it is
            return


def _begin(
    problem: SearchProblem, part: Part, ready: Prepared | str
) -> Iterator[_Attempt | Result]:
    """The attempts of a part; results at once where its prefix has failed."""
    for number in part.candidates:
        result = Result(number, part.fold)
        if isinstance(ready, str):
            _fail(problem, result, ready)
            yield result
        else:
            result.seconds = ready.seconds / len(part.candidates)
            estimator = problem.trained(number, part.fold)
            yield _Attempt(part, result, estimator, ready)


def _fit_heads(problem: SearchProblem, attempts: list[_Attempt]) -> list[Outcome]:
    """Those of ours together, others one by one."""
    outcomes: dict[int, Outcome] = {}
    fits: dict[int, Fit] = {}
    for k, attempt in enumerate(attempts):
        head, given = head_of(attempt.estimator), attempt.prepared
        if isinstance(head, FusionHead):
            data = (attempt.part.prefix, attempt.part.fold)
            stage: dict[str, Any] = {}
            if problem.stage is not None:
                stage = problem.stage.of(attempt.result.candidate, attempt.part.fold)
            params = copy.copy(given.params)
            fits[k] = Fit(head, given.X, given.y, params, data, **stage)
        else:
            outcomes[k] = _fit_other(head, given)
    batched = problem.batched and (len(fits) > 1 or problem.stage is not None)
    with _TRAINING:
        found = fit_together(
            list(fits.values()), batched=batched, max_models=problem.max_models
        )
    if problem.batched and not batched and found:
        found[0].alone = "no other net has its shape"
    outcomes.update(zip(fits, found))
    return [outcomes[k] for k in range(len(attempts))]


def _fit_other(head: Any, given: Prepared) -> Outcome:
    start = time.perf_counter()
    outcome = Outcome(head, alone=f"{type(head).__name__} is no head")
    target = () if given.y is None else (given.y,)
    try:
        head.fit(given.X, *target, **given.params)
    except Exception as error:
        outcome.error = error
    outcome.seconds = time.perf_counter() - start
    return outcome


def _conclude(
    problem: SearchProblem, attempt: _Attempt, outcome: Outcome, number: int
) -> None:
    """Score what was fitted, or say what failed."""
    result, prepared = attempt.result, attempt.prepared
    result.fit_time = prepared.seconds + outcome.seconds
    result.seconds += outcome.seconds
    result.alone, result.paused = outcome.alone, outcome.paused
    if outcome.stack is not None:
        result.stack = f"{problem.label}.{number}.{outcome.stack}"
    if outcome.error is not None:
        if problem.error_score == "raise":
            raise outcome.error
        _fail(problem, result, "".join(traceback.format_exception(outcome.error)))
        return
    whole = prepared.whole(attempt.estimator, outcome.head)
    saved = prepared.memory.saved if prepared.memory else 0.0
    start = time.perf_counter()
    result.test_scores, result.n_test_samples = _scores(problem, whole, result, True)
    result.score_time = time.perf_counter() - start
    if prepared.memory:
        result.score_time += prepared.memory.saved - saved
    if problem.return_train_score:
        result.train_scores, _ = _scores(problem, whole, result, False)
    result.seconds += time.perf_counter() - start


def _scores(
    problem: SearchProblem, whole: Any, result: Result, test: bool
) -> tuple[Any, int]:
    """Scores on the rows to test, or to train, and how many these are."""
    part = problem.test_part if test else problem.train_part
    X, y = part(whole, result.fold)
    params = problem.score_params_of(result.fold, test=test)
    scores = _score(whole, X, y, problem.scorer, params, problem.error_score)
    return scores, _num_samples(X)


def _fail(problem: SearchProblem, result: Result, error: str) -> None:
    result.fit_error = error
    set_error_score(problem, result)
