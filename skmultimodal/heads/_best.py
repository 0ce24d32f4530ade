"""The weights that validated best."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class BestWeights:
    """The weights of the epoch with the lowest validation loss.

    `weights` is a list of the tensors that a training changes in place. Without
    `patience` nothing is kept.
    """

    def __init__(self, weights: list[Tensor], patience: int | None):
        self.now, self.patience = weights, patience
        self.loss, self.since = math.inf, 0
        self.kept: list[Tensor] | None = None

    def saw(self, loss: float) -> bool:
        self.since += 1
        if not loss < self.loss:
            return False
        self.loss, self.since = loss, 0
        if self.patience is not None:
            self.kept = [weight.detach().clone() for weight in self.now]
        return True

    @property
    def enough(self) -> bool:
        return self.patience is not None and self.since >= self.patience

    def restore(self) -> None:
        if self.kept is not None:
            with torch.no_grad():
                for weight, kept in zip(self.now, self.kept):
                    weight.copy_(kept)
