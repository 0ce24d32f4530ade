"""A small latent array that reads all modalities."""

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
from skmultimodal.nn import Attention, pool_tokens
from skmultimodal.nn._attention import TransformerLayer


class LatentFusion(NeuralFusion):
    """A few learned latent vectors read all tokens of all modalities, then confer.

    The memory holds every token with a learned vector of its modality added,
    norm(z_mt + e_m). In each layer the L latents attend to what is present of it,
    l ← l + Attention(norm(l), memory), and go through a self-attention and
    feed-forward layer. h is the mean of the latents after the last layer: d_out =
    embed_dim, whatever `n_latents`. About 12 embed_dim² parameters a layer, whatever
    the number of modalities; cost linear in tokens.

    All modalities pass through the same weights, so that many of them cost little.
    Every token counts alike at the start: a sequence of many steps is louder than a
    vector until the attention has learned otherwise. A row without anything is read
    from the learned vectors that stand for absent modalities.

    Parameters
    ----------
    n_latents : int, default=8
        Number L of latent vectors.
    n_layers : int, default=2
        Number of times that the latents read and confer.
    n_heads : int, default=4
        Attention heads; divides the head's `embed_dim`.

    References
    ----------
    Jaegle et al., "Perceiver: General Perception with Iterative Attention",
    arXiv:2103.03206. Liang et al., "High-Modality Multimodal Transformer",
    arXiv:2203.01311.

    Examples
    --------
    >>> import torch
    >>> from skmultimodal.fusion import LatentFusion
    >>> spec = LatentFusion(n_latents=2)
    >>> module = spec.build({"text": 1, "image": 3}, embed_dim=8, dropout=0)
    >>> tokens = {"text": torch.zeros(2, 1, 8), "image": torch.zeros(2, 3, 8)}
    >>> present = {"text": torch.ones(2, 1).bool(), "image": torch.ones(2, 3).bool()}
    >>> module(tokens, present).fused.shape
    torch.Size([2, 8])
    """

    level: ClassVar[str] = "hierarchical"
    _parameter_constraints: ClassVar[dict] = {
        "n_latents": [Interval(Integral, 1, None, closed="left")],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "n_heads": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, n_latents: int = 8, n_layers: int = 2, n_heads: int = 4):
        self.n_latents = n_latents
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
        check_heads(embed_dim, self.n_heads, "LatentFusion")
        layers = [
            _LatentLayer(embed_dim, self.n_heads, dropout) for _ in range(self.n_layers)
        ]
        return _Latent(layers, self.n_latents, len(modalities), embed_dim)


class _LatentLayer(nn.Module):
    def __init__(self, d: int, n_heads: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(d)
        self.read = Attention(d, n_heads, dropout)
        self.confer = TransformerLayer(d, n_heads, dropout)

    def forward(self, latents: Tensor, memory: Tensor, present: Tensor) -> Tensor:
        """latents: (n, L, d), memory: (n, S, d), present: (n, S) -> (n, L, d)"""
        latents = latents + self.read(self.norm(latents), memory, present)
        everyone = present.new_ones(latents.shape[:2])
        return self.confer(latents, everyone)


class _Latent(FusionModule):
    def __init__(
        self, layers: list[_LatentLayer], n_latents: int, n_modalities: int, d: int
    ):
        super().__init__()
        self.d_out = d
        # small beside what they read, which a norm behind it would hide otherwise
        self.latents = nn.Parameter(0.02 * torch.randn(n_latents, d))
        self.modality = nn.Parameter(0.02 * torch.randn(n_modalities, d))
        self.norm = nn.LayerNorm(d)
        self.layers = nn.ModuleList(layers)

    def forward(
        self, tokens: dict[str, Tensor], present: dict[str, Tensor]
    ) -> FusionOutput:
        marked = [z + self.modality[k] for k, z in enumerate(tokens.values())]
        memory = self.norm(torch.cat(marked, dim=1))  # (n, S, d)
        here = torch.cat([present[m] for m in tokens], dim=1)  # (n, S)
        latents = self.latents.expand(len(memory), -1, -1)  # (n, L, d)
        for layer in self.layers:
            latents = layer(latents, memory, here)
        return FusionOutput(
            latents.mean(1),  # (n, d)
            tokens=tokens,
            per_modality={m: pool_tokens(z, present[m]) for m, z in tokens.items()},
        )
