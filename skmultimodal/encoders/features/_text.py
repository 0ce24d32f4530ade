"""Word and character n-grams of texts, reduced to a few dense columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils.extmath import randomized_svd

from skmultimodal.encoders._reduction import own_random_state

_MOST_TEXTS = 20_000  # to learn from; more change little
_CHUNK = 2048
_WORD = re.compile(r"(?u)\b\w+\b")


class NGramFeatures:
    """TF-IDF of words (1, 2) and of characters in words (3, 5), then LSA.

    Both halves have unit length a text; a text without any known n-gram is a zero.
    """

    def __init__(self, n_components: int, max_features: int | None) -> None:
        self.n_components = n_components
        self.max_features = max_features
        self.vectorizers: list[TfidfVectorizer] = []
        self.components: np.ndarray  # (n_ngrams, k)

    def fit(self, texts: Sequence[str], random_state: Any) -> np.ndarray:
        """Learn from texts and give their features (n, k)."""
        # the order of rows moves the last bits of the factors: sorted, it cannot
        order = np.argsort(np.asarray(texts, dtype=object), kind="stable")
        order = order[:: -(-len(order) // _MOST_TEXTS)]
        counts = self._fit_vectorizers([texts[i] for i in order])
        if counts is None:
            self.components = np.zeros((0, 1), dtype=np.float32)
            return np.zeros((len(texts), 1), dtype=np.float32)
        k = min(self.n_components, *counts.shape)
        _, _, components = randomized_svd(
            counts, k, n_iter=4, random_state=own_random_state(random_state)
        )
        self.components = np.ascontiguousarray(components.T, dtype=np.float32)
        return self.transform(texts)

    def transform(self, texts: Sequence[str]) -> np.ndarray:
        """Features (n, k) of texts."""
        if not self.vectorizers:
            return np.zeros((len(texts), 1), dtype=np.float32)
        shape = len(texts), self.components.shape[1]
        out = np.empty(shape, dtype=np.float32)
        for start in range(0, len(texts), _CHUNK):  # n-grams of all at once are large
            part = slice(start, start + _CHUNK)
            blocks = [vec.transform(texts[part]) for vec in self.vectorizers]
            out[part] = sparse.hstack(blocks, format="csr") @ self.components
        return out

    def word_features(self, texts: Sequence[str], most: int) -> list[np.ndarray]:
        """Features (T, k) of the words of each text, the first `most` of them.

        A word is described as a text of its own; a text without words is one step.
        """
        words = [_WORD.findall(text)[:most] or [text] for text in texts]
        known = {word: k for k, word in enumerate(dict.fromkeys(chain(*words)))}
        table = self.transform(list(known))
        return [table[[known[word] for word in found]] for found in words]

    def _fit_vectorizers(self, texts: list[str]) -> sparse.csr_matrix | None:
        blocks = []
        for analyzer, ngram_range in (("word", (1, 2)), ("char_wb", (3, 5))):
            vectorizer = TfidfVectorizer(
                analyzer=analyzer,
                ngram_range=ngram_range,
                token_pattern=_WORD.pattern if analyzer == "word" else None,
                sublinear_tf=True,
                max_features=self.max_features,
                dtype=np.float32,
            )
            try:
                blocks.append(vectorizer.fit_transform(texts))
            except ValueError as error:
                if "empty vocabulary" not in str(error):
                    raise
                continue
            self.vectorizers.append(vectorizer)
        return sparse.hstack(blocks, format="csr") if blocks else None
