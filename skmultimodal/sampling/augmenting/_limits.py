"""What parameters of augmentations may be."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any


def check_number(owner: Any, low: float, high: float, *names: str) -> None:
    """Each of these attributes is a number from `low` to `high`."""
    _check(owner, low, high, names, Real, "a number")


def check_whole(owner: Any, low: int, high: int, *names: str) -> None:
    """Each of these attributes is a whole number from `low` to `high`."""
    _check(owner, low, high, names, Integral, "a whole number")


def _check(
    owner: Any, low: float, high: float, names: tuple[str, ...], kind: type, noun: str
) -> None:
    for name in names:
        value = getattr(owner, name)
        if not isinstance(value, kind) or not low <= float(value) <= high:  # type: ignore[arg-type]
            up = f"{low:g} or more" if math.isinf(high) else f"{low:g} to {high:g}"
            raise ValueError(
                f"{type(owner).__name__}({name}={value!r}): expected {noun}, {up}."
            )
