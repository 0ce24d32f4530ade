"""Losses, weighted by sample."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class WeightedLoss(nn.Module):
    """Mean over a batch of weight times loss; weights have mean 1 over the training."""

    # what the loss of each modality's own output weighs, whatever the head says
    modality_weight = 0.0

    def per_sample(self, output: Tensor, y: Tensor) -> Tensor:
        raise NotImplementedError

    def mean(self, output: Tensor, y: Tensor) -> Tensor:
        return self.per_sample(output, y).mean()

    def forward(self, output: Tensor, y: Tensor, weight: Tensor | None) -> Tensor:
        if weight is None:
            return self.mean(output.float(), y)
        return (self.per_sample(output.float(), y) * weight).mean()

    def start_epoch(self, number: int) -> None:
        """Told of every epoch, from 0: a loss may change as the training goes on."""


class CrossEntropy(WeightedLoss):
    """output: (n, n_classes), y: (n,) class numbers"""

    def per_sample(self, output: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(output, y, reduction="none")

    def mean(self, output: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(output, y)


class BinaryCrossEntropy(WeightedLoss):
    """output: (n, n_labels), y: (n, n_labels) of zeros and ones"""

    def per_sample(self, output: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(output, y, reduction="none").mean(1)


class SquaredError(WeightedLoss):
    """output: (n, n_outputs), y: (n, n_outputs), standardised"""

    def per_sample(self, output: Tensor, y: Tensor) -> Tensor:
        return (output - y).square().mean(1)


class OwnLoss(WeightedLoss):
    """The net measures its own loss, and gives it a row: output (n,), whatever y."""

    def per_sample(self, output: Tensor, y: Tensor) -> Tensor:
        return output


def present_mean(losses: Tensor, present: Tensor, weight: Tensor | None) -> Tensor:
    """Mean of the losses of what is present; zero where nothing is.

    losses: (n, M), present: (n, M), weight: (n,) or None -> ()
    """
    share = present.to(losses.dtype)
    total = share if weight is None else share * weight.unsqueeze(1)
    return (losses * total).sum() / share.sum().clamp_min(1)


def stack_present(present: dict[str, Tensor]) -> Tensor:
    """Which modalities a row has: {m: (n, T_m)} -> (n, M)"""
    return torch.stack([steps.any(1) for steps in present.values()], dim=1)
