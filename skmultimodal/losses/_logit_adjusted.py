"""Logit-adjusted loss: the shares of the classes are no part of what is learned."""

from __future__ import annotations

from numbers import Real
from typing import ClassVar

import numpy as np
import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor
from torch.nn import functional as F

from skmultimodal.losses._base import Loss
from skmultimodal.losses._class_counts import at_least_one
from skmultimodal.nn._losses import ClassLoss, LabelLoss, WeightedLoss


class LogitAdjustedLoss(Loss):
    """Cross entropy of logits with the classes' shares added: rare ones catch up.

    In training, τ log π_k is added to the output of class k, where π_k is its share of
    the training rows. What is common is then given by π, and the net learns the rest.
    `predict` and `predict_proba` take the net's output without it: with τ = 1 these are
    the probabilities of a world where all classes are equally common, and the
    prediction is the one with the highest balanced accuracy. To have those of the
    training rows, multiply by π and divide by the sum. For multilabel y each label by
    itself, with τ log(π / (1 - π)): a label that half of the rows would have.

    Parameters
    ----------
    tau : float, default=1.0
        How much of log π is added.

    References
    ----------
    Menon et al., "Long-tail learning via logit adjustment", arXiv:2007.07314.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal import pack
    >>> from skmultimodal.heads import FusionClassifier
    >>> from skmultimodal.losses import LogitAdjustedLoss
    >>> rng = np.random.default_rng(0)
    >>> y = (np.arange(400) < 20).astype(int)  # one row in twenty
    >>> x = rng.normal(size=(400, 2)) + 1.5 * y[:, None]
    >>> X = pack({"text": x[:, :1], "image": x[:, 1:]})
    >>> plain = FusionClassifier(random_state=0, max_epochs=10).fit(X, y)
    >>> adjusted = FusionClassifier(
    ...     loss=LogitAdjustedLoss(tau=1.0), random_state=0, max_epochs=10
    ... ).fit(X, y)
    >>> rare = y == 1
    >>> bool(adjusted.predict(X)[rare].mean() > plain.predict(X)[rare].mean())
    True
    """

    tasks: ClassVar[tuple[str, ...]] = ("classification", "multilabel")
    _parameter_constraints: ClassVar[dict] = {
        "tau": [Interval(Real, 0, None, closed="left")]
    }

    def __init__(self, tau: float = 1.0):
        self.tau = tau

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
        logs = np.log(at_least_one(counts))
        if task == "multilabel":
            return AdjustedLabels(self.tau * (logs[1] - logs[0]), smoothing)
        logs -= np.log(at_least_one(counts).sum())
        return AdjustedClasses(self.tau * logs, smoothing)


class AdjustedClasses(ClassLoss):
    """-log softmax(o + τ log π)_k"""

    shift: Tensor

    def __init__(self, shift: np.ndarray, smoothing: float):
        super().__init__(smoothing)
        self.register_buffer("shift", torch.from_numpy(shift.astype(np.float32)))

    def every(self, output: Tensor) -> Tensor:
        return -F.log_softmax(output + self.shift, dim=1)


class AdjustedLabels(LabelLoss):
    """Binary cross entropy of o + τ log(π / (1 - π))"""

    shift: Tensor

    def __init__(self, shift: np.ndarray, smoothing: float):
        super().__init__(smoothing)
        self.register_buffer("shift", torch.from_numpy(shift.astype(np.float32)))

    def sides(self, output: Tensor) -> tuple[Tensor, Tensor]:
        return super().sides(output + self.shift)
