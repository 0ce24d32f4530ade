"""All fits of a search, on whatever engine there is."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any

import torch

from skmultimodal.heads._base import FusionHead
from skmultimodal.model_selection.searching._engine import Engine
from skmultimodal.model_selection.searching._evaluation import evaluate, prepare_part
from skmultimodal.model_selection.searching._groups import (
    Part,
    Task,
    list_parts,
    plan_tasks,
)
from skmultimodal.model_selection.searching._once import Once, encode_once
from skmultimodal.model_selection.searching._prefix import head_of, prefix_key
from skmultimodal.model_selection.searching._problem import SearchProblem
from skmultimodal.model_selection.searching._results import Result
from skmultimodal.model_selection.searching._shared import Shared

Say = Callable[[str], None]


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
    once = _encode_once(problem, parts, candidates, say)
    tasks = plan_tasks(parts, engine.n_workers, together=_together(problem, candidates))
    shared = engine.share(problem)
    shared_once = engine.share(once)
    prepared = _prepare_ahead(engine, shared, shared_once, tasks, keys)
    work = [
        (shared, shared_once, task, number, prepared.get(_place(task)))
        for number, task in enumerate(tasks)
    ]
    for _, results in engine.run(evaluate, work):
        yield results


def _encode_once(
    problem: SearchProblem, parts: list[Part], candidates: list[Any], say: Say
) -> Once:
    """All rows by the encoders that learn nothing, of all prefixes."""
    once: Once = {}
    for first in {part.prefix: part.candidates[0] for part in parts}.values():
        for name in encode_once(candidates[first], problem.X, once):
            say(f"{name} learns nothing: all rows are encoded once")
    return once


def _together(problem: SearchProblem, candidates: list[Any]) -> bool:
    """Whether one stack of all folds costs as much as one of a single fold."""
    if not (problem.batched and torch.cuda.is_available()):
        return False
    heads = [head_of(estimator) for estimator in candidates]
    return all(
        isinstance(head, FusionHead) and str(head.device).startswith(("auto", "cuda"))
        for head in heads
    )


def _prepare_ahead(
    engine: Engine,
    problem: Shared,
    once: Shared,
    tasks: list[Task],
    keys: list[Hashable],
) -> dict[Any, Shared]:
    """Fit the prefixes whose candidates are trained in several tasks."""
    pieces = {
        _place(task): task[0]
        for task in tasks
        if task[0].piece and keys[task[0].candidates[0]] is not None
    }
    places = list(pieces)
    work = [(problem, once, pieces[place], True) for place in places]
    return {
        places[number]: engine.share(prepared)
        for number, prepared in engine.run(prepare_part, work)
    }


def _place(task: Task) -> tuple[int, int] | None:
    """Fold and prefix of a task that is a piece."""
    part = task[0]
    return (part.fold, part.prefix) if part.piece else None
