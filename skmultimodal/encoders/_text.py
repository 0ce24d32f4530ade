"""Text encoder: n-grams by default, a sentence-transformers model on request."""

from __future__ import annotations

import os
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from skmultimodal.encoders._base import ColumnEncoder
from skmultimodal.encoders._columns import Column, Parts
from skmultimodal.encoders._reduction import Reduction
from skmultimodal.encoders.features._text import NGramFeatures
from skmultimodal.encoders.pretrained._loading import check_same_weights, source
from skmultimodal.encoders.pretrained._text import SentenceModel, load_sentence_model


class TextEncoder(ColumnEncoder):
    """Encode a column of texts as vectors.

    By default TF-IDF of words and of characters within words is reduced by a truncated
    SVD (latent semantic analysis [1]_); nothing is downloaded. With `model`, texts are
    embedded by a pretrained sentence-transformers model [2]_. Which of the two is
    better depends on the texts; both can be used side by side on one column.

    Parameters
    ----------
    model : str, path or None, default=None
        Folder or hub name of a sentence-transformers (or plain transformers) model with
        safetensors weights. Needs ``pip install 'skmultimodal[text]'``. Code that comes
        with a model is never run.
    n_components : int, "auto" or None, default="auto"
        Number of output columns. ``"auto"`` is 100 for n-grams and the full width of a
        `model`; an integer reduces the embeddings of a model by PCA; None keeps the
        full width of a model and is ``"auto"`` for n-grams. Few or small texts
        give fewer columns.
    max_features : int or None, default=20000
        The most frequent word n-grams, and as many character n-grams, are kept.
        Ignored with `model`.
    batch_size : int, default=32
        Texts a batch, with `model`.
    normalize : bool, default=True
        Whether embeddings of `model` are scaled to unit length.
    device : str, default="auto"
        Where `model` runs: ``"cpu"``, ``"cuda"``, ... ``"auto"`` takes CUDA where there
        is one.
    local_files_only : bool, default=False
        Whether a hub name is looked up in the local cache only.
    random_state : int, RandomState instance or None, default=None
        Seed of the randomised SVD or PCA.

    Attributes
    ----------
    n_features_out_ : int
        Number of output columns.
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
    TabularEncoder : Encodes short dirty strings together with numbers and dates.

    Notes
    -----
    A cell is a string, a number (taken as its text) or a list of strings, whose vectors
    are averaged. A missing cell gives a row of NaN; a text without any known n-gram
    gives zeros. Weights stay out of pickles: they are loaded again from `model`.

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

    _parameter_constraints: dict[str, list[Any]] = {
        "model": [str, os.PathLike, None],
        "n_components": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
            None,
        ],
        "max_features": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "normalize": ["boolean"],
        "device": [str],
        "local_files_only": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        model=None,
        *,
        n_components="auto",
        max_features=20_000,
        batch_size=32,
        normalize=True,
        device="auto",
        local_files_only=False,
        random_state=None,
    ):
        self.model = model
        self.n_components = n_components
        self.max_features = max_features
        self.batch_size = batch_size
        self.normalize = normalize
        self.device = device
        self.local_files_only = local_files_only
        self.random_state = random_state

    def _parts(self, column: Column) -> Parts:
        parts = super()._parts(column)
        texts = [_text(v, column, r) for v, r in zip(parts.values, parts.first_rows)]
        return Parts(texts, parts.first_rows, parts.rows, parts.which)

    def _fit_parts(self, parts: Parts, column: Column) -> np.ndarray:
        self.model_id_: str | None = None
        self.model_hash_: str | None = None
        self._reduction: Reduction | None = None
        if self.model is not None:
            self.model_id_ = source(self.model, type(self).__name__)
            return self._fit_model(self.model_id_, parts.values)
        n_components = 100 if self.n_components in ("auto", None) else self.n_components
        self._ngrams = NGramFeatures(n_components, self.max_features)
        return self._ngrams.fit(parts.values, self.random_state)

    def _fit_model(self, name: str, texts: list[str]) -> np.ndarray:
        model = self._sentence_model(name)
        self.model_hash_ = model.weights
        features = model.encode(texts, self.batch_size, self.normalize)
        if self.n_components not in ("auto", None):
            self._reduction = Reduction(features, self.n_components, self.random_state)
            features = self._reduction.transform(features)
        return features

    def _encode_parts(self, parts: Parts, column: Column) -> np.ndarray:
        if self.model_id_ is None or self.model_hash_ is None:
            return self._ngrams.transform(parts.values)
        model = self._sentence_model(self.model_id_)
        check_same_weights(
            type(self).__name__, self.model_id_, model.weights, self.model_hash_
        )
        features = model.encode(parts.values, self.batch_size, self.normalize)
        if self._reduction is not None:
            features = self._reduction.transform(features)
        return features

    def _sentence_model(self, model: str) -> SentenceModel:
        return load_sentence_model(
            model,
            device=self.device,
            local_files_only=self.local_files_only,
            owner=type(self).__name__,
        )


def _text(part: Any, column: Column, row: int) -> str:
    if isinstance(part, str):
        return str(part)
    if isinstance(part, (bool, int, float, np.number, np.bool_)):
        return str(part)
    raise TypeError(
        f"TextEncoder: {column.where(row)} holds {type(part).__name__}, expected a "
        "string or a list of strings. Convert the column with `.astype(str)` where "
        "that is meant."
    )
