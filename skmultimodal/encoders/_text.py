"""Text encoder: n-grams by default, a sentence-transformers model on request."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from skmultimodal._optional import library_version
from skmultimodal.encoders._columns import Column, Parts, Sequences
from skmultimodal.encoders._media import Describe, MediaEncoder
from skmultimodal.encoders.features._text import NGramFeatures
from skmultimodal.encoders.pretrained._text import SentenceModel, load_sentence_model

TOKEN_WIDTH = 64  # a token's, where nobody says


class TextEncoder(MediaEncoder):
    """Encode a column of texts as vectors, or as sequences of vectors.

    By default TF-IDF of words and of characters within words is reduced by a truncated
    SVD (latent semantic analysis [1]_); nothing is downloaded. With `model`, texts are
    embedded by a pretrained sentence-transformers model [2]_. Which of the two is
    better depends on the texts; both can be used side by side on one column.

    Parameters
    ----------
    model : str, path or None, default=None
        Folder or hub name of a sentence-transformers (or plain transformers) model with
        safetensors weights. Needs ``pip install 'skmultimodal[text]'``. Code that comes
        with a model is never run. A function, ``"package.module:function"``, that
        returns a `SentenceTransformer` will do, too.
    output : {"pooled", "sequence"}, default="pooled"
        One vector a text; or one for each of its tokens, for fusions that attend to
        words. By default tokens are words, and a word has the vector that a text of
        this word alone would have; those of a `model` know their neighbours.
    max_steps : int, default=64
        The most tokens of a cell, with ``output="sequence"``. Further ones are left
        out.
    n_components : int, "auto" or None, default="auto"
        Number of output columns. ``"auto"`` is 100 for n-grams and the full width of a
        `model`; an integer reduces the embeddings of a model by PCA; None keeps the
        full width of a model and is ``"auto"`` for n-grams. With
        ``output="sequence"`` it counts the columns of a step, and ``"auto"`` is 64. Few
        or small texts give fewer columns.
    max_features : int or None, default=20000
        The most frequent word n-grams, and as many character n-grams, are kept.
        Ignored with `model`.
    batch_size : int, default=32
        Texts a batch, with `model`.
    normalize : bool, default=True
        Whether embeddings of `model` are scaled to unit length; tokens are not.
    store : str, path, EmbeddingStore or None, default=None
        Where embeddings of `model` are kept, so that no text is encoded twice. N-grams
        learn from all texts of a fit, and are quick: they are not kept.
    device : str, default="auto"
        Where `model` runs: ``"cpu"``, ``"cuda"``, ... ``"auto"`` takes CUDA where there
        is one.
    local_files_only : bool, default=False
        Whether a hub name is looked up in the local cache only.
    store_weights : bool, default=False
        Whether a pickle holds the weights of `model`. Otherwise they are loaded from
        `model` again, and must be the same.
    random_state : int, RandomState instance or None, default=None
        Seed of the randomised SVD or PCA.

    Attributes
    ----------
    n_features_out_ : int
        Number of output columns.
    n_steps_ : int or None
        Number of steps, with ``output="sequence"``.
    model_id_ : str or None
        The `model` of the fit.
    model_hash_ : str or None
        Hash of its weights: other weights at `transform` are an error.
    n_features_in_ : int
        Always 1.
    feature_names_in_ : ndarray of shape (1,)
        Name of the column, where it has one.

    See Also
    --------
    ImageEncoder : The same for pictures.
    EmbeddingStore : Keeps what was encoded.
    TabularEncoder : Encodes short dirty strings together with numbers and dates.

    Notes
    -----
    A cell is a string, a number (taken as its text) or a list of strings, whose vectors
    are averaged, and whose words follow one another. Turns of a dialogue, ``[(role,
    text), ...]``, are such a list, each read as ``role: text``. A missing cell gives a
    row of NaN; a text without any known n-gram gives zeros. N-grams are learned from
    20,000 different texts at most, evenly spread in alphabetical order. Weights stay
    out of pickles, unless `store_weights` asks for them.

    References
    ----------
    .. [1] S. Deerwester et al., "Indexing by latent semantic analysis", Journal of the
       American Society for Information Science 41(6), 1990.
    .. [2] N. Reimers and I. Gurevych, "Sentence-BERT: sentence embeddings using Siamese
       BERT-networks", EMNLP 2019. https://arxiv.org/abs/1908.10084

    Examples
    --------
    >>> from skmultimodal.encoders import TextEncoder
    >>> texts = ["a red house", "a blue house", None, "the sea"]
    >>> encoded = TextEncoder(random_state=0).fit_transform(texts)
    >>> encoded.shape
    (4, 3)
    >>> encoded[2]
    array([nan, nan, nan], dtype=float32)
    """

    _kind = "text"
    _noun = "text"
    _chunk = 1024
    _reads_files = False

    _parameter_constraints: dict[str, list[Any]] = {
        "model": [str, os.PathLike, None],
        "output": [StrOptions({"pooled", "sequence"})],
        "max_steps": [Interval(Integral, 1, None, closed="left")],
        "n_components": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
            None,
        ],
        "max_features": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "normalize": ["boolean"],
        "store": [str, os.PathLike, HasMethods("info"), None],
        "device": [str],
        "local_files_only": ["boolean"],
        "store_weights": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        model=None,
        *,
        output="pooled",
        max_steps=64,
        n_components="auto",
        max_features=20_000,
        batch_size=32,
        normalize=True,
        store=None,
        device="auto",
        local_files_only=False,
        store_weights=False,
        random_state=None,
    ):
        self.model = model
        self.output = output
        self.max_steps = max_steps
        self.n_components = n_components
        self.max_features = max_features
        self.batch_size = batch_size
        self.normalize = normalize
        self.store = store
        self.device = device
        self.local_files_only = local_files_only
        self.store_weights = store_weights
        self.random_state = random_state

    def _parts(self, column: Column) -> Parts:
        parts = super()._parts(column)
        texts = [_text(v, column, r) for v, r in zip(parts.values, parts.first_rows)]
        return Parts(texts, parts.first_rows, parts.rows, parts.which)

    def _fit_parts(self, parts: Parts, column: Column) -> np.ndarray | Sequences:
        if self.model is not None:
            return super()._fit_parts(parts, column)
        self.model_id_ = self.model_hash_ = None
        width = 100 if self.output == "pooled" else TOKEN_WIDTH
        n_components = (
            self.n_components if isinstance(self.n_components, int) else width
        )
        self._ngrams = NGramFeatures(n_components, self.max_features)
        features = self._ngrams.fit(parts.values, self.random_state)
        if self.output == "pooled":
            return features
        return self._ngrams.word_features(parts.values, self.max_steps)

    def _encode_parts(self, parts: Parts, column: Column) -> np.ndarray | Sequences:
        if self.model_id_ is not None:
            return super()._encode_parts(parts, column)
        if self.output == "pooled":
            return self._ngrams.transform(parts.values)
        return self._ngrams.word_features(parts.values, self.max_steps)

    def _learns(self) -> bool:
        return self.model is None or super()._learns()

    def _network(self, name: str) -> SentenceModel:
        return load_sentence_model(
            name,
            device=self.device,
            local_files_only=self.local_files_only,
            owner=type(self).__name__,
        )

    def _describer(self, network: SentenceModel) -> Describe:
        if self.output == "sequence":
            return partial(
                network.encode_tokens, batch_size=self.batch_size, most=self.max_steps
            )
        return lambda texts: list(
            network.encode(texts, self.batch_size, self.normalize)
        )

    def _identity(self) -> dict[str, Any]:
        pooled = self.output == "pooled"
        return {
            "library": library_version("sentence-transformers"),
            "normalize": self.normalize if pooled else None,
            "max_steps": None if pooled else self.max_steps,
        }

    def _order(self, values: list[Any]) -> Iterable[int]:
        """Longest first: texts of one batch are about as long as each other."""
        return np.argsort([-len(text) for text in values], kind="stable").tolist()

    def _width(self) -> int | None:
        if self.n_components == "auto":
            return None if self.output == "pooled" else TOKEN_WIDTH
        return self.n_components


def _text(part: Any, column: Column, row: int) -> str:
    if isinstance(part, str):
        return str(part)
    if isinstance(part, (bool, int, float, np.number, np.bool_)):
        return str(part)
    if isinstance(part, tuple) and all(isinstance(word, str) for word in part):
        return ": ".join(part)
    raise TypeError(
        f"TextEncoder: {column.where(row)} holds {type(part).__name__}, expected a "
        "string or a list of strings. Convert the column with `.astype(str)` where "
        "that is meant."
    )
