"""Cross-modal attention."""

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
from skmultimodal.nn import Attention, PerModality, pool_tokens
from skmultimodal.nn._attention import FeedForward


class CrossAttentionFusion(NeuralFusion):
    """Every modality reads from every other one.

    z_{m←n} = softmax(Q_m K_nᵀ / √d) V_n over the steps that n has, and in each layer
    z_m ← F(z_m + Σ_{n≠m} a_n γ_mn ∘ z_{m←n}) with a gate γ_mn that starts at zero, a
    feed-forward layer F and a_n = 0 for an absent n. h holds the mean token of every
    stream: d_out = M embed_dim. About 4 M (M - 1) embed_dim² parameters a layer.
    Between single vectors (one step each) the softmax is 1 and z_{m←n} is linear.

    Parameters
    ----------
    n_layers : int, default=1
        Number of layers.
    n_heads : int, default=4
        Attention heads; divides the head's `embed_dim`.

    References
    ----------
    Tsai et al., "Multimodal Transformer for Unaligned Multimodal Language Sequences",
    arXiv:1906.00295. The zero-initialised gate follows Alayrac et al. (Flamingo),
    arXiv:2204.14198.

    Examples
    --------
    >>> import torch
    >>> from skmultimodal.fusion import CrossAttentionFusion
    >>> spec = CrossAttentionFusion(n_heads=2)
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

    def __init__(self, n_layers: int = 1, n_heads: int = 4):
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
            Dropout rate of attention weights and feed-forward layers.

        Returns
        -------
        FusionModule

        Raises
        ------
        ValueError
            If `n_heads` does not divide `embed_dim`.
        """
        check_heads(embed_dim, self.n_heads, "CrossAttentionFusion")
        layers = [
            _CrossLayer(list(modalities), embed_dim, self.n_heads, dropout)
            for _ in range(self.n_layers)
        ]
        return _CrossAttention(layers, list(modalities), embed_dim)


class _CrossLayer(nn.Module):
    def __init__(self, modalities: list[str], d: int, n_heads: int, dropout: float):
        super().__init__()
        pairs = [(m, n) for m in modalities for n in modalities if m != n]
        self.norm = PerModality({m: nn.LayerNorm(d) for m in modalities})
        self.read = PerModality(
            {_pair(m, n): Attention(d, n_heads, dropout) for m, n in pairs}
        )
        self.gate = nn.ParameterDict(
            {_pair(m, n): nn.Parameter(torch.zeros(d)) for m, n in pairs}
        )
        self.feed_forward = PerModality(
            {m: FeedForward(d, dropout) for m in modalities}
        )

    def forward(
        self, streams: dict[str, Tensor], present: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        normed = {m: self.norm[m](z) for m, z in streams.items()}
        here = {m: p.any(1)[:, None, None] for m, p in present.items()}  # (n, 1, 1)
        mixed = {}
        for m, z in streams.items():
            for n, memory in normed.items():
                if n != m:
                    heard = self.read[_pair(m, n)](normed[m], memory, present[n])
                    z = z + here[n] * self.gate[_pair(m, n)] * heard
            mixed[m] = self.feed_forward[m](z)
        return mixed


def _pair(target: str, source: str) -> str:
    return f"{target}<-{source}".replace(".", "·")


class _CrossAttention(FusionModule):
    def __init__(self, layers: list[_CrossLayer], modalities: list[str], d: int):
        super().__init__()
        self.d_out = len(modalities) * d
        self.layers = nn.ModuleList(layers)
        self.norm = PerModality({m: nn.LayerNorm(d) for m in modalities})

    def forward(
        self, tokens: dict[str, Tensor], present: dict[str, Tensor]
    ) -> FusionOutput:
        streams = dict(tokens)
        for layer in self.layers:
            streams = layer(streams, present)
        streams = {m: self.norm[m](z) for m, z in streams.items()}
        pooled = {m: pool_tokens(z, present[m]) for m, z in streams.items()}
        return FusionOutput(
            torch.cat(list(pooled.values()), dim=1),  # (n, M * d)
            tokens=streams,
            per_modality=pooled,
        )
