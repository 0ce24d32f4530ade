"""The whole net of a head: tokens, fusion, output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from skmultimodal._layout import Layout
from skmultimodal.fusion._base import FusionOutput, NeuralFusion
from skmultimodal.nn import (
    MLP,
    Dropout,
    MemberOutputs,
    Mixup,
    ModalityTokens,
    PerModality,
    WideDeep,
    modality_dropout,
    pool_tokens,
)
from skmultimodal.nn._losses import stack_present
from skmultimodal.nn._mixup import Mixed
from skmultimodal.nn._mlp import make_linear


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
    auxiliary: str | None = None  # outputs a modality: "loss", or "probe" to look only
    output_scale: float | None = None  # outputs are cosines times it
    task: str = "classification"
    n_members: int = 1
    mixup: float = 0.0

    def build(self) -> FusionBody:
        return FusionNetwork(self)


class NetworkOutput(NamedTuple):
    """What a head's net gives.

    Parameters
    ----------
    output : Tensor of shape (n, n_outputs)
        What the loss compares with y; of several members in training,
        (n, n_members, n_outputs).
    loss : Tensor of shape (), default=None
        The fusion's own loss.
    per_modality : dict of str to Tensor of shape (n, n_outputs), default=None
        What each modality says by itself.
    present : dict of str to Tensor of shape (n, T_m), default=None
        What took part: present, and not hidden by modality dropout.
    mixed : Mixed, default=None
        Which rows were mixed for `output`, in training.
    """

    output: Tensor
    loss: Tensor | None = None
    per_modality: dict[str, Tensor] | None = None
    present: dict[str, Tensor] | None = None
    mixed: Mixed | None = None


class FusionBody(nn.Module):
    """Standardised columns and presence in, tokens and the fusion of them out."""

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
        self.n_steps = list(n_tokens.values())
        self.fusion = recipe.fusion.build(n_tokens, d, recipe.dropout)

    def presence(self, present: Tensor) -> dict[str, Tensor]:
        """present: (n, Σ T_m) -> what takes part, (n, T_m) a modality"""
        here = {m: present[:, s] for m, s in self.steps.items()}
        return self._drop_modalities(here) if self.training and self.hides else here

    def fuse(
        self, x: Tensor, here: dict[str, Tensor]
    ) -> tuple[dict[str, Tensor], FusionOutput]:
        """x: (n, n_columns), here: (n, T_m) -> tokens (n, T_m, d), their fusion"""
        parts = [self.tokens[m](x[:, s], here[m]) for m, s in self.columns.items()]
        joint = self.dropout(torch.cat(parts, dim=1))  # (n, Σ T_m, d)
        streams = joint.split(self.n_steps, dim=1)  # slices would cost more backwards
        tokens = dict(zip(self.steps, streams))
        return tokens, self.fusion(tokens, here)

    def _drop_modalities(self, here: dict[str, Tensor]) -> dict[str, Tensor]:
        kept = modality_dropout(stack_present(here), self.rate)  # (n, M)
        return {m: p & kept[:, k : k + 1] for k, (m, p) in enumerate(here.items())}


class FusionNetwork(FusionBody):
    """Standardised columns and presence in, outputs and the fusion's own loss out."""

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        d, k = recipe.embed_dim, recipe.n_outputs
        n_tokens = {b.name: b.n_steps for b in recipe.layout}
        own = recipe.fusion.build_output(n_tokens, d, k, recipe.dropout)
        self.is_own = own is not None
        if self.is_own:
            refuse_beside_own_output(recipe)
        self.output = own or make_output(recipe, self.fusion.d_out)
        self.mixup = Mixup(recipe.mixup) if recipe.mixup else None
        self.auxiliary, self.probes = None, recipe.auxiliary == "probe"
        if recipe.auxiliary is not None and own is None:
            scale = recipe.output_scale
            self.auxiliary = PerModality(
                {m: make_linear(d, k, scale) for m in n_tokens}
            )

    def forward(self, x: Tensor, present: Tensor) -> NetworkOutput:
        """x: (n, n_columns), present: (n, Σ T_m)"""
        here = self.presence(present)
        tokens, out = self.fuse(x, here)
        if self.is_own:
            output, each = self.output(out, here)
            return NetworkOutput(output, out.loss, each, here)
        fused, mixed = out.fused, None
        if self.mixup is not None and self.training:
            fused, mixed = self.mixup(fused)
        joint = self.output(fused)
        if self.auxiliary is None:
            return NetworkOutput(joint, out.loss, mixed=mixed)
        streams = out.per_modality
        if streams is None:
            streams = {m: pool_tokens(z, here[m]) for m, z in tokens.items()}
        each = {
            m: self.auxiliary[m](z.detach() if self.probes else z)
            for m, z in streams.items()
        }
        return NetworkOutput(joint, out.loss, each, here, mixed)


def refuse_beside_own_output(recipe: Recipe) -> None:
    given = f"mixup={recipe.mixup}" if recipe.mixup else f"n_members={recipe.n_members}"
    if recipe.mixup or recipe.n_members > 1:
        raise ValueError(
            f"{type(recipe.fusion).__name__} has outputs of its own, which read more "
            f"than the fused representation, where {given} would act. Leave that out, "
            "or choose another fusion."
        )


def make_output(recipe: Recipe, d_in: int) -> nn.Module:
    """From the fused representation to the outputs."""
    if recipe.n_members > 1:
        return MemberOutputs(
            recipe.n_members,
            d_in,
            recipe.hidden_layer_sizes,
            recipe.n_outputs,
            recipe.dropout,
            recipe.task,
            recipe.output_scale,
        )
    shape = d_in, recipe.hidden_layer_sizes, recipe.n_outputs, recipe.dropout
    if recipe.output_scale is not None:
        return MLP(*shape, recipe.output_scale)
    return WideDeep(*shape)


def step_slices(layout: Layout) -> dict[str, slice]:
    """Where each modality's steps stand in the presence array of shape (n, ΣT_m)."""
    found, start = {}, 0
    for block in layout:
        found[block.name] = slice(start, start + block.n_steps)
        start += block.n_steps
    return found


def as_sizes(hidden_layer_sizes: int | Sequence[int]) -> tuple[int, ...]:
    return tuple(int(width) for width in np.atleast_1d(hidden_layer_sizes))
