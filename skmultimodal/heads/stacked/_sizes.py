"""How many nets a stack may hold."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor, nn

from skmultimodal.heads._rows import Rows
from skmultimodal.heads._training import Job
from skmultimodal.heads.stacked._step import Step

_SHARE = 0.25  # of the memory that is free; the nets' data lie there too
_KEPT = 5  # weights, gradients, two moments, and room to move


def most_models(step: Step, job: Job, max_models: int | str) -> int:
    """`max_models`, or as many as a share of the free memory holds."""
    if max_models != "auto":
        return int(max_models)
    free = _free_memory(job.settings.device)
    return max(1, int(_SHARE * free / max(_bytes_of_one(step, job), 1)))


def _bytes_of_one(step: Step, job: Job) -> int:
    """What one net takes: its weights, and what its layers give for a batch."""
    few = job.rows.take(torch.arange(min(2, len(job.rows))))
    weights = sum(p.numel() * p.itemsize for p in step.parameters())
    outputs = _bytes_of_outputs(step, few) / len(few) * job.batch_size
    return int(_KEPT * weights + 2 * outputs)


def _bytes_of_outputs(step: Step, rows: Rows) -> int:
    seen = 0

    def look(module: nn.Module, args: Any, output: Any) -> None:
        nonlocal seen
        if isinstance(output, Tensor):
            seen += output.numel() * output.itemsize

    handles = [module.register_forward_hook(look) for module in step.modules()]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        step(rows.x, rows.present, rows.y, rows.weight)
    for handle in handles:
        handle.remove()
    return seen


def _free_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on every system
        return 2**31
