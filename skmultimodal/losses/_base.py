"""What a loss of a head is: a specification that builds the module to train with."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from skmultimodal._specs import (
    Specification,
    known_specifications,
    make_specification,
)
from skmultimodal.nn._losses import WeightedLoss

_SAID = {
    "classification": "y holds classes",
    "multilabel": "y is multilabel",
    "regression": "y holds numbers",
}


class Loss(Specification):
    """Base class of losses: parameters now, a torch module inside `fit`.

    A loss is given to a head by its name, ``loss="focal"``, or as a specification,
    ``loss=FocalLoss(gamma=1.0)``, whose parameters can be searched
    (``head__loss__gamma``). A subclass stores its parameters in ``__init__``, lists
    what they may be in ``_parameter_constraints`` and the targets that it is for in
    ``tasks``, and implements :meth:`build`. Its name as a string is the class name in
    snake case without ``Loss``.
    """

    tasks: ClassVar[tuple[str, ...]]
    # within which the net's outputs shall lie, as cosines times it; None: anywhere
    output_scale: float | None = None
    robust: ClassVar[bool] = False  # against outliers in y, which then set no scale

    @abstractmethod
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
        task : {"classification", "multilabel", "regression"}
            What y is.
        counts : ndarray of shape (n_classes,) or (2, n_labels), default=None
            Training rows of each class, a row counting by its weight. For labels, rows
            without each of them, then rows with it.
        smoothing : float, default=0.0
            The head's `label_smoothing`.
        n_epochs : int, default=None
            Epochs that there will have been when the training is over; None if that is
            not known (``partial_fit``).

        Returns
        -------
        WeightedLoss
        """


def known_losses(task: str) -> dict[str, type[Loss]]:
    """Every loss there is for such targets by name, a user's own included."""
    known = known_specifications(Loss, "Loss")
    return {name: cls for name, cls in known.items() if task in cls.tasks}


def make_loss(loss: Any, task: str | None = None) -> Loss:
    """A validated copy of a loss given as a specification or by its name."""
    known = known_specifications(Loss, "Loss")
    made = make_specification(
        loss, Loss, known, "loss", "losses", "or a Loss such as FocalLoss()"
    )
    if task is not None and task not in made.tasks:
        raise ValueError(
            f"loss={loss!r} is for {' or '.join(made.tasks)}, and {_SAID[task]}. "
            f"Choose one of {sorted(known_losses(task))}."
        )
    return made
