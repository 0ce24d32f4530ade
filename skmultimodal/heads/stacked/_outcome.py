"""What became of a fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from skmultimodal.heads.stacked._paused import Paused


@dataclass
class Outcome:
    """A fitted head, or what went wrong."""

    head: Any = None
    error: Exception | None = None
    seconds: float = 0.0  # its share of what it took
    stack: int | None = None  # number of the stack that it trained in; None: alone
    alone: str | None = None  # why
    paused: Paused | None = None  # where it can go on, if it stopped before its end
