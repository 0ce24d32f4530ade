"""How many nets a stack may hold."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor, nn

from skmultimodal.heads._training import Job
from skmultimodal.heads.stacked._step import Step

_SHARE = 0.25  # of the memory that is free; the nets' data lie there too
_KEPT = 5  # weights, gradients, two moments, and room to move
_CACHE = 20 * 2**20  # bytes of weights, gradients and moments, beyond which a CPU waits
_WORTH = 4  # wide nets side by side; two or three are slower than one by one


def most_models(step: Step, job: Job, max_models: int | str) -> int:
    """`max_models`, or as many as are quick and as a share of the free memory holds."""
    if max_models != "auto":
        return int(max_models)
    weights = sum(p.numel() * p.itemsize for p in step.parameters())
    free = _free_memory(job.settings.device)
    most = _SHARE * free / (_KEPT * weights + _bytes_of_outputs(step, job))
    if job.settings.device.type == "cpu":
        most = min(most, _CACHE / (4 * weights))
        if most < _WORTH:
            return 1
    return max(1, int(most))


def _bytes_of_outputs(step: Step, job: Job) -> float:
    """What the layers of one net give for a batch, there and back."""
    rows = job.rows.take(torch.arange(min(2, len(job.rows))))
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
    return 2 * seen / len(rows) * job.batch_size


def _free_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on every system
        return 2**31
