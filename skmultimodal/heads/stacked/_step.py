"""A net and its loss as one module: what a stack of nets maps over."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from skmultimodal.heads._balance import modality_losses
from skmultimodal.heads._joint_loss import joint_loss
from skmultimodal.heads._network import FusionBody
from skmultimodal.heads._rows import Rows
from skmultimodal.heads._training import Job
from skmultimodal.nn._losses import WeightedLoss, present_mean


class Step(nn.Module):
    """Rows in, their loss out: in training that of the head, else of the output."""

    weight: Tensor

    def __init__(self, net: FusionBody, criterion: WeightedLoss, weight: float):
        super().__init__()
        self.net, self.criterion = net, criterion
        self.judges = bool(weight + criterion.modality_weight)
        self.register_buffer("weight", torch.tensor(float(weight)))

    def forward(
        self, x: Tensor, present: Tensor, y: Tensor, weight: Tensor | None
    ) -> Tensor:
        """x: (n, p), present: (n, Σ T_m), y: (n,) or (n, k), weight: (n,) -> ()"""
        out = self.net(x, present)
        if not self.training:
            return self.criterion(out.output, y, weight)
        rows = Rows(x, present, y, weight)
        loss = joint_loss(out, rows, self.criterion)
        if out.loss is not None:
            loss = loss + out.loss
        if self.judges and out.per_modality is not None:
            losses, here = modality_losses(out, rows, self.criterion)
            share = self.weight + self.criterion.modality_weight
            loss = loss + share * present_mean(losses, here, weight)
        return loss


def make_step(job: Job) -> Step:
    """The net of a job as it starts, before its seed has been used for more."""
    return Step(
        job.recipe.build(), copy.deepcopy(job.loss), float(job.settings.balance.weight)
    )


def signature(step: Step) -> tuple[Any, ...]:
    """What nets have to share to be stacked: modules, their shapes and plain numbers.

    Tensors may differ in their values: each net brings its own.
    """
    found: list[Any] = []
    for name, module in step.named_modules(remove_duplicate=False):
        plain = {k: v for k, v in vars(module).items() if _is_plain(k, v)}
        found.append((name, type(module), repr(sorted(plain.items()))))
    for kind in (step.named_parameters, step.named_buffers):
        found += [(n, tuple(t.shape), t.dtype) for n, t in kind(remove_duplicate=False)]
    return tuple(found)


def _is_plain(name: str, value: Any) -> bool:
    return not name.startswith("_") and isinstance(
        value, bool | int | float | str | tuple | list | dict | type(None)
    )
