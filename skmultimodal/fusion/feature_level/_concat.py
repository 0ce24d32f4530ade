"""Concatenation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from skmultimodal.fusion._base import FusionModule, FusionOutput, NeuralFusion
from skmultimodal.nn import pool_tokens


class ConcatFusion(NeuralFusion):
    """Modalities side by side: h = [z_1; ...; z_M].

    z_m is the projected vector of modality m, or the mean of the projected steps it
    has, and a learned vector where it is absent. d_out = M * embed_dim; no parameters
    beyond the projections. The plainest fusion, and hard to beat.

    References
    ----------
    Baltrušaitis, Ahuja and Morency, "Multimodal Machine Learning: A Survey and
    Taxonomy", section 6.1 (early fusion), arXiv:1705.09406.

    Examples
    --------
    >>> import torch
    >>> from skmultimodal.fusion import ConcatFusion
    >>> module = ConcatFusion().build({"text": 1, "image": 4}, embed_dim=8, dropout=0)
    >>> tokens = {"text": torch.zeros(2, 1, 8), "image": torch.zeros(2, 4, 8)}
    >>> present = {"text": torch.ones(2, 1).bool(), "image": torch.ones(2, 4).bool()}
    >>> module(tokens, present).fused.shape
    torch.Size([2, 16])
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
            Not used: this fusion has no layer of its own.

        Returns
        -------
        FusionModule
        """
        return _Concat(len(modalities) * embed_dim)


class _Concat(FusionModule):
    def __init__(self, d_out: int):
        super().__init__()
        self.d_out = d_out

    def forward(
        self, tokens: dict[str, Tensor], present: dict[str, Tensor]
    ) -> FusionOutput:
        pooled = {m: pool_tokens(z, present[m]) for m, z in tokens.items()}
        return FusionOutput(
            torch.cat(list(pooled.values()), dim=1),  # (n, M * d)
            tokens=tokens,
            per_modality=pooled,
        )
