"""A prior of replies from counts: what such rows say, and what this dialogue said.

An interpolated n-gram model of words with caches (Jelinek et al., "A dynamic language
model for speech recognition", 1991), as a distribution over the tokens of a net. A word
is the tokens from one that starts a word to the next; its probability is shared out to
its tokens one after the other.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from skmultimodal._layout import Layout
from skmultimodal.heads.generating._categories import Categories
from skmultimodal.heads.generating._examples import PAD, Examples
from skmultimodal.heads.generating._gate import Gate
from skmultimodal.heads.generating._word_counts import (
    BEFORE,
    BEGIN,
    ORDER,
    Interpolated,
    Spelling,
    Word,
    WordCounts,
    split_words,
)

_MOST_ROLES = 4  # with a cache of their own
Context = tuple[int, ...]


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
        by_key: dict[Any, list[list[int]]] = {}
        for row in self.rows:
            said = [self.number[word] for word in row.reply]
            for key in row.keys:
                by_key.setdefault(key, []).append(said)
        self.counts = {key: WordCounts(said) for key, said in by_key.items()}
        self.nothing = WordCounts([])
        self.prefixes = _by_prefix(self.number)

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


@dataclass(frozen=True)
class Said:
    """A row: its reply with the end, what was said before, and its categories."""

    reply: list[Word]
    turns: list[tuple[int, list[Word]]]  # role and words, with their end
    keys: list[Any]
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


class RowPrior:
    """The prior of one row: counts of rows like it, and of its own dialogue."""

    def __init__(self, prior: WordPrior, said: Said):
        self._prior = prior
        self._said = said
        self._own: dict[Word, int] = {}  # words that are only in this dialogue
        self._models = [prior.counts.get(key, prior.nothing) for key in said.keys]
        turns = [(r, [self.number(w, True) for w in words]) for r, words in said.turns]
        self._caches = [
            WordCounts(words for role, words in turns if only in (None, role))
            for only in (None, *prior.roles)
        ]
        self._prefixes = _by_prefix(self._own)
        self._memo: dict[Context, tuple[np.ndarray, float]] = {}
        self._next: dict[tuple[Context, Word], np.ndarray] = {}

    def number(self, word: Word, keep: bool = False) -> int:
        """The number of a word; BEFORE - 1 of one that nobody has said."""
        known = self._prior.number.get(word, self._own.get(word))
        if known is None and keep:
            known = self._own[word] = len(self._prior.number) + len(self._own)
        return _UNSAID if known is None else known

    def starts(self, token: int) -> bool:
        """Whether a token starts a word."""
        return bool(self._prior.starts[token])

    @property
    def end(self) -> int:
        """The token that ends a reply."""
        return len(self._prior.starts) - 1

    def by_component(self, context: Context, word: Word, number: int) -> list[float]:
        spelled = self._prior.spelling.of_word(word)
        models = [model.interpolated(context) for model in self._models]
        found = [spelled]
        found += [m.probability(number) + m.left * spelled for m in models]
        for cache in self._caches:
            last = found[1]
            for n in range(ORDER):
                if (after := cache.after(context, n)) is not None:
                    last = after.counts[number] / after.total
                found.append(last)
        return found

    def features(self, context: Context) -> np.ndarray:
        """What decides whom to believe: (F,)"""
        found = [float(context[-1] == BEFORE), float(context[-2] == BEFORE)]
        for cache in self._caches:
            seen = [float(cache.after(context, n) is not None) for n in range(ORDER)]
            found += seen
        for n in (1, 2):
            after = self._models[0].after(context, n)
            found.append(0.0 if after is None else float(np.log1p(after.total)))
        plain = np.array([1.0, *found])
        return np.concatenate([plain, np.outer(self._said.groups, plain).ravel()])

    def following(self, context: Context, prefix: Word) -> np.ndarray:
        """(n_tokens,) probability of the next token, within a word or behind it."""
        key = (context, prefix)
        if key not in self._next:
            self._next[key] = self._following(context, prefix)
        return self._next[key]

    def _following(self, context: Context, prefix: Word) -> np.ndarray:
        p, spelled = self._of_words(context)
        goes_on, end = self._prior.spelling.following(prefix)
        if not prefix:
            found = spelled * goes_on
            self._share(found, p, prefix)
            return found / found.sum()
        spelled *= self._prior.spelling.of_prefix(prefix)
        number = self.number(prefix)
        over = spelled * end + (p[number] if number >= 0 else 0.0)
        found = spelled * goes_on
        self._share(found, p, prefix)
        if found.sum() + over == 0:  # no word begins so: the net's own idea
            found, over = goes_on, end
        found += over * self.following((*context[1:], number), ())
        return found / found.sum()

    def _share(self, found: np.ndarray, p: np.ndarray, prefix: Word) -> None:
        """Add to each next token what words that go on with it have."""
        for index in (self._prior.prefixes, self._prefixes):
            if prefix in index:
                tokens, words = index[prefix]
                found += np.bincount(tokens, p[words], len(found))

    def _of_words(self, context: Context) -> tuple[np.ndarray, float]:
        """(n_words,) probability of each word, and that it is spelled."""
        if context not in self._memo:
            self._memo[context] = self._weighed(context)
        return self._memo[context]

    def _weighed(self, context: Context) -> tuple[np.ndarray, float]:
        gate = self._prior.gate
        weights = list(_even(self) if gate is None else gate(self.features(context)))
        p = np.zeros(len(self._prior.number) + len(self._own))
        k = 1 + len(self._models)
        for cache in self._caches:
            last = None
            for n in range(ORDER):
                last = cache.after(context, n) or last
                if last is None:
                    weights[1] += weights[k]
                else:
                    p[last.words] += weights[k] / last.total * last.times
                k += 1
        spelled = weights[0]
        for weight, model in zip(weights[1:], self._models):
            found: Interpolated = model.interpolated(context)
            found.add_to(p, weight)
            spelled += weight * found.left
        return p, spelled


def _even(row: RowPrior) -> np.ndarray:
    n = 1 + len(row._models) + ORDER * len(row._caches)
    return np.full(n, 1 / n)


_UNSAID = BEFORE - 1


def _by_prefix(words: dict[Word, int]) -> dict[Word, tuple[np.ndarray, np.ndarray]]:
    """For each beginning of a word: the tokens it goes on with, and the words."""
    index: dict[Word, tuple[list[int], list[int]]] = {}
    for word, number in words.items():
        for k in range(len(word)):
            tokens, numbers = index.setdefault(word[:k], ([], []))
            tokens.append(word[k])
            numbers.append(number)
    return {
        prefix: (np.array(tokens, dtype=np.intp), np.array(numbers, dtype=np.intp))
        for prefix, (tokens, numbers) in index.items()
    }
