"""Warnings of many fits, gathered where they arise and given once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

Heard = list[tuple[type[Warning], str]]


def hear(call: Callable[..., Any], *args: Any) -> tuple[Any, Heard]:
    """What a call gives, and the warnings that it raised."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        found = call(*args)
    return found, [(w.category, str(w.message)) for w in caught]


def warn_once(heard: Iterable[tuple[str, type[Warning], str]], stacklevel: int) -> None:
    """Each message once, with all who raised it: (who, category, message)."""
    speakers: dict[tuple[type[Warning], str], list[str]] = {}
    for who, category, message in heard:
        names = speakers.setdefault((category, message), [])
        if who not in names:
            names.append(who)
    for (category, message), names in speakers.items():
        few = ", ".join(names[:3]) + (f" and {len(names) - 3} more" * (len(names) > 3))
        warnings.warn(f"[{few}] {message}", category, stacklevel=stacklevel + 1)
