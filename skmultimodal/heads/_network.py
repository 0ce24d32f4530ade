"""The whole net of a head: tokens, fusion, output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from skmultimodal._layout import Layout
from skmultimodal.fusion._base import NeuralFusion
from skmultimodal.nn import (
    Dropout,
    ModalityTokens,
    PerModality,
    WideDeep,
    modality_dropout,
)


@dataclass(frozen=True)
class Recipe:
    """All that it takes to build the net again."""

    layout: Layout
    fusion: NeuralFusion
    embed_dim: int
    hidden_layer_sizes: tuple[int, ...]
    dropout: float
    modality_dropout: float
    n_outputs: int
    gains: tuple[float, ...]  # of the blocks, in the order of the layout
    temporal: str = "mean"

    def build(self) -> FusionNetwork:
        return FusionNetwork(self)


class FusionNetwork(nn.Module):
    """Standardised columns and presence in, outputs and the fusion's own loss out."""

    rate: Tensor

    def __init__(self, recipe: Recipe):
        super().__init__()
        layout, d = recipe.layout, recipe.embed_dim
        self.columns = layout.slices()
        self.steps = step_slices(layout)
        self.tokens = PerModality(
            {
                b.name: ModalityTokens(
                    b.n_steps,
                    b.n_features,
                    d,
                    b.is_sequence,
                    gain,
                    recipe.temporal,
                    recipe.dropout,
                )
                for b, gain in zip(layout, recipe.gains)
            }
        )
        self.dropout = Dropout(recipe.dropout)
        self.hides = recipe.modality_dropout > 0
        self.register_buffer("rate", torch.tensor(float(recipe.modality_dropout)))
        n_tokens = {b.name: b.n_steps for b in layout}
        self.fusion = recipe.fusion.build(n_tokens, d, recipe.dropout)
        self.output = WideDeep(
            self.fusion.d_out,
            recipe.hidden_layer_sizes,
            recipe.n_outputs,
            recipe.dropout,
        )

    def forward(self, x: Tensor, present: Tensor) -> tuple[Tensor, Tensor | None]:
        """x: (n, n_columns), present: (n, Σ T_m) -> (n, n_outputs), loss or None"""
        here = {m: present[:, s] for m, s in self.steps.items()}  # (n, T_m)
        if self.training and self.hides:
            here = self._drop_modalities(here)
        parts = [self.tokens[m](x[:, s], here[m]) for m, s in self.columns.items()]
        joint = self.dropout(torch.cat(parts, dim=1))  # (n, Σ T_m, d)
        tokens = {m: joint[:, s] for m, s in self.steps.items()}
        out = self.fusion(tokens, here)
        return self.output(out.fused), out.loss

    def _drop_modalities(self, here: dict[str, Tensor]) -> dict[str, Tensor]:
        anywhere = torch.stack([p.any(1) for p in here.values()], dim=1)  # (n, M)
        kept = modality_dropout(anywhere, self.rate)
        return {m: p & kept[:, k : k + 1] for k, (m, p) in enumerate(here.items())}


def step_slices(layout: Layout) -> dict[str, slice]:
    """Where each modality's steps stand in the presence array of shape (n, ΣT_m)."""
    found, start = {}, 0
    for block in layout:
        found[block.name] = slice(start, start + block.n_steps)
        start += block.n_steps
    return found


def as_sizes(hidden_layer_sizes: int | Sequence[int]) -> tuple[int, ...]:
    return tuple(int(width) for width in np.atleast_1d(hidden_layer_sizes))
