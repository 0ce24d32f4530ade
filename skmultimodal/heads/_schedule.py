"""Learning rate by step."""

from __future__ import annotations

import math

from skmultimodal.heads._averaging import SWA_START

_WARM_UP = 0.05  # share of all steps


class Schedule:
    """A constant rate, or a short linear rise and then half a cosine."""

    def __init__(self, peak: float, name: str, n_steps: int, flat_end: bool = False):
        self.peak = peak
        self.cosine = name == "cosine"
        self.n_steps, self.step = max(n_steps, 1), 0
        self.rise = max(1, round(_WARM_UP * n_steps))
        # what "swa" averages has to move
        self.last = SWA_START * n_steps if flat_end else n_steps

    def next(self) -> float:
        """The rate of the step that comes now."""
        rate = self.peak
        if self.cosine:
            up = min(1.0, (self.step + 1) / self.rise)
            step = min(self.step, self.last)
            down = 0.5 * (1 + math.cos(math.pi * step / self.n_steps))
            rate = self.peak * up * down
        self.step += 1
        return rate
