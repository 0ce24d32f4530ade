"""A self-attentive decoder that looks things up in a memory."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from skmultimodal.nn._attention import Attention, FeedForward
from skmultimodal.nn._decoder_state import DecoderState
from skmultimodal.nn._dropout import Dropout


class TransformerDecoder(nn.Module):
    """Pre-norm layers of self-attention, attention to the memory and feed-forward.

    Keys and values of the tokens so far are kept, so that a step costs one token
    (Vaswani et al., arXiv:1706.03762; Xiong et al., arXiv:2002.04745).
    """

    def __init__(self, d: int, n_layers: int, n_heads: int, dropout: float):
        super().__init__()
        self.begin = nn.Linear(d, d)
        self.layers = nn.ModuleList(
            DecoderLayer(d, n_heads, dropout) for _ in range(n_layers)
        )

    def start(self, memory: Tensor, present: Tensor, summary: Tensor) -> DecoderState:
        """memory: (n, S, d), present: (n, S), summary: (n, d)"""
        layers = [cast(DecoderLayer, layer) for layer in self.layers]
        read = [t for layer in layers for t in layer.look.read(memory)]
        return DecoderState((present, self.begin(summary), *read), ())

    def advance(self, x: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """The next L tokens, x: (n, L, d) -> (n, L, d)"""
        present, summary, *read = state.memory
        before = state.past[0].shape[2] if state.past else 0
        seen = causal(before, x.shape[1], x.device)
        x = x + positions(before, x) + summary.unsqueeze(1)
        past: list[Tensor] = []
        for k, layer in enumerate(self.layers):
            pair = slice(2 * k, 2 * k + 2)
            x, left = layer(x, state.past[pair], seen, read[pair], present)
            past += left
        return x, DecoderState(state.memory, tuple(past))

    def forward(
        self, x: Tensor, memory: Tensor, present: Tensor, summary: Tensor
    ) -> Tensor:
        """All tokens at once, x: (n, L, d) -> (n, L, d)"""
        return self.advance(x, self.start(memory, present, summary))[0]


class DecoderLayer(nn.Module):
    """One layer; x: (n, L, d), its past and the memory as keys and values."""

    def __init__(self, d: int, n_heads: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(d)
        self.attention = Attention(d, n_heads, dropout)
        self.look_norm = nn.LayerNorm(d)
        self.look = Attention(d, n_heads, dropout)
        self.feed_forward = FeedForward(d, dropout)
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        past: tuple[Tensor, ...],
        seen: Tensor,
        read: list[Tensor],
        present: Tensor,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        y = self.norm(x)
        k, v = self.attention.read(y)  # (n, h, L, d/h)
        if past:
            k, v = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
        x = x + self.dropout(self.attention.attend(y, k, v, seen))
        keys, values = read
        there = present[:, None, None, :]
        found = self.look.attend(self.look_norm(x), keys, values, there)
        x = x + self.dropout(found)
        return self.feed_forward(x), (k, v)


def causal(before: int, length: int, device: torch.device) -> Tensor:
    """Which tokens each of the next ones may see: (1, 1, L, before + L)"""
    every = torch.ones(length, before + length, dtype=torch.bool, device=device)
    return every.tril(before)[None, None]


def positions(before: int, x: Tensor) -> Tensor:
    """Sines and cosines of the places of x, (n, L, d), after `before` others: (L, d)"""
    length, d = x.shape[1:]
    place = torch.arange(before, before + length, device=x.device).unsqueeze(1)
    rate = torch.arange(0, d, 2, device=x.device) * (-math.log(10_000.0) / d)
    angle = place * rate.exp()  # (L, ceil(d / 2))
    both = torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)
    return both[:, :d].to(x.dtype)
