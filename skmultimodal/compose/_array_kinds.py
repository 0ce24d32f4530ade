"""What arrays of numbers are likely to hold, and what else they may be.

An array does not say whether it is a picture, a series, a recording or an embedding.
Its shape, its range and how alike neighbouring numbers are make one of them likely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Arrays = Sequence[np.ndarray]
LOOKED_AT = 64  # arrays whose numbers are looked at, of those whose shapes are
_SIDE = 512  # of larger pictures, a corner
_SHORT = 8  # fewer numbers are an embedding, whatever they were: nothing is lost
_SOUND = 1000  # fewer numbers are no recording: an eighth of a second at 8 kHz
_CHANNELS = (1, 3, 4)  # of a picture
_LONG = 8000  # more numbers are hardly an embedding
# Mean correlation of neighbours: of embeddings below the first, of series mostly above
# the second, and above the third where numbers differ as features do.
_ROUGH, _SMOOTH, _WAVES = 0.2, 0.5, 0.75


@dataclass(frozen=True)
class Finding:
    """What a column or cell holds, and the reason in words."""

    kind: str  # one of KINDS or of FOREIGN, or of a single cell
    reason: str
    doubt: tuple[str, ...] = ()  # kinds that it may as well be
    hint: str = ""  # what to do in such a case, a sentence


def vectors_kind(arrays: Arrays, told: str) -> Finding:
    """One-dimensional arrays: embeddings, series, or sound of an unknown rate."""
    lengths = [len(a) for a in arrays]
    sound = ("audio",) if may_be_sound(arrays) else ()
    if min(lengths) < max(lengths):
        told = f"{told} of {min(lengths)} to {max(lengths)} numbers"
        return Finding("series", told + (", taken for series" if sound else ""), sound)
    told = f"{told} of {lengths[0]} numbers"
    if lengths[0] < _SHORT or _are_unit(arrays):
        return Finding("precomputed", told)
    smooth = smoothness(arrays, axis=0)
    differ = columns_differ(np.stack(arrays[:LOOKED_AT]))
    if smooth < _ROUGH and differ:
        return Finding("precomputed", told)
    if smooth >= (_WAVES if differ else _SMOOTH) or (sound and lengths[0] >= _LONG):
        return Finding("series", f"{told}, taken for series", ("precomputed", *sound))
    return Finding("precomputed", f"{told}, taken for embeddings", ("series", *sound))


def grids_kind(arrays: Arrays, told: str) -> Finding:
    """Two-dimensional arrays: pictures (h, w) or series (time, channel)."""
    told = f"{told}, {_shape(arrays)} for example"
    heights, widths = ({a.shape[axis] for a in arrays} for axis in (0, 1))
    sound = ("audio",) if may_be_sound(arrays) else ()
    if max(widths) <= 4 and min(heights) >= 4 * max(widths):
        return Finding("series", told + (", taken for series" if sound else ""), sound)
    if any(np.isnan(a).any() for a in arrays[:LOOKED_AT]):
        return Finding("series", f"{told}, with missing steps (NaN)")
    across = max(heights) <= 4 and min(widths) >= 4 * max(heights)
    if across:
        hint = (
            "A series has time x channel: turn cells that hold channel x time with "
            "cell.T."
        )
        return Finding("series", f"{told}, taken for series", ("image", *sound), hint)
    score = _looks_painted(arrays)
    if len(widths) == 1 and len(heights) > 1:
        if score < 0:
            return Finding("series", f"{told}, of different lengths")
        score -= 2
    if score > 0:
        return Finding("image", f"{told}, taken for pictures", ("series",))
    return Finding("series", f"{told}, taken for series", ("image", *sound))


def volumes_kind(arrays: Arrays, told: str) -> Finding:
    """Arrays of three or four dimensions: pictures in colour, or frames of a video."""
    told = f"{told}, {_shape(arrays)} for example"
    ndim = arrays[0].ndim
    is_bytes = all(a.dtype == np.uint8 for a in arrays)
    if all(a.shape[-1] in _CHANNELS for a in arrays):
        kind = "image" if ndim == 3 else "video"
        if is_bytes or _is_painted(arrays):
            return Finding(kind, told)
        what = "pictures" if ndim == 3 else "videos"
        return Finding(kind, f"{told}, taken for {what}", ("other",))
    if all(a.shape[-3] in _CHANNELS for a in arrays):
        hint = (
            "Pictures and frames have their channels last: np.moveaxis(cell, "
            f"{ndim - 3}, -1) puts them there."
        )
        return Finding("video", f"{told}, taken for videos", ("image",), hint)
    if ndim == 4:
        return Finding("video", f"{told}, taken for videos", ("other",))
    if is_bytes:
        return Finding("video", told)
    return Finding("video", f"{told}, taken for videos", ("other",))


def smoothness(arrays: Arrays, axis: int) -> float:
    """Mean correlation of neighbours along an axis: 0 for noise, near 1 for waves."""
    found = []
    for array in arrays[:LOOKED_AT]:
        if array.ndim > 1:
            array = array[(slice(_SIDE),) * array.ndim]
        lines = np.moveaxis(array.astype(float), axis, -1)  # (..., n)
        known = ~np.isnan(lines)
        counts = known.sum(axis=-1, keepdims=True).clip(1)
        lines = np.where(known, lines, 0)
        lines = np.where(known, lines - lines.sum(-1, keepdims=True) / counts, 0)
        power = np.square(lines).sum()
        if power > 0:
            found.append(np.sum(lines[..., 1:] * lines[..., :-1]) / power)
    return float(np.mean(found)) if found else 0.0


def columns_differ(rows: np.ndarray) -> bool:
    """Whether columns of (n, d) have means or spreads of their own.

    Features of an embedding have; steps of a stationary series have not.
    """
    n = len(rows)
    if n < 10:
        return False
    rows = rows[:, ~np.isnan(rows).all(axis=0)].astype(float)
    means, spreads = np.nanmean(rows, axis=0), np.nanvar(rows, axis=0)
    held = spreads[spreads > 0]
    if len(held) < len(spreads) or not len(held):
        return True  # a constant feature
    between = n * np.var(means) / np.mean(held)
    within = np.std(np.log(held)) / np.sqrt(2 / n)
    return bool(between > 3 or within > 3)


def _are_unit(arrays: Arrays) -> bool:
    """Whether each has length one, as embeddings often have."""
    squares = [np.square(a, dtype=float).sum() for a in arrays[:LOOKED_AT]]
    return len(squares) > 1 and bool(np.allclose(squares, 1, atol=1e-3))


def may_be_sound(arrays: Arrays) -> bool:
    """Long, round zero, in [-1, 1] or 16-bit samples."""
    if np.median([max(a.shape) for a in arrays]) < _SOUND:
        return False
    if any(a.dtype == np.int16 for a in arrays):
        return True
    lows, highs = zip(*((np.nanmin(a), np.nanmax(a)) for a in arrays[:LOOKED_AT]))
    return bool(-1.01 <= min(lows) < 0 < max(highs) <= 1.01)


def _looks_painted(arrays: Arrays) -> int:
    """Points for a picture (h, w), as against a series (time, channel)."""
    sides = np.array([a.shape for a in arrays])
    aspect = float(np.median(sides.max(axis=1) / sides.min(axis=1)))
    across = smoothness(arrays, axis=1)
    score = 1 if aspect < 1.5 else -2 if aspect > 4 or sides.min() < 8 else 0
    score += 2 * _has_range_of_light(arrays)
    return score + (2 if across >= _SMOOTH else -2 if across < _ROUGH else 0)


def _is_painted(arrays: Arrays) -> bool:
    """Whether (..., h, w, c) have the range of light and are smooth both ways."""
    is_smooth = min(smoothness(arrays, axis=-3), smoothness(arrays, axis=-2)) >= _SMOOTH
    large = all(min(a.shape[-3:-1]) >= 16 for a in arrays)
    return large and is_smooth and _has_range_of_light(arrays)


def _has_range_of_light(arrays: Arrays) -> bool:
    """From black, near zero, up to 1, 255 or another whole number of grey levels."""
    looked = arrays[:LOOKED_AT]
    low, high = min(map(np.min, looked)), max(map(np.max, looked))
    if low < 0 or low > 0.5 * high:
        return False
    whole = all(np.equal(np.mod(a, 1), 0).all() for a in looked)
    return bool(0.5 < high <= 1 or (whole and high <= 255) or 127 < high <= 255)


def _shape(arrays: Arrays) -> str:
    return " x ".join(map(str, arrays[0].shape))
