"""All fits of a search, on whatever engine there is."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator
from typing import Any

from sklearn.utils.validation import _num_samples

from skmultimodal.heads._base import FusionHead
from skmultimodal.heads._devices import choose_device
from skmultimodal.model_selection.searching._engine import Engine
from skmultimodal.model_selection.searching._evaluation import evaluate, prepare_part
from skmultimodal.model_selection.searching._groups import (
    Part,
    Task,
    list_parts,
    plan_tasks,
)
from skmultimodal.model_selection.searching._once import (
    Encoded,
    encode_once,
    encoded_for,
)
from skmultimodal.model_selection.searching._prefix import head_of, prefix_key
from skmultimodal.model_selection.searching._problem import SearchProblem
from skmultimodal.model_selection.searching._results import Result
from skmultimodal.model_selection.searching._shared import Shared

Say = Callable[[str], None]
_FITS = 48  # of small nets, beyond which a stack is no quicker on a CPU
_FEW_ROWS = 10_000


def run_fits(
    problem: SearchProblem,
    engine: Engine,
    done: set[tuple[int, int]],
    say: Say,
) -> Iterator[list[Result]]:
    """The results of all fits that are not done, task by task as they come."""
    candidates = [problem.candidate(k) for k in range(len(problem.candidates))]
    keys = [prefix_key(estimator) for estimator in candidates]
    parts = list_parts(keys, len(problem.splits), done)
    _encode_once(problem, parts, candidates, say)
    together = _together(problem, candidates)
    tasks = plan_tasks(parts, engine.n_workers, together=together)
    shared = engine.share(problem)
    prepared = _prepare_ahead(engine, shared, tasks, keys)
    work = [
        (shared, task, number, *(prepared.get(_place(p)) for p in task))
        for number, task in enumerate(tasks)
    ]
    for _, results in engine.run(evaluate, work):
        yield results


def _encode_once(
    problem: SearchProblem, parts: list[Part], candidates: list[Any], say: Say
) -> None:
    """All rows by the encoders that learn nothing, of all prefixes."""
    known: dict[Hashable, Encoded] = {}
    problem.once.clear()
    for part in parts:
        if part.prefix in problem.once:
            continue
        estimator = candidates[part.candidates[0]]
        for name in encode_once(estimator, problem.X, known):
            say(f"{name} learns nothing: all rows are encoded once")
        problem.once[part.prefix] = encoded_for(estimator, known)


def _together(problem: SearchProblem, candidates: list[Any]) -> float:
    """Fits that cost little more in one stack than few of them do; 0: nothing of it."""
    heads = [head_of(estimator) for estimator in candidates]
    if not (problem.batched and all(isinstance(head, FusionHead) for head in heads)):
        return 0
    kinds = {choose_device(head.device).type for head in heads}
    if kinds == {"cuda"}:
        return math.inf
    # the nets of many rows are bound by arithmetic, and their folds take memory
    few = _num_samples(problem.X) <= _FEW_ROWS
    return _FITS if kinds == {"cpu"} and few else 0


def _prepare_ahead(
    engine: Engine,
    problem: Shared,
    tasks: list[Task],
    keys: list[Hashable],
) -> dict[Any, Shared]:
    """Fit the prefixes whose candidates are trained in several tasks."""
    pieces = {
        _place(part): part
        for task in tasks
        for part in task
        if part.piece and keys[part.candidates[0]] is not None
    }
    places = list(pieces)
    work = [(problem, pieces[place], True) for place in places]
    return {
        places[number]: engine.share(prepared)
        for number, prepared in engine.run(prepare_part, work)
    }


def _place(part: Part) -> tuple[int, int] | None:
    """Fold and prefix of a piece."""
    return (part.fold, part.prefix) if part.piece else None
