"""Rows as words: a reply, what was said before, and what tells rows apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skmultimodal.heads.generating._categories import Categories, Key
from skmultimodal.heads.generating._examples import PAD, Examples
from skmultimodal.heads.generating._word_counts import Word, split_words


@dataclass(frozen=True)
class Said:
    """A row: its reply with the end, what was said before, and its categories."""

    reply: list[Word]
    turns: list[tuple[int, list[Word]]]  # role and words, with their end
    keys: list[Key]
    groups: np.ndarray  # (n_groups,) one-hot of those with few values


def read_rows(part: Examples, starts: np.ndarray, categories: Categories) -> list[Said]:
    """The rows of a batch, as words."""
    end = len(starts) - 1
    history = part.history.tolist()
    values = categories(part)
    rows = []
    for k, reply in enumerate(part.y.tolist()):
        words = split_words((t for t in reply if t != PAD), starts)
        turns = _turns(history[k], starts, end)
        keys = categories.keys(values[k], bool(turns))
        rows.append(Said(words, turns, keys, categories.groups(values[k])))
    return rows


def _turns(
    steps: list[list[int]], starts: np.ndarray, end: int
) -> list[tuple[int, list[Word]]]:
    turns: list[tuple[int, list[Word]]] = []
    held: list[int] = []
    before = None
    for token, role, age in [*steps, [PAD, PAD, PAD]]:
        if before not in (None, (role, age)):
            turns.append((before[0], [*split_words(held, starts), (end,)]))
            held = []
        if token == PAD:
            break
        held.append(token)
        before = (role, age)
    return turns
