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
    uniform: Tensor,
    device: torch.device,
    *,
    temperature: float = 1.0,
    top_p: float = 1.0,
) -> list[list[int]]:
    """The tokens of n replies, each drawn from what may come next.

    uniform: (n, L), on the CPU; one number in [0, 1) draws one token.
    """
    n, max_length = uniform.shape
    replies = torch.full((n, max_length), net.end, device=device)
    rows = torch.arange(n, device=device)  # those that still go on
    tokens = torch.full((n,), net.begin, device=device)
    for place in range(max_length):
        scores, state = net.step(tokens, state)
        probability = nucleus((scores / temperature).softmax(1), top_p)
        drawn = inverse_cdf(probability.cpu(), uniform[rows.cpu(), place])
        tokens = drawn.to(device)
        replies[rows, place] = tokens
        live = tokens != net.end
        n_live = int(live.sum())
        if not n_live:
            break
        if n_live <= 0.7 * len(rows):
            kept = live.nonzero().squeeze(1)
            rows, tokens, state = rows[kept], tokens[kept], state.take(kept)
    return until_end(replies, net.end)


def inverse_cdf(probability: Tensor, uniform: Tensor) -> Tensor:
    """The token where the cumulated probability exceeds u: (n, V), (n,) -> (n,)

    On the CPU in float64: the same there as on an accelerator.
    """
    total = probability.double().cumsum(1)
    at = uniform.double().unsqueeze(1) * total[:, -1:]
    found = torch.searchsorted(total, at, right=True).squeeze(1)
    return found.clamp_max(probability.shape[1] - 1)


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
