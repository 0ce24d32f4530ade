"""Many heads fitted at once: nets of equal shape train as one stack."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import joblib
import torch

from skmultimodal.heads._base import FusionHead
from skmultimodal.heads._classifier import FusionClassifier
from skmultimodal.heads._devices import is_out_of_memory
from skmultimodal.heads._regressor import FusionRegressor
from skmultimodal.heads._seeding import seeded
from skmultimodal.heads._training import Job, train_network
from skmultimodal.heads.stacked._alone import why_alone
from skmultimodal.heads.stacked._groups import Net, group_nets
from skmultimodal.heads.stacked._outcome import Outcome
from skmultimodal.heads.stacked._paused import Paused
from skmultimodal.heads.stacked._step import make_step
from skmultimodal.heads.stacked._train import StackTrainer

# parameters of a head that say nothing of how rows are read
_OF_THE_NET = {
    "fusion",
    "embed_dim",
    "hidden_layer_sizes",
    "dropout",
    "modality_dropout",
    "aux_loss_weight",
    "n_members",
    "mixup",
    "loss",
    "label_smoothing",
    "batch_sampler",
    "lr",
    "lr_schedule",
    "weight_decay",
    "max_grad_norm",
    "average",
    "max_epochs",
    "batch_size",
    "n_iter_no_change",
    "max_time",
    "callbacks",
    "device",
    "verbose",
}


@dataclass
class Fit:
    """One head that shall be fitted on some rows.

    Fits of equal `data` have the very same X, y and params: what is read of them is
    read once. With `until` the training stops after so many epochs, wherever its
    schedule is by then; given `paused`, what an earlier one left, it goes on there. A
    net that cannot be stacked starts again: it takes longer and ends up the same.
    """

    head: Any  # not fitted, its parameters set
    X: Any
    y: Any
    params: Mapping[str, Any] = field(default_factory=dict)
    data: Hashable = None  # None: equal to no other
    until: int | None = None
    paused: Paused | None = None


def fit_together(
    fits: Sequence[Fit], *, batched: bool = True, max_models: int | str = "auto"
) -> list[Outcome]:
    """Fit all heads, in stacks where they can be; one that fails stops no other."""
    outcomes = [Outcome() for _ in fits]
    read: dict[Hashable, tuple[FusionHead, Job]] = {}
    nets = []
    for fit, outcome in zip(fits, outcomes):
        outcome.alone = "batched=False" if not batched else _why_alone(fit)
        with _booked(outcome):
            if outcome.alone is None:
                nets += _read_net(fit, outcome, read)
            else:
                outcome.head = _fit_alone(fit)
    number = 0
    for group in group_nets(nets, max_models):
        first = group[0]
        if first.outcome.alone is not None:
            _train_alone(first, first.outcome.alone)
        elif len(group) == 1 and not first.pauses:
            _train_alone(first, "no other net of its shape sees these rows")
        else:
            number = _train_stack(group, number)
    return outcomes


@contextlib.contextmanager
def _booked(outcome: Outcome) -> Iterator[None]:
    """Takes down what goes wrong, and the time."""
    start = time.perf_counter()
    try:
        yield
    except Exception as error:
        outcome.head, outcome.error = None, error
    outcome.seconds += time.perf_counter() - start


# Reading --------------------------------------------------------------------------


def _why_alone(fit: Fit) -> str | None:
    kind = type(fit.head)
    if not issubclass(kind, FusionClassifier | FusionRegressor):
        return f"{kind.__name__} is neither FusionClassifier nor FusionRegressor"
    if kind.fit not in (FusionClassifier.fit, FusionRegressor.fit):
        return f"{kind.__name__} has a fit of its own"
    if fit.head._is_auto:
        return "fusion='auto' trains several nets itself"
    if fit.head.warm_start:
        return "warm_start=True keeps the state of the optimiser"
    return None


def _fit_alone(fit: Fit) -> Any:
    if fit.until is None or not isinstance(fit.head, FusionHead):
        return fit.head.fit(fit.X, fit.y, **fit.params)
    fit.head._validate_params()
    job = fit.head._prepare(fit.X, fit.y, **fit.params)
    if job is not None:
        job = _stopping(job, fit.until)
        fit.head._complete(job, train_network(job), keep_optimizer=False)
    return fit.head


def _stopping(job: Job, until: int | None) -> Job:
    if until is None:
        return job
    return replace(job, settings=replace(job.settings, stop_after=until))


def _read_net(
    fit: Fit, outcome: Outcome, read: dict[Hashable, tuple[FusionHead, Job]]
) -> list[Net]:
    """The head's net, ready to train; none where it has to train alone and has."""
    fit.head._validate_params()
    job = _stopping(_prepare(fit, read), fit.until)
    outcome.alone = why_alone(job)
    if outcome.alone is None:
        with seeded(job.settings.seed, job.settings.device):
            step = make_step(job)
        return [Net(fit.head, job, step, outcome, fit.paused)]
    fit.head._complete(job, train_network(job), keep_optimizer=False)
    outcome.head = fit.head
    return []


def _prepare(fit: Fit, read: dict[Hashable, tuple[FusionHead, Job]]) -> Job:
    key = None if fit.data is None else (fit.data, _reading(fit.head, fit.params))
    if key in read:
        return fit.head._prepare_like(*read[key])
    job = fit.head._prepare(fit.X, fit.y, **fit.params)
    assert job is not None  # fusion="auto" is not here
    if key is not None:
        read[key] = fit.head, job
    return job


def _reading(head: FusionHead, params: Mapping[str, Any]) -> str:
    """What the reading of rows depends on, besides the rows."""
    own = {k: v for k, v in head.get_params(deep=False).items() if k not in _OF_THE_NET}
    holds_out = params.get("X_val") is None and (head.early_stopping or head._blends)
    if not holds_out:
        own.pop("random_state")
    return joblib.hash([type(head).__name__, holds_out, sorted(own.items())])


# Training -------------------------------------------------------------------------


def _train_alone(net: Net, why: str) -> None:
    net.outcome.alone = why
    with _booked(net.outcome):
        net.head._complete(net.job, train_network(net.job), keep_optimizer=False)
        net.outcome.head = net.head


def _train_stack(group: list[Net], number: int) -> int:
    """Train; where memory runs out, in two halves. Gives the next stack's number."""
    start = time.perf_counter()
    try:
        with seeded(group[0].job.settings.seed, group[0].job.settings.device):
            trainer = StackTrainer(
                [net.job for net in group],
                [net.step for net in group],
                [net.paused for net in group],
            )
            trained = trainer.train()
    except (RuntimeError, MemoryError) as error:
        return _train_parts(group, number, error)
    for net, done, paused in zip(group, trained, trainer.paused):
        net.outcome.stack, net.outcome.paused = number, paused
        with _booked(net.outcome):
            net.head._complete(net.job, done, keep_optimizer=False)
            net.outcome.head = net.head
        net.outcome.seconds += (time.perf_counter() - start) / len(group)
    return number + 1


def _train_parts(group: list[Net], number: int, error: Exception) -> int:
    for net in group:
        device = net.job.settings.device
        with seeded(net.job.settings.seed, device):
            net.step = make_step(net.job)
    if is_out_of_memory(error) and len(group) > 3:
        if group[0].job.settings.device.type == "cuda":
            torch.cuda.empty_cache()
        half = len(group) // 2
        number = _train_stack(group[:half], number)
        return _train_stack(group[half:], number)
    said = str(error).strip().split("\n")[0]
    for net in group:
        _train_alone(net, f"its stack failed ({said:.120})")
    return number
