"""Feature-wise linear modulation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from skmultimodal.fusion._base import FusionModule, FusionOutput, NeuralFusion
from skmultimodal.nn import PerModality, pool_tokens


class FiLMFusion(NeuralFusion):
    """One modality, the condition c, scales and shifts the channels of every other.

    h_t = (1 + a_c γ_t(z_c)) ∘ z_t + a_c β_t(z_c) for every modality t but c, and h is
    these side by side. γ_t and β_t are linear and start at zero; a_c is 0 where the
    condition is absent, which leaves the others as they are. Every step of a sequence
    is modulated; h_t is the mean over the steps it has. The condition acts through γ
    and β alone. d_out = (M - 1) embed_dim; 2 (M - 1) embed_dim² parameters.

    Parameters
    ----------
    condition : str, default=None
        Name of the modality that modulates the others. None takes the one with the
        fewest tokens, and the first of several such: a question modulates the regions
        of a picture.

    References
    ----------
    Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer",
    arXiv:1709.07871. Wolf et al., "DAFT: A Universal Module to Interweave Tabular Data
    and 3D Images in CNNs", arXiv:2107.05990.

    Examples
    --------
    >>> import torch
    >>> from skmultimodal.fusion import FiLMFusion
    >>> spec = FiLMFusion(condition="text")
    >>> module = spec.build({"text": 1, "image": 3}, embed_dim=8, dropout=0)
    >>> tokens = {"text": torch.zeros(2, 1, 8), "image": torch.zeros(2, 3, 8)}
    >>> present = {"text": torch.ones(2, 1).bool(), "image": torch.ones(2, 3).bool()}
    >>> module(tokens, present).fused.shape
    torch.Size([2, 8])
    """

    level: ClassVar[str] = "feature"
    min_modalities: ClassVar[int] = 2
    _parameter_constraints: ClassVar[dict] = {"condition": [str, None]}

    def __init__(self, condition: str | None = None):
        self.condition = condition

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
            Not used: the condition is seen as a whole.

        Returns
        -------
        FusionModule

        Raises
        ------
        ValueError
            If no modality has the name `condition`, or there is none besides it.
        """
        condition = self.condition
        if condition is None:
            condition = min(modalities, key=lambda m: modalities[m])
        if condition not in modalities:
            raise ValueError(
                f"FiLMFusion(condition={condition!r}) names no modality of X, which "
                f"has {list(modalities)}. Choose one of these, or None."
            )
        targets = [m for m in modalities if m != condition]
        if not targets:
            raise ValueError(
                f"FiLMFusion has nothing to modulate: {condition!r}, the condition, is "
                "the only modality. Give it another one, or take ConcatFusion()."
            )
        return _FiLM(condition, targets, embed_dim)


class _FiLM(FusionModule):
    def __init__(self, condition: str, targets: list[str], d: int):
        super().__init__()
        self.d_out = len(targets) * d
        self.condition, self.targets = condition, targets
        self.film = PerModality({m: nn.Linear(d, 2 * d) for m in targets})
        for m in targets:
            nn.init.zeros_(self.film[m].weight)
            nn.init.zeros_(self.film[m].bias)

    def forward(
        self, tokens: dict[str, Tensor], present: dict[str, Tensor]
    ) -> FusionOutput:
        c, streams = self.condition, dict(tokens)
        condition = pool_tokens(tokens[c], present[c]).unsqueeze(1)  # (n, 1, d)
        here = present[c].any(1)[:, None, None]  # (n, 1, 1)
        for m in self.targets:
            scale, shift = (self.film[m](condition) * here).chunk(2, dim=2)
            streams[m] = (1 + scale) * tokens[m] + shift  # (n, T, d)
        pooled = {m: pool_tokens(z, present[m]) for m, z in streams.items()}
        return FusionOutput(
            torch.cat([pooled[m] for m in self.targets], dim=1),  # (n, (M - 1) * d)
            tokens=streams,
            per_modality=pooled,
        )
