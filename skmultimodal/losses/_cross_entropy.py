"""Cross entropy, of classes and of labels."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from skmultimodal.losses._base import Loss
from skmultimodal.nn._losses import BinaryCrossEntropy, CrossEntropy, WeightedLoss


class CrossEntropyLoss(Loss):
    """Cross entropy: -log of the probability of the true class.

    With ``label_smoothing=ε`` in the head a row counts by 1 - ε for its class and by
    ε / K for each of the K classes. For multilabel y, the mean over the labels of the
    binary cross entropy.

    References
    ----------
    Label smoothing: Szegedy et al., "Rethinking the Inception Architecture for Computer
    Vision", arXiv:1512.00567.

    Examples
    --------
    >>> from skmultimodal.heads import FusionClassifier
    >>> from skmultimodal.losses import CrossEntropyLoss
    >>> head = FusionClassifier(loss=CrossEntropyLoss(), label_smoothing=0.1)
    """

    tasks: ClassVar[tuple[str, ...]] = ("classification", "multilabel")

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
            return BinaryCrossEntropy(smoothing)
        return CrossEntropy(smoothing)
