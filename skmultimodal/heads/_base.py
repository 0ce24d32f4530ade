"""What every head does: read X, train a net, predict, travel."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _get_feature_names, check_is_fitted
from torch import Tensor

from skmultimodal._layout import Layout, read_layout
from skmultimodal._splits import draw_validation
from skmultimodal.fusion._base import AUTO, NeuralFusion, make_fusion
from skmultimodal.heads._averaging import AVERAGES
from skmultimodal.heads._balance import BALANCES, make_balance
from skmultimodal.heads._devices import choose_device
from skmultimodal.heads._inputs import BlockInputs
from skmultimodal.heads._network import FusionBody, Recipe, as_sizes
from skmultimodal.heads._planning import (
    block_gains,
    check_task,
    refuse_few_modalities,
    refuse_parameters_of_names,
    warn_of_nameless,
)
from skmultimodal.heads._reading import (
    read_encoded,
    read_validation,
    read_weight,
    row_index,
)
from skmultimodal.heads._rows import Rows
from skmultimodal.heads._seeding import draw_seed
from skmultimodal.heads._state import freeze, thaw
from skmultimodal.heads._training import (
    Job,
    Settings,
    Trained,
    refuse_scoring,
    train_network,
)
from skmultimodal.heads.auto import fit_auto
from skmultimodal.nn import TEMPORAL
from skmultimodal.nn._losses import WeightedLoss

_PREDICT_ROWS = 1024
_FEWEST_ROWS = 8  # products of fewer rows take another path and round otherwise


class FusionHead(BaseEstimator, metaclass=ABCMeta):
    """Base class of heads. A subclass says how y becomes a tensor and back."""

    module_: FusionBody
    _inputs: BlockInputs
    history_: list[dict[str, Any]]
    _optimizer_state: dict[str, Any] | None
    batch_sampler: str | None = None
    n_members: int = 1
    mixup: float = 0.0
    _sized_for: int | None = None  # rows that batch_size="auto" shall suit

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

    # What a subclass says ----------------------------------------------------------

    @abstractmethod
    def _read_target(self, y: Any, *, reset: bool) -> np.ndarray:
        """y checked and encoded as the loss takes it; learns what there is to learn."""

    @abstractmethod
    def _scale_target(self, y: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
        """y on the scale of the net, learned on `rows` unless they are None."""

    @abstractmethod
    def _target_weights(
        self, y: np.ndarray, weight: np.ndarray | None
    ) -> np.ndarray | None:
        """Weight of each row by its target, or None; `weight` is the row's own."""

    @abstractmethod
    def _make_loss(self, n_epochs: int | None) -> WeightedLoss:
        """The loss to train with, in all so many epochs; None: nobody knows."""

    @abstractmethod
    def _task(self) -> str:
        """What y is, in the words of `NeuralFusion.tasks`."""

    @abstractmethod
    def _count_outputs(self, y: np.ndarray) -> int:
        """Width of the net's output."""

    def _check_loss(self) -> None:
        """Refuse a loss that is not for such targets."""

    def _check_own_loss(self, fusion: NeuralFusion) -> None:
        """Refuse what does not go with a fusion that brings its loss."""

    def _count_rows(
        self, y: np.ndarray, weight: np.ndarray | None, so_far: bool
    ) -> None:
        """Learn how common the targets are, with those of earlier calls or anew."""

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

    # Fitting -----------------------------------------------------------------------

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, X_val: Any, y_val: Any, groups: Any
    ) -> None:
        job = self._prepare(X, y, sample_weight, X_val, y_val, groups)
        if job is not None:
            self._complete(job, train_network(job), self.warm_start)

    def _prepare(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        groups: Any = None,
    ) -> Job | None:
        """Read everything, up to the training that there is to do.

        None: ``fusion="auto"`` has done it all.
        """
        resume = self.warm_start and hasattr(self, "module_")
        x = read_encoded(self, X, reset=not resume)
        target = self._read_target(y, reset=not resume)
        check_consistent_length(x, target)
        self._check_loss()
        own = read_weight(sample_weight, X, len(x))
        weight = self._weigh(target, own)
        seed = draw_seed(self.random_state)
        if (X_val is None) != (y_val is None):
            raise ValueError("Give X_val and y_val together, or neither.")
        if self._is_auto:
            given = None if X_val is None else (X_val, y_val)
            self._fit_auto(X, y, x, target, weight, sample_weight, given, groups, seed)
            return None
        for name in ("_auto", "fusion_report_"):
            self.__dict__.pop(name, None)
        rows = np.arange(len(x))
        held_out = None
        if X_val is None and (self.early_stopping or self._blends):
            rows, held_out = self._hold_out(X, x, target, groups, seed)
        rows = _weighing(rows, weight)
        self._count_rows(target[rows], _at(own, rows), so_far=False)
        target = self._scale_target(target, None if resume else rows)
        if not resume:
            self._recipe, self._inputs = self._plan(_take(x, rows), X, target[rows])
        train = self._rows(x, target, weight, rows)
        valid = None
        if X_val is not None:
            x_val = read_validation(self, X_val)
            y_val = self._scale_target(self._read_validation_target(y_val), None)
            if len(x_val) != len(y_val):
                raise ValueError(
                    f"X_val has {len(x_val)} rows, y_val has {len(y_val)}. Give one "
                    "target a row."
                )
            valid = self._rows(x_val, y_val, None, np.arange(len(x_val)))
        elif held_out is not None:
            valid = self._rows(x, target, weight, held_out)
        return self._make_job(train, valid, seed, resume)

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any) -> None:
        job = self._prepare_part(X, y, sample_weight)
        self._complete(job, train_network(job), keep_optimizer=True)

    def _prepare_part(self, X: Any, y: Any, sample_weight: Any) -> Job:
        if self._is_auto:
            raise ValueError(
                "fusion='auto' chooses on folds of all rows, which partial_fit does "
                "not have. Use fit, or name a fusion."
            )
        if self._blends:
            raise ValueError(
                "modality_balance='gradient_blending' weighs losses by held-out rows, "
                "and partial_fit holds none out. Use fit, or modality_balance='ogm_ge'."
            )
        if self.average is not None:
            raise ValueError(
                f"average={self.average!r} is over the steps of a whole training, and "
                "partial_fit knows neither its start nor its end. Use fit."
            )
        resume = hasattr(self, "module_")
        x = read_encoded(self, X, reset=not resume)
        target = self._read_target(y, reset=False)
        check_consistent_length(x, target)
        self._check_loss()
        own = read_weight(sample_weight, X, len(x))
        weight = self._weigh(target, own)
        seed = draw_seed(self.random_state)
        if resume and self.random_state is not None:
            seed = (seed + self.n_iter_) % (2**31 - 1)  # another order each time
        rows = _weighing(np.arange(len(x)), weight)
        self._count_rows(target[rows], _at(own, rows), so_far=resume)
        target = self._scale_target(target, None if resume else rows)
        if not resume:
            self._recipe, self._inputs = self._plan(_take(x, rows), X, target[rows])
        train = self._rows(x, target, weight, rows)
        settings = self._settings(seed, 1, "constant")
        job = Job(self._recipe, self._choose_loss(None), train, None, settings)
        return self._with_before(job, resume)

    @property
    def _is_auto(self) -> bool:
        return isinstance(self.fusion, str) and self.fusion == AUTO

    def _fit_auto(
        self,
        X: Any,
        y: Any,
        x: np.ndarray,
        target: np.ndarray,
        weight: np.ndarray | None,
        sample_weight: Any,
        valid: tuple[Any, Any] | None,
        groups: Any,
        seed: int,
    ) -> None:
        if self.warm_start:
            raise ValueError(
                "fusion='auto' chooses anew in each fit: there is nothing to go on "
                "from. Set warm_start=False, or name a fusion."
            )
        self._auto = fit_auto(
            self, X, y, x, target, weight, sample_weight, valid, groups, seed
        )
        self._inputs = self._auto.blocks.inputs
        self.__dict__.pop("module_", None)
        self.fusion_report_ = self._auto.report
        self.history_ = self._auto.history
        self.n_iter_ = len(self.history_)

    @property
    def _blends(self) -> bool:
        return self.modality_balance == "gradient_blending"

    @property
    def _auxiliary(self) -> str | None:
        """What the outputs of single modalities are for, if there are any."""
        if self._blends or self.aux_loss_weight:
            return "loss"
        return None if self.modality_balance is None else "probe"

    @property
    def _output_scale(self) -> float | None:
        """Within which the loss wants the outputs."""
        return None

    def _read_validation_target(self, y_val: Any) -> np.ndarray:
        try:
            return self._read_target(y_val, reset=False)
        except ValueError as error:
            raise ValueError(f"y_val: {error}") from error

    def _weigh(self, y: np.ndarray, own: np.ndarray | None) -> np.ndarray | None:
        """Weights of rows by themselves and by their target, of mean 1: (n,)"""
        weight = self._target_weights(y, own)
        if own is not None:
            weight = own if weight is None else own * weight
        return None if weight is None else weight / weight[weight > 0].mean()

    def _hold_out(
        self, X: Any, x: np.ndarray, y: np.ndarray, groups: Any, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        layout = self._read_layout(x, X)
        names = self._column_names(x)
        scaled, _ = BlockInputs.learn(x, layout, names, True, None)(x)
        return draw_validation(
            y,
            index=row_index(X),
            x=scaled.numpy(),
            groups=groups,
            splitter=self.validation_split,
            fraction=self.validation_fraction,
            stratify=y.ndim == 1 and y.dtype.kind == "i",
            random_state=seed,
        )

    def _column_names(self, x: np.ndarray) -> list[str]:
        names = getattr(self, "feature_names_in_", None)
        return [str(k) for k in range(x.shape[1])] if names is None else list(names)

    def _read_layout(self, x: np.ndarray, X: Any) -> Layout:
        return read_layout(x.shape[1], _get_feature_names(X), self.modalities)

    def _plan(
        self, x: np.ndarray, X: Any, target: np.ndarray
    ) -> tuple[Recipe, BlockInputs]:
        layout = self._read_layout(x, X)
        fusion = make_fusion(self.fusion)
        self._check_task(fusion)
        nameless = _get_feature_names(X) is None
        refuse_few_modalities(layout, fusion, nameless)
        if nameless:
            warn_of_nameless(self, x)
        names = self._column_names(x)
        inputs = BlockInputs.learn(
            x, layout, names, self.standardize, type(self).__name__
        )
        gains = block_gains(self, x, inputs, target)
        n_outputs = self._count_outputs(target)
        return self._make_recipe(layout, fusion, n_outputs, gains), inputs

    def _make_recipe(
        self,
        layout: Layout,
        fusion: NeuralFusion,
        n_outputs: int,
        gains: tuple[float, ...],
    ) -> Recipe:
        return Recipe(
            layout,
            fusion,
            int(self.embed_dim),
            as_sizes(self.hidden_layer_sizes),
            float(self.dropout),
            float(self.modality_dropout),
            n_outputs,
            gains,
            self.temporal,
            self._auxiliary,
            self._output_scale,
            self._task(),
            int(self.n_members),
            float(self.mixup),
        )

    def _check_task(self, fusion: NeuralFusion) -> None:
        check_task(fusion, self._task())
        if self._blends and self.aux_loss_weight:
            raise ValueError(
                f"aux_loss_weight={self.aux_loss_weight} has no place beside "
                "modality_balance='gradient_blending', which weighs the modalities' "
                "losses itself. Leave one of the two out."
            )

    def _rows(
        self, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None, rows: np.ndarray
    ) -> Rows:
        columns, present = self._inputs(_take(x, rows))
        dtype = np.int64 if y.dtype.kind == "i" and y.ndim == 1 else np.float32
        w = (
            None
            if weight is None
            else torch.from_numpy(weight[rows].astype(np.float32))
        )
        return Rows(columns, present, torch.from_numpy(y[rows].astype(dtype)), w)

    def _settings(self, seed: int, epochs: int, lr_schedule: str) -> Settings:
        callbacks = self.callbacks
        if not isinstance(callbacks, (list, tuple, type(None))):
            callbacks = [callbacks]
        refuse_scoring(callbacks or [])
        return Settings(
            lr=float(self.lr),
            lr_schedule=lr_schedule,
            weight_decay=float(self.weight_decay),
            epochs=int(epochs),
            batch_size=self.batch_size,
            sized_for=self._sized_for,
            n_iter_no_change=int(self.n_iter_no_change)
            if self.early_stopping
            else None,
            max_time=self.max_time,
            callbacks=callbacks,
            device=choose_device(self.device),
            seed=seed,
            verbose=int(self.verbose),
            balance=make_balance(
                self.modality_balance, float(self.aux_loss_weight), int(epochs)
            ),
            batch_sampler=self.batch_sampler,
            average=self.average,
            max_grad_norm=self.max_grad_norm,
        )

    def _choose_loss(self, n_epochs: int | None) -> WeightedLoss:
        if self._recipe.output_scale != self._output_scale:
            raise ValueError(
                "warm_start and partial_fit go on with the net that there is, whose "
                "last layer does not suit the new loss: only 'ldam' has one of "
                "cosines. Fit anew with warm_start=False."
            )
        fusion = self._recipe.fusion
        loss = fusion.make_loss(self._recipe.layout.names)
        if loss is None:
            return self._make_loss(n_epochs)
        self._check_own_loss(fusion)
        return loss

    def _prepare_like(self, other: FusionHead, job: Job) -> Job:
        """What `_prepare` gives where another head has read the same rows alike."""
        own = self.get_params(deep=False)
        self.__dict__.update({k: v for k, v in vars(other).items() if k not in own})
        self._check_loss()
        fusion = make_fusion(self.fusion)
        self._check_task(fusion)
        layout, gains = job.recipe.layout, job.recipe.gains
        refuse_few_modalities(layout, fusion, not hasattr(self, "feature_names_in_"))
        n_outputs = job.recipe.n_outputs
        self._recipe = self._make_recipe(layout, fusion, n_outputs, gains)
        seed = draw_seed(self.random_state)
        return self._make_job(job.rows, job.valid, seed, resume=False)

    def _make_job(
        self, train: Rows, valid: Rows | None, seed: int, resume: bool
    ) -> Job:
        settings = self._settings(seed, self.max_epochs, self.lr_schedule)
        n_epochs = settings.epochs + (self.n_iter_ if resume else 0)
        loss = self._choose_loss(n_epochs)
        job = Job(self._recipe, loss, train, valid, settings)
        return self._with_before(job, resume)

    def _with_before(self, job: Job, resume: bool) -> Job:
        """With the net and the history that the training goes on from."""
        if not resume:
            return job
        settings = replace(job.settings, first_epoch=len(self.history_))
        before = self.module_, self._optimizer_state
        return replace(job, settings=settings, before=before)

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

    # Predicting --------------------------------------------------------------------

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

    # Travelling --------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        return freeze(super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(thaw(state))


def _take(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """x[rows], without a copy where these are all rows."""
    return x if len(rows) == len(x) else x[rows]


def _at(weight: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if weight is None else weight[rows]


def _at_least(x: np.ndarray, n: int) -> np.ndarray:
    """x with its last row repeated up to n rows."""
    return x if len(x) >= n else np.concatenate([x, x[-1:].repeat(n - len(x), axis=0)])


def _weighing(rows: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """The rows that weigh something: the others take no part, in scaling neither."""
    if weight is None:
        return rows
    heavy = rows[weight[rows] > 0]
    return heavy if len(heavy) else rows
