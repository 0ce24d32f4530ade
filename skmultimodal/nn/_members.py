"""Several output layers that share most of their weights: an implicit ensemble."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skmultimodal.nn._dropout import Dropout


class SharedLinear(nn.Module):
    """One matrix for all members; each scales what goes in and what comes out.

    Wen, Tran and Ba, "BatchEnsemble: An Alternative Approach to Efficient Ensemble and
    Lifelong Learning", arXiv:2002.06715.
    """

    def __init__(self, n_members: int, d_in: int, d_out: int, first: bool):
        super().__init__()
        self.shared = nn.Linear(d_in, d_out, bias=False)
        # signs in the first layer make members differ from the start (as in TabM)
        signs = torch.randint(2, (n_members, d_in)).float() * 2 - 1
        self.before = nn.Parameter(signs if first else torch.ones(n_members, d_in))
        self.after = nn.Parameter(torch.ones(n_members, d_out))
        self.bias = nn.Parameter(uniform((n_members, d_out), d_in))

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, E, d_in) -> (n, E, d_out)"""
        return self.shared(x * self.before) * self.after + self.bias


class OwnLinear(nn.Module):
    """A matrix for each member."""

    def __init__(self, n_members: int, d_in: int, d_out: int):
        super().__init__()
        self.weight = nn.Parameter(uniform((n_members, d_in, d_out), d_in))
        self.bias = nn.Parameter(uniform((n_members, d_out), d_in))

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, E, d_in) -> (n, E, d_out)"""
        return torch.einsum("nei,eio->neo", x, self.weight) + self.bias


class OwnCosine(nn.Module):
    """What `CosineLinear` is, for each member."""

    def __init__(self, n_members: int, d_in: int, d_out: int, scale: float):
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(torch.randn(n_members, d_in, d_out))

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, E, d_in) -> (n, E, d_out)"""
        weight = F.normalize(self.weight, dim=1)
        return self.scale * torch.einsum("nei,eio->neo", F.normalize(x, dim=2), weight)


class MemberOutputs(nn.Module):
    """What `WideDeep` is, for several members at once.

    Hidden layers are shared but for scales, the outputs are each member's own. In
    training it gives the outputs of all, each to have a loss of its own; else what
    their mean says: of probabilities (as logits) for classes and labels, of numbers.

    Gorishniy, Kotelnikov and Babenko, "TabM: Advancing Tabular Deep Learning with
    Parameter-Efficient Ensembling", arXiv:2410.24210.
    """

    def __init__(
        self,
        n_members: int,
        d_in: int,
        hidden: Sequence[int],
        d_out: int,
        dropout: float,
        task: str,
        scale: float | None,
    ):
        super().__init__()
        self.n_members, self.task = n_members, task
        d_first, layers = d_in, []
        for number, width in enumerate(hidden):
            layers += [
                SharedLinear(n_members, d_in, width, first=number == 0),
                nn.GELU(),
                Dropout(dropout),
            ]
            d_in = width
        self.hidden = nn.Sequential(*layers)
        self.output: nn.Module
        self.wide: nn.Module | None
        if scale is None:
            self.output = OwnLinear(n_members, d_in, d_out)
            self.wide = nn.Linear(d_first, n_members * d_out)
        else:  # cosines are bounded, and have no room for what goes around them
            self.output = OwnCosine(n_members, d_in, d_out, scale)
            self.wide = None

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, d) -> in training (n, E, k), else (n, k)"""
        copies = x.unsqueeze(1).expand(-1, self.n_members, -1)  # (n, E, d)
        each = self.output(self.hidden(copies))
        if self.wide is not None:
            each = each + self.wide(x).view_as(each)
        return each if self.training else pool_members(each.float(), self.task)


def pool_members(each: Tensor, task: str) -> Tensor:
    """The mean of the members as one output: (n, E, k) -> (n, k)"""
    if task == "classification":
        return F.log_softmax(each, dim=2).logsumexp(1) - math.log(each.shape[1])
    if task == "multilabel":
        return F.logsigmoid(each).logsumexp(1) - F.logsigmoid(-each).logsumexp(1)
    return each.mean(1)


def uniform(shape: tuple[int, ...], d_in: int) -> Tensor:
    """As `nn.Linear` starts: within ± 1/√d_in."""
    bound = 1 / math.sqrt(d_in)
    return torch.empty(shape).uniform_(-bound, bound)
