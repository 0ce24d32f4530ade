"""What a dialogue model has to beat: counts of words, and copies of messages.

Definitions as in the catalogue of the shared data sets: words are lower-case, the
vocabulary is open (an unknown word is spelled), and every weight is tuned on training
games alone.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GroupKFold

from skmultimodal.heads.generating._consensus import most_agreed
from skmultimodal.metrics import (
    bits_per_character,
    bleu_score,
    chrf_score,
    perplexity_score,
)

END = "\n"
Turn = tuple[str, str]
_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Message:
    """One message, what it is about, and what was said before."""

    text: str
    role: str
    figure: Any
    trial: Sequence[Turn]  # said in this trial
    game: Sequence[Turn] = ()  # said before this trial


def words(text: str) -> list[str]:
    """Lower-case words and marks."""
    return _WORD.findall(text.lower())


def text_figures(
    log_likelihoods: np.ndarray | None,
    texts: Sequence[str],
    predictions: Sequence[str] | None,
) -> dict[str, float]:
    """Word perplexity, bits a character, chrF and BLEU, for any model.

    Parameters
    ----------
    log_likelihoods : ndarray of shape (n,) or None
        Natural logarithm of the probability of each whole lower-case text with its end.
    texts : sequence of str
        What was said.
    predictions : sequence of str or None
        What the model says.
    """
    found = {}
    if log_likelihoods is not None:
        found["ppl_word"] = perplexity_score(texts, log_likelihoods)
        found["bits_per_char"] = bits_per_character(texts, log_likelihoods)
    if predictions is not None:
        found["chrf"] = chrf_score(texts, predictions)
        found["bleu"] = bleu_score(texts, predictions)
    return found


class Spelling:
    """Probability of a word letter by letter: a Witten-Bell 4-gram of characters."""

    def __init__(self, vocabulary: Iterable[str]):
        self._counts = NGramCounts(4)
        letters = {letter for word in vocabulary for letter in word}
        self._n_letters = len(letters) + 30
        for word in vocabulary:
            self._counts.add([*word, END])

    def probability(self, word: str) -> float:
        total, context = 1.0, ["", "", ""]
        for letter in [*word, END]:
            total *= self._counts.probability(letter, context, 1 / self._n_letters)
            context = [*context[1:], letter]
        return total


class NGramCounts:
    """Interpolated n-grams by Witten and Bell's rule, over a given base."""

    def __init__(self, order: int):
        self.order = order
        self._followers: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)

    def add(self, tokens: Sequence[str]) -> None:
        padded = [""] * (self.order - 1) + list(tokens)
        for k in range(self.order - 1, len(padded)):
            for n in range(self.order):
                self._followers[tuple(padded[k - n : k])][padded[k]] += 1

    def probability(self, token: str, context: Sequence[str], base: float) -> float:
        found = base
        for n in range(self.order):
            after = self._followers.get(tuple(context[len(context) - n :]))
            if after is not None:
                n_kinds = len(after)
                found = (after[token] + n_kinds * found) / (after.total() + n_kinds)
        return found


