"""Copying tokens of a source instead of choosing them from the vocabulary."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skmultimodal.nn._attention import softmax_of_seen


class Pointer(nn.Module):
    """Mixes the softmax over the vocabulary with one over the places of a source.

    The gate g says how much is copied: p = (1 - g) softmax + g Σ_places attention
    (See, Liu and Manning, arXiv:1704.04368).
    """

    def __init__(self, d: int):
        super().__init__()
        self.query = nn.Linear(d, d)
        self.key = nn.Linear(d, d, bias=False)
        self.gate = nn.Linear(d, 1)

    def read(self, source: Tensor) -> Tensor:
        """Keys of the source's places: (n, H, d) -> (n, H, d)"""
        return self.key(source)

    def forward(
        self, x: Tensor, logits: Tensor, keys: Tensor, tokens: Tensor, here: Tensor
    ) -> Tensor:
        """Log-probabilities of all tokens, copied or not.

        x: (n, L, d), logits: (n, L, V), keys: (n, H, d), tokens, here: (n, H)
        -> (n, L, V)
        """
        score = self.query(x) @ keys.transpose(1, 2) * keys.shape[2] ** -0.5
        weight = softmax_of_seen(score.float(), here.unsqueeze(1))  # (n, L, H)
        place = tokens.unsqueeze(1).expand_as(weight)
        copied = torch.zeros_like(logits, dtype=weight.dtype)
        copied = copied.scatter_add(2, place, weight)  # (n, L, V)
        nothing = ~here.any(1)[:, None, None]
        gate = self.gate(x).float().masked_fill(nothing, _NEVER)  # (n, L, 1)
        written = logits.float().log_softmax(2) + F.logsigmoid(-gate)
        tiny = torch.finfo(copied.dtype).tiny
        return torch.logaddexp(
            written, copied.clamp_min(tiny).log() + F.logsigmoid(gate)
        )


_NEVER = -1e9  # a gate without anything to copy
