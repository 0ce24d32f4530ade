"""Dropout of values and of whole modalities."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """Dropout whose rate is a buffer, so that stacked nets may each have their own."""

    rate: Tensor

    def __init__(self, rate: float):
        super().__init__()
        self.register_buffer("rate", torch.tensor(float(rate)))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        keep = torch.rand_like(x) >= self.rate
        return x * (keep / (1 - self.rate))


def modality_dropout(present: Tensor, rate: Tensor) -> Tensor:
    """Hide each present modality with probability `rate`, never the last one.

    present: (n, M) bool. The modality with the largest draw always stays.
    """
    draw = torch.rand(present.shape, device=present.device)
    draw = torch.where(present, draw, -1.0)  # (n, M)
    strongest = draw == draw.amax(dim=1, keepdim=True)
    return present & ((draw >= rate) | strongest)
