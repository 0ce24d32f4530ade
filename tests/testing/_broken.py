"""A module that keeps every promise, and others that break one each."""

from itertools import pairwise

import numpy as np
import torch
from torch import nn

from skmultimodal.fusion import FusionModule, FusionOutput, NeuralFusion
from skmultimodal.nn import Dropout, PerModality, pool_tokens


def own_fusion(module, **attributes):
    """A class of a user's own that builds the module."""

    class OwnFusion(NeuralFusion):
        level = "feature"

        def build(self, modalities, embed_dim, dropout):
            return module(modalities, embed_dim, dropout)

    for name, value in attributes.items():
        setattr(OwnFusion, name, value)
    return OwnFusion


class Sound(FusionModule):
    """h = dropout(Σ W_m z_m)"""

    def __init__(self, modalities, d, dropout):
        super().__init__()
        self.d_out = d
        self.value = self.keep({m: nn.Linear(d, d) for m in modalities})
        self.dropout = Dropout(dropout)

    def keep(self, modules):
        return PerModality(modules)

    def pool(self, tokens, present):
        return pool_tokens(tokens, present)

    def join(self, vectors, present):
        return torch.stack(list(vectors.values())).sum(0)

    def forward(self, tokens, present):
        vectors = {
            m: self.value[m](self.pool(z, present[m])) for m, z in tokens.items()
        }
        return FusionOutput(self.dropout(self.join(vectors, present)))


class IgnoresOne(Sound):
    def join(self, vectors, present):
        return next(iter(vectors.values()))


class CutsTheGradient(Sound):
    def pool(self, tokens, present):
        return super().pool(tokens, present).detach()


class NeverOpens(Sound):
    def __init__(self, modalities, d, dropout):
        super().__init__(modalities, d, dropout)
        self.gates = nn.Parameter(torch.zeros(2, d))

    def join(self, vectors, present):
        return super().join(vectors, present) * (1 + self.gates.prod(0))


class HearsSomeRowsOnly(Sound):
    """Others are heard where the first modality lets them."""

    def join(self, vectors, present):
        first = next(iter(vectors.values()))
        return torch.where(first[:, :1] > 0, super().join(vectors, present), first)


class Remembers(Sound):
    def __init__(self, modalities, d, dropout):
        super().__init__(modalities, d, dropout)
        self.register_buffer("seen", torch.zeros(d))

    def join(self, vectors, present):
        fused = super().join(vectors, present)
        self.seen = 0.9 * self.seen + 0.1 * fused.detach().mean(0)
        return fused - self.seen


class ReadsAbsentSteps(Sound):
    def pool(self, tokens, present):
        return tokens.mean(1)


class ReadsOneStep(Sound):
    """The second of a sequence, whatever the mask."""

    def pool(self, tokens, present):
        return tokens[:, min(1, tokens.shape[1] - 1)]


class DividesByWhatIsThere(Sound):
    def join(self, vectors, present):
        here = torch.stack([p.any(1) for p in present.values()]).float()  # (M, n)
        stacked = torch.stack(list(vectors.values()))  # (M, n, d)
        return (stacked * here[:, :, None]).sum(0) / here.sum(0)[:, None]


class NeedsPairs(Sound):
    def join(self, vectors, present):
        z = list(vectors.values())
        return torch.stack([a * b + a + b for a, b in pairwise(z)]).sum(0)


class MixesRows(Sound):
    def join(self, vectors, present):
        fused = super().join(vectors, present)
        return fused + 0.1 * fused.roll(1, 0)


class CentresTheBatch(Sound):
    def join(self, vectors, present):
        fused = super().join(vectors, present)
        return fused - fused.mean(0)


class SaysAnotherWidth(Sound):
    def __init__(self, modalities, d, dropout):
        super().__init__(modalities, d, dropout)
        self.d_out = len(modalities) * d


class GivesATensor(Sound):
    def forward(self, tokens, present):
        return super().forward(tokens, present).fused


class GivesFlatStreams(Sound):
    def forward(self, tokens, present):
        flat = {m: z.flatten(1) for m, z in tokens.items()}
        return super().forward(tokens, present)._replace(per_modality=flat)


class GivesALossARow(Sound):
    def forward(self, tokens, present):
        out = super().forward(tokens, present)
        return out._replace(loss=out.fused.square().mean(1))


class DrawsByNumPy(Sound):
    def __init__(self, modalities, d, dropout):
        super().__init__(modalities, d, dropout)
        drawn = np.random.default_rng().normal(size=(d, d))
        self.mix = nn.Parameter(torch.from_numpy(drawn).float() / d)

    def join(self, vectors, present):
        return super().join(vectors, present) @ self.mix


class SeedsItself(Sound):
    def __init__(self, modalities, d, dropout):
        torch.manual_seed(0)
        super().__init__(modalities, d, dropout)


class TakesDropoutOfTorch(Sound):
    def __init__(self, modalities, d, dropout):
        super().__init__(modalities, d, dropout)
        self.dropout = nn.Dropout(dropout)


class DropsAtItsOwnRate(Sound):
    def __init__(self, modalities, d, dropout):
        super().__init__(modalities, d, 0.1)


class DropsAtOneRate(Sound):
    """A number is no state: nets of a stack share it."""

    def __init__(self, modalities, d, dropout):
        super().__init__(modalities, d, dropout)
        self.dropout, self.p = nn.Identity(), dropout

    def join(self, vectors, present):
        fused = super().join(vectors, present)
        return nn.functional.dropout(fused, self.p, self.training)


class IndexesByMask(Sound):
    def pool(self, tokens, present):
        pooled = torch.zeros_like(tokens[:, 0])
        here = present.any(1)
        pooled[here] = super().pool(tokens[here], present[here])
        return pooled


class BranchesOnValues(Sound):
    def join(self, vectors, present):
        fused = super().join(vectors, present)
        return fused if fused.isfinite().all() else torch.zeros_like(fused)


class KeepsAModuleDict(Sound):
    def keep(self, modules):
        return nn.ModuleDict(modules)
