"""From standardised blocks to tokens of one width."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skmultimodal.nn._temporal import make_temporal


class ScaledLinear(nn.Module):
    """Linear layer gain W x / √d_in + b: a wide block is no louder than a narrow one.

    W starts unit-normal. The factor stands outside the weights, so that it also scales
    their updates, and is a buffer, so that stacked nets may each have their own.
    """

    scale: Tensor

    def __init__(self, d_in: int, d_out: int, gain: float = 1.0):
        super().__init__()
        self.register_buffer("scale", torch.tensor(gain * d_in**-0.5))
        self.weight = nn.Parameter(torch.randn(d_out, d_in))
        self.bias = nn.Parameter(torch.zeros(d_out))

    def forward(self, x: Tensor) -> Tensor:
        z = nn.functional.linear(x, self.weight)  # scaled after: z is smaller than W
        return torch.addcmul(self.bias, z, self.scale)


class ModalityTokens(nn.Module):
    """Tokens of one modality; a learned one stands where a step is absent.

    The steps of a sequence go through a temporal encoder.
    """

    def __init__(
        self,
        n_steps: int,
        d_in: int,
        d: int,
        is_sequence: bool,
        gain: float = 1.0,
        temporal: str = "mean",
        dropout: float = 0.0,
    ):
        super().__init__()
        self.n_steps, self.d_in = n_steps, d_in
        self.project = ScaledLinear(d_in, d, gain)
        self.missing = nn.Parameter(torch.zeros(d))
        self.position = (
            nn.Parameter(0.02 * torch.randn(n_steps, d)) if is_sequence else None
        )
        self.encodes = is_sequence and temporal != "mean"
        if self.encodes:
            self.temporal = make_temporal(temporal, d, dropout)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """x: (n, T * d_in), present: (n, T) -> (n, T, d)"""
        z = self.project(x.reshape(len(x), self.n_steps, self.d_in))
        here = present.unsqueeze(2)
        if self.position is not None:
            z = z + self.position
        if self.encodes:
            z = self.temporal(z.masked_fill(~here, 0), present)
        return torch.where(here, z, self.missing)
