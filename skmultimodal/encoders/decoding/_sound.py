"""Decoding: any cell that holds a sound becomes one float32 wave at one rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeVar

import numpy as np

from skmultimodal._recipes import Recipe
from skmultimodal.encoders.decoding._files import (
    MediaError,
    is_bytes,
    is_path,
    open_media,
    shown,
    source_for,
)
from skmultimodal.encoders.decoding._resampling import resampled
from skmultimodal.encoders.decoding._sound_files import (
    Source,
    broken,
    open_source,
    scaled_samples,
)

MAX_SECONDS = 3600.0
MAX_CHANNELS = 64
MAX_BYTES = 2**30
_RATES = (100, 1_000_000)  # what is slower is a series, what is faster no sound

Found = TypeVar("Found")


@dataclass(frozen=True)
class SoundDecoder:
    """How sounds are read: the rate they get, the rate of bare arrays, and limits."""

    rate: int
    sample_rate: float | None = None
    max_seconds: float = MAX_SECONDS
    max_channels: int = MAX_CHANNELS
    max_bytes: int = MAX_BYTES
    root: str | None = None

    def __call__(self, cell: Any) -> np.ndarray | None:
        """(samples,) float32, all channels mixed; None for a video without sound."""
        if isinstance(cell, Recipe):
            wave = self(source_for(cell, "audio"))
            return None if wave is None else cell.apply(wave)
        if is_path(cell) or is_bytes(cell):
            noun = "recording"
            with open_media(
                cell, root=self.root, max_bytes=self.max_bytes, noun=noun
            ) as file:
                source = open_source(file, cell)
                return None if source is None else self._wave(source, cell)
        rate, samples = self._array(cell)
        source = Source(
            rate, samples.shape[1], len(samples), True, lambda: iter([samples])
        )
        return self._wave(source, samples)

    def _array(self, cell: Any) -> tuple[int, np.ndarray]:
        """The rate and the samples (n, channels) of an array, with a rate or bare."""
        rate: Any = self.sample_rate
        held = cell
        if is_pair(cell):
            rate, held = cell
        elif is_bare_wave(cell) and rate is None:
            raise TypeError(
                f"AudioEncoder: found {shown(cell)} without a sampling rate. Give "
                "sample_rate=, or cells (rate, wave)."
            )
        if not is_bare_wave(held):
            raise MediaError(
                f"found {type(cell).__name__}; expected a path, bytes, an array "
                "(samples,) or (samples, channels), or a pair (rate, wave), the rate "
                "first"
            )
        samples = np.asarray(held)
        if samples.dtype.kind not in "iuf" or samples.ndim not in (1, 2):
            raise MediaError(
                f"found an array of shape {samples.shape} and dtype {samples.dtype}; "
                "expected numbers of shape (samples,) or (samples, channels)"
            )
        if not math.isfinite(rate) or rate != round(rate):
            raise MediaError(
                f"found the sampling rate {rate}, expected a whole number of samples a "
                "second"
            )
        return int(rate), samples if samples.ndim == 2 else samples[:, None]

    def _wave(self, source: Source, cell: Any) -> np.ndarray:
        self._check(source, cell)
        try:
            wave = resampled(self._mixed(source, cell), source.rate, self.rate)
        except MediaError:
            raise
        except Exception as error:
            raise broken(cell, error) from error
        if not len(wave):
            raise MediaError(f"{shown(cell)} holds no sound: 0 samples. Restore it")
        return wave

    def _check(self, source: Source, cell: Any) -> None:
        low, high = _RATES
        if not low <= source.rate <= high:
            raise MediaError(
                f"{shown(cell)} has {source.rate} samples a second, expected {low} to "
                f"{high}. Resample it; what is slower is a series (SeriesEncoder)"
            )
        if not 1 <= source.channels <= self.max_channels:
            hint = ""
            if isinstance(cell, np.ndarray) and cell.shape[0] < cell.shape[-1]:
                hint = ". Channels stand last here: wave.T"
            raise MediaError(
                f"{shown(cell)} has {source.channels} channels, expected 1 to "
                f"max_channels={self.max_channels}{hint}"
            )
        if source.frames is not None and source.frames > self._limit(source):
            raise self._too_long(cell, source.frames / source.rate)

    def _limit(self, source: Source) -> float:
        return self.max_seconds * source.rate

    def _too_long(self, cell: Any, seconds: float) -> MediaError:
        return MediaError(
            f"{shown(cell)} lasts {seconds:.0f} seconds or more, longer than "
            f"max_seconds={self.max_seconds:g}. Cut it, or raise max_seconds"
        )

    def _mixed(self, source: Source, cell: Any) -> Iterator[np.ndarray]:
        """Blocks (k,) of the mean over channels, checked."""
        n = 0
        for block in source.blocks():
            n += len(block)
            if n > self._limit(source):
                raise self._too_long(cell, n / source.rate)
            block = scaled_samples(block)
            mixed = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
            if not np.isfinite(mixed).all():
                raise MediaError(
                    f"{shown(cell)} holds NaN or infinite samples. Fill them"
                )
            yield mixed
        if source.exact and source.frames is not None and n < source.frames:
            raise MediaError(
                f"{shown(cell)} is truncated: its header announces {source.frames} "
                f"samples, found {n}. Restore the file"
            )


def is_pair(cell: Any) -> bool:
    """Whether a cell is (rate, wave)."""
    return (
        isinstance(cell, (tuple, list))
        and len(cell) == 2
        and isinstance(cell[0], Real)
        and not isinstance(cell[1], Real)
    )


def is_bare_wave(cell: Any) -> bool:
    """Whether a cell is an array, or nested numbers, without a rate."""
    return isinstance(cell, (np.ndarray, list, tuple)) and not is_pair(cell)


def attempt_all(
    cells: Sequence[Any], work: Callable[[Any], Found], threads: int
) -> list[Found | MediaError]:
    """What `work` makes of each cell, or the error that it gave."""

    def attempt(cell: Any) -> Found | MediaError:
        try:
            return work(cell)
        except MediaError as error:
            return error

    if threads == 1 or len(cells) < 2:
        return [attempt(cell) for cell in cells]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(attempt, cells))
