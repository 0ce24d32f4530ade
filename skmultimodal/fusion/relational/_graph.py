"""Messages between modalities as the nodes of a graph."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import ClassVar

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor, nn

from skmultimodal.fusion._base import (
    FusionModule,
    FusionOutput,
    NeuralFusion,
    check_heads,
)
from skmultimodal.nn import Dropout, pool_tokens
from skmultimodal.nn._attention import FeedForward, masked_softmax


class GraphFusion(NeuralFusion):
    """Modalities as nodes of a complete graph that send messages to one another.

    Node m starts as x_m, the mean over the steps that modality m has. In each layer,
    with y = norm(x) and for every attention head,

        α_mn = softmax_n(aᵀ LeakyReLU(W_t y_m + W_s y_n) + b_mn) and
        x_m ← x_m + W_o Σ_n α_mn V y_n,

    then x goes through a feed-forward layer. b_mn is a learned number for each ordered
    pair, itself included. The sum runs over present modalities: an absent one sends
    nothing, and hears the others as its learned vector. (Where nothing is present, all
    learned vectors are sent, evenly.) h holds all nodes side by side, without a norm
    behind them, so that plain concatenation is a part of it: d_out = M embed_dim. About
    8 embed_dim² parameters a layer, whatever the number of modalities; the edges cost
    M² embed_dim operations a row, sequences nothing.

    Parameters
    ----------
    n_layers : int, default=2
        Number of rounds of messages.
    n_heads : int, default=4
        Attention heads, each with edge weights of its own; divides the head's
        `embed_dim`.

    References
    ----------
    Veličković et al., "Graph Attention Networks", arXiv:1710.10903. The edge weights
    are those of Brody, Alon and Yahav, "How Attentive are Graph Attention Networks?",
    arXiv:2105.14491; the number for each pair is ours.

    Examples
    --------
    >>> import torch
    >>> from skmultimodal.fusion import GraphFusion
    >>> spec = GraphFusion(n_layers=1)
    >>> module = spec.build({"text": 1, "image": 3}, embed_dim=8, dropout=0)
    >>> tokens = {"text": torch.zeros(2, 1, 8), "image": torch.zeros(2, 3, 8)}
    >>> present = {"text": torch.ones(2, 1).bool(), "image": torch.ones(2, 3).bool()}
    >>> module(tokens, present).fused.shape
    torch.Size([2, 16])
    """

    level: ClassVar[str] = "relational"
    _parameter_constraints: ClassVar[dict] = {
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "n_heads": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, n_layers: int = 2, n_heads: int = 4):
        self.n_layers = n_layers
        self.n_heads = n_heads

    def build(
        self, modalities: Mapping[str, int], embed_dim: int, dropout: float
    ) -> FusionModule:
        """Build the torch module.

        Parameters
        ----------
        modalities : dict of str to int
            Number of tokens of each modality.
        embed_dim : int
            Width of a token.
        dropout : float
            Dropout rate of edge weights and feed-forward layers.

        Returns
        -------
        FusionModule

        Raises
        ------
        ValueError
            If `n_heads` does not divide `embed_dim`.
        """
        check_heads(embed_dim, self.n_heads, "GraphFusion")
        layers = [
            _MessageLayer(len(modalities), embed_dim, self.n_heads, dropout)
            for _ in range(self.n_layers)
        ]
        return _Graph(layers, len(modalities), embed_dim)


class _MessageLayer(nn.Module):
    def __init__(self, n_modalities: int, d: int, n_heads: int, dropout: float):
        super().__init__()
        self.n_heads = n_heads
        width = d // n_heads
        self.norm = nn.LayerNorm(d)
        self.target, self.source = nn.Linear(d, d), nn.Linear(d, d, bias=False)
        self.score = nn.Parameter(width**-0.5 * torch.randn(n_heads, 1, 1, width))
        self.pair = nn.Parameter(torch.zeros(n_heads, n_modalities, n_modalities))
        self.value, self.output = nn.Linear(d, d), nn.Linear(d, d)
        self.dropout = Dropout(dropout)
        self.feed_forward = FeedForward(d, dropout)

    def _heads(self, y: Tensor) -> Tensor:
        return y.unflatten(2, (self.n_heads, -1)).transpose(1, 2)

    def forward(self, nodes: Tensor, here: Tensor) -> Tensor:
        """nodes: (n, M, d), here: (n, M) -> (n, M, d)"""
        y = self.norm(nodes)
        target = self._heads(self.target(y)).unsqueeze(3)  # (n, h, M, 1, d/h)
        source = self._heads(self.source(y)).unsqueeze(2)  # (n, h, 1, M, d/h)
        edge = nn.functional.leaky_relu(target + source, 0.2)  # (n, h, M, M, d/h)
        score = (edge * self.score).sum(4) + self.pair  # (n, h, M, M)
        weight = self.dropout(masked_softmax(score, here))
        message = weight @ self._heads(self.value(y))  # (n, h, M, d/h)
        nodes = nodes + self.output(message.transpose(1, 2).flatten(2))
        return self.feed_forward(nodes)


class _Graph(FusionModule):
    def __init__(self, layers: list[_MessageLayer], n_modalities: int, d: int):
        super().__init__()
        self.d_out = n_modalities * d
        self.layers = nn.ModuleList(layers)

    def forward(
        self, tokens: dict[str, Tensor], present: dict[str, Tensor]
    ) -> FusionOutput:
        pooled = [pool_tokens(z, present[m]) for m, z in tokens.items()]
        nodes = torch.stack(pooled, dim=1)  # (n, M, d)
        here = torch.stack([present[m].any(1) for m in tokens], dim=1)  # (n, M)
        for layer in self.layers:
            nodes = layer(nodes, here)
        return FusionOutput(
            nodes.flatten(1),  # (n, M * d)
            tokens=tokens,
            per_modality=dict(zip(tokens, nodes.unbind(1))),
        )
