"""Temporal encoders: what the steps of a sequence learn from each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skmultimodal.nn._attention import TransformerLayer, masked_softmax

TEMPORAL = ("mean", "attention", "lstm", "gru", "transformer")
_MOST_HEADS = 4


def make_temporal(kind: str, d: int, dropout: float) -> TemporalEncoder:
    """An encoder by its name in `TEMPORAL`."""
    if kind == "mean":
        return TemporalEncoder()
    if kind == "attention":
        return TemporalAttention(d)
    if kind in ("lstm", "gru"):
        return TemporalRecurrence(kind, d)
    if kind == "transformer":
        return TemporalTransformer(d, dropout)
    raise ValueError(f"temporal={kind!r} is not known. Known: {list(TEMPORAL)}.")


class TemporalEncoder(nn.Module):
    """Hands the steps on as they are.

    A subclass maps tokens to tokens. What it gives for a present step depends on the
    present steps of that row alone; what it gives for an absent one is finite and is
    replaced. Tokens of absent steps come in as zeros.
    """

    def forward(self, tokens: Tensor, present: Tensor) -> Tensor:
        """tokens: (n, T, d), present: (n, T) -> (n, T, d)"""
        return tokens


class TemporalAttention(TemporalEncoder):
    """Steps weighted so that their plain mean is attention pooling.

    α = softmax(wᵀ tanh(V z_t)) over the present steps, and z_t ← α_t Σ_s present_s z_t.
    It starts as the mean. Ilse, Tomczak and Welling, "Attention-based Deep Multiple
    Instance Learning", arXiv:1802.04712.
    """

    def __init__(self, d: int):
        super().__init__()
        self.hidden = nn.Linear(d, d)
        self.score = nn.Linear(d, 1, bias=False)
        nn.init.zeros_(self.score.weight)

    def forward(self, tokens: Tensor, present: Tensor) -> Tensor:
        score = self.score(self.hidden(tokens).tanh())  # (n, T, 1)
        score = score.transpose(1, 2).unsqueeze(1)  # (n, 1, 1, T)
        weight = masked_softmax(score, present)[:, 0, 0]  # (n, T)
        count = present.sum(1, keepdim=True)
        return tokens * (weight * count).unsqueeze(2)


class TemporalRecurrence(TemporalEncoder):
    """z_t + W [h_t; k_t], with states h of a net that runs forward and k of one back.

    Both run over the present steps only, put side by side first, so that a gap leaves
    no trace. No packing: it would read the lengths back from the device.
    """

    def __init__(self, kind: str, d: int):
        super().__init__()
        cell = nn.LSTM if kind == "lstm" else nn.GRU
        width = (d + 1) // 2
        self.ahead = cell(d, width, batch_first=True)
        self.back = cell(d, width, batch_first=True)
        self.output = nn.Linear(2 * width, d)

    def forward(self, tokens: Tensor, present: Tensor) -> Tensor:
        ahead = _run(self.ahead, tokens, present)
        back = _run(self.back, tokens.flip(1), present.flip(1)).flip(1)
        return tokens + self.output(torch.cat([ahead, back], dim=2))


def _run(net: nn.Module, tokens: Tensor, present: Tensor) -> Tensor:
    """States of `net` over the present steps, each at its step: (n, T, width)"""
    order = (~present).to(torch.uint8).argsort(dim=1, stable=True)  # present ones first
    packed = tokens.gather(1, order.unsqueeze(2).expand_as(tokens))
    states = net(packed)[0]
    place = order.argsort(dim=1).unsqueeze(2)
    return states.gather(1, place.expand_as(states))


class TemporalTransformer(TemporalEncoder):
    """A transformer layer over the present steps, with sines that count them.

    Learned positions alone are slow to tell order. Vaswani et al., "Attention is all
    you need", arXiv:1706.03762.
    """

    frequency: Tensor

    def __init__(self, d: int, dropout: float):
        super().__init__()
        n_heads = max(h for h in range(1, _MOST_HEADS + 1) if d % h == 0)
        self.layer = TransformerLayer(d, n_heads, dropout)
        self.register_buffer("frequency", 1e4 ** -(torch.arange(0, d, 2) / d))

    def forward(self, tokens: Tensor, present: Tensor) -> Tensor:
        angle = present.cumsum(1).unsqueeze(2) * self.frequency  # (n, T, ⌈d/2⌉)
        waves = torch.cat([angle.sin(), angle.cos()], dim=2)[:, :, : tokens.shape[2]]
        return self.layer(tokens + waves, present)
