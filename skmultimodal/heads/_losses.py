"""Losses of the heads, weighted by sample."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class WeightedLoss(nn.Module):
    """Mean over a batch of weight times loss; weights have mean 1 over the training."""

    def per_sample(self, output: Tensor, y: Tensor) -> Tensor:
        raise NotImplementedError

    def mean(self, output: Tensor, y: Tensor) -> Tensor:
        return self.per_sample(output, y).mean()

    def forward(self, output: Tensor, y: Tensor, weight: Tensor | None) -> Tensor:
        if weight is None:
            return self.mean(output.float(), y)
        return (self.per_sample(output.float(), y) * weight).mean()


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
