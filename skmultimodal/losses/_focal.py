"""Focal loss: what is easy counts less."""

from __future__ import annotations

from numbers import Real
from typing import ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval
from torch import Tensor
from torch.nn import functional as F

from skmultimodal.losses._base import Loss
from skmultimodal.nn._losses import ClassLoss, LabelLoss, WeightedLoss

_LEAST = 1e-6  # of 1 - p: a power below 1 has no slope at zero


class FocalLoss(Loss):
    """Focal loss: rows that are right already count less.

    -(1 - p)^γ log p with p the probability of the true class; γ = 0 is the cross
    entropy. For multilabel y each label by itself, as the paper has it. Probabilities
    become less extreme than with the cross entropy. Weights of classes, the paper's α,
    are the head's `class_weight`.

    Parameters
    ----------
    gamma : float, default=2.0
        How much less the easy rows count.

    References
    ----------
    Lin, Goyal, Girshick, He and Dollár, "Focal Loss for Dense Object Detection",
    arXiv:1708.02002.

    Examples
    --------
    >>> from skmultimodal.heads import FusionClassifier
    >>> from skmultimodal.losses import FocalLoss
    >>> head = FusionClassifier(loss=FocalLoss(gamma=1.0))
    >>> head.get_params()["loss__gamma"]
    1.0
    """

    tasks: ClassVar[tuple[str, ...]] = ("classification", "multilabel")
    _parameter_constraints: ClassVar[dict] = {
        "gamma": [Interval(Real, 0, None, closed="left")]
    }

    def __init__(self, gamma: float = 2.0):
        self.gamma = gamma

    def build(
        self,
        task: str,
        counts: np.ndarray | None = None,
        smoothing: float = 0.0,
        n_epochs: int | None = None,
    ) -> WeightedLoss:
        """Build the module.

        Parameters
        ----------
        task : {"classification", "multilabel"}
            What y is.
        counts : ndarray, default=None
            Not used.
        smoothing : float, default=0.0
            Label smoothing.
        n_epochs : int, default=None
            Not used.

        Returns
        -------
        WeightedLoss
        """
        if task == "multilabel":
            return FocalLabels(float(self.gamma), smoothing)
        return FocalClasses(float(self.gamma), smoothing)


class FocalClasses(ClassLoss):
    """-(1 - p_k)^γ log p_k"""

    def __init__(self, gamma: float, smoothing: float):
        super().__init__(smoothing)
        self.gamma = gamma

    def every(self, output: Tensor) -> Tensor:
        return focus(-F.log_softmax(output, dim=1), self.gamma)


class FocalLabels(LabelLoss):
    """-(1 - p)^γ log p, and -p^γ log(1 - p) where the label is not there"""

    def __init__(self, gamma: float, smoothing: float):
        super().__init__(smoothing)
        self.gamma = gamma

    def sides(self, output: Tensor) -> tuple[Tensor, Tensor]:
        there, absent = F.softplus(-output), F.softplus(output)
        return focus(there, self.gamma), focus(absent, self.gamma)


def focus(surprise: Tensor, gamma: float) -> Tensor:
    """(1 - p)^γ s with s = -log p, of any shape."""
    wrong = -(-surprise).expm1()  # 1 - p
    return wrong.clamp_min(_LEAST).pow(gamma) * surprise
