"""Many heads fitted at once: nets of equal shape train as one stack."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Fit:
    """One head that shall be fitted on some rows.

    Fits of equal `data` have the very same X, y and params: what is read of them is
    read once.
    """

    head: Any  # not fitted, its parameters set
    X: Any
    y: Any
    params: Mapping[str, Any] = field(default_factory=dict)
    data: Hashable = None  # None: equal to no other


@dataclass
class Outcome:
    """What became of it."""

    head: Any = None  # fitted
    error: Exception | None = None
    seconds: float = 0.0  # its share of what it took
    stack: int | None = None  # number of the stack that it trained in; None: alone
    alone: str | None = None  # why


def fit_together(
    fits: Sequence[Fit], *, batched: bool = True, max_models: int | str = "auto"
) -> list[Outcome]:
    """Fit all heads, in stacks where they can be; one that fails stops no other."""
    return [_fit_alone(fit) for fit in fits]


def _fit_alone(fit: Fit) -> Outcome:
    start = time.perf_counter()
    outcome = Outcome(alone="not batched")
    try:
        outcome.head = fit.head.fit(fit.X, fit.y, **fit.params)
    except Exception as error:
        outcome.error = error
    outcome.seconds = time.perf_counter() - start
    return outcome
