"""A net that is nothing but tokens, a fusion and a linear output; what it is fed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skmultimodal.fusion._base import NeuralFusion
from skmultimodal.nn import ModalityTokens, PerModality

EMBED_DIM = 8
N_OUTPUTS = 2
_STEPS = {"text": 1, "image": 1, "audio": 4}
_WIDTHS = {"text": 5, "image": 3, "audio": 2}


def modality_steps(fusion: NeuralFusion) -> dict[str, int]:
    """Two vectors and a sequence; more where the fusion needs more."""
    n_extra = max(0, fusion.min_modalities - len(_STEPS))
    return _STEPS | {f"extra{k}": 1 for k in range(n_extra)}


def width(modality: str) -> int:
    return _WIDTHS.get(modality, 2)


class BareNet(nn.Module):
    """Tokens of each modality, the fusion, a linear output: no other way through."""

    def __init__(
        self, fusion: NeuralFusion, steps: dict[str, int], dropout: float = 0.0
    ):
        super().__init__()
        self.tokens = PerModality(
            {m: ModalityTokens(t, width(m), EMBED_DIM, t > 1) for m, t in steps.items()}
        )
        self.fusion = fusion.build(steps, EMBED_DIM, dropout)
        self.output = nn.Linear(self.fusion.d_out, N_OUTPUTS)

    def forward(self, x: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
        """x: (n, T_m * width) and present: (n, T_m) a modality -> (n, 2)"""
        tokens = {m: self.tokens[m](v, present[m]) for m, v in x.items()}
        return self.output(self.fusion(tokens, present).fused)


def make_net(
    fusion: NeuralFusion,
    seed: int = 0,
    *,
    steps: dict[str, int] | None = None,
    dropout: float = 0.0,
) -> BareNet:
    """A net with the weights of the seed, ready to predict."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BareNet(fusion, steps or modality_steps(fusion), dropout).eval()


def wake(net: BareNet, seed: int = 0) -> BareNet:
    """Give gates and other parameters that start at zero some value."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator))
    return net


def make_batch(
    steps: dict[str, int], n: int | None = None, seed: int = 0
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Blocks, and presence: all there, none, one of each, sequences cut and holed."""
    n = n or len(steps) + 5
    generator = torch.Generator().manual_seed(seed)
    x = {m: torch.randn(n, t * width(m), generator=generator) for m, t in steps.items()}
    present = {m: torch.ones(n, t, dtype=torch.bool) for m, t in steps.items()}
    for m in present:
        present[m][1] = False
    for row, only in enumerate(steps, start=2):
        for m in present:
            present[m][row] = m == only
    if "audio" in present:
        row = len(steps) + 2
        present["audio"][row, 2:] = False
        present["audio"][row + 1] = torch.tensor([False, True, False, True])
    return x, present


def outputs(
    net: nn.Module, x: dict[str, Tensor], present: dict[str, Tensor], seed: int = 0
) -> Tensor:
    """The same draws for all, where a fusion draws in training."""
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return net(x, present)
