"""An assertion in words, which `python -O` does not drop."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def require(holds: Any, words: str) -> None:
    """Raise an AssertionError that says what is wrong and what to do."""
    if not holds:
        raise AssertionError(words)


def require_close(
    found: Tensor, expected: Tensor, words: str, *, rtol: float, atol: float
) -> None:
    """The same for equal numbers; says how far apart they are."""
    torch.testing.assert_close(
        found,
        expected,
        rtol=rtol,
        atol=atol,
        msg=lambda difference: f"{words}\n{difference}",
    )
