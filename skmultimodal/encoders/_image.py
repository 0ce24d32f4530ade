"""Image encoder: classical features by default, a pretrained network on request."""

from __future__ import annotations

import os
from numbers import Integral
from typing import Any

import numpy as np
import PIL
from joblib import effective_n_jobs
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from skmultimodal.encoders._media import Describe, Description, MediaEncoder
from skmultimodal.encoders.decoding._files import MediaError, root_folder
from skmultimodal.encoders.decoding._image import (
    MAX_BYTES,
    MAX_PIXELS,
    Decoder,
    decode_all,
    learn_ranges,
)
from skmultimodal.encoders.features._image import (
    FEATURES_VERSION,
    classical_features,
    classical_tokens,
)
from skmultimodal.encoders.pretrained._image import VisionModel, load_vision_model


class ImageEncoder(MediaEncoder):
    """Encode a column of pictures as vectors, or as sequences of vectors.

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
        maps (n, d, h, w), or tokens (n, T, d), which are averaged. Code that comes
        with a model is never run.
    output : {"pooled", "sequence"}, default="pooled"
        One vector a picture; or one for each cell of a grid laid over it, row by row,
        for fusions that attend to parts of a picture.
    size : int, default=64
        Pictures are resized to `size` x `size` pixels. A transformers model has its own
        size.
    grid : int, default=4
        Cells a side of the grid of ``output="sequence"``: `grid` ** 2 steps a picture.
    max_steps : int, default=64
        The most steps of a cell, with ``output="sequence"``: `grid` ** 2 or more. Of a
        cell that holds several pictures, further steps are left out.
    n_components : int or None, default=None
        Reduce the features, or those of each step, to so many principal components.
    on_error : {"raise", "warn", "missing"}, default="raise"
        What a picture that cannot be read does: raise a ValueError; or count as
        missing, with or without a warning.
    max_pixels : int, default=89478485
        Larger pictures are errors, against decompression bombs. Pillow's own limit
        holds besides.
    max_bytes : int, default=1073741824
        Larger files are errors.
    root : str, path or None, default=None
        Folder that paths start at and may not leave: neither by ``..``, nor by a link.
        None takes any path. Addresses on the web are refused either way.
    store : str, path, EmbeddingStore or None, default=None
        Where descriptions are kept, so that no content is encoded twice.
    batch_size : int, default=32
        Pictures a batch, with `model`.
    device : str, default="auto"
        Where `model` runs: ``"cpu"``, ``"cuda"``, ... ``"auto"`` takes CUDA where there
        is one.
    local_files_only : bool, default=False
        Whether a hub name is looked up in the local cache only.
    store_weights : bool, default=False
        Whether a pickle holds the weights of `model`. Otherwise they are loaded from
        `model` again, and must be the same.
    n_jobs : int or None, default=None
        Threads that decode pictures; -1 uses all cores.
    random_state : int, RandomState instance or None, default=None
        Seed of the principal components.

    Attributes
    ----------
    n_features_out_ : int
        Number of output columns.
    n_steps_ : int or None
        Number of steps, with ``output="sequence"``.
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
    VideoEncoder : Describes frames by an ImageEncoder.
    EmbeddingStore : Keeps what was encoded.

    Notes
    -----
    A cell is a path, bytes, a PIL image, an array (h, w), (h, w, 1), (h, w, 3) or (h,
    w, 4), or a list of these, whose vectors are averaged, and whose steps follow one
    another. Transparent parts are white; pictures are turned as their EXIF says. uint8
    and uint16 arrays have the range of their type; that of other arrays is learned in
    `fit`. A missing cell gives a row of NaN.

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
    _noun = "picture"

    _parameter_constraints: dict[str, list[Any]] = {
        "model": [str, os.PathLike, None],
        "output": [StrOptions({"pooled", "sequence"})],
        "size": [Interval(Integral, 8, None, closed="left")],
        "grid": [Interval(Integral, 1, None, closed="left")],
        "max_steps": [Interval(Integral, 1, None, closed="left")],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "on_error": [StrOptions({"raise", "warn", "missing"})],
        "max_pixels": [Interval(Integral, 1, None, closed="left")],
        "max_bytes": [Interval(Integral, 1, None, closed="left")],
        "root": [str, os.PathLike, None],
        "store": [str, os.PathLike, HasMethods("info"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "local_files_only": ["boolean"],
        "store_weights": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        model=None,
        *,
        output="pooled",
        size=64,
        grid=4,
        max_steps=64,
        n_components=None,
        on_error="raise",
        max_pixels=MAX_PIXELS,
        max_bytes=MAX_BYTES,
        root=None,
        store=None,
        batch_size=32,
        device="auto",
        local_files_only=False,
        store_weights=False,
        n_jobs=None,
        random_state=None,
    ):
        self.model = model
        self.output = output
        self.size = size
        self.grid = grid
        self.max_steps = max_steps
        self.n_components = n_components
        self.on_error = on_error
        self.max_pixels = max_pixels
        self.max_bytes = max_bytes
        self.root = root
        self.store = store
        self.batch_size = batch_size
        self.device = device
        self.local_files_only = local_files_only
        self.store_weights = store_weights
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _learn(self, values: list[Any]) -> None:
        self.ranges_ = learn_ranges(values)

    def _network(self, name: str) -> VisionModel:
        return load_vision_model(
            name,
            device=self.device,
            local_files_only=self.local_files_only,
            owner=type(self).__name__,
        )

    def _describer(self, network: VisionModel | None) -> Describe:
        grid = self.grid if self.output == "sequence" else None
        if grid is not None and grid**2 > self.max_steps:
            raise ValueError(
                f"ImageEncoder(grid={grid}) gives {grid**2} steps a picture, more than "
                f"max_steps={self.max_steps}. Take max_steps={grid**2} or more, or a "
                "coarser grid."
            )
        if grid is not None and network is None and self.size // grid < 8:
            raise ValueError(
                f"ImageEncoder(size={self.size}, grid={grid}) gives cells of less than "
                f"8 pixels. Take size={8 * grid} or more, or a coarser grid."
            )
        decoder = Decoder(
            (self.size, self.size),
            self.max_pixels,
            self.ranges_,
            max_bytes=self.max_bytes,
            root=root_folder(self.root),
        )
        if network is not None:
            decoder = network.decoder(decoder)
        threads = effective_n_jobs(self.n_jobs)

        def describe(cells: list[Any]) -> list[Description]:
            found = decode_all(cells, decoder, threads)
            pictures = [p for p in found if not isinstance(p, MediaError)]
            if not pictures:
                return list(found)
            if network is not None:
                features = network.encode(pictures, self.batch_size, grid)
            elif grid is not None:
                features = classical_tokens(np.stack(pictures), grid)
            else:
                features = classical_features(np.stack(pictures))
            rows = iter(features)
            return [p if isinstance(p, MediaError) else next(rows) for p in found]

        return describe

    def _identity(self) -> dict[str, Any]:
        return {
            "features": FEATURES_VERSION,
            "pillow": PIL.__version__,
            "size": self.size,
            "grid": self.grid if self.output == "sequence" else None,
        }

    def _salt(self, value: Any) -> Any:
        """The range of an array depends on the others of the fit."""
        if isinstance(value, (str, bytes, os.PathLike)):
            return None
        return tuple(sorted(self.ranges_.items())) or None
