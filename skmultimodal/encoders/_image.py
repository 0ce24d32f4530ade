"""Image encoder: classical features by default, a pretrained network on request."""

from __future__ import annotations

import os
import warnings
from numbers import Integral
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn.utils._param_validation import Interval, StrOptions

from skmultimodal.encoders._base import ColumnEncoder
from skmultimodal.encoders._columns import Column, Parts
from skmultimodal.encoders._reduction import Reduction
from skmultimodal.encoders.decoding._image import (
    MAX_PIXELS,
    Decoder,
    PictureError,
    decode_all,
    learn_ranges,
)
from skmultimodal.encoders.features._image import classical_features
from skmultimodal.encoders.pretrained._image import VisionModel, load_vision_model
from skmultimodal.encoders.pretrained._loading import check_same_weights, source

_CHUNK = 256  # pictures decoded before they become features


class ImageEncoder(ColumnEncoder):
    """Encode a column of pictures as vectors.

    By default pictures are described by histograms of gradient orientations on grids
    of cells [1]_, a grid of mean colours and a histogram of colours; nothing is
    downloaded. With `model`, they are embedded by a pretrained network.

    Parameters
    ----------
    model : str, path or None, default=None
        Folder or hub name of a transformers vision model with safetensors weights
        (needs ``pip install 'skmultimodal[image]'``), or ``"package.module:function"``,
        where the function takes no argument and returns an ``nn.Module``. Such a module
        is given float32 pictures (n, 3, size, size) in [0, 1] and returns (n, d) or
        maps (n, d, h, w), which are averaged. Code that comes with a model is never
        run.
    size : int, default=64
        Pictures are resized to `size` x `size` pixels. A transformers model has its own
        size.
    n_components : int or None, default=None
        Reduce the features to so many principal components.
    on_error : {"raise", "warn", "missing"}, default="raise"
        What a picture that cannot be read does: raise a ValueError; or count as
        missing, with or without a warning.
    max_pixels : int, default=89478485
        Larger pictures are errors, against decompression bombs. Pillow's own limit
        holds besides.
    batch_size : int, default=32
        Pictures a batch, with `model`.
    device : str, default="auto"
        Where `model` runs: ``"cpu"``, ``"cuda"``, ... ``"auto"`` takes CUDA where there
        is one.
    local_files_only : bool, default=False
        Whether a hub name is looked up in the local cache only.
    n_jobs : int or None, default=None
        Threads that decode pictures; -1 uses all cores.
    random_state : int, RandomState instance or None, default=None
        Seed of the principal components.

    Attributes
    ----------
    n_features_out_ : int
        Number of output columns.
    ranges_ : dict
        What black and white were in float and in wide integer arrays at `fit`.
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
    TextEncoder : The same for texts.

    Notes
    -----
    A cell is a path, bytes, a PIL image, an array (h, w), (h, w, 1), (h, w, 3) or
    (h, w, 4), or a list of these, whose vectors are averaged. Transparent parts are
    white; pictures are turned as their EXIF says. uint8 and uint16 arrays have the
    range of their type; that of other arrays is learned in `fit`. A missing cell gives
    a row of NaN.

    References
    ----------
    .. [1] N. Dalal and B. Triggs, "Histograms of oriented gradients for human
       detection", CVPR 2005.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal.encoders import ImageEncoder
    >>> dark, bright = np.zeros((8, 8)), np.ones((8, 8, 3))
    >>> encoded = ImageEncoder().fit_transform([dark, bright, None])
    >>> encoded.shape
    (3, 872)
    >>> np.isnan(encoded).any(axis=1)
    array([False, False,  True])
    """

    _kind = "image"

    _parameter_constraints: dict[str, list[Any]] = {
        "model": [str, os.PathLike, None],
        "size": [Interval(Integral, 8, None, closed="left")],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "on_error": [StrOptions({"raise", "warn", "missing"})],
        "max_pixels": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "local_files_only": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        model=None,
        *,
        size=64,
        n_components=None,
        on_error="raise",
        max_pixels=MAX_PIXELS,
        batch_size=32,
        device="auto",
        local_files_only=False,
        n_jobs=None,
        random_state=None,
    ):
        self.model = model
        self.size = size
        self.n_components = n_components
        self.on_error = on_error
        self.max_pixels = max_pixels
        self.batch_size = batch_size
        self.device = device
        self.local_files_only = local_files_only
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _fit_parts(self, parts: Parts, column: Column) -> np.ndarray:
        self.model_id_: str | None = None
        self.model_hash_: str | None = None
        if self.model is not None:
            self.model_id_ = source(self.model, type(self).__name__)
            self.model_hash_ = self._vision_model(self.model_id_).weights
        self.ranges_ = learn_ranges(parts.values)
        self._raw_width = 1
        self._reduction: Reduction | None = None
        features = self._raw_features(parts, column)
        readable = ~np.isnan(features).any(axis=1)
        if self.n_components is not None and readable.any():
            self._reduction = Reduction(
                features[readable], self.n_components, self.random_state
            )
            features = self._reduction.transform(features)
        return features

    def _encode_parts(self, parts: Parts, column: Column) -> np.ndarray:
        features = self._raw_features(parts, column)
        if self._reduction is not None:
            features = self._reduction.transform(features)
        return features

    def _raw_features(self, parts: Parts, column: Column) -> np.ndarray:
        """Features (n_parts, d) before the reduction; NaN where unreadable."""
        model = self._checked_model()
        decoder = Decoder((self.size, self.size), self.max_pixels, self.ranges_)
        if model is not None:
            decoder = model.decoder(decoder)
        threads = effective_n_jobs(self.n_jobs)
        features: list[np.ndarray] = []
        readable: list[int] = []
        errors: dict[int, PictureError] = {}
        for start in range(0, len(parts.values), _CHUNK):
            found = decode_all(parts.values[start : start + _CHUNK], decoder, threads)
            pictures = []
            for k, picture in enumerate(found, start):
                if isinstance(picture, PictureError):
                    errors[k] = picture
                    if self.on_error == "raise":
                        raise self._error(k, picture, parts, column) from picture
                else:
                    readable.append(k)
                    pictures.append(picture)
            if pictures and model is None:
                features.append(classical_features(np.stack(pictures)))
            elif pictures and model is not None:
                features.append(model.encode(pictures, self.batch_size))
        if errors and self.on_error == "warn":
            self._warn(errors, parts, column)
        width = features[0].shape[1] if features else self._raw_width
        out = np.full((len(parts.values), width), np.nan, dtype=np.float32)
        if features:
            out[readable] = np.concatenate(features)
            self._raw_width = width
        return out

    def _checked_model(self) -> VisionModel | None:
        if self.model_id_ is None or self.model_hash_ is None:
            return None
        model = self._vision_model(self.model_id_)
        check_same_weights(
            type(self).__name__, self.model_id_, model.weights, self.model_hash_
        )
        return model

    def _error(
        self, part: int, error: PictureError, parts: Parts, column: Column
    ) -> ValueError:
        where = column.where(parts.first_rows[part])
        return ValueError(
            f"ImageEncoder: {where}: {error}; or count it as missing with "
            "on_error='warn' or 'missing'."
        )

    def _warn(
        self, errors: dict[int, PictureError], parts: Parts, column: Column
    ) -> None:
        part, error = next(iter(errors.items()))
        warnings.warn(
            f"ImageEncoder: {len(errors)} of {len(parts.values)} different pictures "
            "cannot be read and count as missing. The first: "
            f"{column.where(parts.first_rows[part])}: {error}.",
            UserWarning,
            stacklevel=5,
        )

    def _vision_model(self, model: str) -> VisionModel:
        return load_vision_model(
            model,
            device=self.device,
            local_files_only=self.local_files_only,
            owner=type(self).__name__,
        )
