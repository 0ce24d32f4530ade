"""What y teaches a head that does not predict it: as it does one that would, or not."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import type_of_target

from skmultimodal.fusion._base import NeuralFusion
from skmultimodal.heads._base import FusionHead
from skmultimodal.heads._classifier import FusionClassifier
from skmultimodal.heads._predictor import FusionPredictor
from skmultimodal.heads._regressor import FusionRegressor
from skmultimodal.nn._losses import OwnLoss, WeightedLoss

_READERS = {"classification": FusionClassifier, "regression": FusionRegressor}


class SupervisedHead(FusionHead):
    """Base class of a head that y may supervise, as it does classifier and regressor.

    With ``objective="supervised"`` all that y decides is asked of a reader, a head of
    these that is never trained: what y is, its scale, the loss. Other objectives have
    no y, and a net that gives its own loss.
    """

    objective: str
    task: str
    loss: Any
    _reader: FusionClassifier | FusionRegressor

    _parameter_constraints: ClassVar[dict] = {
        **FusionPredictor._parameter_constraints,
        "loss": [*FusionPredictor._parameter_constraints["loss"], None],
        "task": [StrOptions({"auto", *_READERS})],
    }

    @property
    def _is_supervised(self) -> bool:
        return self.objective == "supervised"

    def _read_target(self, y: Any, *, reset: bool) -> np.ndarray:
        if not self._is_supervised:
            return np.zeros((len(y), 1))
        if reset:
            self._reader = _READERS[_task_of(y) if self.task == "auto" else self.task]()
        usual = type(self._reader)().loss
        self._reader.loss = usual if self.loss is None else self.loss
        return self._reader._read_target(y, reset=reset)

    def _scale_target(self, y: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
        if not self._is_supervised:
            return y
        return self._reader._scale_target(y, rows)

    def _target_weights(
        self, y: np.ndarray, weight: np.ndarray | None
    ) -> np.ndarray | None:
        return None

    def _check_loss(self) -> None:
        if self._is_supervised:
            self._reader._check_loss()
            return
        given = {"loss": self.loss, "mixup": self.mixup, "n_members": self.n_members}
        usual = {"loss": None, "mixup": 0, "n_members": 1}
        for name, value in given.items():
            if value != usual[name]:
                raise ValueError(
                    f"objective={self.objective!r} has a loss of its own and predicts "
                    f"no y: leave {name}={usual[name]}, not {value!r}, or set "
                    "objective='supervised'."
                )

    def _check_own_loss(self, fusion: NeuralFusion) -> None:
        if self._is_supervised:
            self._reader._check_own_loss(fusion)

    def _count_rows(
        self, y: np.ndarray, weight: np.ndarray | None, so_far: bool
    ) -> None:
        if self._is_supervised:
            self._reader._count_rows(y, weight, so_far)

    @property
    def _output_scale(self) -> float | None:
        if not self._is_supervised:
            return None
        return self._reader._output_scale

    def _make_loss(self, n_epochs: int | None) -> WeightedLoss:
        if not self._is_supervised:
            return OwnLoss()
        return self._reader._make_loss(n_epochs)

    def _task(self) -> str:
        if not self._is_supervised:
            return "representation"
        return self._reader._task()

    def _count_outputs(self, y: np.ndarray) -> int:
        return self._reader._count_outputs(y) if self._is_supervised else 1


def _task_of(y: Any) -> str:
    kind = type_of_target(np.asarray(y), input_name="y")
    return "regression" if kind.startswith("continuous") else "classification"
