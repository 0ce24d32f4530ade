"""Augmentations of sound, on the wave (samples,)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import fft

from skmultimodal._recipes import Augmentation
from skmultimodal.sampling.augmenting._limits import check_number, check_whole

_OCTAVES = (
    6.0  # below half the sampling rate, of which bands are taken: 125 Hz to 8 kHz
)


@dataclass(frozen=True)
class TimeMask(Augmentation):
    """Silence short stretches of a recording.

    Parameters
    ----------
    n_masks : int, default=2
        Number of stretches.
    max_share : float, default=0.1
        Share of the recording that a stretch takes, at most.

    See Also
    --------
    ModalityAugmenter : Applies it to copies of rows.

    Notes
    -----
    A recording is float32 (samples,). The time masks of SpecAugment [1]_, on the wave,
    so that they serve any features.

    References
    ----------
    .. [1] D. Park et al., "SpecAugment: a simple data augmentation method for automatic
       speech recognition", Interspeech 2019. https://arxiv.org/abs/1904.08779

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal.sampling import TimeMask
    >>> TimeMask(n_masks=1, max_share=0.5)(np.ones(8), np.random.default_rng(0))
    array([1., 1., 1., 0., 0., 1., 1., 1.])
    """

    n_masks: int = 2
    max_share: float = 0.1
    name: ClassVar[str] = "time_mask"

    def __post_init__(self) -> None:
        check_whole(self, 0, 100, "n_masks")
        check_number(self, 0, 1, "max_share")

    def __call__(self, array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(samples,) to the same shape."""
        masked = array.copy()
        for _ in range(self.n_masks):
            length = int(rng.uniform(0, self.max_share) * len(array))
            start = int(rng.integers(len(array) - length + 1))
            masked[start : start + length] = 0
        return masked


@dataclass(frozen=True)
class BandStop(Augmentation):
    """Take a band of frequencies out of a recording.

    Parameters
    ----------
    max_octaves : float, default=1.0
        Width of the band in octaves, at most. It lies anywhere in the six octaves below
        half the sampling rate: between 125 Hz and 8 kHz where a sound has 16,000
        samples a second.

    See Also
    --------
    ModalityAugmenter : Applies it to copies of rows.

    Notes
    -----
    A recording is float32 (samples,). The frequency mask of SpecAugment [1]_, on the
    wave, so that it serves any features.

    References
    ----------
    .. [1] D. Park et al., "SpecAugment: a simple data augmentation method for automatic
       speech recognition", Interspeech 2019. https://arxiv.org/abs/1904.08779

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal.sampling import BandStop
    >>> noise = np.random.default_rng(0).normal(size=1000)
    >>> less = BandStop()(noise, np.random.default_rng(0))
    >>> bool(less.std() < noise.std())
    True
    """

    max_octaves: float = 1.0
    name: ClassVar[str] = "band_stop"

    def __post_init__(self) -> None:
        check_number(self, 0, _OCTAVES, "max_octaves")

    def __call__(self, array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(samples,) to the same shape."""
        width = rng.uniform(0, self.max_octaves)
        low = rng.uniform(-_OCTAVES, -width)  # octaves, from half the rate
        n = fft.next_fast_len(len(array), real=True)
        spectrum = fft.rfft(array, n)
        band = np.ceil(np.exp2([low, low + width]) * (n / 2)).astype(int)
        spectrum[band[0] : band[1]] = 0
        return fft.irfft(spectrum, n)[: len(array)]


@dataclass(frozen=True)
class Gain(Augmentation):
    """Make a recording louder or softer.

    Parameters
    ----------
    decibels : float, default=6.0
        By how much, at most.

    See Also
    --------
    ModalityAugmenter : Applies it to copies of rows.

    Notes
    -----
    A recording is float32 (samples,). Nothing is clipped.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal.sampling import Gain
    >>> Gain()(np.ones(3), np.random.default_rng(0)).round(2)
    array([1.21, 1.21, 1.21])
    """

    decibels: float = 6.0
    name: ClassVar[str] = "gain"

    def __post_init__(self) -> None:
        check_number(self, 0, 60, "decibels")

    def __call__(self, array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(samples,) to the same shape."""
        decibels = rng.uniform(-self.decibels, self.decibels)
        return array * array.dtype.type(10 ** (decibels / 20))


@dataclass(frozen=True)
class Shift(Augmentation):
    """Let a recording begin sooner or later.

    Parameters
    ----------
    max_share : float, default=0.1
        By which share of its length, at most. What leaves at one end comes back at the
        other: nothing that was said is lost.

    See Also
    --------
    ModalityAugmenter : Applies it to copies of rows.

    Notes
    -----
    A recording is float32 (samples,).

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal.sampling import Shift
    >>> Shift(max_share=0.5)(np.arange(6), np.random.default_rng(1))
    array([0, 1, 2, 3, 4, 5])
    """

    max_share: float = 0.1
    name: ClassVar[str] = "shift"

    def __post_init__(self) -> None:
        check_number(self, 0, 1, "max_share")

    def __call__(self, array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(samples,) to the same shape."""
        share = rng.uniform(-self.max_share, self.max_share)
        return np.roll(array, round(share * len(array)))


DEFAULT = (TimeMask(), BandStop(), Gain(), Shift())
