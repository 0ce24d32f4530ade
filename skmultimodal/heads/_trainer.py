"""The private skorch net that trains a head's module."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import PrintLog
from torch import Tensor, nn

from skmultimodal.heads._averaging import SWA_START, Averaging, make_averaging
from skmultimodal.heads._balance import Balance
from skmultimodal.heads._batches import BalancedOrder
from skmultimodal.heads._joint_loss import joint_loss
from skmultimodal.heads._network import NetworkOutput
from skmultimodal.heads._rows import Batches, Rows

_WARM_UP = 0.05  # share of all steps


class Trainer(NeuralNet):
    """Trains on whole slices of rows, with little between the batches.

    skorch gives the callbacks, the history and the log; the loop over batches is ours,
    because skorch's own costs as much as a small net. Callbacks are told of batches
    only where the user gave some.
    """

    def __init__(
        self,
        module: nn.Module,
        criterion: nn.Module,
        *,
        generator: torch.Generator,
        weight_decay: float = 0.0,
        lr_schedule: str = "constant",
        n_iter_no_change: int | None = None,
        max_time: float | None = None,
        first_epoch: int = 0,
        balance: Balance | None = None,
        batch_sampler: str | None = None,
        average: str | None = None,
        max_grad_norm: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            module,
            criterion,
            optimizer=torch.optim.AdamW,
            train_split=None,
            iterator_train=Batches,
            iterator_valid=Batches,
            **kwargs,
        )
        self.generator = generator
        self.weight_decay = weight_decay
        self.lr_schedule = lr_schedule
        self.n_iter_no_change = n_iter_no_change
        self.max_time = max_time
        self.first_epoch = first_epoch
        self.balance = Balance() if balance is None else balance
        self.batch_sampler = batch_sampler
        self.average = average
        self.max_grad_norm = max_grad_norm
        self.averaging = Averaging()

    @property
    def _default_callbacks(self) -> list[tuple[str, Any]]:
        return [("print_log", PrintLog())] if self.verbose else []

    @functools.cached_property
    def _tells_batches(self) -> bool:
        return any(
            not isinstance(callback, PrintLog) for _, callback in self.callbacks_
        )

    def initialize_optimizer(self, triggered_directly: bool | None = None) -> Trainer:
        """AdamW in one group: each further one costs a small net 4 % of its step."""
        self.optimizer_ = self.optimizer(
            self.module_.parameters(),
            lr=self.lr,
            weight_decay=self.weight_decay,
            fused=True,
        )
        return self

    def get_iterator(self, dataset: Rows, training: bool = False) -> Batches:
        if not training:
            return Batches(dataset, self.batch_size)
        order = None if self.batch_sampler is None else BalancedOrder(dataset.y)
        return Batches(dataset, self.batch_size, self.generator, order)

    def infer(self, x: Rows, **fit_params: Any) -> NetworkOutput:
        if not self._in_bfloat16:
            return self.module_(*x.inputs)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            return self.module_(*x.inputs)

    def get_loss(
        self, y_pred: Any, y_true: Any, X: Any = None, training: bool = False
    ) -> Tensor:
        if not training:
            return self.criterion_(y_pred.output, X.y, X.weight)
        loss = joint_loss(y_pred, X, self.criterion_)
        return self.balance.loss(loss, y_pred, X, self.criterion_)

    def train_step(self, batch: Rows, **fit_params: Any) -> dict[str, Any]:
        for parameter in self._parameters:  # zero_grad takes 2 % of a small net's step
            parameter.grad = None
        y_pred = self.infer(batch)
        loss = self.get_loss(y_pred, batch.y, X=batch, training=True)
        loss.backward()
        if self.max_grad_norm is not None:
            nn.utils.clip_grad_norm_(self._parameters, self.max_grad_norm)
        if self._tells_batches:
            named = list(self.get_all_learnable_params())
            self.notify("on_grad_computed", named_parameters=named, batch=batch)
        self.balance.step(self.module_, self.optimizer_, y_pred, batch, self.criterion_)
        self.averaging.after_step()
        return {"loss": loss.detach(), "y_pred": y_pred}

    def validation_step(self, batch: Rows, **fit_params: Any) -> dict[str, Any]:
        with torch.no_grad():
            y_pred = self.infer(batch)
            return {
                "loss": self.get_loss(y_pred, batch.y, X=batch),
                "y_pred": y_pred,
            }

    def train(self, rows: Rows, valid: Rows | None, epochs: int) -> Trainer:
        """Train for some epochs, and keep the best weights if asked to stop early.

        A callback stops the training by raising KeyboardInterrupt when an epoch ends,
        as skorch's own do; a real interruption goes on to the caller.
        """
        start = time.monotonic()
        batches = self.get_iterator(rows, training=True)
        steps = _Schedule(self, epochs * len(batches))
        n_batches = len(batches)
        self.averaging = make_averaging(self.average, self.module_, epochs, n_batches)
        best = _Best(self.module_, self.n_iter_no_change)
        told = {"dataset_train": rows, "dataset_valid": valid}
        self.notify("on_train_begin", X=rows, y=rows.y)
        self.balance.start(self, rows, valid)
        for number in range(epochs):
            epoch_start = time.monotonic()
            self.criterion_.start_epoch(self.first_epoch + number)
            self.notify("on_epoch_begin", **told)
            self._set_training(True)
            train = self._run(steps.follow(self._until(batches, start)), training=True)
            self.history.record("train_loss", train)
            self.averaging.after_epoch(number)
            if valid is not None:
                self._set_training(False)
                with self.averaging.in_place():
                    loss = self._run(self.get_iterator(valid), training=False)
                    self.history.record("valid_loss", loss)
                    self.history.record("valid_loss_best", best.saw(loss))
            self.balance.end_epoch(self, rows, valid)
            self.history.record("lr", self.optimizer_.param_groups[0]["lr"])
            self.history.record("dur", time.monotonic() - epoch_start)
            try:
                self.notify("on_epoch_end", **told)
            except KeyboardInterrupt:
                break
            if best.enough or self._is_over(start):
                break
        self.averaging.finish()
        best.restore()
        self.notify("on_train_end", X=rows, y=rows.y)
        self._set_training(False)
        return self

    def _run(self, batches: Iterable[Rows], training: bool) -> float:
        """One epoch; the mean loss of its rows."""
        step: Callable[..., dict[str, Any]]
        step = self.train_step if training else self.validation_step
        told = self._tells_batches
        losses, counts = [], []  # tensors until the end: reading one waits for CUDA
        for batch in batches:
            if told:
                self.notify("on_batch_begin", batch=batch, training=training)
            done = step(batch)
            losses.append(done["loss"])
            counts.append(len(batch))
            if told:
                self.notify("on_batch_end", batch=batch, training=training, **done)
        return float(np.average(torch.stack(losses).cpu().numpy(), weights=counts))

    def _until(self, batches: Batches, start: float) -> Iterable[Rows]:
        for batch in batches:
            yield batch
            if self._is_over(start):
                return

    def _is_over(self, start: float) -> bool:
        return self.max_time is not None and time.monotonic() - start >= self.max_time

    @functools.cached_property
    def _parameters(self) -> list[nn.Parameter]:
        return list(self.module_.parameters())

    @functools.cached_property
    def _in_bfloat16(self) -> bool:
        on_cuda = torch.device(self.device).type == "cuda"
        return on_cuda and torch.cuda.is_bf16_supported()


class _Schedule:
    """Learning rate by step: a short linear rise, then half a cosine."""

    def __init__(self, trainer: Trainer, n_steps: int):
        self.groups = trainer.optimizer_.param_groups
        self.peak = trainer.lr
        self.cosine = trainer.lr_schedule == "cosine"
        self.n_steps, self.step = max(n_steps, 1), 0
        self.rise = max(1, round(_WARM_UP * n_steps))
        # what "swa" averages has to move
        self.last = SWA_START * n_steps if trainer.average == "swa" else n_steps

    def follow(self, batches: Iterable[Rows]) -> Iterable[Rows]:
        for batch in batches:
            if self.cosine:
                up = min(1.0, (self.step + 1) / self.rise)
                step = min(self.step, self.last)
                down = 0.5 * (1 + math.cos(math.pi * step / self.n_steps))
                for group in self.groups:
                    group["lr"] = self.peak * up * down
            self.step += 1
            yield batch


class _Best:
    """The weights of the epoch with the lowest validation loss."""

    def __init__(self, module: nn.Module, patience: int | None):
        self.module, self.patience = module, patience
        self.loss, self.since = math.inf, 0
        self.weights: dict[str, Tensor] | None = None

    def saw(self, loss: float) -> bool:
        self.since += 1
        if not loss < self.loss:
            return False
        self.loss, self.since = loss, 0
        if self.patience is not None:
            self.weights = {k: v.clone() for k, v in self.module.state_dict().items()}
        return True

    @property
    def enough(self) -> bool:
        return self.patience is not None and self.since >= self.patience

    def restore(self) -> None:
        if self.weights is not None:
            self.module.load_state_dict(self.weights)
