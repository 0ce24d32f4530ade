"""Augmentations of series, (steps, channels), NaN where a value is missing."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from skmultimodal._recipes import Augmentation
from skmultimodal.sampling.augmenting._limits import check_number, check_whole


@dataclass(frozen=True)
class Jitter(Augmentation):
    """Add noise to each value of a series.

    Parameters
    ----------
    scale : float, default=0.05
        Standard deviation of the noise, in those of the channel.

    See Also
    --------
    ModalityAugmenter : Applies it to copies of rows.

    Notes
    -----
    A series is float64 (steps, channels). Missing values stay missing. As in [1]_.

    References
    ----------
    .. [1] T. Um et al., "Data augmentation of wearable sensor data for Parkinson's
       disease monitoring using convolutional neural networks", ICMI 2017.
       https://arxiv.org/abs/1706.00527

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal.sampling import Jitter
    >>> Jitter(scale=0.1)(np.array([[0.0], [2.0]]), np.random.default_rng(0)).round(2)
    array([[0.01],
           [1.99]])
    """

    scale: float = 0.05
    name: ClassVar[str] = "jitter"

    def __post_init__(self) -> None:
        check_number(self, 0, np.inf, "scale")

    def __call__(self, array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(steps, channels) to the same shape."""
        _, spread = _level_and_spread(array)
        return array + self.scale * spread * rng.standard_normal(array.shape)


@dataclass(frozen=True)
class Scaling(Augmentation):
    """Stretch each channel of a series, about its mean.

    Parameters
    ----------
    scale : float, default=0.1
        Standard deviation of the factors, whose mean is 1.

    See Also
    --------
    ModalityAugmenter : Applies it to copies of rows.

    Notes
    -----
    A series is float64 (steps, channels). As in [1]_, but about the mean, so that the
    level of a channel, which may decide, stays what it was.

    References
    ----------
    .. [1] T. Um et al., "Data augmentation of wearable sensor data for Parkinson's
       disease monitoring using convolutional neural networks", ICMI 2017.
       https://arxiv.org/abs/1706.00527

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal.sampling import Scaling
    >>> Scaling(scale=0.5)(np.array([[9.0], [11.0]]), np.random.default_rng(0)).round(2)
    array([[ 8.94],
           [11.06]])
    """

    scale: float = 0.1
    name: ClassVar[str] = "scaling"

    def __post_init__(self) -> None:
        check_number(self, 0, np.inf, "scale")

    def __call__(self, array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(steps, channels) to the same shape."""
        level, _ = _level_and_spread(array)
        factors = 1 + self.scale * rng.standard_normal(array.shape[1])
        return level + factors * (array - level)


@dataclass(frozen=True)
class Warping(Augmentation):
    """Let the time of a series run faster here and slower there.

    Parameters
    ----------
    scale : float, default=0.2
        Standard deviation of the logarithm of the speed.
    n_knots : int, default=4
        At how many points, evenly spread, a speed is drawn; between them it changes
        linearly.

    See Also
    --------
    ModalityAugmenter : Applies it to copies of rows.

    Notes
    -----
    A series is float64 (steps, channels); all channels are warped alike, and the first
    and the last step stay where they are. "Time warping" of [1]_.

    References
    ----------
    .. [1] T. Um et al., "Data augmentation of wearable sensor data for Parkinson's
       disease monitoring using convolutional neural networks", ICMI 2017.
       https://arxiv.org/abs/1706.00527

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal.sampling import Warping
    >>> time = np.arange(5.0)[:, None]
    >>> Warping(scale=0.5)(time, np.random.default_rng(0)).round(2).ravel()
    array([0.  , 0.96, 1.81, 3.05, 4.  ])
    """

    scale: float = 0.2
    n_knots: int = 4
    name: ClassVar[str] = "warping"

    def __post_init__(self) -> None:
        check_number(self, 0, 10, "scale")
        check_whole(self, 2, 1000, "n_knots")

    def __call__(self, array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(steps, channels) to the same shape."""
        n = len(array)
        speeds = self.scale * rng.standard_normal(self.n_knots)
        if n < 3:
            return array
        knots = np.linspace(0, n - 2, self.n_knots)
        steps = np.exp(np.interp(np.arange(n - 1), knots, speeds))
        places = np.concatenate([[0], np.cumsum(steps)])  # (n,)
        return _at(array, places * ((n - 1) / places[-1]))


def _at(series: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values between steps; where one of two is missing, what the nearer one is."""
    low = places.astype(np.intp).clip(max=len(series) - 1)
    high = (low + 1).clip(max=len(series) - 1)
    share = (places - low)[:, None]
    between = (1 - share) * series[low] + share * series[high]
    nearer = np.where(share < 0.5, series[low], series[high])
    return np.where(np.isnan(between), nearer, between)


def _level_and_spread(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel; NaN of one that is all missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmean(series, axis=0), np.nanstd(series, axis=0)


DEFAULT = (Jitter(), Scaling(), Warping())
