"""A prior of replies from counts: what such rows say, and what this dialogue said.

An interpolated n-gram model of words with caches (Jelinek et al., "A dynamic language
model for speech recognition", 1991), as a distribution over the tokens of a net. A word
is the tokens from one that starts a word to the next; its probability is shared out to
its tokens one after the other.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from skmultimodal._layout import Layout
from skmultimodal.heads.generating._categories import Categories, Key
from skmultimodal.heads.generating._examples import Examples
from skmultimodal.heads.generating._gate import Gate
from skmultimodal.heads.generating._row_prior import RowPrior
from skmultimodal.heads.generating._said import Said, read_rows
from skmultimodal.heads.generating._word_counts import (
    BEGIN,
    Spelling,
    WordCounts,
    by_prefix,
)

_MOST_ROLES = 4  # with a cache of their own


class WordPrior:
    """Word counts of training rows: of all, and of those with one value of a modality.

    Parameters
    ----------
    starts : ndarray of shape (n_tokens,)
        Which tokens start a word.
    rows : list of Said
        The training rows.
    categories : Categories
        What tells rows apart.
    roles : list of int
        Partners whose turns are counted by themselves, too.
    gate : Gate or None
        How much each count is worth in which context; None weighs them alike.
    """

    def __init__(
        self,
        starts: np.ndarray,
        rows: list[Said],
        categories: Categories,
        roles: list[int],
        gate: Gate | None = None,
    ):
        self.starts = starts
        self.rows = rows
        self.categories = categories
        self.roles = roles
        self.gate = gate
        self._count()

    @classmethod
    def learn(
        cls, train: Examples, held: Examples, starts: np.ndarray, layout: Layout
    ) -> WordPrior:
        """Count in training rows, and weigh the counts on rows held out."""
        categories = Categories.learn(train, layout)
        rows = read_rows(train, starts, categories)
        seen = Counter(role for row in rows for role, _ in row.turns)
        roles = sorted(role for role, _ in seen.most_common(_MOST_ROLES))
        prior = cls(starts, rows, categories, roles)
        prior.gate = Gate.learn(*prior._explain(read_rows(held, starts, categories)))
        return prior

    def with_rows(self, held: Examples) -> WordPrior:
        """Count in further rows, too."""
        rows = read_rows(held, self.starts, self.categories)
        return WordPrior(
            self.starts, self.rows + rows, self.categories, self.roles, self.gate
        )

    def read(self, part: Examples) -> list[RowPrior]:
        """What each row of a batch says to its next word."""
        rows = read_rows(part, self.starts, self.categories)
        return [RowPrior(self, row) for row in rows]

    def _count(self) -> None:
        words = dict.fromkeys(word for row in self.rows for word in row.reply)
        self.number = {word: k for k, word in enumerate(words)}
        self.spelling = Spelling(words, self.starts)
        by_key: dict[Key, list[list[int]]] = {}
        for row in self.rows:
            said = [self.number[word] for word in row.reply]
            for key in row.keys:
                by_key.setdefault(key, []).append(said)
        self.counts = {key: WordCounts(said) for key, said in by_key.items()}
        self.nothing = WordCounts([])
        self.prefixes = by_prefix(self.number)

    def _explain(self, rows: list[Said]) -> tuple[np.ndarray, np.ndarray]:
        """Each word's probability by each count, (n, K), and its features, (n, F)."""
        found, features = [], []
        for said in rows:
            row = RowPrior(self, said)
            context = BEGIN
            for word in said.reply:
                number = row.number(word)
                found.append(row.by_component(context, word, number))
                features.append(row.features(context))
                context = (*context[1:], number)
        return np.array(found), np.array(features)

    def __getstate__(self) -> dict[str, Any]:
        names = ("starts", "rows", "categories", "roles", "gate")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]
