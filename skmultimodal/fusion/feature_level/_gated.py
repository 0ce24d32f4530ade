"""Gated multimodal units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from skmultimodal.fusion._base import FusionModule, FusionOutput, NeuralFusion
from skmultimodal.nn import PerModality, pool_tokens


class GatedFusion(NeuralFusion):
    """A learned gate weighs each modality, channel by channel.

    g_m = σ(W_m [z_1; ...; z_M]) and
    h = Σ_m a_m g_m ∘ tanh(V_m z_m) / Σ_m a_m g_m, where a_m is 1 for a present
    modality and 0 for an absent one, so that gates of the present ones share the whole
    weight. d_out = embed_dim; (M² + M) embed_dim² parameters.

    References
    ----------
    Arevalo et al., "Gated Multimodal Units for Information Fusion", arXiv:1702.01992.
    Dividing by the gates' sum, for more than two and for absent modalities, is ours.

    Examples
    --------
    >>> import torch
    >>> from skmultimodal.fusion import GatedFusion
    >>> module = GatedFusion().build({"text": 1, "image": 1}, embed_dim=8, dropout=0)
    >>> tokens = {"text": torch.zeros(2, 1, 8), "image": torch.zeros(2, 1, 8)}
    >>> present = {"text": torch.ones(2, 1).bool(), "image": torch.ones(2, 1).bool()}
    >>> module(tokens, present).fused.shape
    torch.Size([2, 8])
    """

    level: ClassVar[str] = "feature"

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
            Not used: the gates see everything.

        Returns
        -------
        FusionModule
        """
        return _Gated(list(modalities), embed_dim)


class _Gated(FusionModule):
    def __init__(self, modalities: list[str], d: int):
        super().__init__()
        self.d_out = d
        self.gate = nn.Linear(len(modalities) * d, len(modalities) * d)
        self.value = PerModality({m: nn.Linear(d, d) for m in modalities})

    def forward(
        self, tokens: dict[str, Tensor], present: dict[str, Tensor]
    ) -> FusionOutput:
        pooled = {m: pool_tokens(z, present[m]) for m, z in tokens.items()}
        here = torch.stack([present[m].any(1) for m in pooled], dim=1)  # (n, M)
        gate = self.gate(torch.cat(list(pooled.values()), dim=1)).sigmoid()
        gate = gate.view(len(gate), len(pooled), -1) * here.unsqueeze(2)  # (n, M, d)
        value = {m: self.value[m](z).tanh() for m, z in pooled.items()}
        mixed = (gate * torch.stack(list(value.values()), dim=1)).sum(1)  # (n, d)
        total = gate.sum(1).clamp_min(1e-6)
        return FusionOutput(mixed / total, tokens=tokens, per_modality=value)
