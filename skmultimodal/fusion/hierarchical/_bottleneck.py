"""Attention bottlenecks."""

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
from skmultimodal.nn import PerModality, pool_tokens
from skmultimodal.nn._attention import TransformerLayer


class BottleneckFusion(NeuralFusion):
    """Streams that exchange information only through a few shared tokens.

    In each of the first `fusion_layer` layers a modality attends to itself. From then
    on it attends to [z_m; b], with B shared tokens b, and b becomes the mean of what
    the present modalities made of it. h holds the mean token of every stream and of the
    bottleneck: d_out = (M + 1) embed_dim. About 8 embed_dim² parameters a modality and
    layer; cost linear in the number of modalities.

    Parameters
    ----------
    n_tokens : int, default=4
        Number B of shared tokens.
    n_layers : int, default=2
        Number of transformer layers a modality.
    fusion_layer : int, default=0
        First layer (from 0) in which the bottleneck is open.
    n_heads : int, default=4
        Attention heads; divides the head's `embed_dim`.

    References
    ----------
    Nagrani et al., "Attention Bottlenecks for Multimodal Fusion", arXiv:2107.00135.

    Examples
    --------
    >>> import torch
    >>> from skmultimodal.fusion import BottleneckFusion
    >>> spec = BottleneckFusion(n_tokens=2)
    >>> module = spec.build({"text": 1, "image": 3}, embed_dim=8, dropout=0)
    >>> tokens = {"text": torch.zeros(2, 1, 8), "image": torch.zeros(2, 3, 8)}
    >>> present = {"text": torch.ones(2, 1).bool(), "image": torch.ones(2, 3).bool()}
    >>> module(tokens, present).fused.shape
    torch.Size([2, 24])
    """

    level: ClassVar[str] = "hierarchical"
    _parameter_constraints: ClassVar[dict] = {
        "n_tokens": [Interval(Integral, 1, None, closed="left")],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "fusion_layer": [Interval(Integral, 0, None, closed="left")],
        "n_heads": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_tokens: int = 4,
        n_layers: int = 2,
        fusion_layer: int = 0,
        n_heads: int = 4,
    ):
        self.n_tokens = n_tokens
        self.n_layers = n_layers
        self.fusion_layer = fusion_layer
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
            If `n_heads` does not divide `embed_dim`, or `fusion_layer` leaves no layer.
        """
        check_heads(embed_dim, self.n_heads, "BottleneckFusion")
        if self.fusion_layer >= self.n_layers:
            raise ValueError(
                f"BottleneckFusion(fusion_layer={self.fusion_layer}, n_layers="
                f"{self.n_layers}) never opens the bottleneck: fusion_layer counts "
                "from 0 and must be smaller than n_layers."
            )
        return _Bottleneck(self, list(modalities), embed_dim, dropout)


class _Bottleneck(FusionModule):
    def __init__(
        self, spec: BottleneckFusion, modalities: list[str], d: int, dropout: float
    ):
        super().__init__()
        self.d_out = (len(modalities) + 1) * d
        self.fusion_layer = spec.fusion_layer
        self.shared = nn.Parameter(0.02 * torch.randn(spec.n_tokens, d))
        self.layers = PerModality(
            {
                m: nn.ModuleList(
                    TransformerLayer(d, spec.n_heads, dropout)
                    for _ in range(spec.n_layers)
                )
                for m in modalities
            }
        )
        self.n_layers = spec.n_layers
        self.norm = PerModality({m: nn.LayerNorm(d) for m in modalities})
        self.shared_norm = nn.LayerNorm(d)

    def forward(
        self, tokens: dict[str, Tensor], present: dict[str, Tensor]
    ) -> FusionOutput:
        streams = dict(tokens)
        n, n_shared = len(next(iter(tokens.values()))), len(self.shared)
        shared = self.shared.expand(n, -1, -1)  # (n, B, d)
        here = torch.stack([p.any(1) for p in present.values()])  # (M, n)
        share = here / here.sum(0).clamp_min(1)  # (M, n)
        nobody = (~here.any(0)).to(shared.dtype)  # (n,)
        for level in range(self.n_layers):
            if level < self.fusion_layer:
                for m, z in streams.items():
                    streams[m] = self.layers[m][level](z, present[m])
                continue
            made = shared * nobody[:, None, None]
            for k, (m, z) in enumerate(streams.items()):
                joint = torch.cat([z, shared], dim=1)  # (n, T + B, d)
                seen = torch.cat([present[m], present[m].new_ones(n, n_shared)], dim=1)
                joint = self.layers[m][level](joint, seen)
                streams[m], b = joint[:, :-n_shared], joint[:, -n_shared:]
                made = made + b * share[k, :, None, None]
            shared = made
        streams = {m: self.norm[m](z) for m, z in streams.items()}
        pooled = {m: pool_tokens(z, present[m]) for m, z in streams.items()}
        bottleneck = self.shared_norm(shared).mean(1)
        return FusionOutput(
            torch.cat([*pooled.values(), bottleneck], dim=1),  # (n, (M + 1) * d)
            tokens=streams,
            per_modality=pooled,
        )
