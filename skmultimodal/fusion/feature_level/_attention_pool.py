"""Attention pooling over modalities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from skmultimodal.fusion._base import FusionModule, FusionOutput, NeuralFusion
from skmultimodal.nn import PerModality, pool_tokens
from skmultimodal.nn._attention import masked_softmax


class AttentionPoolFusion(NeuralFusion):
    """One learned weight a modality and sample; the weights sum to 1.

    α = softmax_m(qᵀ tanh(W z_m) + log a_m) and h = Σ_m α_m V_m z_m, where a_m is 1 for
    a present modality and 0 for an absent one. W and q are shared by the modalities. A
    sequence enters as the mean of the steps it has, so that a long one weighs no more
    than a vector; to weigh its steps too, set ``temporal="attention"`` in the head.
    Where all are absent, their learned vectors weigh the same. d_out = embed_dim;
    (M + 1) embed_dim² parameters, cost linear in the number of modalities.

    One weight for all channels makes it small and readable. It cannot tell by itself
    whether two modalities agree: the layers behind it must.

    References
    ----------
    Ilse, Tomczak and Welling, "Attention-based Deep Multiple Instance Learning",
    arXiv:1802.04712. The modalities are the instances; the maps V_m are ours.

    Examples
    --------
    >>> import torch
    >>> from skmultimodal.fusion import AttentionPoolFusion
    >>> spec = AttentionPoolFusion()
    >>> module = spec.build({"text": 1, "image": 3}, embed_dim=8, dropout=0)
    >>> tokens = {"text": torch.zeros(2, 1, 8), "image": torch.zeros(2, 3, 8)}
    >>> present = {"text": torch.ones(2, 1).bool(), "image": torch.ones(2, 3).bool()}
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
            Not used: the weights see everything.

        Returns
        -------
        FusionModule
        """
        return _AttentionPool(list(modalities), embed_dim)


class _AttentionPool(FusionModule):
    def __init__(self, modalities: list[str], d: int):
        super().__init__()
        self.d_out = d
        self.hidden = nn.Linear(d, d)
        self.score = nn.Linear(d, 1, bias=False)
        self.value = PerModality({m: nn.Linear(d, d) for m in modalities})

    def forward(
        self, tokens: dict[str, Tensor], present: dict[str, Tensor]
    ) -> FusionOutput:
        pooled = {m: pool_tokens(z, present[m]) for m, z in tokens.items()}
        here = torch.stack([present[m].any(1) for m in pooled], dim=1)  # (n, M)
        stacked = torch.stack(list(pooled.values()), dim=1)  # (n, M, d)
        score = self.score(self.hidden(stacked).tanh())  # (n, M, 1)
        weight = masked_softmax(score.transpose(1, 2).unsqueeze(1), here)[:, 0]
        value = {m: self.value[m](z) for m, z in pooled.items()}
        fused = weight @ torch.stack(list(value.values()), dim=1)  # (n, 1, d)
        return FusionOutput(fused.squeeze(1), tokens=tokens, per_modality=value)
