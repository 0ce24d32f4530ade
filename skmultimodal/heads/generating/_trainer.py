"""Training by the likelihood of the next token."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from skmultimodal.heads._rows import Batches, Rows
from skmultimodal.heads._trainer import Trainer
from skmultimodal.heads.generating._examples import PAD, BucketOrder, Examples
from skmultimodal.nn._losses import WeightedLoss


class TokenLoss(WeightedLoss):
    """Mean negative log-likelihood of a reply's tokens and its end.

    Logits (n, L, V), y (n, L). With `smoothing` ε a token counts by 1 - ε and each of
    the vocabulary by ε / V, in training.
    """

    def __init__(self, smoothing: float = 0.0):
        super().__init__()
        self.smoothing = smoothing

    def per_sample(self, output: Tensor, y: Tensor) -> Tensor:
        every = F.cross_entropy(
            output.flatten(0, 1),
            y.flatten(),
            reduction="none",
            ignore_index=PAD,
            label_smoothing=self.smoothing if self.training else 0.0,
        )
        return every.view_as(y).sum(1) / (y != PAD).sum(1)


class GenerationTrainer(Trainer):
    """Batches of similar length; the loss reads the output as logits of tokens."""

    def get_iterator(self, dataset: Rows, training: bool = False) -> Batches:
        assert isinstance(dataset, Examples)
        if not training:
            return Batches(dataset, self.batch_size)
        order = BucketOrder(dataset.lengths(), self.batch_size)
        return Batches(dataset, self.batch_size, self.generator, order)

    def get_loss(
        self, y_pred: Any, y_true: Any, X: Any = None, training: bool = False
    ) -> Tensor:
        loss = self.criterion_(y_pred.output, X.y, X.weight)
        return loss if not training or y_pred.loss is None else loss + y_pred.loss
