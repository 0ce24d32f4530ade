"""A net in the middle of its training, to go on from later or elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from skmultimodal.heads._averaging import Averaging
from skmultimodal.heads._best import BestWeights


@dataclass
class Paused:
    """Everything that the next step depends on, on the CPU; but for dropout's draws."""

    weights: list[Tensor]
    averages: list[Tensor]  # first and
    squares: list[Tensor]  # second moments of the gradient
    n_updates: int
    n_scheduled: int
    best: tuple[float, int, list[Tensor] | None]
    mean: tuple[int, list[Tensor]]  # of the weights: how many, and their mean
    history: list[dict[str, Any]]

    @property
    def n_epochs(self) -> int:
        return len(self.history)


def copied(tensors: list[Tensor]) -> list[Tensor]:
    return [tensor.detach().cpu().clone() for tensor in tensors]


def best_state(best: BestWeights) -> tuple[float, int, list[Tensor] | None]:
    kept = None if best.kept is None else copied(best.kept)
    return best.loss, best.since, kept


def mean_state(averaging: Averaging) -> tuple[int, list[Tensor]]:
    return getattr(averaging, "n", 0), copied(getattr(averaging, "mean", []))


def restore(paused: Paused, best: BestWeights, averaging: Averaging) -> None:
    """Put the state back; the tensors go to where the weights are."""
    device = best.now[0].device
    best.loss, best.since, kept = paused.best
    best.kept = None if kept is None else [t.to(device, copy=True) for t in kept]
    n, mean = paused.mean
    if mean:
        averaging.n = n  # type: ignore[attr-defined]
        averaging.mean = [  # type: ignore[attr-defined]
            t.to(device, copy=True) for t in mean
        ]
