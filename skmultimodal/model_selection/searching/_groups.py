"""From fits to tasks: what is encoded and trained together."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise


@dataclass(frozen=True)
class Part:
    """Candidates of one prefix on one fold: their heads see the same rows."""

    fold: int
    prefix: int
    candidates: tuple[int, ...]
    piece: bool = False  # of a part whose prefix is fitted before, for all pieces


Task = tuple[Part, ...]  # what one worker encodes and trains together


def list_parts(
    keys: Sequence[Hashable], n_folds: int, done: set[tuple[int, int]]
) -> list[Part]:
    """Fold by fold, the candidates of each prefix that are not done yet."""
    numbers: dict[Hashable, int] = {}
    for key in keys:
        numbers.setdefault(key, len(numbers))
    parts = []
    for fold in range(n_folds):
        members: dict[int, list[int]] = {number: [] for number in numbers.values()}
        for candidate, key in enumerate(keys):
            if (candidate, fold) not in done:
                members[numbers[key]].append(candidate)
        parts += [Part(fold, p, tuple(m)) for p, m in members.items() if m]
    return parts


def plan_tasks(parts: list[Part], n_workers: int, *, together: float = 0) -> list[Task]:
    """Tasks that keep all workers busy to the end.

    Workers take part by part; parts that are left over when all have had equally many
    are cut into pieces. Where a stack of many nets costs little more than one of few,
    parts are joined to tasks of about `together` fits.
    """
    if not together:
        return _spread(parts, n_workers)
    left_over = len(parts) % n_workers
    few = min((len(part.candidates) for part in parts), default=0) < n_workers
    if left_over and len(parts) <= 4 * n_workers and not few:
        return _share_all(parts, n_workers, together)
    return _join(_spread(parts, n_workers), n_workers, together)


def _share_all(parts: list[Part], n_workers: int, together: float) -> list[Task]:
    """A piece of each part to each worker: their stacks have as many nets a fold."""
    pieces = [_cut(part, n_workers) for part in parts]
    n_fits = sum(len(own[0].candidates) for own in pieces)
    each = math.ceil(len(parts) / max(1, math.ceil(n_fits / together)))
    starts = range(0, len(parts), each)
    return [
        tuple(own[worker] for own in pieces[start : start + each])
        for start in starts
        for worker in range(n_workers)
    ]


def _join(tasks: list[Task], n_workers: int, together: float) -> list[Task]:
    n_fits = sum(len(part.candidates) for task in tasks for part in task)
    n_joined = n_workers * max(1, math.ceil(n_fits / (n_workers * together)))
    joined: list[list[Part]] = [[] for _ in range(n_joined)]
    sizes = [0] * n_joined
    for (part,) in sorted(tasks, key=lambda task: -len(task[0].candidates)):
        least = sizes.index(min(sizes))
        joined[least].append(part)
        sizes[least] += len(part.candidates)
    return [tuple(task) for task in joined if task]


def _spread(parts: list[Part], n_workers: int) -> list[Task]:
    """A part a task; what is left over, in pieces."""
    if n_workers > 1:
        parts = sorted(parts, key=lambda part: -len(part.candidates))
    left_over = len(parts) % n_workers
    if not left_over or len(parts) > 4 * n_workers:
        return [(part,) for part in parts]
    whole, rest = parts[:-left_over], parts[-left_over:]
    n_pieces = n_workers // math.gcd(left_over, n_workers)
    pieces = [piece for part in rest for piece in _cut(part, n_pieces)]
    return [(part,) for part in [*whole, *pieces]]


def _cut(part: Part, n_pieces: int) -> list[Part]:
    n_pieces = min(n_pieces, len(part.candidates))
    if n_pieces == 1:
        return [part]
    # neighbours in a grid are alike and train together: pieces are contiguous
    n = len(part.candidates)
    ends = [round(n * k / n_pieces) for k in range(n_pieces + 1)]
    cuts = [part.candidates[a:b] for a, b in pairwise(ends)]
    return [replace(part, candidates=cut, piece=True) for cut in cuts]
