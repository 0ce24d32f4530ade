"""From the columns of X to what the net reads: standardised, filled, with presence."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skmultimodal._layout import Layout, presence
from skmultimodal.heads._network import step_slices

_MAX_ROWS = 2048  # enough rows for quartiles
_CLIP = 3.0
_FAR = 1e9
_CHUNK = 256  # rows that stay in the cache


@dataclass
class BlockInputs:
    """Layout and scaling, learned on the training rows.

    Columns are centred on the median and divided by the interquartile range, then
    squashed by x / √(1 + (x / 3)²) (Holzmüller et al., arXiv:2407.04491).
    """

    layout: Layout
    names: tuple[str, ...]  # of the columns, block after block
    shift: np.ndarray | None  # (p,), None: not standardised
    scale: np.ndarray | None  # (p,)
    fill: np.ndarray  # (p,), what stands for a missing value, on the final scale
    seen: np.ndarray  # (Σ T_m,), False for modalities that no training row has

    @classmethod
    def learn(
        cls,
        x: np.ndarray,
        layout: Layout,
        names: list[str],
        standardize: bool,
        who: str | None,
    ) -> BlockInputs:
        """x: (n, p) float32, columns as they came; `who` warns, None is quiet."""
        x = x[:, layout.order] if not layout.is_ordered else x
        ordered = tuple(names[c] for c in layout.order)
        shift = scale = None
        if standardize:
            center, spread = _block_scales(x, layout)
            scale = 1 / spread
            shift = -center * scale
        steps = sum(block.n_steps for block in layout)
        inputs = cls(
            layout,
            ordered,
            shift,
            scale,
            np.zeros(x.shape[1], dtype=np.float32),
            np.ones(steps, dtype=bool),
        )
        if holds_nan(x):
            inputs._learn_missing(x, who)
        return inputs

    def _learn_missing(self, x: np.ndarray, who: str | None) -> None:
        gone = np.isnan(x)
        count = _over_steps((~gone).sum(0), self.layout)
        with np.errstate(invalid="ignore"):  # infinity is refused later
            total = np.where(gone, 0, x).sum(0, dtype=np.float64)
            mean = _over_steps(total, self.layout) / np.maximum(count, 1)
        row = torch.from_numpy(mean.astype(np.float32))[None]
        filled, scratch = torch.empty_like(row), torch.empty_like(row)
        self.fill = self._standardize(row, filled, scratch).numpy()[0]
        present = presence(gone, self.layout)  # (n, Σ T_m)
        partly = {}
        for block, (name, steps) in zip(self.layout, step_slices(self.layout).items()):
            here = present[:, steps]
            if not here.any():
                self.seen[steps] = False
                if who is None:
                    continue
                warnings.warn(
                    f"Every row lacks the modality {name!r}: {who} goes on without it, "
                    "also at predict.",
                    UserWarning,
                    stacklevel=5,
                )
            width = self.layout.slices()[name]
            holes = gone[:, width] & np.repeat(here, block.n_features, axis=1)
            if holes.any():
                partly[name] = (
                    int(holes.sum()),
                    width.start + int(holes.any(0).argmax()),
                )
        if partly and who is not None:
            what = ", ".join(
                f"{n} in modality {m!r} (first column {self.names[c]!r})"
                for m, (n, c) in partly.items()
            )
            warnings.warn(
                f"{who} filled missing values with the training mean: {what}. A "
                "modality counts as absent only where all its columns are NaN.",
                UserWarning,
                stacklevel=5,
            )

    def _standardize(self, x: Tensor, out: Tensor, scratch: Tensor) -> Tensor:
        if self.scale is None or self.shift is None:
            return out.copy_(x)
        torch.addcmul(_tensor(self.shift), x, _tensor(self.scale), out=out)
        out.clamp_(-_FAR, _FAR)  # so that the square stays finite
        torch.addcmul(_ONE, out, out, value=_CLIP**-2, out=scratch)
        return out.mul_(scratch.rsqrt_())

    def __call__(self, x: np.ndarray, first_row: int = 0) -> tuple[Tensor, Tensor]:
        """x: (n, p) float32 -> (n, p) float32 without NaN, (n, Σ T_m) bool"""
        if not self.layout.is_ordered:
            x = x[:, self.layout.order]
        raw = _tensor(x.astype(np.float32, copy=False))
        out = torch.empty(raw.shape)
        scratch = torch.empty(min(_CHUNK, len(x)), x.shape[1])
        present = _tensor(self.seen).repeat(len(x), 1)
        for start in range(0, len(x), _CHUNK):
            rows = slice(start, start + _CHUNK)
            part = raw[rows].contiguous()  # frames are often column by column
            self._standardize(part, out[rows], scratch[: len(part)])
            if not torch.isfinite(part.sum()):
                self._fill(part, out[rows], present[rows], first_row + start)
        return out, present

    def _fill(self, raw: Tensor, out: Tensor, present: Tensor, first_row: int) -> None:
        """Replace NaN in `out`, and say in `present` what is absent."""
        infinite = raw.isinf()
        if infinite.any():
            row, column = (int(i[0]) for i in infinite.nonzero(as_tuple=True))
            raise ValueError(
                f"Input X contains infinity: row {first_row + row}, column "
                f"{self.names[column]!r} (modality {self.locate(column)!r}) is "
                f"{float(raw[row, column])} in float32. Replace it by a finite number, "
                "or by NaN where the value is missing."
            )
        gone = raw.isnan()
        present &= _tensor(presence(gone.numpy(), self.layout))
        torch.where(gone, _tensor(self.fill), out, out=out)

    def locate(self, column: int) -> str:
        for name, columns in self.layout.slices().items():
            if column < columns.stop:
                return name
        raise IndexError(column)


def holds_nan(x: np.ndarray) -> bool:
    """Whether there may be NaN in x; infinities of both signs add up to one."""
    with np.errstate(invalid="ignore"):
        return bool(np.isnan(x.sum(dtype=np.float64)))


_ONE = torch.ones(())


def _tensor(array: np.ndarray) -> Tensor:
    """A view of the array. Memory that a worker maps is read-only: nothing writes."""
    if array.flags.writeable:
        return torch.from_numpy(array)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array)


def _over_steps(values: np.ndarray, layout: Layout) -> np.ndarray:
    """(n_columns,) -> (n_columns,), at each step of a sequence the sum of all steps."""
    values = values.copy()
    for block, columns in zip(layout, layout.slices().values()):
        if block.n_steps > 1:
            steps = values[columns].reshape(block.n_steps, -1)
            values[columns] = np.tile(steps.sum(0), block.n_steps)
    return values


def _block_scales(x: np.ndarray, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Median and spread of each column; a feature of a sequence has one for all steps.

    Late steps are there in few samples, or in none at fit: by themselves they would be
    scaled by chance.
    """
    centers, spreads, start = [], [], 0
    for n_steps, width in _runs(layout):
        center, spread = _robust_scale(x[:, start : start + width], n_steps)
        centers.append(np.tile(center, n_steps))
        spreads.append(np.tile(spread, n_steps))
        start += width
    return np.concatenate(centers), np.concatenate(spreads)


