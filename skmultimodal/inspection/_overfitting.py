"""Whether losses by epoch show overfitting, in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau

_RISE = 0.05  # of the lowest validation loss
_LEAST = 0.01  # of the first: near zero a large share is nothing
_JITTER = 4  # standard deviations from a smooth curve
_CHANCE = 0.05  # of a trend where there is none
_LAST = 3  # epochs that are the end
_FAR = 0.5  # training loss by validation loss: a wide gap


@dataclass(frozen=True)
class Course:
    """What the losses of one net did."""

    train: np.ndarray  # (n_epochs,)
    valid: np.ndarray  # (n_epochs,), NaN where there is none
    kept: int  # position
    best: int | None  # position of the lowest validation loss
    end: float  # validation loss, mean of the last epochs
    verdict: str | None  # "overfits", "diverges", "level", "falls"; None: cannot tell

    @classmethod
    def of(cls, train: np.ndarray, valid: np.ndarray, kept: int) -> Course:
        """train, valid: (n_epochs,)"""
        known = np.isfinite(valid)
        if known.sum() < 2 or not known[-1] or not np.isfinite(train).all():
            return cls(train, valid, kept, None, np.nan, None)
        best = int(np.nanargmin(valid))
        after = valid[best + 1 :]
        end = float(np.nanmean(after[-_LAST:])) if len(after) else float(valid[best])
        verdict = "level"
        if _rises(valid[known], valid[best], len(after), end):
            falls = train[best + 1 :][-_LAST:].mean() < train[best]
            verdict = "overfits" if falls else "diverges"
        elif best == len(valid) - 1 and _still_falls(valid[known]):
            verdict = "falls"
        return cls(train, valid, kept, best, end, verdict)

    def sentence(self) -> str:
        if self.best is None:
            return self._unknown()
        said = (
            f"Validation loss was lowest at epoch {self.best + 1} of "
            f"{len(self.valid)} ({self.valid[self.best]:.3g})"
        )
        if self.verdict == "falls":
            return f"{said} and still fell: more epochs may help{self._gap()}."
        if self.verdict == "level":
            is_last = self.best == len(self.valid) - 1
            then = (
                "hardly fell any more"
                if is_last
                else "has not risen beyond jitter since"
            )
            return f"{said} and {then}{self._gap() or ': no overfitting'}."
        rose = _change(self.valid[self.best], self.end)
        moved = _change(self.train[self.best], self.train[-_LAST:].mean())
        if self.verdict == "diverges":
            return (
                f"{said} and then {rose}, but training loss did not fall either: that "
                "is no overfitting; try a lower lr."
            )
        said = f"{said} and then {rose}, while training loss {moved}: the model"
        if self.kept < len(self.valid) - 1:
            return (
                f"{said} overfits. Early stopping has restored epoch {self.kept + 1}."
            )
        return (
            f"{said} overfits, and its last epoch is kept. Try early_stopping=True, "
            "more dropout or weight_decay, fewer epochs, or more rows."
        )

    def _unknown(self) -> str:
        if not np.isfinite(self.train).all() or np.isinf(self.valid).any():
            return "The loss is not finite: the training diverged; try a lower lr."
        fell = _change(self.train[0], self.train[-1])
        return (
            f"Training loss {fell} in {len(self.train)} epochs. Whether the model "
            "overfits cannot be told without a validation loss: give X_val and y_val, "
            "or set early_stopping=True."
        )

    def _gap(self) -> str:
        train = float(self.train[-_LAST:].mean())
        if self.end <= 0 or train > _FAR * self.end:
            return ""
        return (
            f", but training loss ends far below, at {train:.3g}: the model knows its "
            "training rows much better than others, though training on did no harm"
        )


def summarize(
    courses: dict[int, Course], candidate: str | None
) -> tuple[str, bool | None]:
    """In words, and whether most overfit; None where that cannot be told."""
    found = list(courses.values())
    known = [c for c in found if c.verdict is not None]
    n_over = sum(c.verdict == "overfits" for c in known)
    overfits = n_over > len(known) / 2 if known else None
    if len(found) == 1:
        said = found[0].sentence()
        return said if candidate is None else f"{candidate}: {said}", overfits
    rises = [_rise(c) for c in found]
    fold = list(courses)[int(np.argsort(rises)[len(rises) // 2])]
    some = f"{n_over} of {len(found)} nets, one a fold, overfit" if known else ""
    first = f"{candidate}: {some or f'{len(found)} nets, one a fold'}"
    return f"{first}. Fold {fold}: {courses[fold].sentence()}", overfits


def _rise(course: Course) -> float:
    return 0.0 if course.best is None else course.end - course.valid[course.best]


def _rises(valid: np.ndarray, lowest: float, n_after: int, end: float) -> bool:
    """Whether the end is above the lowest by more than nothing, and than jitter.

    Either by far, or there is a trend among the epochs after the lowest. Second
    differences of a smooth curve are small, and those of independent errors with
    deviation s have √6 s.
    """
    rise = end - lowest
    if rise <= max(_RISE * abs(lowest), _LEAST * abs(valid[0])):
        return False
    bends = np.abs(np.diff(valid[-(n_after + 3) :], n=2))
    jitter = np.median(bends) / (0.6745 * np.sqrt(6)) if len(bends) else 0.0
    if rise > _JITTER * jitter:
        return True
    after = valid[len(valid) - n_after :]
    if n_after < 2 or (after == after[0]).all():
        return False
    trend = kendalltau(np.arange(n_after), after, alternative="greater")
    return bool(trend.pvalue < _CHANCE)


def _still_falls(valid: np.ndarray) -> bool:
    """By a hundredth over the last fifth of the epochs."""
    span = max(1, len(valid) // 5)
    return bool(valid[-1 - span] - valid[-1] > _LEAST * abs(valid[-1]))


def _change(start: float, end: float) -> str:
    """As a share, such as "fell by 54 %", unless that means nothing."""
    if start <= 0 or end < 0:
        return f"{'fell' if end < start else 'rose'} from {start:.3g} to {end:.3g}"
    if end >= 2 * start:
        return f"rose to {end / start:.1f} times that"
    share = f"{abs(end / start - 1):.0%}"
    share = "more than 99%" if share == "100%" else share
    return f"{'fell' if end < start else 'rose'} by {share}".replace("%", " %")
