"""Squared error of numbers."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from skmultimodal.losses._base import Loss
from skmultimodal.nn._losses import SquaredError, WeightedLoss


class SquaredErrorLoss(Loss):
    """Squared error of targets that are standardised by mean and deviation.

    Examples
    --------
    >>> from skmultimodal.heads import FusionRegressor
    >>> from skmultimodal.losses import SquaredErrorLoss
    >>> head = FusionRegressor(loss=SquaredErrorLoss())
    """

    tasks: ClassVar[tuple[str, ...]] = ("regression",)

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
        task : {"regression"}
            What y is.
        counts : ndarray, default=None
            Not used.
        smoothing : float, default=0.0
            Not used.
        n_epochs : int, default=None
            Not used.

        Returns
        -------
        WeightedLoss
        """
        return SquaredError()
