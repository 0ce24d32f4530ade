"""How likely each of a list of replies is, with what they share read once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from skmultimodal.heads.generating._search import Steps


class ReplyTree:
    """Replies as paths from one root: those that begin alike share their first nodes.

    At each depth a node has the token that leads to it and its parent one level up.
    """

    def __init__(self, replies: Sequence[Sequence[int]], end: int):
        self.n_replies = len(replies)
        self.levels: list[tuple[list[int], list[int]]] = []  # tokens, parents
        self.ends: list[list[tuple[int, int]]] = []  # (node, reply) that ends there
        at = [0] * len(replies)  # the node of each reply at this depth
        going = list(range(len(replies)))
        while going:
            depth = len(self.levels)
            nodes: dict[tuple[int, int], int] = {}
            self.ends.append([(at[r], r) for r in going if len(replies[r]) == depth])
            going = [r for r in going if len(replies[r]) > depth]
            for r in going:
                key = (at[r], replies[r][depth])
                at[r] = nodes.setdefault(key, len(nodes))
            self.levels.append(
                ([token for _, token in nodes], [parent for parent, _ in nodes])
            )
        self.end = end

    def score(self, net: Steps, state: Any, n: int, device: torch.device) -> Tensor:
        """Log-likelihood of each reply and its end for each row: (n, n_replies)"""
        found = torch.empty(n, self.n_replies, device=device)
        rows = torch.arange(n, device=device).unsqueeze(1)
        tokens = torch.full((n, 1), net.begin, device=device)
        total = torch.zeros(n, 1, device=device)
        for (children, parents), ends in zip(self.levels, self.ends):
            n_nodes = tokens.shape[1]
            logp, state = net.step(tokens.flatten(), state)
            logp = logp.view(n, n_nodes, -1)
            for node, reply in ends:
                found[:, reply] = total[:, node] + logp[:, node, self.end]
            if not children:
                break
            token = torch.tensor(children, device=device)
            parent = torch.tensor(parents, device=device)
            total = total[:, parent] + logp[:, parent, token]  # (n, n_children)
            state = state.take((rows * n_nodes + parent).flatten())
            tokens = token.expand(n, -1)
        return found
