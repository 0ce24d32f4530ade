"""Rows mixed with other rows, behind the fusion."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.special import betaincinv
from torch import Tensor, nn

_POINTS = 1025  # of the table of quantiles


class Mixed(NamedTuple):
    """With which row each was mixed, and how much of it is its own.

    Parameters
    ----------
    partner : Tensor of shape (n,)
        Numbers of rows.
    share : Tensor of shape (n,)
        λ, the share of the own row.
    """

    partner: Tensor
    share: Tensor


class Mixup(nn.Module):
    """h_i ← λ_i h_i + (1 - λ_i) h_j with λ_i from Beta(α, α) and j another row.

    Verma et al., "Manifold Mixup: Better Representations by Interpolating Hidden
    States", arXiv:1806.05236, at one layer. λ is drawn for each row, from a table of
    quantiles that is a buffer: stacked nets may each have their own α.
    """

    quantiles: Tensor

    def __init__(self, alpha: float):
        super().__init__()
        table = betaincinv(alpha, alpha, np.linspace(0, 1, _POINTS))
        self.register_buffer("quantiles", torch.from_numpy(table.astype(np.float32)))

    def forward(self, x: Tensor) -> tuple[Tensor, Mixed]:
        """x: (n, d) -> (n, d), and who was mixed with whom"""
        n = len(x)
        partner = torch.rand(n, device=x.device).argsort()
        share = self.draw(n)
        own = share.unsqueeze(1).to(x.dtype)
        other = x.index_select(0, partner)
        return own * x + (1 - own) * other, Mixed(partner, share)

    def draw(self, n: int) -> Tensor:
        place = torch.rand(n, device=self.quantiles.device) * (_POINTS - 1)
        low = place.long().clamp_max(_POINTS - 2)
        return self.quantiles[low].lerp(self.quantiles[low + 1], place - low)
