"""Video encoder: pictures and their motion by default, a pretrained one on request."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np
import PIL
from joblib import effective_n_jobs
from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from skmultimodal._optional import library_version
from skmultimodal.encoders._columns import Column, Parts, unique_parts
from skmultimodal.encoders._image import ImageEncoder
from skmultimodal.encoders._media import Describe, Description, MediaEncoder
from skmultimodal.encoders.decoding._clips import (
    MAX_BYTES,
    MAX_FRAMES,
    MAX_PIXELS,
    MAX_SECONDS,
    Clip,
    ClipDecoder,
    array_range,
    as_clip,
    decode_clips,
)
from skmultimodal.encoders.decoding._files import MediaError, root_folder
from skmultimodal.encoders.decoding._image import learn_ranges
from skmultimodal.encoders.features._image import FEATURES_VERSION, classical_features
from skmultimodal.encoders.features._motion import (
    MOTION_VERSION,
    motion_features,
    motion_steps,
)
from skmultimodal.encoders.pretrained._clips import ClipModel, load_clip_model

_FINE = 8 * 8 * 9  # gradients on the finest grid: left out, for they hardly last
_NETWORK_EDGE = 256  # pixels of the shorter edge of what a frame encoder is given
_SAMPLE = 256  # clips whose frames a frame encoder learns from


class VideoEncoder(MediaEncoder):
    """Encode a column of videos as vectors, or as a vector a frame.

    By default some frames are described as pictures, averaged with their spread, and
    what moves by block-wise optical flow [1]_: where, how fast, in which direction, by
    itself or with the camera, and how steadily. Nothing is downloaded. With `model`,
    videos are embedded by a pretrained network instead.

    Parameters
    ----------
    model : str, path or None, default=None
        Folder or hub name of a transformers video model with safetensors weights, such
        as VideoMAE, ViViT or TimeSformer (needs
        ``pip install 'skmultimodal[video]'``), or ``"package.module:function"``, where
        the function takes no argument and returns an ``nn.Module``. Such a module is
        given float32 frames (n, n_frames, 3, size, size) in [0, 1] and returns (n, d),
        tokens (n, T, d) or maps (n, d, h, w), which are averaged. Code that comes with
        a model is never run.
    output : {"pooled", "sequence"}, default="pooled"
        One vector a video; or one for each sampled frame, with the motion until the
        next (with a transformers `model`: for each frame or tube of frames; with a
        factory: its tokens).
    frame_encoder : ImageEncoder or None, default=None
        What describes a frame; None takes classical features. A copy of it is fitted.
    features : {"both", "appearance", "motion"}, default="both"
        Whether to describe frames, what moves between them, or both. With `model` of no
        effect, as `frame_encoder` is.
    n_frames : int, default=8
        Frames taken, evenly over a video. A transformers model has its own number.
    frame_rate : float or None, default=None
        Frames taken a second, at most `max_steps`, instead of `n_frames`.
    size : int, default=64
        Frames are resized to `size` x `size` pixels. A transformers model has its own
        size. A `frame_encoder` has its own, too.
    max_steps : int, default=64
        Frames taken at most, and steps of a sequence.
    n_components : int or None, default=None
        Reduce the features, or those of a step, to so many principal components.
    on_error : {"raise", "warn", "missing"}, default="raise"
        What a video that cannot be read does: raise a ValueError; or count as missing,
        with or without a warning.
    max_pixels : int, default=36000000
        Videos of larger frames are errors.
    max_seconds : float, default=3600
        Longer videos are errors.
    max_frames : int, default=100000
        Videos of more frames are errors.
    max_bytes : int, default=2147483648
        Larger files are errors.
    root : str, path or None, default=None
        Folder that paths start at and may not leave: neither by ``..``, nor by a link.
        None takes any path. Addresses on the web are refused either way.
    store : str, path, EmbeddingStore or None, default=None
        Where descriptions are kept, so that no video is described twice.
    batch_size : int, default=8
        Videos that are held in memory, and go through `model`, at once.
    device : str, default="auto"
        Where `model` runs: ``"cpu"``, ``"cuda"``, ... ``"auto"`` takes CUDA where there
        is one.
    local_files_only : bool, default=False
        Whether a hub name is looked up in the local cache only.
    store_weights : bool, default=False
        Whether a pickle holds the weights of `model`. Otherwise they are loaded from
        `model` again, and must be the same.
    n_jobs : int or None, default=None
        Threads that decode videos; -1 uses all cores.
    random_state : int, RandomState instance or None, default=None
        Seed of the principal components.

    Attributes
    ----------
    n_features_out_ : int
        Number of output columns.
    n_steps_ : int or None
        Steps of a sequence.
    ranges_ : dict
        What black and white were in float and in wide integer arrays at `fit`.
    frame_encoder_ : ImageEncoder or None
        The fitted frame encoder.
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
    AudioEncoder : Reads the sound of video files.

    Notes
    -----
    A cell is a path or bytes of an mp4, mov, mkv, webm, avi, gif, mpeg, flv or asf file
    (needs ``pip install 'skmultimodal[video]'``), or an array of frames (frames, h, w)
    or (frames, h, w, channel), or a list of pictures, which are the frames of one
    video. A list of anything else is several videos: their vectors are averaged, or
    their steps put one after the other. A missing cell gives a row of NaN.

    Lengths are taken from the frames that a file really holds. Frames that cannot be
    decoded are left out; a file without any is an error. Videos are turned as their
    metadata say. Motion is seen in at most 64 small grey frames, 12.5 a second: in all
    of a video of five seconds, in eight parts of a longer one. An array has no clock:
    its frames count as following each other at that rate, and with `frame_rate` all of
    them are taken. Values of arrays are read as :class:`ImageEncoder` reads them.

    References
    ----------
    .. [1] B. Lucas and T. Kanade, "An iterative image registration technique with an
       application to stereo vision", IJCAI 1981.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal.encoders import VideoEncoder
    >>> still = np.zeros((10, 32, 32), dtype=np.uint8)
    >>> moving = still.copy()
    >>> for k in range(10):
    ...     moving[k, 8:16, 2 * k : 2 * k + 8] = 200
    >>> encoded = VideoEncoder().fit_transform([still, moving, None])
    >>> encoded.shape
    (3, 756)
    >>> np.isnan(encoded).any(axis=1)
    array([False, False,  True])
    """

    _kind = "video"
    _noun = "video"

    _parameter_constraints: dict[str, list[Any]] = {
        "model": [str, os.PathLike, None],
        "output": [StrOptions({"pooled", "sequence"})],
        "frame_encoder": [ImageEncoder, None],
        "features": [StrOptions({"both", "appearance", "motion"})],
        "n_frames": [Interval(Integral, 1, None, closed="left")],
        "frame_rate": [Interval(Real, 0, None, closed="neither"), None],
        "size": [Interval(Integral, 16, None, closed="left")],
        "max_steps": [Interval(Integral, 1, None, closed="left")],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "on_error": [StrOptions({"raise", "warn", "missing"})],
        "max_pixels": [Interval(Integral, 1, None, closed="left")],
        "max_seconds": [Interval(Real, 0, None, closed="neither")],
        "max_frames": [Interval(Integral, 1, None, closed="left")],
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
        frame_encoder=None,
        features="both",
        n_frames=8,
        frame_rate=None,
        size=64,
        max_steps=64,
        n_components=None,
        on_error="raise",
        max_pixels=MAX_PIXELS,
        max_seconds=MAX_SECONDS,
        max_frames=MAX_FRAMES,
        max_bytes=MAX_BYTES,
        root=None,
        store=None,
        batch_size=8,
        device="auto",
        local_files_only=False,
        store_weights=False,
        n_jobs=None,
        random_state=None,
    ):
        self.model = model
        self.output = output
        self.frame_encoder = frame_encoder
        self.features = features
        self.n_frames = n_frames
        self.frame_rate = frame_rate
        self.size = size
        self.max_steps = max_steps
        self.n_components = n_components
        self.on_error = on_error
        self.max_pixels = max_pixels
        self.max_seconds = max_seconds
        self.max_frames = max_frames
        self.max_bytes = max_bytes
        self.root = root
        self.store = store
        self.batch_size = batch_size
        self.device = device
        self.local_files_only = local_files_only
        self.store_weights = store_weights
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _parts(self, column: Column) -> Parts:
        return unique_parts(replace(column, cells=[as_clip(c) for c in column.cells]))

    def _learn(self, values: list[Any]) -> None:
        self.ranges_ = learn_ranges(values)
        self.frame_encoder_: ImageEncoder | None = None
        if self.model is not None or self.frame_encoder is None:
            return
        if self.features == "motion":
            return
        if self.frame_encoder.output != "pooled":
            raise ValueError(
                "VideoEncoder: frame_encoder gives a sequence, expected one vector a "
                "frame. Set its output='pooled'."
            )
        encoder = clone(self.frame_encoder)
        # without components there is nothing to learn from more than one
        most = 1 if encoder.n_components is None else _SAMPLE
        sample = values[:: max(1, len(values) // most)]
        decoder = replace(self._decoder(encoder), grey=False)
        frames: list[np.ndarray] = []
        n_clips = 0
        for value in sample:
            found = decode_clips([value], decoder, 1)[0]
            if isinstance(found, Clip):
                frames.extend(found.frames)
                n_clips += 1
            if n_clips == most:
                break
        if frames:
            self.frame_encoder_ = encoder.fit(frames)

    def _learns(self) -> bool:
        of_frames = self.frame_encoder is not None and self.frame_encoder._learns()
        return super()._learns() or of_frames

    def _network(self, name: str) -> ClipModel:
        return load_clip_model(
            name,
            device=self.device,
            local_files_only=self.local_files_only,
            owner=type(self).__name__,
        )

    def _decoder(self, frame_encoder: ImageEncoder | None) -> ClipDecoder:
        decoder = ClipDecoder(
            self.n_frames,
            self.frame_rate,
            self.max_steps,
            (self.size, self.size),
            grey=self.features != "appearance",
            ranges=self.ranges_,
            max_pixels=self.max_pixels,
            max_seconds=self.max_seconds,
            max_frames=self.max_frames,
            max_bytes=self.max_bytes,
            root=root_folder(self.root),
        )
        if frame_encoder is None:
            return decoder
        edge = max(_NETWORK_EDGE, frame_encoder.size)
        return replace(decoder, shortest_edge=edge, enlarge=False)

    def _describer(self, network: ClipModel | None) -> Describe:
        decoder = self._decoder(self.frame_encoder_)
        if network is not None:
            decoder = network.decoder(decoder)
        threads = effective_n_jobs(self.n_jobs)

        def describe(cells: list[Any]) -> list[Description]:
            out: list[Description] = []
            for start in range(0, len(cells), self.batch_size):
                batch = cells[start : start + self.batch_size]
                found = decode_clips(batch, decoder, threads)
                clips = [c for c in found if isinstance(c, Clip)]
                if network is None:
                    rows = iter(self._features(clips))
                elif clips:
                    in_steps = self.output == "sequence"
                    frames = [clip.frames for clip in clips]
                    rows = iter(network.encode(frames, decoder.n_frames, in_steps))
                out += [c if isinstance(c, MediaError) else next(rows) for c in found]
            return out

        return describe

    def _features(self, clips: list[Clip]) -> list[np.ndarray]:
        """(d,) or (T, d) of each clip, by what this package computes itself."""
        blocks: list[list[np.ndarray]] = [[] for _ in clips]
        if clips and self.features != "motion":
            pictures = self._pictures(clips)  # (frames of all clips, d)
            ends = np.cumsum([len(clip.frames) for clip in clips])
            for block, frames in zip(blocks, np.split(pictures, ends[:-1])):
                if self.output == "sequence":
                    block.append(frames)
                else:
                    block += [frames.mean(axis=0), frames.std(axis=0)]
        if self.features != "appearance":
            for block, clip in zip(blocks, clips):
                if self.output == "sequence":
                    block.append(
                        motion_steps(
                            clip.grey, clip.follows, clip.grey_times, clip.times
                        )
                    )
                else:
                    block.append(motion_features(clip.grey, clip.follows))
        return [np.concatenate(block, axis=-1) for block in blocks]

    def _pictures(self, clips: list[Clip]) -> np.ndarray:
        if self.frame_encoder_ is not None:
            frames = [frame for clip in clips for frame in clip.frames]
            return self.frame_encoder_.transform(frames)
        together = np.concatenate([_unit_range(clip.frames) for clip in clips])
        return classical_features(together)[:, _FINE:]

    def _identity(self) -> dict[str, Any]:
        return {
            "features": [self.features, FEATURES_VERSION, MOTION_VERSION],
            "pillow": PIL.__version__,
            "av": library_version("av"),
            "n_frames": self.n_frames,
            "frame_rate": self.frame_rate,
            "max_steps": self.max_steps,
            "size": self.size,
            "frame_encoder": _fitted_identity(self.frame_encoder_),
        }

    def _salt(self, value: Any) -> Any:
        """The range of an array depends on the others of the fit."""
        return array_range(value, self.ranges_)


def _unit_range(frames: np.ndarray) -> np.ndarray:
    """Frames as float32 in [0, 1]."""
    if frames.dtype == np.uint8:
        return frames.astype(np.float32) / 255
    return np.ascontiguousarray(frames, dtype=np.float32)


def _fitted_identity(encoder: ImageEncoder | None) -> Any:
    """What decides the features of a frame."""
    if encoder is None:
        return None
    learned = b""
    if encoder._reduction is not None:
        learned = encoder._reduction.mean.tobytes()
        learned += encoder._reduction.components.tobytes()
    return {
        **encoder._whole_identity(),
        "ranges": sorted(encoder.ranges_.items()),
        "learned": hashlib.sha256(learned).hexdigest(),
    }
