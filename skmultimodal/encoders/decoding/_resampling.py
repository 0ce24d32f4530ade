"""Resampling a wave that comes in blocks, without ever holding all of its source."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np
from scipy.signal import firwin, resample_poly

_BLOCK = 1 << 18
_MAX_DENOMINATOR = 1000  # rates without a common divisor would need a huge filter


def resampled(blocks: Iterable[np.ndarray], source: int, target: int) -> np.ndarray:
    """Blocks (k,) of a wave at rate `source` as one float32 wave at rate `target`.

    The result is that of `scipy.signal.resample_poly` on the whole wave.
    """
    ratio = Fraction(target, source).limit_denominator(_MAX_DENOMINATOR)
    if ratio != 1:
        blocks = _pieces(blocks, ratio.numerator, ratio.denominator)
    found = [np.asarray(block, dtype=np.float32) for block in blocks]
    if len(found) == 1:
        return found[0]
    return np.concatenate(found) if found else np.empty(0, dtype=np.float32)


def _pieces(blocks: Iterable[np.ndarray], up: int, down: int) -> Iterator[np.ndarray]:
    """Resample piece by piece, each with as much around it as the filter sees."""
    taps, reach = _filter(up, down)
    margin = math.ceil(reach / (up * down)) * down  # starts and ends on output samples
    skipped = margin // down * up
    size = math.ceil(_BLOCK / down) * down
    held = np.zeros(margin, dtype=np.float32)
    for block in blocks:
        held = np.concatenate([held, block.astype(np.float32, copy=False)])
        while len(held) >= size + 2 * margin:
            piece = resample_poly(held[: size + 2 * margin], up, down, window=taps)
            yield piece[skipped : skipped + size // down * up]
            held = held[size:]
    left = math.ceil((len(held) - margin) * up / down)
    held = np.concatenate([held, np.zeros(margin, dtype=np.float32)])
    yield resample_poly(held, up, down, window=taps)[skipped : skipped + left]


@functools.lru_cache(maxsize=16)
def _filter(up: int, down: int) -> tuple[np.ndarray, int]:
    """resample_poly's own low-pass filter, and how far it reaches to each side."""
    widest = max(up, down)
    reach = 10 * widest
    taps = firwin(2 * reach + 1, 1 / widest, window=("kaiser", 5.0))
    return taps.astype(np.float32), reach
