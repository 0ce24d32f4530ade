"""Writing replies by chance."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skmultimodal.heads.generating._search import Steps, until_end


def sample(
    net: Steps,
    state: Any,
    n: int,
    device: torch.device,
    *,
    max_length: int,
    temperature: float,
    top_p: float,
    generator: torch.Generator,
) -> list[list[int]]:
    """The tokens of n replies, each drawn from what may come next."""
    replies = torch.full((n, max_length), net.end, device=device)
    tokens = torch.full((n,), net.begin, device=device)
    over = torch.zeros(n, dtype=torch.bool, device=device)
    for place in range(max_length):
        scores, state = net.step(tokens, state)
        probability = nucleus((scores / temperature).softmax(1), top_p)
        # drawn on the CPU: the same there as on an accelerator
        drawn = torch.multinomial(probability.cpu(), 1, generator=generator)
        tokens = drawn.squeeze(1).to(device).masked_fill(over, net.end)
        replies[:, place] = tokens
        over = over | (tokens == net.end)
        if bool(over.all()):
            break
    return until_end(replies, net.end)


def nucleus(probability: Tensor, top_p: float) -> Tensor:
    """The fewest tokens that hold `top_p` together, and nothing of the others.

    Holtzman et al., arXiv:1904.09751. probability: (n, V) -> (n, V)
    """
    if top_p >= 1:
        return probability
    ranked, order = probability.sort(dim=1, descending=True)
    before = ranked.cumsum(1) - ranked  # what the more probable ones hold
    kept = ranked * (before < top_p)
    total = kept.sum(1, keepdim=True)
    return torch.zeros_like(probability).scatter(1, order, kept / total)


def check_sampling(n: Any, temperature: Any, top_p: Any) -> None:
    if not (isinstance(n, Integral) and int(n) >= 1):
        raise ValueError(f"n={n!r} must be an integer from 1.")
    if not (isinstance(temperature, Real) and 0 < float(temperature) < np.inf):
        raise ValueError(
            f"temperature={temperature!r} must be a finite number above 0. For the "
            "most probable reply use predict."
        )
    if not (isinstance(top_p, Real) and 0 < float(top_p) <= 1):
        raise ValueError(f"top_p={top_p!r} must be above 0, and 1 at most.")