class CountModel:
    """Interpolated word 3-gram with role, figure, and caches of what was said.

    Parameters
    ----------
    use_game : bool
        Whether what was said before this trial is known.
    """

    def __init__(self, *, use_game: bool, n_folds: int = 5):
        self.use_game = use_game
        self.n_folds = n_folds

    def fit(self, messages: Sequence[Message], games: np.ndarray) -> CountModel:
        parts = []
        for train, held in GroupKFold(self.n_folds).split(messages, groups=games):
            self._count([messages[k] for k in train])
            parts += [self._components(messages[k]) for k in held]
        by_word = np.concatenate(parts)  # (n_words, n_components)
        self.weights_ = _mixture_weights(by_word)
        self._count(messages)
        return self

    def log_likelihood(self, messages: Sequence[Message]) -> np.ndarray:
        rows = [np.log(self._components(m) @ self.weights_).sum() for m in messages]
        return np.array(rows)

    def _count(self, messages: Sequence[Message]) -> None:
        seen = Counter(word for m in messages for word in words(m.text))
        self._spelling = Spelling(seen)
        self._spelled: dict[str, float] = {}
        self._counts: dict[Any, NGramCounts] = defaultdict(lambda: NGramCounts(3))
        for m in messages:
            tokens = [*words(m.text), END]
            for key in _keys(m):
                self._counts[key].add(tokens)

    def _components(self, message: Message) -> np.ndarray:
        """(n_words, n_components): each component's probability of each word."""
        caches = [_cache(message.trial)]
        if self.use_game:
            caches += [_cache(message.game)]
        rows, context = [], ["", ""]
        for token in [*words(message.text), END]:
            base = self._spelled.get(token)
            if base is None:
                base = self._spelling.probability(token)
                self._spelled[token] = base
            every = self._counts[()].probability(token, context, base)
            row = [base, every]
            row += [
                self._counts[key].probability(token, context, base)
                for key in _keys(message)[1:]
            ]
            for cache in caches:
                for n in (0, 1, 2):
                    after = cache.get(tuple(context[2 - n :]))
                    row.append(after[token] / after.total() if after else every)
            rows.append(row)
            context = [context[1], token]
        return np.array(rows)


def _keys(message: Message) -> list[Any]:
    return [
        (),
        ("role", message.role),
        ("role, first", message.role, not message.trial),
        ("figure", message.role, message.figure, not message.trial),
    ]


def _cache(turns: Sequence[Turn]) -> dict[tuple[str, ...], Counter[str]]:
    followers: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for _, text in turns:
        tokens = ["", "", *words(text), END]
        for k in range(2, len(tokens)):
            for n in range(3):
                followers[tuple(tokens[k - n : k])][tokens[k]] += 1
    return followers


def _mixture_weights(by_word: np.ndarray, n_rounds: int = 200) -> np.ndarray:
    """Weights of a mixture with the highest likelihood, by expectation-maximisation."""
    weights = np.full(by_word.shape[1], 1 / by_word.shape[1])
    for _ in range(n_rounds):
        shares = by_word * weights
        shares /= shares.sum(axis=1, keepdims=True)
        weights = shares.mean(axis=0)
    return weights


class Frequent:
    """The most frequent training message of the same role, and of more where known."""

    def __init__(self, *keys: str):
        self.keys = keys

    def fit(self, messages: Sequence[Message]) -> Frequent:
        counts: dict[Any, Counter[str]] = defaultdict(Counter)
        for m in messages:
            counts[self._key(m)][m.text] += 1
        self.best_ = {key: found.most_common(1)[0][0] for key, found in counts.items()}
        return self

    def predict(self, messages: Sequence[Message]) -> list[str]:
        return [self.best_.get(self._key(m), "") for m in messages]

    def _key(self, message: Message) -> tuple[Any, ...]:
        of = {"figure": message.figure, "first": not message.trial}
        return (message.role, *(of[key] for key in self.keys))


class Retrieval:
    """What was said in the training contexts that are nearest by tf-idf.

    A context is the role, the figure and the words before; beside one neighbour, the
    message of 20 that is most like the others by its letters.
    """

    def __init__(self, *, use_game: bool, n_neighbours: int = 1):
        self.use_game = use_game
        self.n_neighbours = n_neighbours

    def fit(self, messages: Sequence[Message]) -> Retrieval:
        self._tfidf = TfidfVectorizer(token_pattern=r"\S+")
        self._known = self._tfidf.fit_transform([self._context(m) for m in messages])
        self._said = [m.text for m in messages]
        return self

    def predict(self, messages: Sequence[Message]) -> list[str]:
        alike = self._tfidf.transform([self._context(m) for m in messages])
        found = []
        for row in alike @ self._known.T:
            scores = row.toarray()[0]
            near = np.argsort(-scores, kind="stable")[: self.n_neighbours]
            found.append(most_agreed([self._said[k] for k in near]))
        return found

    def _context(self, message: Message) -> str:
        about = [f"r_{message.role}", f"f_{message.figure}"]
        about += ["_".join(about), *["first"] * (not message.trial)]
        turns = [*(message.game if self.use_game else ()), *message.trial]
        said = [w for _, text in turns for w in words(text)]
        return " ".join([*about, *said])
