"""One training job: a net from its recipe, trained on rows within memory."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from skorch.callbacks.scoring import ScoringBase
from torch import nn

from skmultimodal.heads._balance import Balance
from skmultimodal.heads._devices import is_out_of_memory
from skmultimodal.heads._network import FusionBody, Recipe
from skmultimodal.heads._rows import Rows
from skmultimodal.heads._seeding import seeded
from skmultimodal.heads._trainer import Trainer
from skmultimodal.nn._losses import WeightedLoss


@dataclass(frozen=True)
class Settings:
    """How to train."""

    lr: float
    lr_schedule: str
    weight_decay: float
    epochs: int
    batch_size: int | str
    n_iter_no_change: int | None
    max_time: float | None
    callbacks: Any
    device: torch.device
    seed: int
    verbose: int
    first_epoch: int = 0  # of all that there have been
    sized_for: int | None = None  # rows, where not those of the training
    balance: Balance = field(default_factory=Balance)
    batch_sampler: str | None = None
    average: str | None = None
    max_grad_norm: float | None = None
    stop_after: int | None = None  # epochs, where not all are trained in one go
    trainer: type[Trainer] = Trainer


@dataclass(frozen=True)
class Job:
    """What there is to train, and on what."""

    recipe: Recipe
    loss: WeightedLoss
    rows: Rows
    valid: Rows | None
    settings: Settings
    # the net that it goes on from, and the state of its optimiser
    before: tuple[nn.Module, dict[str, Any] | None] | None = None

    @property
    def batch_size(self) -> int:
        size = self.settings.batch_size
        n_rows = self.settings.sized_for or len(self.rows)
        return auto_batch_size(n_rows) if size == "auto" else int(size)


@dataclass
class Trained:
    """What a training leaves."""

    module: FusionBody
    optimizer: dict[str, Any]
    history: Any
    callbacks: list[Any]
    batch_size: int


def refuse_scoring(callbacks: Iterable[Any]) -> None:
    """skorch's scoring callbacks ask the net for predictions that it does not make."""
    for item in callbacks:
        callback = item[-1] if isinstance(item, tuple) else item
        if isinstance(callback, ScoringBase):
            raise ValueError(
                f"callbacks: {type(callback).__name__} scores a net's predictions, and "
                "the net behind a head makes none. Give X_val and y_val and read "
                "valid_loss in history_, or score the head with cross_validate."
            )


def auto_batch_size(n_rows: int) -> int:
    """About 32 steps an epoch, in powers of two from 16 to 256."""
    size = 16
    while size < 256 and size * 48 <= n_rows:
        size *= 2
    return size


def train_network(job: Job) -> Trained:
    """Train; with ``batch_size="auto"`` halve the batch while memory runs out."""
    settings, size = job.settings, job.batch_size
    while True:
        try:
            return _train_once(job, size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if settings.batch_size != "auto" or size == 1:
                raise type(error)(
                    f"Memory ran out with batch_size={size} on {settings.device}. Use "
                    "batch_size='auto' or a smaller one, a smaller embed_dim, or fewer "
                    f"columns. ({error})"
                ) from error
        size //= 2
        if settings.device.type == "cuda":
            torch.cuda.empty_cache()
        warnings.warn(
            f"Memory ran out on {settings.device}; trying with batch_size={size}.",
            UserWarning,
            stacklevel=2,
        )


def _train_once(job: Job, batch_size: int) -> Trained:
    settings, device = job.settings, job.settings.device
    with seeded(settings.seed, device):
        if job.before is None:
            module: nn.Module = job.recipe.build()
        else:
            module = copy.deepcopy(job.before[0])
        trainer = settings.trainer(
            module,
            copy.deepcopy(job.loss),
            generator=torch.Generator().manual_seed(settings.seed),
            lr=settings.lr,
            lr_schedule=settings.lr_schedule,
            weight_decay=settings.weight_decay,
            n_iter_no_change=settings.n_iter_no_change,
            max_time=settings.max_time,
            first_epoch=settings.first_epoch,
            balance=copy.deepcopy(settings.balance),
            batch_sampler=settings.batch_sampler,
            average=settings.average,
            max_grad_norm=settings.max_grad_norm,
            batch_size=batch_size,
            callbacks=copy.deepcopy(settings.callbacks),
            device=device,
            verbose=settings.verbose,
        ).initialize()
        if job.before is not None and job.before[1] is not None:
            trainer.optimizer_.load_state_dict(copy.deepcopy(job.before[1]))
        trainer.train(
            job.rows.to(device),
            None if job.valid is None else job.valid.to(device),
            settings.epochs,
            settings.stop_after,
        )
    return Trained(
        trainer.module_.eval(),
        trainer.optimizer_.state_dict(),
        trainer.history,
        [callback for _, callback in trainer.callbacks_],
        batch_size,
    )
