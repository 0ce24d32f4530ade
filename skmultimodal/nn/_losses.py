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
            return self.mean(at_least_single(output), y)
        return (self.per_sample(at_least_single(output), y) * weight).mean()

    def start_epoch(self, number: int) -> None:
        """Told of every epoch, from 0: a loss may change as the training goes on."""


class ClassLoss(WeightedLoss):
    """Loss of classes: output (n, K), y (n,) class numbers.

    With `smoothing` ε a row counts by 1 - ε for its class and by ε / K for each. That
    is for training: validation losses are measured without it.
    """

    def __init__(self, smoothing: float = 0.0):
        super().__init__()
        self.smoothing = smoothing

    def every(self, output: Tensor) -> Tensor:
        """Loss of each class, were it the true one: (n, K) -> (n, K)"""
        return -F.log_softmax(output, dim=1)

    def per_sample(self, output: Tensor, y: Tensor) -> Tensor:
        every = self.every(output)
        own = every.gather(1, y.unsqueeze(1)).squeeze(1)
        return own.lerp(every.mean(1), self.smoothed) if self.smoothed else own

    @property
    def smoothed(self) -> float:
        return self.smoothing if self.training else 0.0


class CrossEntropy(ClassLoss):
    """output: (n, n_classes), y: (n,) class numbers"""

    def per_sample(self, output: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(
            output, y, reduction="none", label_smoothing=self.smoothed
        )

    def mean(self, output: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(output, y, label_smoothing=self.smoothed)


class LabelLoss(WeightedLoss):
    """Loss of labels: output (n, L), y (n, L) of zeros and ones; the mean of labels.

    With `smoothing` ε a one counts as 1 - ε / 2 and a zero as ε / 2, in training.
    """

    def __init__(self, smoothing: float = 0.0):
        super().__init__()
        self.smoothing = smoothing

    def sides(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of each label, were it there and were it not: (n, L), (n, L)"""
        return F.softplus(-output), F.softplus(output)

    def per_sample(self, output: Tensor, y: Tensor) -> Tensor:
        there, absent = self.sides(output)
        return absent.lerp(there, self.smooth(y)).mean(1)

    def smooth(self, y: Tensor) -> Tensor:
        if not (self.training and self.smoothing):
            return y
        return y * (1 - self.smoothing) + 0.5 * self.smoothing


class BinaryCrossEntropy(LabelLoss):
    """output: (n, n_labels), y: (n, n_labels) of zeros and ones"""

    def per_sample(self, output: Tensor, y: Tensor) -> Tensor:
        y = self.smooth(y)
        return F.binary_cross_entropy_with_logits(output, y, reduction="none").mean(1)


class SquaredError(WeightedLoss):
    """output: (n, n_outputs), y: (n, n_outputs), standardised"""

    def per_sample(self, output: Tensor, y: Tensor) -> Tensor:
        return (output - y).square().mean(1)


class Huber(WeightedLoss):
    """Squared error up to `delta`, and beyond it linear; twice torch's Huber loss.

    output: (n, n_outputs), y: (n, n_outputs), standardised
    """

    def __init__(self, delta: float):
        super().__init__()
        self.delta = delta

    def per_sample(self, output: Tensor, y: Tensor) -> Tensor:
        return 2 * F.huber_loss(output, y, reduction="none", delta=self.delta).mean(1)


class OwnLoss(WeightedLoss):
    """The net measures its own loss, and gives it a row: output (n,), whatever y."""

    def per_sample(self, output: Tensor, y: Tensor) -> Tensor:
        return output


def at_least_single(x: Tensor) -> Tensor:
    """Out of half precision, in which a loss would be too coarse."""
    return x.float() if x.dtype.itemsize < 4 else x


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
