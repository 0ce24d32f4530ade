"""Losses of single modalities, and training that lets none of them fall behind."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from skmultimodal.nn._losses import (
    WeightedLoss,
    at_least_single,
    present_mean,
    stack_present,
)

if TYPE_CHECKING:
    from skmultimodal.heads._network import FusionBody, NetworkOutput
    from skmultimodal.heads._rows import Rows
    from skmultimodal.heads._trainer import Trainer

BALANCES = ("ogm_ge", "gradient_blending")
_ALPHA = 0.5
_SPANS = 5  # super-epochs of gradient blending
_MEASURED = 2048  # training rows whose loss is measured
_LEAST = 1e-3  # of a weight


class Balance:
    """The head's loss, and `weight` times the mean loss of the modalities' own outputs.

    A row counts for the modalities that it has.
    """

    def __init__(self, weight: float = 0.0):
        self.weight = weight

    def start(self, trainer: Trainer, rows: Rows, valid: Rows | None) -> None:
        """Told before the first epoch."""

    def end_epoch(self, trainer: Trainer, rows: Rows, valid: Rows | None) -> None:
        """Told after every epoch."""

    def loss(
        self, joint: Tensor, out: NetworkOutput, rows: Rows, criterion: WeightedLoss
    ) -> Tensor:
        if out.loss is not None:
            joint = joint + out.loss
        weight = self.weight + criterion.modality_weight
        if out.per_modality is None or not weight:
            return joint
        losses, here = modality_losses(out, rows, criterion)
        return joint + weight * present_mean(losses, here, rows.weight)

    def step(
        self,
        module: FusionBody,
        optimizer: torch.optim.Optimizer,
        out: NetworkOutput,
        rows: Rows,
        criterion: WeightedLoss,
    ) -> None:
        optimizer.step()


class GradientModulation(Balance):
    """On-the-fly gradient modulation with generalisation enhancement (OGM-GE).

    s_m is the mean over a batch of exp(-loss of modality m's own output), which is the
    probability of the true class; r_m = s_m / mean of the other modalities' s. A
    modality ahead of the others (r_m > 1) learns by k_m = 1 - tanh(α r_m) of a step,
    and noise makes up for the randomness that the smaller step has lost. What is
    modulated are the layers that make a modality's tokens. AdamW divides out a factor
    on the gradient, so k_m scales the step.

    Peng, Wei, Deng, Wang and Hu, "Balanced Multimodal Learning via On-the-fly Gradient
    Modulation", arXiv:2203.15332. More than two modalities are ours: each against the
    mean of the others.
    """

    def loss(
        self, joint: Tensor, out: NetworkOutput, rows: Rows, criterion: WeightedLoss
    ) -> Tensor:
        total = super().loss(joint, out, rows, criterion)
        learns = self.weight + criterion.modality_weight
        if learns or out.per_modality is None:
            return total
        # probes on detached streams: they learn, and nothing learns from them
        losses, here = modality_losses(out, rows, criterion)
        return total + present_mean(losses, here, rows.weight)

    def step(
        self,
        module: FusionBody,
        optimizer: torch.optim.Optimizer,
        out: NetworkOutput,
        rows: Rows,
        criterion: WeightedLoss,
    ) -> None:
        factor = self._factors(out, rows, criterion)  # (M,)
        parts = [list(module.tokens[m].parameters()) for m in module.columns]
        before = [[p.detach().clone() for p in part] for part in parts]
        optimizer.step()
        with torch.no_grad():
            for k, part, old in zip(factor, parts, before):
                lost = (1 - k.square()).clamp_min(0).sqrt()
                for p, start in zip(part, old):
                    move = p - start
                    spread = (move - move.mean()).square().mean().sqrt()
                    noise = spread * torch.randn_like(move)
                    p.copy_(start + k * move + lost * noise)

    def _factors(
        self, out: NetworkOutput, rows: Rows, criterion: WeightedLoss
    ) -> Tensor:
        with torch.no_grad():
            losses, here = modality_losses(out, rows, criterion)
            score = (-losses).exp() * here
            score = score.sum(0) / here.sum(0).clamp_min(1)  # (M,)
            # a modality that no row of the batch has is behind nobody
            n_others = here.any(0).sum() - here.any(0).long()  # (M,)
            others = (score.sum() - score) / n_others.clamp_min(1)
            ratio = score / others.clamp_min(1e-6)
            slowed = 1 - (_ALPHA * ratio).tanh()
            ahead = (ratio > 1) & (n_others > 0)
            return torch.where(ahead, slowed, 1.0)


class GradientBlending(Balance):
    """Weights of the joint loss and of each modality's, by how well each generalises.

    Over a span of epochs, G_k is what output k (the joint one, and each modality's)
    gained in validation loss and O_k how much more it overfits; w_k ∝ G_k / O_k², the
    weights sum to 1, and the first span weighs all alike.

    Wang, Tran and Feiszli, "What Makes Training Multi-Modal Classification Networks
    Hard?", arXiv:1905.12681. They train a net a modality to measure G and O; here the
    outputs of one net are measured as it trains.
    """

    def __init__(self, n_epochs: int):
        super().__init__()
        self.span = max(1, math.ceil(n_epochs / _SPANS))
        self.epoch = 0
        self.weights: Tensor | None = None  # (1 + M,), the joint output first
        self.before: tuple[Tensor, Tensor] | None = None

    def start(self, trainer: Trainer, rows: Rows, valid: Rows | None) -> None:
        self.before = self._measure(trainer, rows, valid)
        n_outputs = len(self.before[0])
        self.weights = torch.full_like(self.before[0], 1 / n_outputs)

    def end_epoch(self, trainer: Trainer, rows: Rows, valid: Rows | None) -> None:
        self.epoch += 1
        if self.epoch % self.span:
            return
        now = self._measure(trainer, rows, valid)
        assert self.before is not None
        self.weights = blending_weights(*self.before, *now)
        self.before = now

    def loss(
        self, joint: Tensor, out: NetworkOutput, rows: Rows, criterion: WeightedLoss
    ) -> Tensor:
        assert self.weights is not None
        losses, here = modality_losses(out, rows, criterion)
        own = torch.stack(
            [
                present_mean(losses[:, k : k + 1], here[:, k : k + 1], rows.weight)
                for k in range(losses.shape[1])
            ]
        )
        total = self.weights[0] * joint + (self.weights[1:] * own).sum()
        return total if out.loss is None else total + out.loss

    def _measure(
        self, trainer: Trainer, rows: Rows, valid: Rows | None
    ) -> tuple[Tensor, Tensor]:
        assert valid is not None
        few = torch.arange(0, len(rows), max(1, len(rows) // _MEASURED))
        few = few.to(rows.x.device)
        return _all_losses(trainer, rows.take(few)), _all_losses(trainer, valid)


def _all_losses(trainer: Trainer, rows: Rows) -> Tensor:
    """Loss of the joint output and of each modality's: (1 + M,)"""
    trainer._set_training(False)
    criterion = trainer.criterion_
    total, count = torch.zeros((), device=rows.x.device), 0
    sums, counts = torch.zeros((), device=rows.x.device), torch.zeros(())
    with torch.no_grad():
        for batch in trainer.get_iterator(rows):
            out = trainer.infer(batch)
            losses, here = modality_losses(out, batch, criterion)
            total = total + criterion(out.output, batch.y, batch.weight) * len(batch)
            count += len(batch)
            sums = sums + (losses * here).sum(0)
            counts = counts.to(here.device) + here.sum(0)
    trainer._set_training(True)
    return torch.cat([total[None] / count, sums / counts.clamp_min(1)])


def blending_weights(
    train_before: Tensor, valid_before: Tensor, train_now: Tensor, valid_now: Tensor
) -> Tensor:
    """w_k ∝ G_k / O_k², each at least 0.001 before they are made to sum to 1."""
    gain = (valid_before - valid_now).clamp_min(0)
    gap = (valid_now - train_now) - (valid_before - train_before)
    # an output that overfits no more at all would get the whole weight
    floor = 0.1 * gain + 1e-6
    ratio = gain / torch.maximum(gap, floor).square()
    if not ratio.sum() > 0:
        return torch.full_like(ratio, 1 / len(ratio))
    share = (ratio / ratio.sum()).clamp_min(_LEAST)
    return share / share.sum()


def modality_losses(
    out: NetworkOutput, rows: Rows, criterion: WeightedLoss
) -> tuple[Tensor, Tensor]:
    """Loss of each row and modality, and whether it is present: (n, M), (n, M)"""
    assert out.per_modality is not None
    assert out.present is not None
    losses = [
        criterion.per_sample(at_least_single(output), rows.y)
        for output in out.per_modality.values()
    ]
    return torch.stack(losses, dim=1), stack_present(out.present)


def make_balance(name: str | None, weight: float, n_epochs: int) -> Balance:
    if name == "ogm_ge":
        return GradientModulation(weight)
    if name == "gradient_blending":
        return GradientBlending(n_epochs)
    return Balance(weight)
