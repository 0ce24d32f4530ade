"""What the classifier and the regressor share: a loss that is chosen."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from skmultimodal.fusion._base import NeuralFusion
from skmultimodal.heads._base import FusionHead
from skmultimodal.losses import CrossEntropyLoss, Loss, SquaredErrorLoss
from skmultimodal.losses._base import make_loss
from skmultimodal.nn._losses import WeightedLoss


class FusionPredictor(FusionHead):
    """Base class of heads that predict y, by a loss of the user's choice."""

    loss: Any
    label_smoothing: float = 0.0
    _class_counts: np.ndarray | None = None

    _parameter_constraints: ClassVar[dict] = {
        **FusionHead._parameter_constraints,
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "mixup": [Interval(Real, 0, None, closed="left")],
        "loss": [str, Loss, type],
    }

    def _read_loss(self) -> Loss:
        return make_loss(self.loss, self._task())

    def _loss_takes(self, task: str) -> bool:
        """Whether the loss is for such targets; `fit` refuses one that is unknown."""
        try:
            return task in make_loss(self.loss).tasks
        except ValueError:
            return True

    def _check_loss(self) -> None:
        self._read_loss()

    @property
    def _output_scale(self) -> float | None:
        return self._read_loss().output_scale

    def _make_loss(self, n_epochs: int | None) -> WeightedLoss:
        return self._read_loss().build(
            self._task(), self._class_counts, float(self.label_smoothing), n_epochs
        )

    def _check_own_loss(self, fusion: NeuralFusion) -> None:
        usual = isinstance(self._read_loss(), CrossEntropyLoss | SquaredErrorLoss)
        if usual and not self.label_smoothing:
            return
        given = f"label_smoothing={self.label_smoothing}"
        if not usual:
            given = f"loss={self.loss!r}"
        raise ValueError(
            f"{type(fusion).__name__} brings a loss of its own for the outputs that it "
            f"gives, which leaves no room for {given}. Leave that out, or choose "
            "another fusion."
        )
