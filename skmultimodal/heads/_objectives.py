"""Nets that learn from the modalities alone: contrast, and reconstruction."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skmultimodal._layout import Layout
from skmultimodal.heads._network import FusionBody, NetworkOutput, Recipe, step_slices
from skmultimodal.nn import MLP, PerModality
from skmultimodal.nn._dropout import modality_dropout
from skmultimodal.nn._losses import stack_present

_TEMPERATURE = 0.07
_LARGEST_SCALE = 100.0
_HIDDEN = 0.5  # share of the modalities that reconstruction hides


@dataclass(frozen=True)
class ContrastiveRecipe(Recipe):
    """A net whose views of one row come to lie together."""

    def build(self) -> FusionBody:
        return ContrastiveNetwork(self)


class ContrastiveNetwork(FusionBody):
    """Symmetric InfoNCE between the views of a row; the output is its loss a row.

    A view is what the fusion makes of one modality alone, or of all. All views go
    through one projection onto the unit sphere: it is there that they are aligned. The
    temperature is learned.

    van den Oord, Li and Vinyals, "Representation Learning with Contrastive Predictive
    Coding", arXiv:1807.03748; between modalities as in Radford et al. (CLIP),
    arXiv:2103.00020.
    """

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        d = recipe.embed_dim
        self.project = MLP(self.fusion.d_out, (2 * d,), d, recipe.dropout)
        self.scale = nn.Parameter(torch.tensor(math.log(1 / _TEMPERATURE)))

    def forward(self, x: Tensor, present: Tensor) -> NetworkOutput:
        """x: (n, n_columns), present: (n, Σ T_m) -> (n,)"""
        here = self.presence(present)
        views = {m: self.embed(x, only(here, m)) for m in here}
        anywhere = stack_present(here)  # (n, M)
        has = dict(zip(here, anywhere.T))
        if len(here) > 1:
            # all modalities at once, where that is more than one of them
            views["*"], has["*"] = self.embed(x, here), anywhere.sum(1) > 1
        scale = self.scale.exp().clamp_max(_LARGEST_SCALE)
        total = torch.zeros(len(x), device=x.device)
        count = torch.zeros(len(x), device=x.device)
        for a, b in itertools.combinations(views, 2):
            both = has[a] & has[b]
            total = total + contrast(views[a], views[b], both, scale)
            count = count + both
        # a mean over the pairs of all rows, whichever row they are of
        return NetworkOutput(total * (len(x) / count.sum().clamp_min(1)))

    def embed(self, x: Tensor, here: dict[str, Tensor]) -> Tensor:
        """Unit vectors: (n, d)"""
        return F.normalize(self.project(self.fuse(x, here)[1].fused), dim=1)


def only(here: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Presence of one modality, the others hidden."""
    return {m: p & (m == name) for m, p in here.items()}


def contrast(a: Tensor, b: Tensor, both: Tensor, scale: Tensor) -> Tensor:
    """InfoNCE from a to b and from b to a, among the rows that have both.

    a, b: (n, d) unit vectors, both: (n,) -> (n,), zero where a row lacks one
    """
    score = scale * a @ b.T  # (n, n)
    score = score.masked_fill(~(both[:, None] & both), -1e4)
    row = torch.arange(len(a), device=a.device)
    there = F.cross_entropy(score, row, reduction="none")
    back = F.cross_entropy(score.T, row, reduction="none")
    return 0.5 * (there + back) * both


def refuse_lone_views(layout: Layout, present: Tensor) -> None:
    """Contrast needs rows that have two modalities. present: (n, Σ T_m)"""
    names = layout.names
    remedy = (
        "objective='contrastive' brings two modalities of a row together. Give "
        "{}, or objective='reconstruction'."
    )
    if len(names) < 2:
        raise ValueError(
            f"X has one modality, {names[0]!r}; "
            + remedy.format("another one (for an array: modalities={...})")
        )
    has = [present[:, s].any(1) for s in step_slices(layout).values()]
    if torch.stack(has).sum(0).max() < 2:
        raise ValueError(
            f"None of the {len(present)} rows has two of the modalities {names}; "
            + remedy.format("rows that have")
        )


@dataclass(frozen=True)
class ReconstructionRecipe(Recipe):
    """A net that tells every modality from the others."""

    def build(self) -> FusionBody:
        return ReconstructionNetwork(self)


class ReconstructionNetwork(FusionBody):
    """From the fusion of some modalities back to all of them; the output is the error.

    In training each modality is hidden with probability ½ (one always stays), at
    validation one after another. The error is the mean square over the standardised
    values that are there, of each modality alike.

    Vincent et al., "Extracting and composing robust features with denoising
    autoencoders", ICML 2008; with modalities hidden as in Ngiam et al., "Multimodal
    Deep Learning", ICML 2011.
    """

    hidden: Tensor

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        width = max(recipe.embed_dim, *recipe.hidden_layer_sizes, 1)
        self.decode = PerModality(
            {
                b.name: MLP(self.fusion.d_out, (width,), b.width, recipe.dropout)
                for b in recipe.layout
            }
        )
        self.widths = {b.name: b.n_features for b in recipe.layout}
        self.register_buffer("hidden", torch.tensor(_HIDDEN))

    def forward(self, x: Tensor, present: Tensor) -> NetworkOutput:
        """x: (n, n_columns), present: (n, Σ T_m) -> (n,)"""
        whole = {m: present[:, s] for m, s in self.steps.items()}
        if self.training or len(whole) == 1:
            kept = modality_dropout(stack_present(whole), self._rate())
            shown = {
                m: p & kept[:, k : k + 1] for k, (m, p) in enumerate(whole.items())
            }
            return NetworkOutput(self._error(x, shown, whole))
        errors = [
            self._error(x, {n: p & (n != m) for n, p in whole.items()}, whole)
            for m in whole
        ]
        return NetworkOutput(torch.stack(errors).mean(0))

    def _rate(self) -> Tensor:
        return torch.maximum(self.rate, self.hidden)

    def _error(
        self, x: Tensor, shown: dict[str, Tensor], whole: dict[str, Tensor]
    ) -> Tensor:
        fused = self.fuse(x, shown)[1].fused
        total = torch.zeros(len(x), device=x.device)
        for m, columns in self.columns.items():
            known = whole[m].repeat_interleave(self.widths[m], dim=1)  # (n, T * d)
            square = (self.decode[m](fused) - x[:, columns]).square() * known
            total = total + square.sum(1) / known.sum(1).clamp_min(1)
        return total / stack_present(whole).sum(1).clamp_min(1)
