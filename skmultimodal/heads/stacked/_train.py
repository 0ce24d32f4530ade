"""Trains a stack: what `Trainer` does for one net, for several in step."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skmultimodal.heads._averaging import make_averaging
from skmultimodal.heads._best import BestWeights
from skmultimodal.heads._rows import Rows
from skmultimodal.heads._schedule import Schedule
from skmultimodal.heads._training import Job, Trained
from skmultimodal.heads.stacked._feed import Feed, Source
from skmultimodal.heads.stacked._paused import (
    Paused,
    best_state,
    copied,
    mean_state,
    restore,
)
from skmultimodal.heads.stacked._stack import Rate, Stack
from skmultimodal.heads.stacked._step import Step


class Member:
    """One net of a stack: what it has of its own besides the stacked tensors."""

    def __init__(self, number: int, job: Job, weights: list[Tensor], n_batches: int):
        settings = job.settings
        self.number, self.settings, self.weights = number, settings, weights
        self.schedule = Schedule(
            settings.lr,
            settings.lr_schedule,
            settings.epochs * n_batches,
            settings.average == "swa",
        )
        self.averaging = make_averaging(
            settings.average, weights, settings.epochs, n_batches
        )
        self.best = BestWeights(weights, settings.n_iter_no_change)
        self.lr = settings.lr
        self.history: list[dict[str, Any]] = []

    def next_rate(self) -> Rate:
        self.lr = self.schedule.next()
        return self.lr, self.settings.weight_decay

    def begin_epoch(self) -> None:
        self.history.append({"epoch": len(self.history) + 1})

    def record(self, **values: Any) -> None:
        self.history[-1].update(values)

    @property
    def is_over(self) -> bool:
        return len(self.history) >= self.settings.epochs or self.best.enough

    @property
    def pauses(self) -> bool:
        stop = self.settings.stop_after
        return stop is not None and len(self.history) >= stop

    def finish(self) -> None:
        self.averaging.finish()
        self.best.restore()


class StackTrainer:
    """Trains nets of one shape; each has its own rates, order of rows and end."""

    def __init__(
        self,
        jobs: Sequence[Job],
        steps: Sequence[Step],
        paused: Sequence[Paused | None] | None = None,
    ):
        device = jobs[0].settings.device
        moved: dict[int, Rows] = {}  # so that what nets share stays shared

        def there(rows: Rows) -> Rows:
            if id(rows) not in moved:
                moved[id(rows)] = rows.to(device)
            return moved[id(rows)]

        self.jobs, self.steps = jobs, [step.to(device) for step in steps]
        self.size = jobs[0].batch_size
        sources = [
            Source(
                there(job.rows),
                job.settings.seed,
                job.settings.batch_sampler == "balanced",
            )
            for job in jobs
        ]
        self.feeds = {"train": Feed(sources, self.size)}
        held_out = [job.valid for job in jobs if job.valid is not None]
        if held_out:
            checks = [Source(there(rows)) for rows in held_out]
            self.feeds["valid"] = Feed(checks, self.size)
        self.stack = Stack(self.steps)
        self.members = [
            Member(k, job, self.stack.weights[k], self.feeds["train"].n_batches(k))
            for k, job in enumerate(jobs)
        ]
        self.clips = any(job.settings.max_grad_norm is not None for job in jobs)
        self.paused: list[Paused | None] = [None] * len(self.members)
        for member, before in zip(self.members, paused or []):
            if before is not None:
                self._resume(member, before)
        for feed in self.feeds.values():
            feed.skip(len(self.members[0].history))

    def _resume(self, member: Member, before: Paused) -> None:
        moments = [before.averages, before.squares]
        self.stack.resume(member.number, before.weights, moments, before.n_updates)
        restore(before, member.best, member.averaging)
        member.schedule.step = before.n_scheduled
        member.history = [dict(epoch) for epoch in before.history]

    def train(self) -> list[Trained]:
        """Train to the end, or to where nets pause: see `paused` then."""
        every = list(self.members)
        while self.members:
            self._run_epoch(len(self.members[0].history))
            self._let_go()
        return [
            Trained(step.net.eval(), {}, member.history, [], self.size)
            for step, member in zip(self.steps, every)
        ]

    def _run_epoch(self, number: int) -> None:
        start = time.monotonic()
        first = self.members[0].settings.first_epoch
        self.stack.base.criterion.start_epoch(first + number)
        self.stack.base.train()
        for member in self.members:
            member.begin_epoch()
        for member, loss in zip(self.members, self._pass("train")):
            member.record(train_loss=loss)
            member.averaging.after_epoch(number)
        if "valid" in self.feeds:
            self._validate()
        seconds = (time.monotonic() - start) / len(self.members)
        for member in self.members:
            member.record(lr=member.lr, dur=seconds)

    def _validate(self) -> None:
        self.stack.base.eval()
        with contextlib.ExitStack() as averaged, torch.no_grad():
            for member in self.members:
                averaged.enter_context(member.averaging.in_place())
            for member, loss in zip(self.members, self._pass("valid")):
                member.record(valid_loss=loss, valid_loss_best=member.best.saw(loss))

    def _pass(self, part: str) -> list[float]:
        """Once through the rows; the mean loss of each net's."""
        losses, counts = [], []
        for batch in self.feeds[part]:
            loss = self.stack.losses(batch)
            if part == "train":
                self._step(loss, batch.counts)
            losses.append(loss.detach())
            counts.append(batch.counts)
        found = torch.stack(losses).cpu().numpy()  # (n_batches, K)
        return np.average(found, axis=0, weights=np.array(counts)).tolist()

    def _step(self, losses: Tensor, counts: list[int]) -> None:
        gradients = self.stack.gradients(losses)
        moving = [k for k, count in enumerate(counts) if count]
        if self.clips:
            for k in moving:
                self._clip(gradients[k], self.members[k].settings.max_grad_norm)
        rates = {k: self.members[k].next_rate() for k in moving}
        self.stack.update(rates, gradients)
        for k in moving:
            self.members[k].averaging.after_step()

    @staticmethod
    def _clip(gradients: list[Tensor], largest: float | None) -> None:
        """As `clip_grad_norm_` does."""
        if largest is not None:
            norm = torch.nn.utils.get_total_norm(gradients)
            torch._foreach_mul_(gradients, (largest / (norm + 1e-6)).clamp_max(1.0))

    def _let_go(self) -> None:
        """Nets that are done leave, with the weights that they shall have."""
        left = []
        for k, member in enumerate(self.members):
            if not member.is_over and not member.pauses:
                left.append(k)
                continue
            if not member.is_over:
                self.paused[member.number] = self._pause(k, member)
            member.finish()
            self._hand_over(member)
        if len(left) == len(self.members):
            return
        self.members = [self.members[k] for k in left]
        if left:
            self.stack.keep(left)
            for feed in self.feeds.values():
                feed.keep(left)

    def _pause(self, k: int, member: Member) -> Paused:
        stack = self.stack
        return Paused(
            copied(stack.weights[k]),
            copied(stack.averages[k]),
            copied(stack.squares[k]),
            int(stack.counts[k]),
            member.schedule.step,
            best_state(member.best),
            mean_state(member.averaging),
            [dict(epoch) for epoch in member.history],
        )

    def _hand_over(self, member: Member) -> None:
        own = dict(self.steps[member.number].named_parameters())
        with torch.no_grad():
            for name, weight in zip(self.stack.names, member.weights):
                own[name].copy_(weight)
