"""What cannot train in a stack, and why."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from skmultimodal.heads._balance import Balance
from skmultimodal.heads._rows import Rows
from skmultimodal.heads._training import Job
from skmultimodal.heads.stacked._feed import Batch
from skmultimodal.heads.stacked._stack import Stack
from skmultimodal.heads.stacked._step import Step

_ROWS = 4  # that a net is tried on
_RECURRENT = (nn.RNNBase, nn.RNNCellBase)
_NOISE = (nn.modules.dropout._DropoutNd,)
_STATISTICS = (nn.modules.batchnorm._NormBase,)


def why_alone(job: Job) -> str | None:
    """The reason, as far as it shows before there is a net; None where it may."""
    settings = job.settings
    if job.before is not None:
        return "it goes on from an earlier fit"
    if settings.callbacks:
        return "callbacks watch a single net"
    if settings.max_time is not None:
        return f"max_time={settings.max_time} is a clock of its own"
    if settings.verbose:
        return f"verbose={settings.verbose} prints the epochs of a single net"
    if type(settings.balance) is not Balance:
        return (
            f"{type(settings.balance).__name__} looks at the gradients or losses of a "
            "single net as it trains"
        )
    return None


class Trial(NamedTuple):
    """What came of trying to map over a net."""

    fails: str | None  # why it cannot be
    by_row: bool  # the loss is a mean over rows, and no row's part depends on others


def try_mapping(step: Step, job: Job) -> Trial:
    """Try the net and its loss on a few rows."""
    try:
        return Trial(*_try(step, job))
    except RuntimeError as error:
        said = str(error).strip().split("\n")[0]
        return Trial(f"torch cannot map over it ({said:.120})", False)


def odd_part(step: Step) -> str | None:
    """What in the net or its loss cannot be stacked."""
    for module in step.modules():
        kind = type(module).__name__
        if isinstance(module, _STATISTICS):
            return f"{kind} takes statistics of a batch"
        if isinstance(module, _RECURRENT):
            return f"torch cannot map over {kind}"
        if isinstance(module, _NOISE):
            return f"{kind} of torch keeps its rate out of its state"
    loss = type(step.criterion)
    if not loss.__module__.startswith("skmultimodal."):
        return f"{loss.__name__} is a loss of your own, which may keep a state"
    names = [n for n, _ in step.named_parameters(remove_duplicate=False)]
    if len(names) > len(list(step.parameters())):
        return "its layers share weights"
    return None


def _try(step: Step, job: Job) -> tuple[str | None, bool]:
    """Compare the mapped net with itself, and make a step backwards."""
    rows = job.rows.take(torch.arange(min(_ROWS, len(job.rows))))
    stack = Stack([step, step])
    batch = Batch(_as_fold(rows), [len(rows)] * 2)
    with torch.random.fork_rng(devices=[]):
        stack.gradients(stack.losses(batch))
        own_loss = step.net(rows.x, rows.present).loss is not None
        step.eval()
        stack.base.eval()
        with torch.no_grad():
            own = step(rows.x, rows.present, rows.y, rows.weight)
            mapped = stack.losses(batch)[0]
        step.train()
    by_row = not (own_loss or step.judges or job.recipe.mixup)
    if not torch.allclose(own, mapped, rtol=1e-3, atol=1e-5):
        return "mapped over, it gives other losses than by itself", by_row
    return None, by_row


def _as_fold(rows: Rows) -> Rows:
    weight = None if rows.weight is None else rows.weight.unsqueeze(0)
    return Rows(
        rows.x.unsqueeze(0), rows.present.unsqueeze(0), rows.y.unsqueeze(0), weight
    )
