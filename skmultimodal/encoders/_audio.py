"""Audio encoder: log-mel statistics by default, a pretrained network on request."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from skmultimodal._optional import library_version
from skmultimodal._recipes import Recipe
from skmultimodal.encoders._columns import Column, Parts
from skmultimodal.encoders._media import Describe, Description, MediaEncoder
from skmultimodal.encoders.decoding._files import MediaError, root_folder
from skmultimodal.encoders.decoding._sound import (
    MAX_BYTES,
    MAX_CHANNELS,
    MAX_SECONDS,
    SoundDecoder,
    attempt_all,
    is_bare_wave,
)
from skmultimodal.encoders.features._sound import (
    N_BANDS,
    VERSION,
    classical_features,
    log_mel_steps,
    n_features,
    n_steps,
)
from skmultimodal.encoders.pretrained._sound import SoundModel, load_sound_model

_SAMPLES = 8_000_000  # decoded before they go through a network: some minutes


class AudioEncoder(MediaEncoder):
    """Encode a column of recordings as vectors, or as sequences of vectors.

    By default a recording is described by its log-mel spectrogram: statistics of the
    bands and of their cepstrum [1]_, the course of the cepstrum over ten equal parts,
    the shape of the spectrum, how fast bands swell and fade, and how long and loud it
    is; nothing is downloaded. With `model`, recordings are embedded by a pretrained
    network.

    Parameters
    ----------
    model : str, path or None, default=None
        Folder or hub name of a transformers model with safetensors weights (needs
        ``pip install 'skmultimodal[audio]'``) that is like Whisper [2]_, wav2vec 2.0
        [3]_ or the Audio Spectrogram Transformer [4]_; or
        ``"package.module:function"``, where the function takes no argument and returns
        an ``nn.Module``. Such a module is given float32 waves (n, samples) of one
        length at its attribute `sample_rate` (16000 where it has none) and returns
        (n, d), tokens (n, T, d) or maps (n, d, h, w) whose last axis is time; tokens
        and maps are averaged. Code that comes with a model is never run.
    output : {"pooled", "sequence"}, default="pooled"
        One vector a recording; or one for each `step`, so that a head or a fusion can
        attend to its parts: the log-mel spectrogram, or the frames of `model`.
    sample_rate : int or None, default=None
        Samples a second of cells that are bare arrays. All other cells say it
        themselves.
    target_rate : int, default=16000
        Samples a second that recordings are resampled to. A `model` has its own.
    step : float, default=0.1
        Seconds of a step, with ``output="sequence"``.
    max_steps : int, default=64
        The most steps, with ``output="sequence"``. Longer recordings have longer steps.
    n_components : int or None, default=None
        Reduce the features, or those of each step, to so many principal components.
    on_error : {"raise", "warn", "missing"}, default="raise"
        What a recording that cannot be read does: raise a ValueError; or count as
        missing, with or without a warning.
    max_seconds : float, default=3600
        Longer recordings are errors.
    max_channels : int, default=64
        Recordings of more channels are errors.
    max_bytes : int, default=1073741824
        Larger files are errors.
    root : str, path or None, default=None
        Folder that paths start at and may not leave: neither by ``..``, nor by a link.
        None takes any path. Addresses on the web are refused either way.
    store : str, path, EmbeddingStore or None, default=None
        Where descriptions are kept, so that no recording is described twice.
    batch_size : int, default=32
        Windows of sound a batch, with `model`.
    device : str, default="auto"
        Where `model` runs: ``"cpu"``, ``"cuda"``, ... ``"auto"`` takes CUDA where there
        is one.
    local_files_only : bool, default=False
        Whether a hub name is looked up in the local cache only.
    store_weights : bool, default=False
        Whether a pickle holds the weights of `model`. Otherwise they are loaded from
        `model` again, and must be the same.
    n_jobs : int or None, default=None
        Threads that read recordings; -1 uses all cores.
    random_state : int, RandomState instance or None, default=None
        Seed of the principal components.

    Attributes
    ----------
    n_features_out_ : int
        Number of output columns.
    n_steps_ : int or None
        Steps of a sequence: those of the longest recording of `fit`.
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
    SeriesEncoder : For what is measured more slowly.
    EmbeddingStore : Keeps what was encoded.

    Notes
    -----
    A cell is a path, bytes, an array (samples,) or (samples, channels), a pair (rate,
    wave), or a list of these, whose vectors are averaged, and whose steps follow one
    another. Integers are scaled by the range of their type; channels are averaged.
    Files are wav, flac, ogg, mp3, aiff, au or caf, and need the package soundfile (a
    wav of plain PCM needs nothing). Of a video the first sound track is read, through
    PyAV (``pip install 'skmultimodal[video]'``); a video without one is a missing cell,
    as are None, NaN and ``""``: a row of NaN.

    The default features are relative to the loudest point of a recording; how loud it
    is in all is a feature of its own.

    A transformers model hears a recording in windows, of 30 seconds or what it was
    made for, and only frames that hold sound are averaged. A vector does not depend on
    the other recordings.

    References
    ----------
    .. [1] S. Davis and P. Mermelstein, "Comparison of parametric representations for
       monosyllabic word recognition in continuously spoken sentences", IEEE
       Transactions on Acoustics, Speech, and Signal Processing 28(4), 1980.
    .. [2] A. Radford et al., "Robust speech recognition via large-scale weak
       supervision", ICML 2023. https://arxiv.org/abs/2212.04356
    .. [3] A. Baevski et al., "wav2vec 2.0: A framework for self-supervised learning of
       speech representations", NeurIPS 2020. https://arxiv.org/abs/2006.11477
    .. [4] Y. Gong et al., "AST: Audio Spectrogram Transformer", Interspeech 2021.
       https://arxiv.org/abs/2104.01778

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal.encoders import AudioEncoder
    >>> time = np.arange(8000) / 8000
    >>> low, high = np.sin(2 * np.pi * 220 * time), np.sin(2 * np.pi * 880 * time)
    >>> encoded = AudioEncoder(sample_rate=8000).fit_transform([low, high, None])
    >>> encoded.shape
    (3, 864)
    >>> np.isnan(encoded).any(axis=1)
    array([False, False,  True])
    """

    _kind = "audio"
    _noun = "recording"

    _parameter_constraints: dict[str, list[Any]] = {
        "model": [str, os.PathLike, None],
        "output": [StrOptions({"pooled", "sequence"})],
        "sample_rate": [Interval(Integral, 1, None, closed="left"), None],
        "target_rate": [Interval(Integral, 1000, 192_000, closed="both")],
        "step": [Interval(Real, 0, None, closed="neither")],
        "max_steps": [Interval(Integral, 1, None, closed="left")],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "on_error": [StrOptions({"raise", "warn", "missing"})],
        "max_seconds": [Interval(Real, 0, None, closed="neither")],
        "max_channels": [Interval(Integral, 1, None, closed="left")],
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
        sample_rate=None,
        target_rate=16_000,
        step=0.1,
        max_steps=64,
        n_components=None,
        on_error="raise",
        max_seconds=MAX_SECONDS,
        max_channels=MAX_CHANNELS,
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
        self.sample_rate = sample_rate
        self.target_rate = target_rate
        self.step = step
        self.max_steps = max_steps
        self.n_components = n_components
        self.on_error = on_error
        self.max_seconds = max_seconds
        self.max_channels = max_channels
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
        return super()._parts(replace(column, cells=list(map(_as_heard, column.cells))))

    def _network(self, name: str) -> SoundModel:
        return load_sound_model(
            name,
            device=self.device,
            local_files_only=self.local_files_only,
            owner=type(self).__name__,
        )

    def _describer(self, network: SoundModel | None) -> Describe:
        decoder = SoundDecoder(
            self.target_rate if network is None else network.rate,
            sample_rate=self.sample_rate,
            max_seconds=self.max_seconds,
            max_channels=self.max_channels,
            max_bytes=self.max_bytes,
            root=root_folder(self.root),
        )
        threads = effective_n_jobs(self.n_jobs)

        def from_spectrogram(cell: Any) -> np.ndarray:
            wave = decoder(cell)
            return self._absent(None) if wave is None else self._heard(wave)

        def describe(cells: list[Any]) -> list[Description]:
            if network is None:
                return list(attempt_all(cells, from_spectrogram, threads))
            described: list[Description] = []
            for waves in _groups(cells, decoder, threads):
                described += self._embedded(network, waves)
            return described

        return describe

    def _heard(self, wave: np.ndarray) -> np.ndarray:
        """The description of a wave by its spectrogram."""
        if self.output == "pooled":
            return classical_features(wave, self.target_rate)
        return log_mel_steps(wave, self.target_rate, self.step, self.max_steps)

    def _embedded(
        self, network: SoundModel, found: list[np.ndarray | MediaError | None]
    ) -> list[Description]:
        """The descriptions of waves by a network; errors stay as they are."""
        waves = [w for w in found if isinstance(w, np.ndarray)]
        if self.output == "pooled":
            features = network.encode(waves, self.batch_size)
        else:
            seconds = (len(wave) / network.rate for wave in waves)
            steps = [n_steps(s, self.step, self.max_steps) for s in seconds]
            features = network.encode_steps(waves, self.batch_size, steps)
        rows = iter(features)
        described: list[Description] = []
        for wave in found:
            if wave is None:
                described.append(self._absent(network))
            else:
                described.append(wave if isinstance(wave, MediaError) else next(rows))
        return described

    def _absent(self, network: SoundModel | None) -> np.ndarray:
        """What a video without sound gives: as if the cell were missing."""
        if network is not None:
            width = network.width
        else:
            width = n_features() if self.output == "pooled" else N_BANDS
        shape = (width,) if self.output == "pooled" else (1, width)
        return np.full(shape, np.nan, dtype=np.float32)

    def _identity(self) -> dict[str, Any]:
        in_steps = self.output == "sequence"
        return {
            "features": VERSION,
            "libraries": {name: library_version(name) for name in ("soundfile", "av")},
            "target_rate": self.target_rate if self.model is None else None,
            "steps": (self.step, self.max_steps) if in_steps else None,
        }

    def _salt(self, value: Any) -> Any:
        """Only a bare array has the rate that the encoder says."""
        return self.sample_rate if is_bare_wave(value) else None


def _as_heard(cell: Any) -> Any:
    """A video that is shown otherwise sounds as before."""
    if isinstance(cell, list):
        return [_as_heard(part) for part in cell]
    return cell.source if isinstance(cell, Recipe) and cell.kind == "video" else cell


def _groups(
    cells: list[Any], decoder: SoundDecoder, threads: int
) -> Iterator[list[np.ndarray | MediaError | None]]:
    """Waves of the cells in turn, not more at once than fit into memory."""
    held: list[np.ndarray | MediaError | None] = []
    n = 0
    for start in range(0, len(cells), 4 * threads):
        for wave in attempt_all(cells[start : start + 4 * threads], decoder, threads):
            held.append(wave)
            n += len(wave) if isinstance(wave, np.ndarray) else 0
        if n >= _SAMPLES:
            yield held
            held, n = [], 0
    if held:
        yield held
