"""Multi-head attention, written out so that `torch.func.vmap` can batch it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skmultimodal.nn._dropout import Dropout
from skmultimodal.nn._mlp import MLP


class Attention(nn.Module):
    """softmax(Q Kᵀ / √d_head) V with a mask over keys."""

    def __init__(self, d: int, n_heads: int, dropout: float):
        super().__init__()
        self.n_heads = n_heads
        self.query = nn.Linear(d, d)
        self.key_value = nn.Linear(d, 2 * d)
        self.output = nn.Linear(d, d)
        self.dropout = Dropout(dropout)

    def _heads(self, x: Tensor) -> Tensor:
        n, t, d = x.shape
        return x.view(n, t, self.n_heads, d // self.n_heads).transpose(1, 2)

    def read(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values: (n, S, d) -> (n, h, S, d/h), (n, h, S, d/h)"""
        key, value = self.key_value(memory).chunk(2, dim=2)
        return self._heads(key), self._heads(value)

    def attend(self, query: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> Tensor:
        """query: (n, T, d), seen: (n or 1, 1, T or 1, S) -> (n, T, d)"""
        q = self._heads(self.query(query))  # (n, h, T, d/h)
        weight = softmax_of_seen(q @ k.transpose(2, 3) * q.shape[3] ** -0.5, seen)
        mixed = self.dropout(weight) @ v  # (n, h, T, d/h)
        return self.output(mixed.transpose(1, 2).flatten(2))

    def forward(self, query: Tensor, memory: Tensor, present: Tensor) -> Tensor:
        """query: (n, T, d), memory: (n, S, d), present: (n, S) -> (n, T, d)"""
        return self.attend(query, *self.read(memory), present[:, None, None, :])


def masked_softmax(score: Tensor, present: Tensor) -> Tensor:
    """Softmax over the present keys; evenly over all where none is present.

    score: (n, h, T, S), present: (n, S)
    """
    return softmax_of_seen(score, present[:, None, None, :])


def softmax_of_seen(score: Tensor, seen: Tensor) -> Tensor:
    """The same, where each query may see others: seen (n or 1, 1, T or 1, S)"""
    return score.masked_fill(~seen, torch.finfo(score.dtype).min).softmax(dim=-1)


class TransformerLayer(nn.Module):
    """Pre-norm self-attention and feed-forward layer."""

    def __init__(self, d: int, n_heads: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(d)
        self.attention = Attention(d, n_heads, dropout)
        self.feed_forward = FeedForward(d, dropout)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """x: (n, T, d), present: (n, T) -> (n, T, d)"""
        y = self.norm(x)
        return self.feed_forward(x + self.attention(y, y, present))


class FeedForward(nn.Module):
    """x + MLP(norm(x)), twice as wide inside."""

    def __init__(self, d: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(d)
        self.mlp = MLP(d, (2 * d,), d, dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mlp(self.norm(x))
