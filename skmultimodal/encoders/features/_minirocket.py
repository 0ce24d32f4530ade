"""MiniRocket of aeon: shares of positive values under thousands of convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from skmultimodal._optional import import_optional
from skmultimodal.encoders._reduction import own_random_state
from skmultimodal.encoders.decoding._series import filled
from skmultimodal.encoders.pretrained._loading import untouched_rng

NAME = "minirocket"
_SHORTEST = 9  # steps of a kernel


def load_minirocket(owner: str) -> Any:
    """aeon's transformer."""
    return import_optional(
        "aeon.transformations.collection.convolution_based",
        extra="series",
        purpose=f"{owner}(model={NAME!r})",
    ).MiniRocket


class MiniRocketFeatures:
    """Kernels and thresholds learned from series, once these have one length."""

    def __init__(
        self, n_kernels: int, random_state: Any, threads: int, owner: str
    ) -> None:
        seed = check_random_state(own_random_state(random_state)).randint(2**31 - 1)
        self.transformer = load_minirocket(owner)(
            n_kernels, n_jobs=threads, random_state=seed
        )
        self.length: int
        self.mean: np.ndarray  # (channels,)
        self.scale: np.ndarray  # (channels,)

    def fit(self, series: Sequence[np.ndarray]) -> MiniRocketFeatures:
        """Learn from series (T, channels): length, scales, kernels, thresholds."""
        self.length = max(_SHORTEST, int(np.median([len(s) for s in series])))
        steps = np.concatenate(series)  # (all steps, channels)
        held = ~np.isnan(steps)
        count = np.maximum(held.sum(axis=0), 1)
        self.mean = np.where(held, steps, 0).sum(axis=0) / count
        square = np.where(held, steps - self.mean, 0) ** 2
        self.scale = np.sqrt(square.sum(axis=0) / count)
        self.scale[self.scale == 0] = 1
        with untouched_rng():
            self.transformer.fit(self._of_one_length(series))
        return self

    def transform(self, series: Sequence[np.ndarray]) -> np.ndarray:
        """Features (n, d), float32, of series (T, channels)."""
        with untouched_rng():
            features = self.transformer.transform(self._of_one_length(series))
        return np.asarray(features, dtype=np.float32)

    def _of_one_length(self, series: Sequence[np.ndarray]) -> np.ndarray:
        """(n, channels, length), in units of the training series."""
        scaled = [filled((s - self.mean) / self.scale) for s in series]
        return np.stack([_stretched(s, self.length).T for s in scaled])


def _stretched(series: np.ndarray, length: int) -> np.ndarray:
    """(length, channels): straight lines between the steps of a series."""
    if len(series) == length:
        return series
    old, new = np.linspace(0, 1, len(series)), np.linspace(0, 1, length)
    return np.stack([np.interp(new, old, channel) for channel in series.T], axis=1)
