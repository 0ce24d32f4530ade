"""The loss of the joint output in training, whoever gives it and whatever is mixed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from skmultimodal.nn._losses import WeightedLoss

if TYPE_CHECKING:
    from skmultimodal.heads._network import NetworkOutput
    from skmultimodal.heads._rows import Rows


def joint_loss(out: NetworkOutput, rows: Rows, criterion: WeightedLoss) -> Tensor:
    """Mean loss of rows; of one mixed of two, λ of the one and 1 - λ of the other.

    That is the loss with y mixed for the cross entropy, and has its slope for the
    squared error. Each row brings its own weight.
    """
    if out.mixed is None:
        return _of_members(out.output, rows.y, rows.weight, criterion)
    partner, share = out.mixed
    own, other = share, 1 - share
    if rows.weight is not None:
        own, other = own * rows.weight, other * rows.weight[partner]
    return _of_members(out.output, rows.y, own, criterion) + _of_members(
        out.output, rows.y[partner], other, criterion
    )


def _of_members(
    output: Tensor, y: Tensor, weight: Tensor | None, criterion: WeightedLoss
) -> Tensor:
    """output: (n, k), or of each of E members by itself (n, E, k)"""
    if output.ndim == 3:
        n_members = output.shape[1]
        output = output.flatten(0, 1)
        y = y.repeat_interleave(n_members, dim=0)
        if weight is not None:
            weight = weight.repeat_interleave(n_members)
    return criterion(output, y, weight)
