"""Huber's loss: far outliers pull no harder than near ones."""

from __future__ import annotations

from numbers import Real
from typing import ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from skmultimodal.losses._base import Loss
from skmultimodal.nn._losses import Huber, WeightedLoss


class HuberLoss(Loss):
    """Squared error of near misses, and absolute error of far ones.

    With r = (f - y) / σ it is r² up to δ, and ``δ (2 |r| - δ)`` beyond. The scale σ of
    a target is its interquartile range, in units of which a normal distribution has
    deviation 1, and its centre the median: outliers in y move neither.

    Parameters
    ----------
    delta : float, default=1.35
        δ, where near ends. 1.35 is the `epsilon` of
        :class:`~sklearn.linear_model.HuberRegressor`: 95 % of the efficiency of the
        squared error where errors are normal and as large as σ.

    References
    ----------
    Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical
    Statistics 35, 1964.

    Examples
    --------
    >>> from skmultimodal.heads import FusionRegressor
    >>> from skmultimodal.losses import HuberLoss
    >>> head = FusionRegressor(loss=HuberLoss(delta=0.5))
    >>> head.get_params()["loss__delta"]
    0.5
    """

    tasks: ClassVar[tuple[str, ...]] = ("regression",)
    robust: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict] = {
        "delta": [Interval(Real, 0, None, closed="neither")]
    }

    def __init__(self, delta: float = 1.35):
        self.delta = delta

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
        return Huber(float(self.delta))
