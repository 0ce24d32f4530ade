"""What a training step takes: counted, not timed, so that a seed repeats a search."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from skmultimodal.fusion._base import make_fusion
from skmultimodal.heads._network import Recipe

# Seconds on one core, measured once over seven fusions; only their ratios count.
_STEP = 3e-4  # batches, optimiser, history
_OPERATION = 4e-6
_FLOP = 2e-11
_ROWS = 32


class _Operations(TorchDispatchMode):
    """Counts what torch is asked to do."""

    count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def relative_cost(recipe: Recipe, fusion: str, batch_size: int) -> float:
    """A step with another fusion, in steps with that of the recipe."""
    other = replace(recipe, fusion=make_fusion(fusion))
    return step_cost(other, batch_size) / step_cost(recipe, batch_size)


def step_cost(recipe: Recipe, batch_size: int) -> float:
    """Seconds, roughly, of one step forth and back."""
    layout = recipe.layout
    x = torch.zeros(_ROWS, sum(b.n_steps * b.n_features for b in layout))
    here = torch.ones(_ROWS, sum(b.n_steps for b in layout), dtype=torch.bool)
    operations, flops = _Operations(), FlopCounterMode(display=False)
    with torch.random.fork_rng(devices=[]):
        module = recipe.build().train()
        with operations, flops:
            module(x, here).output.sum().backward()
    per_row = flops.get_total_flops() / _ROWS
    return _STEP + _OPERATION * operations.count + _FLOP * per_row * batch_size