def _runs(layout: Layout) -> list[tuple[int, int]]:
    """Number of steps and of columns of what is scaled in one go.

    That is a sequence, or all vectors that stand side by side: there may be thousands.
    """
    runs: list[tuple[int, int]] = []
    for block in layout:
        if block.n_steps == 1 and runs and runs[-1][0] == 1:
            runs[-1] = (1, runs[-1][1] + block.width)
        else:
            runs.append((block.n_steps, block.width))
    return runs


def _robust_scale(x: np.ndarray, n_steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Median and spread of each feature, from at most 2,048 rows and all their steps.

    The spread is the larger of the 25-75 % and the 2-98 % range, both in units of a
    normal distribution's standard deviation: the first alone blows up columns that are
    mostly one value. Where it is zero, half of max - min; where that is zero, 1.

    x: (n, T * d) -> (d,), (d,)
    """
    x = x.reshape(len(x), n_steps, -1)
    step = max(1, len(x) // _MAX_ROWS)
    few = x[::step]
    few = few.reshape(-1, few.shape[2])
    ranked = np.sort(few.T.copy(), axis=1)  # (d, rows * T), NaN last
    last = np.maximum(ranked.shape[1] - np.isnan(ranked).sum(1) - 1, 0)
    every = np.arange(len(ranked))
    bottom, low, median, high, top = (
        ranked[every, np.round(q * last).astype(int)]
        for q in (0.02, 0.25, 0.5, 0.75, 0.98)
    )
    with np.errstate(over="ignore", invalid="ignore"):
        spread = np.maximum((high - low) / 1.35, (top - bottom) / 4.11)
        flat = ~(spread > 1e-6 * np.abs(median))
        if flat.any():
            part = x[:, :, flat]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # columns all NaN
                high, low = np.nanmax(part, axis=(0, 1)), np.nanmin(part, axis=(0, 1))
                spread[flat] = high / 2 - low / 2
    usable = np.isfinite(spread) & (spread > 1e-6 * np.abs(median)) & (spread > 1e-30)
    spread = np.where(usable, spread, 1)
    center = np.where(np.isfinite(median), median, 0)
    return center.astype(np.float32), spread.astype(np.float32)
