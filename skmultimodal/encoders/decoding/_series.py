"""Decoding: any cell that holds a series becomes an array of steps and channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib import format as npy

from skmultimodal._cells import is_missing
from skmultimodal._recipes import Recipe
from skmultimodal.encoders.decoding._files import (
    MediaError,
    is_bytes,
    is_path,
    open_media,
    shown,
    source_for,
)
from skmultimodal.encoders.decoding._quiet import quiet

MAX_BYTES = 2**28
MAX_CHANNELS = 256
_LARGEST = float(np.finfo(np.float32).max)
_FRAMES = (pd.Series, pd.DataFrame)
_GRID_PER_ROW = 8  # most steps of the even grid for each row of a time index


def is_several(cell: Any) -> bool:
    """Whether a cell is a list of series: of paths, files in bytes or frames.

    A list of numbers, of lists or of arrays is one series, step by step.
    """
    if not isinstance(cell, (list, tuple)):
        return False
    held = next((part for part in cell if not is_missing(part)), None)
    return is_path(held) or is_bytes(held) or isinstance(held, (*_FRAMES, Recipe))


def unpacked(cell: Any) -> Any:
    """A cell with its numbers as an array, so that its content can be compared."""
    if is_missing(cell) or is_path(cell) or is_bytes(cell):
        return cell
    if isinstance(cell, Recipe):
        return cell.on(unpacked(cell.source))
    if is_several(cell):
        return [unpacked(part) for part in cell]
    try:
        return as_array(cell)
    except MediaError:  # whoever decodes it says what is wrong
        if not isinstance(cell, (list, tuple)):
            return cell
        parts = np.empty(len(cell), dtype=object)  # one broken series, not several
        for k, part in enumerate(cell):
            parts[k] = part
        return parts


def decode_series(
    cell: Any, *, max_channels: int, max_bytes: int, root: str | None
) -> np.ndarray:
    """(T, channels) float64, NaN where a value is missing; T >= 1."""
    if isinstance(cell, Recipe):
        source = source_for(cell, "series")
        return cell.apply(
            decode_series(
                source, max_channels=max_channels, max_bytes=max_bytes, root=root
            )
        )
    if is_path(cell) or is_bytes(cell):
        return _checked(_read_npy(cell, max_bytes, root), cell, max_channels)
    return _checked(as_array(cell), cell, max_channels)


def as_array(cell: Any) -> np.ndarray:
    """What a cell that is no file holds, as an array of any numbers."""
    if isinstance(cell, _FRAMES):
        return _from_pandas(cell)
    if isinstance(cell, (list, tuple)):
        return _from_list(cell)
    if hasattr(cell, "__array__"):
        array = np.asarray(cell)
        return _from_list(array.tolist()) if array.dtype == object else array
    raise MediaError(
        f"found {cell!r:.60} ({type(cell).__name__}), expected a series: an array "
        "(steps,) or (steps, channels), nested lists, a pandas Series or DataFrame, or "
        "the path of a .npy file. A column of single numbers is for TabularEncoder"
    )


def _from_list(cell: Sequence[Any]) -> np.ndarray:
    try:
        array = np.asarray(cell)
        if array.dtype.kind in "biuf":
            return array
        return np.asarray(_with_nan(cell), dtype=np.float64)
    except (TypeError, ValueError):
        steps = {len(s) if hasattr(s, "__len__") else 1 for s in cell}
        ragged = len(steps) > 1 and not any(isinstance(s, str) for s in cell)
        found = f"steps of {sorted(steps)[:4]} values" if ragged else f"{cell!r:.60}"
        raise MediaError(
            f"found a list of {found}, expected numbers: one a step, or a list of as "
            "many at each step. Give channels of different lengths a column each"
        ) from None


def _with_nan(cell: Any) -> Any:
    if isinstance(cell, (str, bytes)) and len(cell):
        raise TypeError
    if isinstance(cell, (list, tuple, np.ndarray)) and len(cell):
        return [_with_nan(part) for part in cell]
    return np.nan if is_missing(cell) else cell


def _checked(array: np.ndarray, cell: Any, max_channels: int) -> np.ndarray:
    name = shown(cell)
    if array.dtype.kind not in "biuf":
        raise MediaError(
            f"{name} holds {array.dtype}, expected numbers. Convert it to float"
        )
    if array.ndim not in (1, 2) or array.size == 0:
        raise MediaError(
            f"{name} holds a series of shape {array.shape}, expected (steps,) or "
            "(steps, channels)"
        )
    with np.errstate(over="ignore", invalid="ignore"):  # NaN of any bits is NaN
        series = array.reshape(len(array), -1).astype(np.float64)
    if series.shape[1] > max_channels:
        raise MediaError(
            f"{name} has {series.shape[1]} channels of {len(series)} steps, more than "
            f"max_channels={max_channels}. Steps stand first, (steps, channels): "
            "transpose it, or raise max_channels"
        )
    if (np.abs(series) > _LARGEST).any():
        step, channel = np.argwhere(np.abs(series) > _LARGEST)[0]
        raise MediaError(
            f"{name} holds {series[step, channel]} at step {step} of channel {channel}:"
            " infinite, or too large for float32. Replace it, for instance by NaN, "
            "which means missing"
        )
    if np.isnan(series).all():
        raise MediaError(
            f"{name} holds nothing but NaN. Give None where a sample lacks the series"
        )
    return series


# Files --------------------------------------------------------------------------------


def _read_npy(cell: Any, max_bytes: int, root: str | None) -> np.ndarray:
    with open_media(cell, root=root, max_bytes=max_bytes, noun="series") as file:
        try:
            version = npy.read_magic(file)
            read = npy.read_array_header_1_0
            if version != (1, 0):
                read = npy.read_array_header_2_0
            with quiet():
                shape, _, dtype = read(file)
        except Exception as error:
            raise MediaError(
                f"{shown(cell)} is no .npy file ({_reason(error)}). Save the series "
                "with numpy.save"
            ) from None
        start = file.tell()
        held = file.seek(0, 2) - start
        claimed = dtype.itemsize
        for length in shape:
            claimed *= length
        if dtype.hasobject:
            raise MediaError(
                f"{shown(cell)} holds pickled objects, which are not read. Save an "
                "array of numbers"
            )
        if claimed > held:
            raise MediaError(
                f"{shown(cell)} is truncated: its header says shape {shape}, "
                f"{claimed} bytes, but {held} follow. Restore the file"
            )
        file.seek(0)
        try:
            with quiet():
                return np.load(file, allow_pickle=False)
        except Exception as error:
            raise MediaError(
                f"{shown(cell)} is broken ({_reason(error)}). Restore the file"
            ) from None


def _reason(error: Exception) -> str:
    return f"{str(error).splitlines()[0]:.120}" if str(error) else type(error).__name__


# A time index -------------------------------------------------------------------------


def _from_pandas(cell: pd.Series | pd.DataFrame) -> np.ndarray:
    frame = cell.to_frame() if isinstance(cell, pd.Series) else cell
    for k, dtype in enumerate(frame.dtypes):
        if getattr(dtype, "kind", "O") not in "biufO":
            raise MediaError(
                f"its column {frame.columns[k]!r} holds {dtype}, expected numbers. Drop"
                " it, or make times the index"
            )
    try:
        values = frame.to_numpy(dtype=np.float64, na_value=np.nan)  # (rows, channels)
    except (TypeError, ValueError) as error:
        raise MediaError(
            f"a {type(cell).__name__} holds what is no number ({_reason(error)}). "
            "Convert or drop it"
        ) from None
    index = frame.index
    if not isinstance(index, (pd.DatetimeIndex, pd.TimedeltaIndex)) or len(index) < 2:
        return values
    known = np.asarray(~index.isna())
    return _on_grid(np.asarray(index.as_unit("ns").asi8)[known], values[known])


def _on_grid(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values (T, channels) on an even grid of the median step, NaN between them."""
    order = np.argsort(times, kind="stable")
    since = (times[order] - times[order[0]]).astype(np.float64) if len(order) else times
    steps = np.diff(since)
    steps = steps[steps > 0]
    if not len(steps):
        return values[order]
    step = max(float(np.median(steps)), since[-1] / (_GRID_PER_ROW * len(times)))
    place = np.rint(since / step).astype(np.intp)
    if (np.diff(place) == 1).all():
        return values[order]
    held = ~np.isnan(values[order])
    sums = np.zeros((place[-1] + 1, values.shape[1]))
    counts = np.zeros(sums.shape)
    np.add.at(sums, place, np.where(held, values[order], 0))
    np.add.at(counts, place, held)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)


# Steps --------------------------------------------------------------------------------


def shortened(series: np.ndarray, max_steps: int) -> np.ndarray:
    """At most `max_steps` steps: means over even stretches, of what is not missing."""
    if len(series) <= max_steps:
        return series
    edges = np.arange(max_steps) * len(series) // max_steps
    held = ~np.isnan(series)
    sums = np.add.reduceat(np.where(held, series, 0), edges, axis=0)
    counts = np.add.reduceat(held, edges, axis=0, dtype=np.intp)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)


def filled(series: np.ndarray) -> np.ndarray:
    """Gaps bridged by straight lines, level at both ends; 0 in an empty channel."""
    missing = np.isnan(series)
    if not missing.any():
        return series
    series = series.copy()
    steps = np.arange(len(series))
    for channel, gaps in zip(series.T, missing.T):
        if gaps.all():
            channel[:] = 0
        elif gaps.any():
            channel[gaps] = np.interp(steps[gaps], steps[~gaps], channel[~gaps])
    return series
