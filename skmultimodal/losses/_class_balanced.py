"""Class-balanced loss: weights by the effective number of rows."""

from __future__ import annotations

from numbers import Real
from typing import ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval
from torch import Tensor

from skmultimodal.losses._base import Loss
from skmultimodal.losses._class_counts import effective_number_weights
from skmultimodal.losses._focal import FocalClasses, FocalLabels
from skmultimodal.nn._losses import WeightedLoss


class ClassBalancedLoss(Loss):
    """Cross entropy or focal loss, classes weighted by their effective number of rows.

    Rows of one class overlap in what they say: n of them are worth
    (1 - β^n) / (1 - β). A class is weighted by the inverse of that, which lies between
    no weights (β = 0) and ``class_weight="balanced"`` (β near 1). Weights have mean 1
    over the training rows, as all weights of heads do; the paper has another constant
    factor. For multilabel y each label by itself: rows with it against rows without.

    Parameters
    ----------
    beta : float, default=0.999
        In [0, 1). With far fewer than 1 / (1 - β) rows in a class this is its inverse
        frequency.
    gamma : float, default=0.0
        That of :class:`FocalLoss`; 0 is the cross entropy.

    References
    ----------
    Cui, Jia, Lin, Song and Belongie, "Class-Balanced Loss Based on Effective Number of
    Samples", arXiv:1901.05555.

    Examples
    --------
    >>> from skmultimodal.heads import FusionClassifier
    >>> from skmultimodal.losses import ClassBalancedLoss
    >>> head = FusionClassifier(loss=ClassBalancedLoss(beta=0.99))
    >>> head.set_params(loss__beta=0.9).loss
    ClassBalancedLoss(beta=0.9)
    """

    tasks: ClassVar[tuple[str, ...]] = ("classification", "multilabel")
    _parameter_constraints: ClassVar[dict] = {
        "beta": [Interval(Real, 0, 1, closed="left")],
        "gamma": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, beta: float = 0.999, gamma: float = 0.0):
        self.beta = beta
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
        counts : ndarray of shape (n_classes,) or (2, n_labels)
            Training rows of each class, or without and with each label.
        smoothing : float, default=0.0
            Label smoothing.
        n_epochs : int, default=None
            Not used.

        Returns
        -------
        WeightedLoss
        """
        assert counts is not None
        weights = effective_number_weights(counts, float(self.beta))
        cls = BalancedLabels if task == "multilabel" else BalancedClasses
        return cls(weights, float(self.gamma), smoothing)


class BalancedClasses(FocalClasses):
    """w_k times the focal loss of class k; weights: (K,)"""

    weights: Tensor

    def __init__(self, weights: Tensor, gamma: float, smoothing: float):
        super().__init__(gamma, smoothing)
        self.register_buffer("weights", weights)

    def every(self, output: Tensor) -> Tensor:
        return self.weights * super().every(output)


class BalancedLabels(FocalLabels):
    """Each side of a label by its weight; weights: (2, L), of rows without and with"""

    weights: Tensor

    def __init__(self, weights: Tensor, gamma: float, smoothing: float):
        super().__init__(gamma, smoothing)
        self.register_buffer("weights", weights)

    def sides(self, output: Tensor) -> tuple[Tensor, Tensor]:
        there, absent = super().sides(output)
        return self.weights[1] * there, self.weights[0] * absent
