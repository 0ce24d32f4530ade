"""Training rows as tensors, cut into batches by whole slices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Rows:
    """Standardised columns, presence, target and weight of some samples."""

    x: Tensor  # (n, p)
    present: Tensor  # (n, Σ T_m)
    y: Tensor  # (n,) or (n, k)
    weight: Tensor | None  # (n,)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the net reads."""
        return self.x, self.present

    def take(self, index: Tensor, complete: bool = False) -> Rows:
        """Some rows; where none lacks anything, presence is a view of any of them."""
        return Rows(
            self.x.index_select(0, index),
            self.present[: len(index)]
            if complete
            else self.present.index_select(0, index),
            self.y.index_select(0, index),
            None if self.weight is None else self.weight.index_select(0, index),
        )

    def to(self, device: torch.device) -> Rows:
        return Rows(
            self.x.to(device),
            self.present.to(device),
            self.y.to(device),
            None if self.weight is None else self.weight.to(device),
        )


@dataclass
class Batches:
    """Iterates over `rows`, in a new order each time when there is a generator.

    skorch's default loader collates sample by sample, which takes most of the time of
    a small net.
    """

    rows: Rows
    batch_size: int
    generator: torch.Generator | None = None
    order: Callable[[torch.Generator], Tensor] | None = None  # None: a permutation

    def __post_init__(self) -> None:
        self.complete = bool(self.rows.present.all())

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self) -> Iterator[Rows]:
        n = len(self.rows)
        if self.generator is None:
            order = torch.arange(n)
        elif self.order is not None:
            order = self.order(self.generator)
        else:
            order = torch.randperm(n, generator=self.generator)
        order = order.to(self.rows.x.device)
        for start in range(0, n, self.batch_size):
            yield self.rows.take(order[start : start + self.batch_size], self.complete)
