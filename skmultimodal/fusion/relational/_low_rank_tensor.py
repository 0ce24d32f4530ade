"""Products of all modalities: the tensor fusion and its low-rank form."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import ClassVar

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor, nn

from skmultimodal.fusion._base import FusionModule, FusionOutput, NeuralFusion
from skmultimodal.nn import PerModality, ScaledLinear, pool_tokens

MOST_PRODUCTS = 2**16  # numbers a row in the full tensor


class LowRankTensorFusion(NeuralFusion):
    """Every product of channels, one channel a modality, at a cost linear in M.

    The tensor [z_1; 1] ⊗ ... ⊗ [z_M; 1] holds all products of channels of different
    modalities, single channels included. A linear layer on it whose weights have rank R
    is h = Σ_r ∏_m W_r^(m) [z_m; 1], where the product is taken channel by channel. Here

        h = (Σ_r ∏_m (1 + (V_r^(m) z_m + c_r^(m)) / √M) - R) / √R,

    with c = 0 at the start: the same functions up to a constant, but each factor starts
    near 1, so that products of many modalities neither vanish nor burst.

    z_m is the mean over the steps that modality m has. Where it is absent, a learned
    vector goes through the same map. That vector is zero at the start, which makes the
    factor 1, the neutral one. d_out = embed_dim; about M R embed_dim² parameters, or
    (embed_dim + 1)^M embed_dim with ``rank=None``.

    Parameters
    ----------
    rank : int or None, default=4
        Rank R of the weights. None multiplies the whole tensor out: exact, and only
        for few modalities and a small `embed_dim` (65,536 products a row at most).

    References
    ----------
    Liu et al., "Efficient Low-rank Multimodal Fusion with Modality-Specific Factors",
    arXiv:1806.00064. Zadeh et al., "Tensor Fusion Network for Multimodal Sentiment
    Analysis", arXiv:1707.07250.

    Examples
    --------
    >>> import torch
    >>> from skmultimodal.fusion import LowRankTensorFusion
    >>> spec = LowRankTensorFusion(rank=2)
    >>> module = spec.build({"text": 1, "image": 3}, embed_dim=8, dropout=0)
    >>> tokens = {"text": torch.zeros(2, 1, 8), "image": torch.zeros(2, 3, 8)}
    >>> present = {"text": torch.ones(2, 1).bool(), "image": torch.ones(2, 3).bool()}
    >>> module(tokens, present).fused.shape
    torch.Size([2, 8])
    """

    level: ClassVar[str] = "relational"
    _parameter_constraints: ClassVar[dict] = {
        "rank": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(self, rank: int | None = 4):
        self.rank = rank

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
            Not used: a dropped channel would take all its products with it.

        Returns
        -------
        FusionModule

        Raises
        ------
        ValueError
            If ``rank=None`` asks for more than 65,536 products a row.
        """
        if self.rank is None:
            _check_size(embed_dim, len(modalities))
            return _FullTensor(len(modalities), embed_dim)
        return _LowRankTensor(list(modalities), embed_dim, self.rank)


def _check_size(d: int, n_modalities: int) -> None:
    """The full tensor must be small."""
    size = (d + 1) ** n_modalities
    if size > MOST_PRODUCTS:
        raise ValueError(
            "LowRankTensorFusion(rank=None) would multiply out (embed_dim + 1)^M = "
            f"{d + 1}^{n_modalities} = {size:,} numbers a row for {n_modalities} "
            f"modalities, and {MOST_PRODUCTS:,} is the most. Give a rank, such as "
            "rank=4, which grows linearly, or a smaller embed_dim."
        )


class _LowRankTensor(FusionModule):
    def __init__(self, modalities: list[str], d: int, rank: int):
        super().__init__()
        self.d_out, self.rank = d, rank
        self.factor = PerModality({m: nn.Linear(d, rank * d) for m in modalities})
        for m in modalities:
            nn.init.zeros_(self.factor[m].bias)

    def forward(
        self, tokens: dict[str, Tensor], present: dict[str, Tensor]
    ) -> FusionOutput:
        pooled = {m: pool_tokens(z, present[m]) for m, z in tokens.items()}
        small = torch.stack([self.factor[m](z) for m, z in pooled.items()])
        factors = 1 + small * len(small) ** -0.5  # (M, n, R * d)
        product = factors.prod(0).unflatten(1, (self.rank, -1))  # (n, R, d)
        return FusionOutput(
            (product - 1).sum(1) * self.rank**-0.5,  # (n, d)
            tokens=tokens,
            per_modality=pooled,
        )


class _FullTensor(FusionModule):
    def __init__(self, n_modalities: int, d: int):
        super().__init__()
        self.d_out = d
        # so many products would otherwise move h by their number in each step
        self.output = ScaledLinear((d + 1) ** n_modalities, d)

    def forward(
        self, tokens: dict[str, Tensor], present: dict[str, Tensor]
    ) -> FusionOutput:
        pooled = {m: pool_tokens(z, present[m]) for m, z in tokens.items()}
        first, *others = (
            nn.functional.pad(z, (0, 1), value=1) for z in pooled.values()
        )
        product = first  # (n, d + 1)
        for z in others:
            product = (product.unsqueeze(2) * z.unsqueeze(1)).flatten(1)
        return FusionOutput(  # product: (n, (d + 1)^M)
            self.output(product), tokens=tokens, per_modality=pooled
        )
