"""One line that a person can watch while fits come in."""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from skmultimodal.model_selection.searching._report import readable
from skmultimodal.model_selection.searching._results import Result

_WIDTH = 24  # characters of the bar
_LINES = 10  # of a search, where lines cannot be overwritten


class Progress:
    """Fits done, best score so far, time left; at the end, what trained alone.

    The best score is the mean over the folds that are done, of the candidates with
    the most of them. With `verbose` over 1 there is also a line a fit.
    """

    def __init__(
        self,
        n_fits: int,
        verbose: int,
        score: str | None,
        candidates: Sequence[dict[str, Any]],
    ):
        self._n_fits, self._verbose, self._score = n_fits, verbose, score
        self._candidates = candidates
        self._scores: dict[int, list[float]] = defaultdict(list)
        self._alone: Counter[str] = Counter()
        self._n_done = self._n_before = 0
        self._start = time.perf_counter()
        self._overwrites = sys.stdout.isatty()
        self._shown = 0

    def say(self, text: str) -> None:
        if self._verbose > 0:
            print(f"[search] {text}", flush=True)

    def add(self, results: Sequence[Result], *, before: bool = False) -> None:
        """Count the fits of a task; `before`: of an earlier run."""
        for result in results:
            self._count(result)
            if self._verbose > 1 and not before:
                self._print_fit(result)
        self._n_before += len(results) if before else 0
        if self._verbose > 0 and results:
            self._show()

    def _count(self, result: Result) -> None:
        self._n_done += 1
        score = self._score_of(result)
        if score is not None:
            self._scores[result.candidate].append(score)
        if result.alone is not None and result.fit_error is None:
            self._alone[result.alone] += 1

    def _score_of(self, result: Result) -> float | None:
        score = result.test_scores
        if isinstance(score, dict):
            score = score.get(self._score, next(iter(score.values()), None))
        return None if score is None else float(score)

    def _print_fit(self, result: Result) -> None:
        if self._overwrites:
            print("\r" + " " * 79 + "\r", end="")
        score = self._score_of(result)
        if result.fit_error is not None:
            shown = f"failed ({result.fit_error.strip().splitlines()[-1]})"
        else:
            shown = "no score" if score is None else f"{score:.4f}"
        params = self._candidates[result.candidate].items()
        told = ", ".join(f"{name}={readable(value)}" for name, value in params)
        print(
            f"[search] candidate {result.candidate}, fold {result.fold}: {shown}, "
            f"{result.seconds:.1f} s; {told}".rstrip("; "),
            flush=True,
        )

    def finish(self) -> None:
        if self._verbose > 0 and self._overwrites and self._n_done:
            print(flush=True)
        for why, count in self._alone.most_common():
            self.say(f"{count} of {self._n_fits} fits trained alone: {why}")

    def line(self) -> str:
        """``[######      ]  30/60 fits  best 0.8123  0:32 left``"""
        filled = _WIDTH * self._n_done // self._n_fits
        bar = "#" * filled + " " * (_WIDTH - filled)
        parts = [f"[{bar}]", f"{self._n_done}/{self._n_fits} fits"]
        if (best := self._best()) is not None:
            parts.append(f"best {best:.4g}")
        run = self._n_done - self._n_before
        if run:
            spent = time.perf_counter() - self._start
            left = spent / run * (self._n_fits - self._n_done)
            parts.append(f"{_clock(left)} left" if left else f"{_clock(spent)} in all")
        return "  ".join(parts)

    def _best(self) -> float | None:
        most = max((len(scores) for scores in self._scores.values()), default=0)
        means = [np.mean(s) for s in self._scores.values() if len(s) == most]
        known = [float(mean) for mean in means if np.isfinite(mean)]
        return max(known, default=None)

    def _show(self) -> None:
        if self._overwrites:
            print(f"\r{self.line()}  ", end="", flush=True)
            return
        tenth = _LINES * self._n_done // self._n_fits
        if tenth > self._shown:
            self._shown = tenth
            print(self.line(), flush=True)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{seconds:02}"
    return f"{minutes}:{seconds:02}"
