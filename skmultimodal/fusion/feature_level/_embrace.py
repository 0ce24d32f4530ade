"""Channels drawn from one modality or another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from skmultimodal.fusion._base import FusionModule, FusionOutput, NeuralFusion
from skmultimodal.nn import PerModality, pool_tokens


class EmbraceFusion(NeuralFusion):
    """Each channel of the fused vector comes from one modality, drawn at random.

    A docking layer brings a modality into the common space: v_m = GELU(V_m z_m). In
    training h_k = v_{m(k), k}, where m(k) is drawn anew for each sample and channel
    with probability a_m / Σ a, and a_m is 1 for a present modality and 0 for an absent
    one. No channel can then lean on one modality. To predict, h is the expectation of
    that, Σ_m a_m v_m / Σ a; it is 0 where all are absent. d_out = embed_dim;
    M embed_dim² parameters, cost linear in the number of modalities.

    References
    ----------
    Choi and Lee, "EmbraceNet: A robust deep learning architecture for multimodal
    classification", arXiv:1904.09078. It draws at prediction too; the expectation is
    ours.

    Examples
    --------
    >>> import torch
    >>> from skmultimodal.fusion import EmbraceFusion
    >>> module = EmbraceFusion().build({"text": 1, "image": 3}, embed_dim=8, dropout=0)
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
            Not used: the draw is a dropout of its own.

        Returns
        -------
        FusionModule
        """
        return _Embrace(list(modalities), embed_dim)


class _Embrace(FusionModule):
    def __init__(self, modalities: list[str], d: int):
        super().__init__()
        self.d_out = d
        self.docking = PerModality(
            {m: nn.Sequential(nn.Linear(d, d), nn.GELU()) for m in modalities}
        )

    def forward(
        self, tokens: dict[str, Tensor], present: dict[str, Tensor]
    ) -> FusionOutput:
        docked = {
            m: self.docking[m](pool_tokens(z, present[m])) for m, z in tokens.items()
        }
        stacked = torch.stack(list(docked.values()), dim=1)  # (n, M, d)
        here = torch.stack([present[m].any(1) for m in docked], dim=1)  # (n, M)
        share = _draw(stacked, here) if self.training else _expect(stacked, here)
        fused = (share * stacked).sum(1)  # (n, d)
        return FusionOutput(fused, tokens=tokens, per_modality=docked)


def _draw(stacked: Tensor, here: Tensor) -> Tensor:
    """1 for the modality that a channel is taken from: (n, M, d)

    The largest of uniform draws over the present ones stands for a multinomial draw,
    which `torch.func.vmap` cannot batch.
    """
    shown = here.unsqueeze(2)
    draw = torch.where(shown, torch.rand_like(stacked), -1.0)
    number = torch.arange(stacked.shape[1], device=stacked.device).unsqueeze(1)
    return (draw.argmax(1, keepdim=True) == number) & shown


def _expect(stacked: Tensor, here: Tensor) -> Tensor:
    """The expectation of `_draw`: (n, M, 1)"""
    share = here.to(stacked.dtype)
    return (share / share.sum(1, keepdim=True).clamp_min(1)).unsqueeze(2)
