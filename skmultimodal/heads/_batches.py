"""Orders of rows in which classes come equally often."""

from __future__ import annotations

import torch
from torch import Tensor


class BalancedOrder:
    """As many rows an epoch as there are, a class as often as any other.

    Of any K rows in a row, from a multiple of K on, each comes from another one of the
    K classes, so that batches are balanced too. Rows of a class come in a random order,
    all of them before one comes again. For labels, a "class" are the rows that have a
    label, and those that have none: a row with several labels is in several.

    Shen, Lin and Huang, "Relay Backpropagation for Effective Learning of Deep
    Convolutional Neural Networks" (class-aware sampling), arXiv:1512.05830; for labels
    as in Wu et al., arXiv:2007.09654.

    y: (n,) class numbers, or (n, L) of zeros and ones
    """

    def __init__(self, y: Tensor):
        self.n = len(y)
        groups = row_groups(y.cpu())
        self.n_groups = len(groups)
        self.each = -(-self.n // self.n_groups)  # rows of a group, in an epoch
        rows, rounds, starts = [], [], []
        n_rounds = n_rows = 0
        for group in groups:
            again = -(-self.each // len(group))
            rows.append(group.repeat(again))
            number = torch.arange(n_rounds, n_rounds + again, dtype=torch.float64)
            rounds.append(number.repeat_interleave(len(group)))
            starts.append(n_rows)
            n_rounds, n_rows = n_rounds + again, n_rows + again * len(group)
        self.rows = torch.cat(rows)  # (T,), about 2 n of them
        self.rounds = torch.cat(rounds)  # (T,)
        self.taken = torch.tensor(starts) + torch.arange(self.each).unsqueeze(1)

    def __call__(self, generator: torch.Generator) -> Tensor:
        """Numbers of rows: (n,)"""
        # one sort (NumPy's is the faster) shuffles within each round through a group
        noise = torch.rand(self.rounds.shape, generator=generator, dtype=torch.float64)
        shuffled = torch.from_numpy((self.rounds + noise).numpy().argsort())
        drawn = self.rows[shuffled[self.taken]]  # (each, K)
        turn = torch.rand(drawn.shape, generator=generator).argsort(1)
        return drawn.gather(1, turn).flatten()[: self.n]


def row_groups(y: Tensor) -> list[Tensor]:
    """Rows of each class or label that there is, then those without a label."""
    if y.ndim == 1:
        counts = y.unique(return_counts=True)[1]
        return list(y.argsort(stable=True).split(counts.tolist()))
    has = y > 0  # (n, L)
    belongs = torch.cat([has, ~has.any(1, keepdim=True)], dim=1)
    groups = [column.nonzero().squeeze(1) for column in belongs.T]
    return [group for group in groups if len(group)]
