"""What every head does: train a net on what was read, predict, travel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skmultimodal.fusion._base import NeuralFusion
from skmultimodal.heads._averaging import AVERAGES
from skmultimodal.heads._balance import BALANCES
from skmultimodal.heads._network import FusionBody
from skmultimodal.heads._planning import refuse_parameters_of_names
from skmultimodal.heads._preparing import PreparingHead
from skmultimodal.heads._reading import read_encoded
from skmultimodal.heads._state import freeze, thaw
from skmultimodal.heads._training import Job, Trained, train_network
from skmultimodal.nn import TEMPORAL

_PREDICT_ROWS = 1024
_FEWEST_ROWS = 8  # products of fewer rows take another path and round otherwise


class FusionHead(PreparingHead):
    """Base class of heads."""

    _parameter_constraints: ClassVar[dict] = {
        "fusion": [str, NeuralFusion, type],
        "temporal": [StrOptions(set(TEMPORAL))],
        "embed_dim": [Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "modality_dropout": [Interval(Real, 0, 1, closed="left")],
        "aux_loss_weight": [Interval(Real, 0, None, closed="left")],
        "modality_balance": [None, StrOptions(set(BALANCES))],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "lr_schedule": [StrOptions({"cosine", "constant"})],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "max_grad_norm": [None, Interval(Real, 0, None, closed="neither")],
        "average": [None, StrOptions(set(AVERAGES))],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "standardize": ["boolean"],
        "block_scale": [StrOptions({"relevance", "equal"})],
        "modalities": [None, Mapping],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "validation_split": ["cv_object"],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "max_time": [None, Interval(Real, 0, None, closed="neither")],
        "warm_start": ["boolean"],
        "callbacks": [None, list, HasMethods("on_epoch_end")],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def set_params(self, **params: Any) -> Any:
        """Set parameters, as every estimator does.

        Parameters
        ----------
        **params : dict
            Also of a fusion or a loss, where it is given as a specification:
            ``fusion__n_heads=4``.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If there is no such parameter; a name as ``"concat"`` has none of its own.
        """
        refuse_parameters_of_names(self, params)
        return super().set_params(**params)

    # Fitting --------------------------------------------------------------------------

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, X_val: Any, y_val: Any, groups: Any
    ) -> None:
        job = self._prepare(X, y, sample_weight, X_val, y_val, groups)
        if job is not None:
            self._complete(job, train_network(job), self.warm_start)

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any) -> None:
        job = self._prepare_part(X, y, sample_weight)
        self._complete(job, train_network(job), keep_optimizer=True)

    def _complete(self, job: Job, done: Trained, keep_optimizer: bool) -> None:
        """Take over what a training has left."""
        old = list(self.history_) if job.settings.first_epoch else []
        history = [dict(epoch) for epoch in done.history]
        for epoch in history:
            epoch.pop("batches", None)
        for number, epoch in enumerate(history, start=len(old) + 1):
            epoch["epoch"] = number
        self.module_ = done.module
        self._optimizer_state = done.optimizer if keep_optimizer else None
        self.history_ = old + history
        self.n_iter_ = len(self.history_)
        self.callbacks_ = done.callbacks
        self.batch_size_ = done.batch_size

    # Predicting -----------------------------------------------------------------------

    def _outputs(self, X: Any) -> np.ndarray:
        """(n, n_outputs) as the net, or a pool of several, gives it."""
        if hasattr(self, "_auto"):
            return self._auto.outputs(X, read_encoded(self, X, reset=False))
        return self._compute(X, lambda net, x, present: net(x, present).output)

    def _compute(
        self, X: Any, what: Callable[[FusionBody, Tensor, Tensor], Tensor]
    ) -> np.ndarray:
        """What the net gives of all rows, some at a time: (n, ...) float32"""
        check_is_fitted(self)
        x = read_encoded(self, X, reset=False)
        device = next(self.module_.parameters()).device
        outputs: list[Tensor] = []
        with torch.inference_mode():
            for start in range(0, len(x), _PREDICT_ROWS):
                part = x[start : start + _PREDICT_ROWS]
                rows, present = self._inputs(_at_least(part, _FEWEST_ROWS), start)
                output = what(self.module_, rows.to(device), present.to(device))
                outputs.append(output[: len(part)])
            return torch.cat(outputs).float().cpu().numpy()

    # Travelling -----------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        return freeze(super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(thaw(state))


def _at_least(x: np.ndarray, n: int) -> np.ndarray:
    """x with its last row repeated up to n rows."""
    return x if len(x) >= n else np.concatenate([x, x[-1:].repeat(n - len(x), axis=0)])
