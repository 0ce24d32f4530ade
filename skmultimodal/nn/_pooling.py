"""From the tokens of a modality to one vector."""

from __future__ import annotations

from torch import Tensor


def pool_tokens(tokens: Tensor, present: Tensor) -> Tensor:
    """Mean over the present steps; over all (missing) tokens where none is.

    tokens: (n, T, d), present: (n, T) -> (n, d)
    """
    if tokens.shape[1] == 1:
        return tokens[:, 0]
    weight = present.to(tokens.dtype)  # (n, T)
    weight = weight + (weight.sum(1, keepdim=True) == 0).to(tokens.dtype)
    return (tokens * weight.unsqueeze(2)).sum(1) / weight.sum(1, keepdim=True)
