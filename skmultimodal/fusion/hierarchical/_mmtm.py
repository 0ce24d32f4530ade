"""Multimodal transfer modules: squeeze all streams, excite each."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import ClassVar

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor, nn

from skmultimodal.fusion._base import FusionModule, FusionOutput, NeuralFusion
from skmultimodal.nn import PerModality, pool_tokens
from skmultimodal.nn._attention import FeedForward


class MMTMFusion(NeuralFusion):
    """Streams that rescale the channels of one another, layer by layer.

    In each layer all streams are squeezed into e = ReLU(W [s_1; ...; s_M]), where s_m
    is the mean over the steps that modality m has, or its learned vector where it is
    absent. Then each stream is excited, z_m ← 2σ(W_m e) ∘ z_m, and goes through a
    feed-forward layer of its own, step by step. The factors 2σ(.) start at 1. h holds
    the mean token of every stream: d_out = M embed_dim. About
    (2 M² / ratio + 4 M) embed_dim² parameters a layer; cost linear in tokens.

    Parameters
    ----------
    n_layers : int, default=2
        Number of times that the streams meet.
    ratio : float, default=4
        The squeezed vector e is this many times narrower than all streams together.

    References
    ----------
    Joze et al., "MMTM: Multimodal Transfer Module for CNN Fusion", arXiv:1911.08670.

    Examples
    --------
    >>> import torch
    >>> from skmultimodal.fusion import MMTMFusion
    >>> spec = MMTMFusion(n_layers=1)
    >>> module = spec.build({"text": 1, "image": 3}, embed_dim=8, dropout=0)
    >>> tokens = {"text": torch.zeros(2, 1, 8), "image": torch.zeros(2, 3, 8)}
    >>> present = {"text": torch.ones(2, 1).bool(), "image": torch.ones(2, 3).bool()}
    >>> module(tokens, present).fused.shape
    torch.Size([2, 16])
    """

    level: ClassVar[str] = "hierarchical"
    _parameter_constraints: ClassVar[dict] = {
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "ratio": [Interval(Real, 1, None, closed="left")],
    }

    def __init__(self, n_layers: int = 2, ratio: float = 4):
        self.n_layers = n_layers
        self.ratio = ratio

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
            Dropout rate of the feed-forward layers.

        Returns
        -------
        FusionModule
        """
        width = max(1, int(len(modalities) * embed_dim / self.ratio))
        layers = [
            _TransferLayer(list(modalities), embed_dim, width, dropout)
            for _ in range(self.n_layers)
        ]
        return _MMTM(layers, list(modalities), embed_dim)


class _TransferLayer(nn.Module):
    def __init__(self, modalities: list[str], d: int, width: int, dropout: float):
        super().__init__()
        self.squeeze = nn.Sequential(nn.Linear(len(modalities) * d, width), nn.ReLU())
        self.excite = PerModality({m: nn.Linear(width, d) for m in modalities})
        self.feed_forward = PerModality(
            {m: FeedForward(d, dropout) for m in modalities}
        )
        for m in modalities:
            nn.init.zeros_(self.excite[m].weight)
            nn.init.zeros_(self.excite[m].bias)

    def forward(
        self, streams: dict[str, Tensor], present: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        pooled = [pool_tokens(z, present[m]) for m, z in streams.items()]
        e = self.squeeze(torch.cat(pooled, dim=1)).unsqueeze(1)  # (n, 1, M * d / ratio)
        excited = {
            m: 2 * self.excite[m](e).sigmoid() * z  # (n, T, d)
            for m, z in streams.items()
        }
        return {m: self.feed_forward[m](z) for m, z in excited.items()}


class _MMTM(FusionModule):
    def __init__(self, layers: list[_TransferLayer], modalities: list[str], d: int):
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
