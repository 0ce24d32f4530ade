"""Find the parents of the rows that a sampler gives back.

A sampler sees some columns more than the features have: points of the curve
(t, t², t³), one t a row, too small to matter to a distance. Whatever combines two
rows puts the combination on a secant of that curve, and no point off the curve lies on
two secants: the code alone tells both rows and their shares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_SCALE = 2.0**-20  # a power of two, so that scaling rounds nothing
_N_CURVES = 3  # a pair whose t are too close on one is apart on another
_TOLERANCE = 1e-11


@dataclass(frozen=True)
class Parents:
    """Each output row is ``(1 - share) * first + share * second``."""

    first: np.ndarray  # (n_out,) the nearer parent, or the row itself
    second: np.ndarray  # (n_out,)
    share: np.ndarray  # (n_out,) at most 1/2; 0 for a row taken as it is

    def __len__(self) -> int:
        return len(self.first)

    @property
    def made(self) -> np.ndarray:
        """(n_out,) bool: which rows were invented."""
        return self.share != 0


def taken(rows: np.ndarray) -> Parents:
    """Parents of rows that were only selected."""
    return Parents(rows, rows, np.zeros(len(rows)))


class TwistedCubic:
    """Codes of `n` rows, and the way back from combinations of codes to rows."""

    def __init__(self, n: int) -> None:
        grid = np.linspace(-1, 1, n)
        orders = [np.random.default_rng(k).permutation(n) for k in range(_N_CURVES)]
        t = np.stack([grid[order] for order in orders], axis=1)  # (n, 3)
        self.row_at = [np.argsort(order) for order in orders]
        self.points = np.concatenate([t, t**2, t**3], axis=1)  # (n, 9)
        self.codes = self.points * _SCALE

    def trace(self, codes: np.ndarray) -> tuple[Parents, np.ndarray]:
        """Parents of the rows with these codes (n_out, 9), and which were found."""
        points = codes / _SCALE
        first = self._nearest(0, points[:, 0])
        second, share = first.copy(), np.zeros(len(points))
        found = (self.points[first] == points).all(axis=1)
        for curve in range(_N_CURVES):
            open_ = np.flatnonzero(~found)
            a, b = self._secant(curve, points[open_])
            ratio, fits = self._verify(a, b, points[open_])
            a, b, ratio = a[fits], b[fits], ratio[fits]
            swap = ratio > 0.5
            first[open_[fits]] = np.where(swap, b, a)
            second[open_[fits]] = np.where(swap, a, b)
            share[open_[fits]] = np.where(swap, 1 - ratio, ratio)
            found[open_[fits]] = True
        return Parents(first, second, share), found

    def _nearest(self, curve: int, t: np.ndarray) -> np.ndarray:
        n = len(self.points)
        rank = np.rint((np.nan_to_num(t).clip(-1, 1) + 1) * ((n - 1) / 2))
        return self.row_at[curve][rank.astype(np.intp)]

    def _secant(self, curve: int, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The two rows t, u whose x² + px + q annihilates the moments of the point."""
        m1, m2, m3 = points[:, curve::_N_CURVES].T
        with np.errstate(divide="ignore", invalid="ignore"):
            p = (m1 * m2 - m3) / (m2 - m1**2)
            q = -m2 - p * m1
            root = np.sqrt(p**2 / 4 - q)
            low, high = -p / 2 - root, -p / 2 + root
        return self._nearest(curve, low), self._nearest(curve, high)

    def _verify(
        self, a: np.ndarray, b: np.ndarray, points: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Share of b, and whether all curves agree that a and b are the parents."""
        step = self.points[b] - self.points[a]
        offset = points - self.points[a]
        length = (step**2).sum(axis=1)
        ratio = (offset * step).sum(axis=1) / np.where(length > 0, length, 1)
        rest = np.abs(offset - ratio[:, None] * step).max(axis=1)
        return ratio, (rest <= _TOLERANCE * (1 + np.abs(ratio))) & (length > 0)
