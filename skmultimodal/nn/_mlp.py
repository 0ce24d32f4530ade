"""The multilayer perceptron behind a fusion."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skmultimodal.nn._dropout import Dropout


class CosineLinear(nn.Module):
    """Cosine between x and a vector for each output, times a scale."""

    def __init__(self, d_in: int, d_out: int, scale: float):
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(torch.randn(d_out, d_in))

    def forward(self, x: Tensor) -> Tensor:
        weight = F.normalize(self.weight, dim=1)
        return self.scale * F.linear(F.normalize(x, dim=-1), weight)


class MLP(nn.Module):
    """Linear, GELU and dropout for each hidden layer, then a linear output.

    With a `scale` the output is a cosine times it.
    """

    def __init__(
        self,
        d_in: int,
        hidden: Sequence[int],
        d_out: int,
        dropout: float,
        scale: float | None = None,
    ):
        super().__init__()
        layers: list[nn.Module] = []
        for width in hidden:
            layers += [nn.Linear(d_in, width), nn.GELU(), Dropout(dropout)]
            d_in = width
        self.hidden = nn.Sequential(*layers)
        self.output = make_linear(d_in, d_out, scale)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.hidden(x))


def make_linear(d_in: int, d_out: int, scale: float | None) -> nn.Module:
    if scale is None:
        return nn.Linear(d_in, d_out)
    return CosineLinear(d_in, d_out, scale)


class WideDeep(nn.Module):
    """MLP(x) + W x: what is linear need not go through the hidden layers.

    Cheng et al., "Wide & Deep Learning for Recommender Systems", arXiv:1606.07792.
    """

    def __init__(self, d_in: int, hidden: Sequence[int], d_out: int, dropout: float):
        super().__init__()
        self.deep = MLP(d_in, hidden, d_out, dropout)
        self.wide = nn.Linear(d_in, d_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.deep(x) + self.wide(x)
