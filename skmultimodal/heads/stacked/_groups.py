"""Which nets train together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from skmultimodal.heads._base import FusionHead
from skmultimodal.heads._training import Job
from skmultimodal.heads.stacked._alone import Trial, odd_part, try_mapping
from skmultimodal.heads.stacked._outcome import Outcome
from skmultimodal.heads.stacked._paused import Paused
from skmultimodal.heads.stacked._sizes import most_models
from skmultimodal.heads.stacked._step import Step, signature

_REPAID = 200  # steps of all nets, before which a stack costs more than it saves
_FEW = 4  # nets on the same rows, below which they join nets on other rows


@dataclass
class Net:
    """A head whose rows are read, with its net."""

    head: FusionHead
    job: Job
    step: Step
    outcome: Outcome
    paused: Paused | None = None  # where it goes on

    @property
    def shape(self) -> Hashable:
        """Nets that differ in it cannot train in one stack."""
        settings = self.job.settings
        return (
            signature(self.step),
            self.job.batch_size,
            settings.device,
            settings.first_epoch,
            0 if self.paused is None else self.paused.n_epochs,
            self.job.valid is None,
            self.job.rows.x.dtype,
            tuple(self.job.rows.y.shape[1:]),
        )

    @property
    def sees(self) -> Hashable:
        """Nets that share it get the same rows in the same order."""
        settings = self.job.settings
        return (
            id(self.job.rows),
            id(self.job.valid),
            settings.seed,
            settings.batch_sampler,
        )

    @property
    def pauses(self) -> bool:
        return self.paused is not None or self.job.settings.stop_after is not None

    @property
    def n_steps(self) -> int:
        return self.job.settings.epochs * -(-len(self.job.rows) // self.job.batch_size)

    @property
    def n_rows(self) -> tuple[int, int]:
        return len(self.job.rows), 0 if self.job.valid is None else len(self.job.valid)


def group_nets(nets: Sequence[Net], max_models: int | str) -> list[list[Net]]:
    """Stacks of nets; those that are alone in one say why, or are of a shape alone."""
    groups = []
    for same in _by(nets, lambda net: net.shape):
        first = same[0]
        fails = odd_part(first.step)
        if fails is None and not any(net.pauses for net in same):
            if len(same) == 1:
                fails = "no other net has its shape"
            elif sum(net.n_steps for net in same) < _REPAID:
                fails = "too few steps of its shape to repay a stack"
        trial = Trial(fails, False)
        if fails is None:
            trial = try_mapping(first.step, first.job)
        if trial.fails is not None:
            for net in same:
                net.outcome.alone = trial.fails
            groups += [[net] for net in same]
            continue
        most = most_models(first.step, first.job, max_models)
        if most == 1:
            why = "nets so wide do not repay a stack"
            if max_models != "auto":
                why = f"max_models={max_models}"
            for net in same:
                net.outcome.alone = None if net.pauses else why
            groups += [[net] for net in same]
            continue
        for pool in _pools(same, trial.by_row, most):
            groups += _cut(pool, most)
    return groups


def _pools(nets: Sequence[Net], by_row: bool, most: int) -> list[list[Net]]:
    """Nets that see the same rows are quickest together, with equally many of others.

    The rest, where they are few, or all on a GPU that has room for them, mix. Where
    rows do not count by themselves, batches of unequal size cannot be evened out.
    """
    on_cpu = nets[0].job.settings.device.type == "cpu"
    folds, rest = [], []
    for same in _by(nets, lambda net: net.sees):
        if on_cpu and len(same) >= _FEW:
            folds.append(same)
        else:
            rest.append(same)
    pools = []
    for alike in [*_by(folds, _even(by_row)), *_by(rest, _size(by_row))]:
        pools += _join(alike, most)
    return pools


def _size(by_row: bool) -> Callable[[list[Net]], Hashable]:
    return lambda fold: None if by_row else fold[0].n_rows


def _even(by_row: bool) -> Callable[[list[Net]], Hashable]:
    return lambda fold: (len(fold), _size(by_row)(fold))


def _join(folds: list[list[Net]], most: int) -> list[list[Net]]:
    """Whole folds side by side, as many as there is room for."""
    pools: list[list[Net]] = []
    for fold in folds:
        if pools and len(pools[-1]) + len(fold) <= most:
            pools[-1] += fold
        else:
            pools.append(list(fold))
    return pools


def _cut(nets: list[Net], most: int) -> list[list[Net]]:
    """In parts of nearly equal size."""
    n_parts = -(-len(nets) // most)
    each, more = divmod(len(nets), n_parts)
    parts, start = [], 0
    for k in range(n_parts):
        stop = start + each + (k < more)
        parts.append(nets[start:stop])
        start = stop
    return parts


T = TypeVar("T")


def _by(nets: Sequence[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    found: dict[Hashable, list[T]] = {}
    for net in nets:
        found.setdefault(key(net), []).append(net)
    return list(found.values())
