"""From fits to tasks: what is encoded and trained together."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """Candidates of one prefix on one fold: their heads see the same rows."""

    fold: int
    prefix: int
    candidates: tuple[int, ...]


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
