"""The multilayer perceptron behind a fusion."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from skmultimodal.nn._dropout import Dropout


class MLP(nn.Module):
    """Linear, GELU and dropout for each hidden layer, then a linear output."""

    def __init__(self, d_in: int, hidden: Sequence[int], d_out: int, dropout: float):
        super().__init__()
        layers: list[nn.Module] = []
        for width in hidden:
            layers += [nn.Linear(d_in, width), nn.GELU(), Dropout(dropout)]
            d_in = width
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(d_in, d_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.hidden(x))


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
