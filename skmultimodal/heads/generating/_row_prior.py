"""What counts say to the next token of one reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skmultimodal.heads.generating._said import Said
from skmultimodal.heads.generating._word_counts import (
    BEFORE,
    ORDER,
    Word,
    WordCounts,
    by_prefix,
)

if TYPE_CHECKING:
    from skmultimodal.heads.generating._word_prior import WordPrior

Context = tuple[int, ...]
_UNSAID = BEFORE - 1


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
        self._prefixes = by_prefix(self._own)
        self._memo: dict[Context, tuple[np.ndarray, float]] = {}
        self._next: dict[tuple[Context, Word], np.ndarray] = {}

    def number(self, word: Word, keep: bool = False) -> int:
        """The number of a word; -2 of one that nobody has said."""
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
            found, over = goes_on.copy(), end
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
        weights = list(self._even() if gate is None else gate(self.features(context)))
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
            found = model.interpolated(context)
            found.add_to(p, weight)
            spelled += weight * found.left
        return p, spelled

    def _even(self) -> np.ndarray:
        """Weights before any are learned."""
        n = 1 + len(self._models) + ORDER * len(self._caches)
        return np.full(n, 1 / n)
