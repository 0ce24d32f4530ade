"""Several nets of one shape, their parameters side by side."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import vmap

from skmultimodal.heads._rows import Rows
from skmultimodal.heads.stacked._feed import Batch
from skmultimodal.heads.stacked._linear import WideProducts
from skmultimodal.heads.stacked._step import Step

_BETAS, _EPS = (0.9, 0.999), 1e-8  # those of AdamW


class Stack:
    """K nets with their losses: one forward pass and one backward pass for all.

    `weights[k]` are views of the parameters of net k, which an update changes in place.
    The lists stay the same ones when nets leave; the tensors in them do not.
    """

    def __init__(self, steps: Sequence[Step]):
        self.base = copy.deepcopy(steps[0])
        self.names = [name for name, _ in self.base.named_parameters()]
        kept = [dict(step.named_parameters()) for step in steps]
        buffers = [dict(step.named_buffers()) for step in steps]
        self.buffers = [torch.stack([b[n] for b in buffers]) for n in buffers[0]]
        self.slots = [_slot(self.base, n) for n in [*self.names, *buffers[0]]]
        self.weights: list[list[Tensor]] = [[] for _ in steps]
        self.averages: list[list[Tensor]] = [[] for _ in steps]
        self.squares: list[list[Tensor]] = [[] for _ in steps]
        self.counts = [torch.zeros(()) for _ in steps]  # steps taken
        with torch.no_grad():
            self.params = [torch.stack([k[n] for k in kept]) for n in self.names]
        self.moments = [
            [torch.zeros_like(p) for p in self.params] for _ in ("mean", "square")
        ]
        self._settle()

    def __len__(self) -> int:
        return len(self.weights)

    def _settle(self) -> None:
        """Point the views at the tensors as they are now."""
        for p in self.params:
            p.requires_grad_(True)
        stacked = self.params, *self.moments
        for views, tensors in zip((self.weights, self.averages, self.squares), stacked):
            for mine, parts in zip(views, _by_net(tensors)):
                mine[:] = parts
        self.counts = [count.to(self.params[0].device) for count in self.counts]

    def keep(self, which: Sequence[int]) -> None:
        """Go on with some of the nets."""
        index = torch.tensor(list(which), device=self.params[0].device)

        def some(tensors: list[Tensor]) -> list[Tensor]:
            return [tensor.detach().index_select(0, index) for tensor in tensors]

        self.params, self.buffers = some(self.params), some(self.buffers)
        self.moments = [some(moment) for moment in self.moments]
        for name in ("weights", "averages", "squares", "counts"):
            setattr(self, name, [getattr(self, name)[k] for k in which])
        self._settle()

    def resume(
        self, k: int, weights: list[Tensor], moments: list[list[Tensor]], n: int
    ) -> None:
        """Net k goes on from these weights and moments, after n updates."""
        views = self.weights[k], self.averages[k], self.squares[k]
        with torch.no_grad():
            for mine, given in zip(views, (weights, *moments)):
                for view, tensor in zip(mine, given):
                    view.copy_(tensor)
            self.counts[k].fill_(n)

    def losses(self, batch: Batch) -> Tensor:
        """The loss of each net: (K,)"""
        rows = batch.rows
        tensors = [*self.params, *self.buffers]
        n_folds, n_each = len(rows.x), len(self) // len(rows.x)
        given = (0, 0, 0, None if rows.weight is None else 0)
        alike = (None,) * len(given)
        stacked = (0,) * len(tensors)
        many: Callable[..., Tensor] = self._one
        if n_each > 1:  # the nets of a fold see the same rows: these are not mapped
            many = vmap(many, in_dims=(*alike, *stacked), randomness="different")
            tensors = [t.unflatten(0, (n_folds, n_each)) for t in tensors]
        if n_folds == 1:
            rows, tensors = _first(rows), [t.squeeze(0) for t in tensors]
        else:
            many = vmap(many, in_dims=(*given, *stacked), randomness="different")
        with WideProducts(), self._precision(rows):
            found = many(rows.x, rows.present, rows.y, rows.weight, *tensors)
        return found.reshape(len(self))

    def _one(
        self,
        x: Tensor,
        present: Tensor,
        y: Tensor,
        weight: Tensor | None,
        *tensors: Tensor,
    ) -> Tensor:
        for (holder, name), tensor in zip(self.slots, tensors):
            holder[name] = tensor
        return self.base(x, present, y, weight)

    def _precision(self, rows: Rows) -> torch.autocast:
        on_cuda = rows.x.device.type == "cuda"
        half = on_cuda and torch.cuda.is_bf16_supported()
        return torch.autocast("cuda", dtype=torch.bfloat16, enabled=half)

    def gradients(self, losses: Tensor) -> list[list[Tensor]]:
        """Of each net, as its `weights` are listed."""
        found = torch.autograd.grad(losses.sum(), self.params, materialize_grads=True)
        # the fused update goes through memory, whatever the strides
        dense = [gradient.contiguous() for gradient in found]
        return [list(mine) for mine in _by_net(dense)]

    def update(self, rates: dict[int, Rate], gradients: list[list[Tensor]]) -> None:
        """AdamW, as torch computes it; nets of equal rates in one call."""
        alike: dict[Rate, list[int]] = {}
        for k, rate in rates.items():
            alike.setdefault(rate, []).append(k)
            self.counts[k] += 1
        for (lr, decay), nets in alike.items():
            torch._fused_adamw_(
                [w for k in nets for w in self.weights[k]],
                [g for k in nets for g in gradients[k]],
                [m for k in nets for m in self.averages[k]],
                [v for k in nets for v in self.squares[k]],
                [],
                [self.counts[k] for k in nets for _ in self.names],
                lr=lr,
                beta1=_BETAS[0],
                beta2=_BETAS[1],
                weight_decay=decay,
                eps=_EPS,
                amsgrad=False,
                maximize=False,
            )


Rate = tuple[float, float]  # learning rate, weight decay


def _first(rows: Rows) -> Rows:
    """Of a single fold."""
    weight = None if rows.weight is None else rows.weight[0]
    return Rows(rows.x[0], rows.present[0], rows.y[0], weight)


def _by_net(tensors: list[Tensor]) -> list[tuple[Tensor, ...]]:
    return list(zip(*(tensor.detach().unbind(0) for tensor in tensors)))


def _slot(module: nn.Module, name: str) -> tuple[dict[str, Tensor | None], str]:
    """Where a parameter or buffer is kept, by its whole name."""
    path, _, leaf = name.rpartition(".")
    owner = module.get_submodule(path)
    holder = owner._parameters if leaf in owner._parameters else owner._buffers
    return holder, leaf  # type: ignore[return-value]
