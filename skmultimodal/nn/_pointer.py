"""Copying tokens of a source instead of choosing them from the vocabulary."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skmultimodal.nn._attention import softmax_of_seen

N_BEFORE = 3  # tokens before a place that are compared with those written last
_NEVER = -1e9  # a gate without anything to copy


class Source(NamedTuple):
    """What a pointer reads of n sources."""

    keys: Tensor  # (n, H, d)
    tokens: Tensor  # (n, H)
    before: Tensor  # (n, H, N_BEFORE), the token before each, the one before that, ...
    here: Tensor  # (n, H)


class Pointer(nn.Module):
    """Mixes the softmax over the vocabulary with one over the places of a source.

    The gate g says how much is copied: p = (1 - g) softmax + g Σ_places attention
    (See, Liu and Manning, arXiv:1704.04368). A place counts for more where the tokens
    before it are those that were written last, as in a cache of n-grams, and so does
    the gate where there is such a place.
    """

    def __init__(self, d: int):
        super().__init__()
        self.query = nn.Linear(d, d)
        self.key = nn.Linear(d, d, bias=False)
        self.gate = nn.Linear(d, 1)
        self.follows = nn.Parameter(torch.ones(N_BEFORE))
        self.follows_gate = nn.Parameter(torch.zeros(N_BEFORE))

    def read(
        self, said: Tensor, tokens: Tensor, before: Tensor, here: Tensor
    ) -> Source:
        """said: (n, H, d), the others as in `Source`"""
        return Source(self.key(said), tokens, before, here)

    def forward(
        self, x: Tensor, logits: Tensor, source: Source, last: Tensor
    ) -> Tensor:
        """Log-probabilities of all tokens, copied or not.

        x: (n, L, d), logits: (n, L, V), last: (n, L, N_BEFORE) -> (n, L, V)
        """
        keys, tokens, before, here = source
        score = (self.query(x) @ keys.transpose(1, 2) * keys.shape[2] ** -0.5).float()
        gate = self.gate(x).float()  # (n, L, 1)
        run = here.unsqueeze(1)  # (n, L, H): so many tokens before are the same
        for k in range(N_BEFORE):
            run = run & (before[:, :, k].unsqueeze(1) == last[:, :, k].unsqueeze(2))
            score = score + run * self.follows[k]
            gate = gate + run.any(2, keepdim=True) * self.follows_gate[k]
        weight = softmax_of_seen(score, here.unsqueeze(1))  # (n, L, H)
        place = tokens.unsqueeze(1).expand_as(weight)
        copied = torch.zeros_like(logits, dtype=weight.dtype)
        copied = copied.scatter_add(2, place, weight)  # (n, L, V)
        gate = gate.masked_fill(~here.any(1)[:, None, None], _NEVER)
        written = logits.float().log_softmax(2) + F.logsigmoid(-gate)
        tiny = torch.finfo(copied.dtype).tiny
        return torch.logaddexp(
            written, copied.clamp_min(tiny).log() + F.logsigmoid(gate)
        )


def tokens_before(tokens: Tensor, starts: Tensor, begin: int) -> Tensor:
    """What stands before each place; `begin` before the first of a turn, then -1.

    tokens, starts: (n, H), where a turn starts -> (n, H, N_BEFORE)
    """
    rows = len(tokens)
    found, outside = [], begin
    shifted = tokens
    for _ in range(N_BEFORE):
        edge = tokens.new_full((rows, 1), outside)
        shifted = torch.cat([edge, shifted[:, :-1]], dim=1)
        shifted = shifted.masked_fill(starts, outside)
        found.append(shifted)
        outside = -1
    return torch.stack(found, dim=2)
