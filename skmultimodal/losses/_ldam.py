"""Label-distribution-aware margins: rare classes keep more distance."""

from __future__ import annotations

from numbers import Real
from typing import ClassVar

import numpy as np
import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor
from torch.nn import functional as F

from skmultimodal.losses._base import Loss
from skmultimodal.losses._class_counts import at_least_one, effective_number_weights
from skmultimodal.nn._losses import ClassLoss


class LDAMLoss(Loss):
    """Label-distribution-aware margin loss: the rarer a class, the larger its margin.

    Cross entropy after s Δ_k is taken from the output of the true class k, with margins
    Δ_k ∝ n_k^(-1/4), the largest of them `max_margin`. Late in the training classes are
    weighted by their effective number of rows too (deferred re-weighting): until then
    a net learns a representation that weights from the start would spoil.

    As in the paper the last layer is a cosine, times s: margins say nothing where
    scores may grow without bounds. A margin loss gives scores, not probabilities:
    `predict_proba` orders rows, and
    :class:`~sklearn.calibration.CalibratedClassifierCV` makes probabilities of that.
    There is no multilabel version.

    Parameters
    ----------
    max_margin : float, default=0.5
        Margin of the rarest class, in units of the cosine.
    scale : float, default=30.0
        s, what a cosine is multiplied by.
    reweight_after : float, default=0.5
        Share of all epochs after which classes are weighted: 0 for always, 1 for never.
        The paper has 0.8, where its learning rate falls; half a cosine leaves little to
        learn with by then.
        With `max_time` or `early_stopping` the training may end before. Validation
        losses are weighted in all epochs, unless it is 1.
    beta : float, default=0.9999
        That of :class:`ClassBalancedLoss`, for the weights.

    References
    ----------
    Cao, Wei, Gaidon, Arechiga and Ma, "Learning Imbalanced Datasets with
    Label-Distribution-Aware Margin Loss", arXiv:1906.07413.

    Examples
    --------
    >>> from skmultimodal.heads import FusionClassifier
    >>> from skmultimodal.losses import LDAMLoss
    >>> head = FusionClassifier(loss=LDAMLoss(max_margin=0.3))
    """

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    _parameter_constraints: ClassVar[dict] = {
        "max_margin": [Interval(Real, 0, None, closed="left")],
        "scale": [Interval(Real, 0, None, closed="neither")],
        "reweight_after": [Interval(Real, 0, 1, closed="both")],
        "beta": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        max_margin: float = 0.5,
        scale: float = 30.0,
        reweight_after: float = 0.5,
        beta: float = 0.9999,
    ):
        self.max_margin = max_margin
        self.scale = scale
        self.reweight_after = reweight_after
        self.beta = beta

    @property
    def output_scale(self) -> float:  # type: ignore[override]
        """Outputs lie within ± this."""
        return float(self.scale)

    def build(
        self,
        task: str,
        counts: np.ndarray | None = None,
        smoothing: float = 0.0,
        n_epochs: int | None = None,
    ) -> LDAM:
        """Build the module.

        Parameters
        ----------
        task : {"classification"}
            What y is.
        counts : ndarray of shape (n_classes,)
            Training rows of each class.
        smoothing : float, default=0.0
            Label smoothing.
        n_epochs : int, default=None
            Epochs of the whole training.

        Returns
        -------
        WeightedLoss

        Raises
        ------
        ValueError
            If weights shall come late and `n_epochs` is not known.
        """
        assert counts is not None
        share = float(self.reweight_after)
        if n_epochs is None and 0 < share < 1:
            raise ValueError(
                f"LDAMLoss(reweight_after={share}) weights classes after that share of "
                "all epochs, and partial_fit does not know how many there will be. Set "
                "reweight_after=0 (always) or 1 (never), or use fit."
            )
        if share in (0, 1):
            first = None if share else 0
        else:
            first = round(share * (n_epochs or 0))
        rarity = at_least_one(counts) ** -0.25
        margins = self.scale * self.max_margin * rarity / rarity.max()
        weights = effective_number_weights(counts, float(self.beta))
        return LDAM(margins, weights, first, smoothing)


class LDAM(ClassLoss):
    """w_y times the cross entropy of o - s Δ_y e_y, e_y the y-th unit vector.

    Weights count from epoch `first` on; None is never.
    """

    margins: Tensor
    weights: Tensor

    def __init__(
        self,
        margins: np.ndarray,
        weights: Tensor,
        first: int | None,
        smoothing: float,
    ):
        super().__init__(smoothing)
        self.register_buffer("margins", torch.from_numpy(margins.astype(np.float32)))
        self.register_buffer("weights", weights)
        self.first = first
        self.weighs = first == 0

    def start_epoch(self, number: int) -> None:
        self.weighs = self.first is not None and number >= self.first

    def per_sample(self, output: Tensor, y: Tensor) -> Tensor:
        margin = F.one_hot(y, output.shape[1]) * self.margins  # (n, K)
        loss = F.cross_entropy(
            output - margin, y, reduction="none", label_smoothing=self.smoothed
        )
        weighs = self.weighs if self.training else self.first is not None
        return loss * self.weights[y] if weighs else loss
