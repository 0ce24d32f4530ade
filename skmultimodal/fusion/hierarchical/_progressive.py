"""Fusion step by step along a tree of modalities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from skmultimodal.fusion._base import FusionModule, FusionOutput, NeuralFusion
from skmultimodal.nn import MLP, pool_tokens


class ProgressiveFusion(NeuralFusion):
    """Modalities joined two at a time along a tree, close ones first.

    h_1 = f_1(z_1, z_2) and h_k = f_k(h_{k-1}, z_{k+1}), or in the order that a tree
    says. z_m is the mean over the steps that modality m has. A join of two children is

        f(a, b) = √w_a (A a + a_0) + √w_b (B b + b_0) + MLP(norm([a; b])),

    where w_a and w_b are the shares of the present modalities that stand below each
    child, so that all of them start alike, however deep they enter. An inner node is
    absent if all below it is. Where one child is absent, the other is passed on through
    its own linear layer, without the MLP. Where nothing is present, the learned vectors
    of the absent modalities are joined linearly. One modality alone is projected.
    d_out = embed_dim; about 8 (M - 1) embed_dim² parameters, cost linear in the number
    of modalities.

    Parameters
    ----------
    hierarchy : list or tuple, default=None
        The tree: names of modalities, each once, and lists or tuples of such, to any
        depth. A group is joined before it takes part in the group around it, and a
        group of more than two from left to right: ``["a", "b", "c"]`` is
        ``[("a", "b"), "c"]``. None joins the modalities in the order of X.

    References
    ----------
    Majumder et al., "Multimodal Sentiment Analysis using Hierarchical Fusion with
    Context Modeling", arXiv:1806.06228. The join, and how it skips what is absent, are
    ours.

    Examples
    --------
    >>> import torch
    >>> from skmultimodal.fusion import ProgressiveFusion
    >>> spec = ProgressiveFusion(hierarchy=[("audio", "video"), "text"])
    >>> steps = {"text": 1, "audio": 3, "video": 2}
    >>> module = spec.build(steps, embed_dim=8, dropout=0)
    >>> tokens = {m: torch.zeros(2, t, 8) for m, t in steps.items()}
    >>> present = {m: torch.ones(2, t).bool() for m, t in steps.items()}
    >>> module(tokens, present).fused.shape
    torch.Size([2, 8])
    """

    level: ClassVar[str] = "hierarchical"
    _parameter_constraints: ClassVar[dict] = {"hierarchy": [list, tuple, None]}

    def __init__(self, hierarchy: Sequence[Any] | None = None):
        self.hierarchy = hierarchy

    def build(
        self, modalities: Mapping[str, int], embed_dim: int, dropout: float
    ) -> FusionModule:
        """Build the torch module.

        Parameters
        ----------
        modalities : dict of str to int
            Number of tokens of each modality.
        embed_dim : int
            Width of a token.
        dropout : float
            Dropout rate within the MLP of each join.

        Returns
        -------
        FusionModule

        Raises
        ------
        TypeError
            If `hierarchy` holds what is neither a name nor a list or tuple.
        ValueError
            If `hierarchy` names an unknown modality, one of them twice, leaves one out,
            or holds an empty group.
        """
        names = list(modalities)
        tree = names if self.hierarchy is None else self.hierarchy
        _check_leaves(list(_leaves(tree)), names)
        joins: list[tuple[int, int]] = []
        _plan(tree, names, joins)
        if not joins:
            return _Projection(embed_dim)
        return _Progressive(joins, embed_dim, dropout)


def _leaves(tree: Any) -> Iterator[str]:
    """The names in a tree, from left to right."""
    if isinstance(tree, str):
        yield tree
    elif not isinstance(tree, (list, tuple)):
        raise TypeError(
            f"ProgressiveFusion(hierarchy=...) holds {tree!r:.80}. Expected names of "
            'modalities and lists or tuples of them, as in [("audio", "video"), '
            '"text"].'
        )
    elif not tree:
        raise ValueError(
            "ProgressiveFusion(hierarchy=...) holds an empty group. Leave it out, or "
            "name the modalities that belong to it."
        )
    else:
        for part in tree:
            yield from _leaves(part)


def _check_leaves(leaves: list[str], modalities: list[str]) -> None:
    """Every modality of X stands in the tree, once."""
    unknown = [m for m in leaves if m not in modalities]
    twice = sorted({m for m in leaves if leaves.count(m) > 1})
    missed = [m for m in modalities if m not in leaves]
    if unknown:
        raise ValueError(
            f"ProgressiveFusion(hierarchy=...) names {unknown[0]!r}, which is no "
            f"modality of X. X has {modalities}; name each of these once, or take "
            "hierarchy=None."
        )
    if twice:
        raise ValueError(
            f"ProgressiveFusion(hierarchy=...) names {twice[0]!r} "
            f"{leaves.count(twice[0])} times. Name each of {modalities} once."
        )
    if missed:
        raise ValueError(
            f"ProgressiveFusion(hierarchy=...) leaves out {missed}. Name each of "
            f"{modalities} once, or drop their columns from X with ModalitySelector."
        )


def _plan(tree: Any, modalities: list[str], joins: list[tuple[int, int]]) -> int:
    """Append the joins of a tree, children before parents; give its root's number.

    Modalities are numbered from 0, then the joins as they come.
    """
    if isinstance(tree, str):
        return modalities.index(tree)
    root, *others = [_plan(part, modalities, joins) for part in tree]
    for child in others:
        joins.append((root, child))
        root = len(modalities) + len(joins) - 1
    return root


class _Join(nn.Module):
    """f(a, b); n_a and n_b count the present modalities below a and b."""

    def __init__(self, d: int, dropout: float):
        super().__init__()
        self.left, self.right = nn.Linear(d, d), nn.Linear(d, d)
        for child in (self.left, self.right):
            nn.init.orthogonal_(child.weight)  # keeps lengths through deep trees
            nn.init.zeros_(child.bias)
        self.norm = nn.LayerNorm(2 * d)
        self.mlp = MLP(2 * d, (2 * d,), d, dropout)

    def forward(self, a: Tensor, b: Tensor, n_a: Tensor, n_b: Tensor) -> Tensor:
        """a, b: (n, d), n_a, n_b: (n, 1) -> (n, d)"""
        nothing = (n_a + n_b == 0).to(a.dtype)
        share = (n_a + nothing) / (n_a + n_b + 2 * nothing)
        linear = share.sqrt() * self.left(a) + (1 - share).sqrt() * self.right(b)
        both = ((n_a > 0) & (n_b > 0)).to(a.dtype)
        return linear + both * self.mlp(self.norm(torch.cat([a, b], dim=1)))


class _Progressive(FusionModule):
    def __init__(self, pairs: list[tuple[int, int]], d: int, dropout: float):
        super().__init__()
        self.d_out = d
        self.pairs = pairs
        self.joins = nn.ModuleList(_Join(d, dropout) for _ in pairs)

    def forward(
        self, tokens: dict[str, Tensor], present: dict[str, Tensor]
    ) -> FusionOutput:
        pooled = {m: pool_tokens(z, present[m]) for m, z in tokens.items()}
        nodes = list(pooled.values())  # (n, d), modalities, then joins
        counts = [
            present[m].any(1, keepdim=True).to(z.dtype) for m, z in pooled.items()
        ]
        for join, (a, b) in zip(self.joins, self.pairs):
            nodes.append(join(nodes[a], nodes[b], counts[a], counts[b]))
            counts.append(counts[a] + counts[b])  # (n, 1)
        return FusionOutput(nodes[-1], tokens=tokens, per_modality=pooled)


class _Projection(FusionModule):
    """What is left of a tree with one modality."""

    def __init__(self, d: int):
        super().__init__()
        self.d_out = d
        self.project = nn.Linear(d, d)

    def forward(
        self, tokens: dict[str, Tensor], present: dict[str, Tensor]
    ) -> FusionOutput:
        pooled = {m: pool_tokens(z, present[m]) for m, z in tokens.items()}
        [z] = pooled.values()
        return FusionOutput(self.project(z), tokens=tokens, per_modality=pooled)
