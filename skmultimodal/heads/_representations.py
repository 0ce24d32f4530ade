"""What a net gives of a row before its output: fused, or one vector a modality."""

from __future__ import annotations

import torch
from torch import Tensor

from skmultimodal.heads._network import FusionBody
from skmultimodal.heads._objectives import ContrastiveNetwork, only
from skmultimodal.nn import pool_tokens
from skmultimodal.nn._losses import stack_present


def fused(module: FusionBody, x: Tensor, present: Tensor) -> Tensor:
    """(n, d_out); unit vectors of a contrastive net, (n, d)"""
    here = module.presence(present)
    if isinstance(module, ContrastiveNetwork):
        return module.embed(x, here)
    return module.fuse(x, here)[1].fused


def each(module: FusionBody, x: Tensor, present: Tensor) -> Tensor:
    """(n, M * d), modality after modality, of absent ones too"""
    here = module.presence(present)
    if isinstance(module, ContrastiveNetwork):
        return torch.cat([module.embed(x, only(here, m)) for m in here], dim=1)
    tokens, out = module.fuse(x, here)
    streams = out.per_modality
    if streams is None:
        streams = {m: pool_tokens(z, here[m]) for m, z in tokens.items()}
    return torch.cat(list(streams.values()), dim=1)


def which(module: FusionBody, x: Tensor, present: Tensor) -> Tensor:
    """Whether a row has a modality: (n, M)"""
    return stack_present(module.presence(present))
