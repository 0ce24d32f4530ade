"""What every head does before there is a net: reads rows and settings, for a job."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import _get_feature_names

from skmultimodal._layout import Layout, read_layout
from skmultimodal._splits import draw_validation
from skmultimodal.fusion._base import AUTO, NeuralFusion, make_fusion
from skmultimodal.heads._balance import make_balance
from skmultimodal.heads._devices import choose_device
from skmultimodal.heads._inputs import BlockInputs
from skmultimodal.heads._network import FusionBody, Recipe, as_sizes
from skmultimodal.heads._planning import (
    block_gains,
    check_task,
    refuse_few_modalities,
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
from skmultimodal.heads._training import Job, Settings, refuse_scoring
from skmultimodal.heads.auto import fit_auto
from skmultimodal.nn._losses import WeightedLoss


class PreparingHead(BaseEstimator, metaclass=ABCMeta):
    """Reads X, y and parameters, up to the training that there is to do.

    A subclass says how y becomes a tensor and back.
    """

    module_: FusionBody
    _inputs: BlockInputs
    history_: list[dict[str, Any]]
    n_iter_: int
    _optimizer_state: dict[str, Any] | None
    batch_sampler: str | None = None
    n_members: int = 1
    mixup: float = 0.0
    _sized_for: int | None = None  # rows that batch_size="auto" shall suit

    # What a subclass says -------------------------------------------------------------

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

    # The job --------------------------------------------------------------------------

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

    def _prepare_like(self, other: PreparingHead, job: Job) -> Job:
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

    # Fusions that are several nets ----------------------------------------------------

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

    # Rows and the net -----------------------------------------------------------------

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


def _take(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """x[rows], without a copy where these are all rows."""
    return x if len(rows) == len(x) else x[rows]


def _at(weight: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if weight is None else weight[rows]


def _weighing(rows: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """The rows that weigh something: the others take no part, in scaling neither."""
    if weight is None:
        return rows
    heavy = rows[weight[rows] > 0]
    return heavy if len(heavy) else rows
