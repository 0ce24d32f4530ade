"""Means of the weights that a training comes by."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn, get_swa_multi_avg_fn

AVERAGES = ("ema", "swa")
_AGE = 0.1  # of what "ema" averages over, as a share of all steps
SWA_START = 0.75  # share of the epochs after which "swa" begins


class Averaging:
    """None: the weights are those of the last step."""

    def after_step(self) -> None:
        """Told after every step of the optimiser."""

    def after_epoch(self, number: int) -> None:
        """Told after every epoch, from 0."""

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Has the net hold the averaged weights inside."""
        yield

    def finish(self) -> None:
        """Leaves the averaged weights in the net."""


class _Mean(Averaging):
    def __init__(self, weights: list[Tensor]):
        self.now = weights
        self.mean: list[Tensor] = []
        self.n = 0  # weights that are in the mean

    def update(self, mix: Callable[[Any, Any, int], None]) -> None:
        if self.n:
            mix(self.mean, self.now, self.n)
        else:
            self.mean = [p.detach().clone() for p in self.now]
        self.n += 1

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        raw = [p.detach().clone() for p in self.now]
        self.finish()
        yield
        self._put(raw)

    def finish(self) -> None:
        if self.n:
            self._put(self.mean)

    def _put(self, values: list[Tensor]) -> None:
        with torch.no_grad():
            for p, value in zip(self.now, values):
                p.copy_(value)


class ExponentialAverage(_Mean):
    """Of the weights after each step, the older the less; over a tenth of all steps.

    In the beginning the mean is over fewer, so that the first weights are soon
    forgotten.
    """

    def __init__(self, weights: list[Tensor], n_steps: int):
        super().__init__(weights)
        self.decay = 1 - 1 / max(1.0, _AGE * n_steps)

    def after_step(self) -> None:
        decay = min(self.decay, (1 + self.n) / (10 + self.n))
        self.update(get_ema_multi_avg_fn(decay))


class LateAverage(_Mean):
    """Of the weights at the end of each of the last epochs, all alike.

    Izmailov et al., "Averaging Weights Leads to Wider Optima and Better
    Generalization", arXiv:1803.05407.
    """

    def __init__(self, weights: list[Tensor], n_epochs: int):
        super().__init__(weights)
        self.first = int(SWA_START * n_epochs)

    def after_epoch(self, number: int) -> None:
        if number >= self.first:
            self.update(get_swa_multi_avg_fn())


def make_averaging(
    name: str | None, weights: list[Tensor], n_epochs: int, n_batches: int
) -> Averaging:
    """`weights` is a list of the tensors that a training changes in place."""
    if name == "ema":
        return ExponentialAverage(weights, n_epochs * n_batches)
    if name == "swa":
        return LateAverage(weights, n_epochs)
    return Averaging()
