"""Series encoder: statistics and spectra, MiniRocket, a network, or the steps."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from skmultimodal._recipes import source_of
from skmultimodal.encoders._columns import Column, Parts, Sequences, unique_parts
from skmultimodal.encoders._media import Describe, Description, MediaEncoder
from skmultimodal.encoders.decoding._files import (
    MediaError,
    is_bytes,
    is_path,
    root_folder,
    shown,
)
from skmultimodal.encoders.decoding._series import (
    MAX_BYTES,
    MAX_CHANNELS,
    decode_series,
    shortened,
    unpacked,
)
from skmultimodal.encoders.features._minirocket import (
    NAME,
    MiniRocketFeatures,
    load_minirocket,
)
from skmultimodal.encoders.features._series import (
    FEATURES_VERSION,
    MISSING,
    N_PER_CHANNEL,
    series_features,
)
from skmultimodal.encoders.pretrained._series import SeriesModel, load_series_model

_PROBED = 32  # cells that tell the number of channels
_ON_ITS_SIDE = 4  # times as many channels as steps: more are steps, probably


class SeriesEncoder(MediaEncoder):
    """Encode a column of series as vectors, or as sequences of their steps.

    By default each channel is described by statistics, in the manner of [1]_: level
    and spread, form of the distribution, trend, runs and turns, autocorrelations, the
    spectrum in octaves, and the course over four stretches of time; and channels by
    how they go together. With `model`, series are described by MiniRocket [2]_ or by a
    network of yours. Nothing is downloaded.

    Parameters
    ----------
    model : str or None, default=None
        ``"minirocket"`` (needs ``pip install 'skmultimodal[series]'``), which learns
        from the series of `fit`; or ``"package.module:function"``, where the function
        takes no argument and returns an ``nn.Module``. Such a module is given float32
        series (n, steps, channels) of one length, their gaps bridged by straight
        lines, and returns (n, d) or steps (n, T, d), which are averaged.
    output : {"pooled", "sequence"}, default="pooled"
        One vector a series; or its steps, one value a channel, as they are (with a
        network: the steps that it gives).
    n_kernels : int, default=10000
        Kernels of MiniRocket, rounded down to a multiple of 84.
    max_steps : int, default=256
        The most steps with ``output="sequence"``: longer series are averaged over so
        many even stretches.
    n_components : int or None, default=None
        Reduce the features, or those of each step, to so many principal components.
    on_error : {"raise", "warn", "missing"}, default="raise"
        What a series that cannot be read does: raise a ValueError; or count as
        missing, with or without a warning.
    max_channels : int, default=256
        Series of more channels are errors.
    max_bytes : int, default=268435456
        Larger files are errors.
    root : str, path or None, default=None
        Folder that paths start at and may not leave: neither by ``..``, nor by a link.
        None takes any path. Addresses on the web are refused either way.
    store : str, path, EmbeddingStore or None, default=None
        Where descriptions are kept, so that no content is encoded twice. Those of
        MiniRocket, which depend on the other series of `fit`, are not.
    batch_size : int, default=32
        Series a batch, with a network.
    device : str, default="auto"
        Where a network runs: ``"cpu"``, ``"cuda"``, ... ``"auto"`` takes CUDA where
        there is one.
    store_weights : bool, default=False
        Whether a pickle holds the weights of a network. Otherwise they are made by the
        function again, and must be the same. What MiniRocket learns is always held.
    n_jobs : int or None, default=None
        Threads that read files, and those of MiniRocket; -1 uses all cores.
    random_state : int, RandomState instance or None, default=None
        Seed of the principal components and of MiniRocket.

    Attributes
    ----------
    n_channels_ : int
        Channels of the series of `fit`. Another number is an error.
    n_features_out_ : int
        Number of output columns.
    n_steps_ : int or None
        Number of steps, with ``output="sequence"``.
    model_id_ : str or None
        The `model` of the fit.
    model_hash_ : str or None
        Hash of a network's weights: other weights at `transform` are an error.
    n_features_in_ : int
        Always 1.
    feature_names_in_ : ndarray of shape (1,)
        Name of the column, where it has one.

    See Also
    --------
    TabularEncoder : For columns of single numbers.
    PrecomputedEncoder : For steps that are embeddings already.

    Notes
    -----
    A cell is an array (steps,) or (steps, channels); a list of numbers, or of as many
    numbers (or arrays) at each step; a pandas Series or DataFrame, a column a channel;
    the path or bytes of a ``.npy`` file; or a list of paths, bytes, Series or
    DataFrames, whose vectors are averaged and whose steps follow one another. Steps
    stand first: far more channels than steps are warned of, for they may be steps.
    Lengths may differ. NaN is a missing value; a missing cell gives a row of NaN.

    A pandas cell with an index of times is put in their order on an even grid of the
    median step: several values of a grid point are averaged, and NaN stands where none
    is. A grid of more than eight steps for each row is made coarser. Any other index is
    ignored. Frequencies and lags are counted in steps: bring series of different
    sampling to one before.

    Statistics are of what is there; autocorrelation and spectrum bridge gaps by
    straight lines. A channel that a series lacks has the mean features of the
    series of `fit`, and its share of missing steps, which is a feature, is 1.
    MiniRocket needs one length: series are stretched to the median length of `fit` by
    straight lines, and each channel is scaled by its mean and deviation there.

    References
    ----------
    .. [1] C. H. Lubba et al., "catch22: CAnonical Time-series CHaracteristics", Data
       Mining and Knowledge Discovery 33, 2019.
    .. [2] A. Dempster, D. F. Schmidt, G. I. Webb, "MiniRocket: A very fast (almost)
       deterministic transform for time series classification", KDD 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal.encoders import SeriesEncoder
    >>> time = np.arange(50)
    >>> slow, quick = np.sin(time / 9), np.sin(time[:30])
    >>> encoded = SeriesEncoder().fit_transform([slow, quick, None])
    >>> encoded.shape
    (3, 66)
    >>> np.isnan(encoded).any(axis=1)
    array([False, False,  True])
    >>> steps = SeriesEncoder(output="sequence", max_steps=4)
    >>> steps.fit_transform([[1, 2, 3, 4, 5, 6, 7, 8], [9, 9]])
    array([[1.5, 3.5, 5.5, 7.5],
           [9. , 9. , nan, nan]], dtype=float32)
    """

    _kind = "series"
    _noun = "series"

    _parameter_constraints: dict[str, list[Any]] = {
        "model": [str, None],
        "output": [StrOptions({"pooled", "sequence"})],
        "n_kernels": [Interval(Integral, 84, None, closed="left")],
        "max_steps": [Interval(Integral, 1, None, closed="left")],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "on_error": [StrOptions({"raise", "warn", "missing"})],
        "max_channels": [Interval(Integral, 1, None, closed="left")],
        "max_bytes": [Interval(Integral, 1, None, closed="left")],
        "root": [str, os.PathLike, None],
        "store": [str, os.PathLike, HasMethods("info"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "store_weights": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        model=None,
        *,
        output="pooled",
        n_kernels=10_000,
        max_steps=256,
        n_components=None,
        on_error="raise",
        max_channels=MAX_CHANNELS,
        max_bytes=MAX_BYTES,
        root=None,
        store=None,
        batch_size=32,
        device="auto",
        store_weights=False,
        n_jobs=None,
        random_state=None,
    ):
        self.model = model
        self.output = output
        self.n_kernels = n_kernels
        self.max_steps = max_steps
        self.n_components = n_components
        self.on_error = on_error
        self.max_channels = max_channels
        self.max_bytes = max_bytes
        self.root = root
        self.store = store
        self.batch_size = batch_size
        self.device = device
        self.store_weights = store_weights
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _learns(self) -> bool:
        return True  # the number of channels

    def _parts(self, column: Column) -> Parts:
        return unique_parts(replace(column, cells=[unpacked(c) for c in column.cells]))

    def _learn(self, values: list[Any]) -> None:
        self._rocket: MiniRocketFeatures | None = None
        self._typical: np.ndarray | None = None
        rocket = self.model == NAME
        longest = 0
        counts: Counter[int] = Counter()
        read: list[np.ndarray] = []
        for value in values:
            if isinstance(series := self._decoded(value), MediaError):
                continue  # it is met again, with the place where it stands
            counts[series.shape[1]] += 1
            longest = max(longest, len(series))
            if rocket:
                read.append(series)
            elif counts.total() == _PROBED:
                break
        self.n_channels_ = counts.most_common(1)[0][0] if counts else 1
        if 0 < _ON_ITS_SIDE * longest < self.n_channels_:
            warnings.warn(
                f"SeriesEncoder: series have up to {longest} steps of "
                f"{self.n_channels_} channels. Steps stand first, (steps, channels): "
                "if it is the other way round, give series.T.",
                UserWarning,
                stacklevel=7,
            )
        if rocket:
            alike = [s for s in read if s.shape[1] == self.n_channels_]
            threads = effective_n_jobs(self.n_jobs)
            owner = type(self).__name__
            rocket_of = MiniRocketFeatures(
                self.n_kernels, self.random_state, threads, owner
            )
            self._rocket = rocket_of.fit(alike) if alike else None

    def _network(self, name: str) -> Any:
        owner = type(self).__name__
        if name != NAME:
            return load_series_model(name, device=self.device, owner=owner)
        load_minirocket(owner)
        for refused in ("output='sequence'", "store_weights=True"):
            parameter, _, value = refused.partition("=")
            if repr(getattr(self, parameter)) == value:
                why = "it gives one vector a series, and what it learns is pickled"
                raise ValueError(f"{owner}(model={NAME!r}) takes no {refused}: {why}.")
        return _NoNetwork()

    def _describer(self, network: SeriesModel | None) -> Describe:
        threads = effective_n_jobs(self.n_jobs)

        def describe(cells: list[Any]) -> list[Description]:
            sources = map(source_of, cells)
            files = any(is_path(cell) or is_bytes(cell) for cell in sources)
            if files and threads > 1:
                with ThreadPoolExecutor(threads) as pool:
                    found = list(pool.map(self._fitting, cells))
            else:
                found = [self._fitting(cell) for cell in cells]
            series = [s for s in found if not isinstance(s, MediaError)]
            if not series:
                return list(found)
            rows = iter(self._features(series, network))
            return [s if isinstance(s, MediaError) else next(rows) for s in found]

        return describe

    def _features(
        self, series: list[np.ndarray], network: SeriesModel | None
    ) -> np.ndarray | Sequences:
        max_steps = self.max_steps if self.output == "sequence" else None
        if self._rocket is not None:
            return self._rocket.transform(series)
        if network is not None:
            return network.encode(series, self.batch_size, max_steps)
        if max_steps is not None:
            return [shortened(s, max_steps).astype(np.float32) for s in series]
        return series_features(series)

    def _described(self, parts: Parts, column: Column) -> np.ndarray | Sequences:
        features = super()._described(parts, column)
        if self.model is None and isinstance(features, np.ndarray):
            self._fill_empty_channels(features)
        return features

    def _fill_empty_channels(self, features: np.ndarray) -> None:
        """Give a channel that a series lacks the mean features of `fit`."""
        width = self.n_channels_ * N_PER_CHANNEL
        by_channel = features[:, :width].reshape(len(features), -1, N_PER_CHANNEL)
        empty = by_channel[:, :, MISSING] == 1  # (n, channels)
        if self._typical is None:
            held = ~empty & ~np.isnan(by_channel[:, :, MISSING])
            total = by_channel.sum(axis=0, where=held[:, :, None], dtype=np.float64)
            self._typical = total / np.maximum(held.sum(axis=0), 1)[:, None]
            self._typical[:, MISSING] = 1
        for channel in np.flatnonzero(empty.any(axis=0)):
            start = channel * N_PER_CHANNEL
            features[empty[:, channel], start : start + N_PER_CHANNEL] = self._typical[
                channel
            ]

    def _fitting(self, cell: Any) -> np.ndarray | MediaError:
        """(T, n_channels_), or the error."""
        series = self._decoded(cell)
        if isinstance(series, MediaError) or series.shape[1] == self.n_channels_:
            return series
        turned = len(series) == self.n_channels_
        hint = "Give all the same ones, NaN where a channel is missing"
        if turned:
            hint = "Steps stand first: transpose it"
        return MediaError(
            f"{shown(cell)} has {series.shape[1]} channels, but series had "
            f"{self.n_channels_} in fit. {hint}"
        )

    def _decoded(self, cell: Any) -> np.ndarray | MediaError:
        try:
            return decode_series(
                cell,
                max_channels=self.max_channels,
                max_bytes=self.max_bytes,
                root=root_folder(self.root),
            )
        except MediaError as error:
            return error

    def _contents(self, values: list[Any], *where: Any) -> list[bytes | None]:
        if self._rocket is not None:  # what it gives depends on the other series
            return [None] * len(values)
        return super()._contents(values, *where)

    def _identity(self) -> dict[str, Any]:
        return {
            "features": FEATURES_VERSION,
            "channels": self.n_channels_,
            "max_steps": self.max_steps if self.output == "sequence" else None,
        }


class _NoNetwork:
    """What MiniRocket has: it learns in `fit`, and comes with no weights."""

    weights = None
