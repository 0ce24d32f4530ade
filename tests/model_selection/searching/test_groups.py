"""Tasks that keep all workers busy to the end."""

import math

import pytest

from skmultimodal.model_selection.searching._groups import (
    Part,
    list_parts,
    plan_tasks,
)


def fits_of(tasks):
    return sorted(
        (candidate, part.fold)
        for task in tasks
        for part in task
        for candidate in part.candidates
    )


def test_parts_are_folds_of_a_prefix():
    parts = list_parts(["a", "b", "a"], 2, {(0, 0), (2, 0), (1, 1)})
    assert parts == [Part(0, 1, (1,)), Part(1, 0, (0, 2))]


@pytest.mark.parametrize("n_workers", [1, 2, 3, 4, 7, 16])
@pytest.mark.parametrize("together", [0, 20, 48, math.inf])
@pytest.mark.parametrize("n_folds", [1, 3, 5, 10])
def test_every_fit_is_in_one_task(n_workers, together, n_folds):
    parts = list_parts(["a"] * 12, n_folds, set())
    tasks = plan_tasks(parts, n_workers, together=together)
    assert fits_of(tasks) == [(c, f) for c in range(12) for f in range(n_folds)]


@pytest.mark.parametrize("n_workers", [2, 3, 4, 6])
@pytest.mark.parametrize("n_folds", [1, 3, 5])
@pytest.mark.parametrize("together", [0, 48, math.inf])
def test_workers_are_evenly_busy(n_workers, n_folds, together):
    parts = list_parts(["a"] * 12, n_folds, set())
    tasks = plan_tasks(parts, n_workers, together=together)
    busy = [0] * n_workers
    for task in tasks:  # each is taken by whoever is free first
        busy[busy.index(min(busy))] += sum(len(part.candidates) for part in task)
    assert max(busy) <= 1.34 * 12 * n_folds / n_workers


def test_only_what_is_left_over_is_cut():
    tasks = plan_tasks(list_parts(["a"] * 12, 5, set()), 2)
    sizes = [len(task[0].candidates) for task in tasks]
    assert sizes == [12, 12, 12, 12, 6, 6]
    assert [task[0].piece for task in tasks] == [False] * 4 + [True] * 2


def test_one_worker_takes_all_at_once_where_that_costs_no_more():
    parts = list_parts(["a", "b"], 3, set())
    assert plan_tasks(parts, 1, together=math.inf) == [tuple(parts)]


def test_folds_join_to_tasks_of_some_size():
    parts = list_parts(["a"] * 12, 5, set())
    sizes = [
        [len(part.candidates) for part in task]
        for task in plan_tasks(parts, 2, together=48)
    ]
    assert sizes == [[6] * 5] * 2  # as many nets of each fold
    assert len(plan_tasks(parts * 10, 1, together=48)) == 13
