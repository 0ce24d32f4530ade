"""Counts of words in the context of words, and the spelling of words never counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

Word = tuple[int, ...]  # the tokens of one word; the end of a reply is one, too
ORDER = 3  # a word and two before it
BEFORE = -1  # stands where there is no word yet
BEGIN = (BEFORE,) * (ORDER - 1)
_DISCOUNT = 0.85
_EDGE = -1  # of a word
_EDGES = (_EDGE, _EDGE)
_SPELLING_DISCOUNT = 0.9  # most words are rare


def split_words(tokens: Iterable[int], starts: np.ndarray) -> list[Word]:
    """Cut before each token that starts a word. starts: (n_tokens,) bool

    >>> split_words([4, 1, 5], np.array([False, False, False, False, True, True]))
    [(4, 1), (5,)]
    """
    words: list[list[int]] = []
    for token in tokens:
        if starts[token] or not words:
            words.append([token])
        else:
            words[-1].append(token)
    return [tuple(word) for word in words]


def by_prefix(words: dict[Word, int]) -> dict[Word, tuple[np.ndarray, np.ndarray]]:
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


@dataclass(frozen=True)
class Followers:
    """The words that followed a context, by their numbers, and how often."""

    counts: Counter[int]
    words: np.ndarray
    times: np.ndarray

    @classmethod
    def of(cls, counts: Counter[int]) -> Followers:
        n = len(counts)
        words = np.fromiter(counts.keys(), dtype=np.intp, count=n)
        return cls(counts, words, np.fromiter(counts.values(), dtype=float, count=n))

    @property
    def total(self) -> float:
        return float(self.times.sum())


class WordCounts:
    """How often words follow contexts of none, one and two words."""

    def __init__(self, replies: Iterable[Sequence[int]]):
        after: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for words in replies:
            padded = [*BEGIN, *words]
            for k in range(len(BEGIN), len(padded)):
                for n in range(ORDER):
                    after[tuple(padded[k - n : k])][padded[k]] += 1
        self._after = dict(after)
        self._followers: dict[tuple[int, ...], Followers] = {}

    def after(self, context: tuple[int, ...], n: int) -> Followers | None:
        """What followed the last n words of a context."""
        key = context[len(context) - n :]
        found = self._followers.get(key)
        if found is None and (counts := self._after.get(key)) is not None:
            found = self._followers[key] = Followers.of(counts)
        return found

    def interpolated(self, context: tuple[int, ...]) -> Interpolated:
        """All orders together: each is discounted, and leaves that to the shorter."""
        parts: list[tuple[Followers, float]] = []
        left = 1.0
        for n in reversed(range(ORDER)):
            if (after := self.after(context, n)) is not None:
                parts.append((after, left / after.total))
                left *= _DISCOUNT * len(after.words) / after.total
        return Interpolated(parts, left)


@dataclass(frozen=True)
class Interpolated:
    """Counts, each with what one is worth; `left` is for words that are spelled."""

    parts: list[tuple[Followers, float]]
    left: float

    def probability(self, word: int) -> float:
        """Of a word, if it is not spelled."""
        return sum(
            worth * max(after.counts[word] - _DISCOUNT, 0.0)
            for after, worth in self.parts
        )

    def add_to(self, p: np.ndarray, weight: float) -> None:
        """p: (n_words,)"""
        for after, worth in self.parts:
            p[after.words] += weight * worth * (after.times - _DISCOUNT)


class Spelling:
    """Tokens of words never counted: n-grams within words, each word once."""

    def __init__(self, words: Iterable[Word], starts: np.ndarray):
        self._starts = starts
        self._n_first = max(int(starts.sum()), 1)
        self._n_next = int((~starts).sum()) + 1  # or the end of the word
        self._after: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        self._memo: dict[tuple[int, ...], tuple[np.ndarray, float]] = {}
        for word in set(words):
            padded = [*_EDGES, *word, _EDGE]
            for k in range(len(_EDGES), len(padded)):
                for key in self._keys(padded[:k]):
                    self._after[key][padded[k]] += 1

    def of_word(self, word: Word) -> float:
        """Of all tokens of a word, and its end."""
        return self.of_prefix(word) * self.following(word)[1]

    def of_prefix(self, word: Word) -> float:
        """Of the first tokens of a word."""
        total = 1.0
        for k, token in enumerate(word):
            total *= self.following(word[:k])[0][token]
        return total

    def following(self, prefix: Word) -> tuple[np.ndarray, float]:
        """(n_tokens,) probability of each next token, and of the end of the word."""
        key = tuple([*_EDGES, *prefix][-len(_EDGES) :])
        if key not in self._memo:
            self._memo[key] = self._following(key)
        return self._memo[key]

    def _following(self, context: tuple[int, ...]) -> tuple[np.ndarray, float]:
        inside = context[-1] != _EDGE
        end = 1 / self._n_next if inside else 0.0
        one = end if inside else 1 / self._n_first
        found = np.where(self._starts != inside, one, 0.0)
        for key in self._keys(context):
            after = self._after.get(key)
            if after is None:
                continue
            left = _SPELLING_DISCOUNT * len(after)
            found *= left
            end *= left
            for token, count in after.items():
                if token == _EDGE:
                    end += count - _SPELLING_DISCOUNT
                else:
                    found[token] += count - _SPELLING_DISCOUNT
            found /= after.total()
            end /= after.total()
        return found, end

    def _keys(self, padded: Sequence[int]) -> Iterator[tuple[int, ...]]:
        """Contexts within the word, the short ones first."""
        if padded[-1] != _EDGE:  # otherwise that the word begins is all there is
            yield ()
        for n in range(1, len(_EDGES) + 1):
            yield tuple(padded[len(padded) - n :])
