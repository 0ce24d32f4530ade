"""Batches for several nets at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from skmultimodal.heads._batches import BalancedOrder
from skmultimodal.heads._rows import Rows


class Batch(NamedTuple):
    """One batch a fold, a fold being the rows that some nets see in the same order.

    Of K nets in F folds the first K / F belong to the first fold, and so on. Where rows
    of a fold end before those of others, some come again at weight 0.
    """

    rows: Rows  # x: (F, n, p); the others alike
    counts: list[int]  # rows that count, of each net


@dataclass
class Source:
    """Rows of one net, and in which order it wants them."""

    rows: Rows
    seed: int | None = None  # None: as they stand
    balanced: bool = False

    @property
    def key(self) -> tuple[int, int | None, bool]:
        return id(self.rows), self.seed, self.balanced

    def orders(self) -> Callable[[], Tensor]:
        """Gives the order of an epoch, each time that it is called: (n,)"""
        n = len(self.rows)
        if self.seed is None:
            return lambda: torch.arange(n)
        generator = torch.Generator().manual_seed(self.seed)
        if self.balanced:
            balanced = BalancedOrder(self.rows.y)
            return lambda: balanced(generator)
        return lambda: torch.randperm(n, generator=generator)


class Feed:
    """Cuts the rows of several nets into batches, in step."""

    def __init__(self, sources: Sequence[Source], batch_size: int):
        self.size = batch_size
        self.sources = list(sources)
        distinct = {id(source.rows): source.rows for source in sources}
        self.rows = _join(list(distinct.values()))
        self.starts: dict[int, int] = {}
        start = 0
        for key, rows in distinct.items():
            self.starts[key] = start
            start += len(rows)
        self.draw = {source.key: source.orders() for source in sources}
        self.complete = bool(self.rows.present.all())
        self._settle(self.sources)

    def _settle(self, sources: list[Source]) -> None:
        """See which nets belong to a fold; each to one of its own if that is uneven."""
        self.now = sources
        folds = list(dict.fromkeys(source.key for source in sources))
        each = len(sources) // len(folds)
        even = [key for key in folds for _ in range(each)]
        if [source.key for source in sources] == even:
            self.folds = sources[::each]
        else:
            self.folds, each = sources, 1
        self.each = each  # nets of a fold

    def keep(self, which: Sequence[int]) -> None:
        """Go on with some of the nets."""
        self._settle([self.now[k] for k in which])
        left = {source.key for source in self.now}
        self.draw = {key: orders for key, orders in self.draw.items() if key in left}

    def skip(self, n_epochs: int) -> None:
        """Draw the orders of epochs that there have been."""
        for orders in self.draw.values():
            for _ in range(n_epochs):
                orders()

    def n_batches(self, member: int) -> int:
        return -(-len(self.sources[member].rows) // self.size)

    def __iter__(self) -> Iterator[Batch]:
        device = self.rows.x.device
        drawn = {key: orders().to(device) for key, orders in self.draw.items()}
        orders = [drawn[fold.key] + self.starts[id(fold.rows)] for fold in self.folds]
        for start in range(0, max(len(order) for order in orders), self.size):
            yield self._batch([order[start : start + self.size] for order in orders])

    def _batch(self, parts: list[Tensor]) -> Batch:
        """Each fold's own rows, made as many as those of the fold that has most."""
        counts = [len(part) for part in parts]
        n = max(counts)
        even = min(counts) == n
        if not even:
            parts = [_repeat(part, n, self.rows.x.device) for part in parts]
        index = torch.stack(parts)  # (F, n)
        # a view of presence has no more rows than there are
        complete = self.complete and index.numel() <= len(self.rows)
        taken = self.rows.take(index.flatten(), complete)
        rows = Rows(
            taken.x.view(*index.shape, -1),
            taken.present[: index.numel()].view(*index.shape, -1),
            taken.y.unflatten(0, index.shape),
            None if taken.weight is None else taken.weight.view(index.shape),
        )
        if not even:
            rows.weight = self._padded(rows.weight, counts, n)
        return Batch(rows, [count for count in counts for _ in range(self.each)])

    def _padded(self, weight: Tensor | None, counts: list[int], n: int) -> Tensor:
        """Zero for what was repeated; the mean over n is that of the others: (F, n)"""
        x = self.rows.x
        count = torch.tensor(counts, device=x.device).unsqueeze(1)  # (F, 1)
        counted = torch.arange(n, device=x.device) < count  # (F, n)
        share = counted.to(x.dtype) * (n / count.clamp_min(1))
        return share if weight is None else share * weight


def _repeat(part: Tensor, n: int, device: torch.device) -> Tensor:
    if len(part) == 0:
        return torch.zeros(n, dtype=torch.long, device=device)
    return torch.cat([part, part[:1].expand(n - len(part))])


def _join(parts: list[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    weights = [part.weight for part in parts]
    weight = None
    if any(w is not None for w in weights):
        weight = torch.cat(
            [
                part.x.new_ones(len(part)) if part.weight is None else part.weight
                for part in parts
            ]
        )
    return Rows(
        torch.cat([part.x for part in parts]),
        torch.cat([part.present for part in parts]),
        torch.cat([part.y for part in parts]),
        weight,
    )
