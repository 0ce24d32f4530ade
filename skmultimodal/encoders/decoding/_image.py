"""Decoding: any cell that holds a picture becomes an RGB array of values in [0, 1]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from skmultimodal._recipes import Recipe, source_of
from skmultimodal.encoders.decoding._files import (
    MediaError,
    is_bytes,
    is_path,
    open_media,
    shown,
    source_for,
)
from skmultimodal.encoders.decoding._quiet import quiet
from skmultimodal.encoders.decoding._raster import (
    check_work,
    first_line,
    identified,
    on_white,
    upright,
)

MAX_PIXELS = 89_478_485  # Pillow's own limit against decompression bombs
MAX_BYTES = 2**30
_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N", "I")


@dataclass(frozen=True)
class Decoder:
    """How pictures are read: shape, limits, and the range of arrays seen in `fit`."""

    size: tuple[int, int]  # (height, width) to resize to
    max_pixels: int
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    resample: int = Image.Resampling.BILINEAR
    shortest_edge: int | None = None  # keep the proportions, whatever `size` says
    max_bytes: int = MAX_BYTES
    root: str | None = None

    def __call__(self, cell: Any) -> np.ndarray:
        """(h, w, 3) float32 in [0, 1]."""
        if isinstance(cell, Recipe):
            source = self._picture(source_for(cell, "image"))
            return self._resized_array(cell.apply(self._at_most_double(source)))
        picture = self._picture(cell)
        if isinstance(picture, np.ndarray):
            return self._resized_array(picture)
        size = self._target(picture.height, picture.width)
        if (picture.height, picture.width) != size:
            picture = picture.resize(size[::-1], Image.Resampling(self.resample))
        return np.asarray(picture, dtype=np.float32) / 255

    def _picture(self, cell: Any) -> Image.Image | np.ndarray:
        """RGB in its own size; (h, w, 3) in [0, 1] where eight bits would lose some."""
        if isinstance(cell, np.ndarray) or _is_nested(cell):
            array = _as_array(cell)
            check_array_shape(array)
            if array.dtype != np.uint8:
                return self._array(array)
            cell = Image.fromarray(array[:, :, 0] if array.shape[2:] == (1,) else array)
        if isinstance(cell, Image.Image):
            return self._read(cell, cell)
        return self._decoded(cell)

    def _at_most_double(self, picture: Image.Image | np.ndarray) -> np.ndarray:
        """(h, w, 3) of no more pixels than a crop needs to stay sharp."""
        if isinstance(picture, np.ndarray):
            return picture
        height, width = self._target(picture.height, picture.width)
        size = min(picture.width, 2 * width), min(picture.height, 2 * height)
        if size != picture.size:
            picture = picture.resize(size, Image.Resampling(self.resample))
        return np.asarray(picture, dtype=np.float32) / 255

    def _decoded(self, cell: Any) -> Image.Image | np.ndarray:
        """The picture in a file, if it is not too large."""
        if not (is_path(cell) or is_bytes(cell)):
            raise MediaError(
                f"found {type(cell).__name__}; expected a path, bytes, a PIL image or "
                "an array (h, w), (h, w, 1), (h, w, 3) or (h, w, 4)"
            )
        with (
            open_media(
                cell, root=self.root, max_bytes=self.max_bytes, noun="picture"
            ) as file,
            identified(file, cell) as image,
        ):
            self._check_pixels(cell, image.size)
            check_work(image, file, cell)
            if image.format == "JPEG":
                height, width = self._target(image.height, image.width)
                image.draft(None, (2 * width, 2 * height))
            return self._read(image, cell)

    def _read(self, image: Image.Image, cell: Any) -> Image.Image | np.ndarray:
        """An upright RGB picture."""
        self._check_pixels(cell, image.size)
        try:
            image.load()
            self._check_pixels(cell, image.size)  # an ICO holds files of other sizes
            return self._plain(upright(image))
        except MediaError:
            raise
        except Exception as error:
            raise MediaError(
                f"{shown(cell)} is broken or truncated ({first_line(error)}). "
                "Restore the file"
            ) from error

    def _target(self, height: int, width: int) -> tuple[int, int]:
        if self.shortest_edge is None:
            return self.size
        scale = self.shortest_edge / min(height, width)
        return max(1, round(height * scale)), max(1, round(width * scale))

    def _check_pixels(self, cell: Any, size: tuple[int, int]) -> None:
        if size[0] * size[1] > self.max_pixels:
            raise MediaError(
                f"{shown(cell)} has {size[0]} x {size[1]} pixels, more than "
                f"max_pixels={self.max_pixels}. Shrink it, or raise max_pixels if you "
                "trust it"
            )
        if 0 in size:
            raise MediaError(f"{shown(cell)} has no pixels: size {size}")

    def _plain(self, image: Image.Image) -> Image.Image | np.ndarray:
        """RGB; an array where eight bits would lose some."""
        if image.mode in _SIXTEEN_BIT:
            grey = np.asarray(image, dtype=np.float32) / 65535
            return np.repeat(grey.clip(0, 1)[:, :, None], 3, axis=2)
        if image.mode == "F":
            return self._array(np.asarray(image))
        if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or (
            "transparency" in image.info
        ):
            return on_white(image)
        return image if image.mode == "RGB" else image.convert("RGB")

    def _array(self, array: np.ndarray) -> np.ndarray:
        self._check_pixels(array, (array.shape[1], array.shape[0]))
        if array.ndim == 2:
            array = array[:, :, None]
        low, high = value_range(array.dtype, self.ranges)
        with np.errstate(over="ignore", invalid="ignore"):  # told below
            picture = (array.astype(np.float32) - low) / (high - low)
        if not np.isfinite(picture).all():
            raise MediaError("an array holds NaN or infinite values. Fill them")
        picture = picture.clip(0, 1)
        if picture.shape[2] == 4:
            alpha = picture[:, :, 3:]
            picture = picture[:, :, :3] * alpha + (1 - alpha)
        if picture.shape[2] == 1:
            picture = np.repeat(picture, 3, axis=2)
        return picture

    def _resized_array(self, picture: np.ndarray) -> np.ndarray:
        size = self._target(*picture.shape[:2])
        if picture.shape[:2] == size:
            return picture
        channels = [
            np.asarray(
                Image.fromarray(np.ascontiguousarray(picture[:, :, k])).resize(
                    size[::-1], Image.Resampling(self.resample)
                )
            )
            for k in range(3)
        ]
        return np.stack(channels, axis=2)


def _is_nested(cell: Any) -> bool:
    return isinstance(cell, (list, tuple))


def _as_array(cell: Any) -> np.ndarray:
    try:
        return np.asarray(cell)
    except Exception as error:
        raise MediaError(
            f"a cell of type {type(cell).__name__} is no array of numbers "
            f"({first_line(error)}). Give each row of pixels the same length"
        ) from error


def check_array_shape(array: np.ndarray) -> None:
    """An array must be (h, w) or (h, w, channel) of numbers."""
    channels = array.shape[2] if array.ndim == 3 else 1
    if (
        array.ndim in (2, 3)
        and channels in (1, 3, 4)
        and array.size
        and array.dtype.kind in "buif"
    ):
        return
    hint = ""
    if array.ndim == 3 and array.shape[0] in (1, 3, 4):
        hint = ". Channels stand last here: np.moveaxis(picture, 0, -1)"
    raise MediaError(
        f"found an array of shape {array.shape} and dtype {array.dtype}; expected "
        f"numbers of shape (h, w), (h, w, 1), (h, w, 3) or (h, w, 4){hint}"
    )


def value_range(
    dtype: np.dtype, ranges: Mapping[str, tuple[float, float]]
) -> tuple[float, float]:
    """What black and white are in an array of this dtype."""
    if dtype.kind == "b":
        return 0.0, 1.0
    if dtype in (np.uint8, np.uint16):
        return 0.0, float(np.iinfo(dtype).max)
    if dtype.kind == "f":
        return ranges.get("float", (0.0, 1.0))
    return ranges.get("integer", (0.0, 255.0))


def learn_ranges(cells: Sequence[Any]) -> dict[str, tuple[float, float]]:
    """Range of float arrays and of wide integer arrays over all pictures of a fit.

    Learned once, so that a picture alone is read as it is among others.
    """
    found: dict[str, tuple[float, float]] = {}
    for cell in map(source_of, cells):
        if (isinstance(cell, Image.Image) and cell.mode == "F") or _is_nested(cell):
            try:
                cell = _as_array(cell)
            except MediaError:
                continue  # whoever decodes it says what is wrong
        if not isinstance(cell, np.ndarray) or cell.dtype.kind not in "fiu":
            continue
        if cell.dtype in (np.uint8, np.uint16) or cell.size == 0:
            continue
        finite = cell[np.isfinite(cell)] if cell.dtype.kind == "f" else cell
        if not finite.size:
            continue
        kind = "float" if cell.dtype.kind == "f" else "integer"
        low, high = float(finite.min()), float(finite.max())
        old = found.get(kind, (low, high))
        found[kind] = (min(old[0], low), max(old[1], high))
    return {kind: _snapped(*pair) for kind, pair in found.items()}


def _snapped(low: float, high: float) -> tuple[float, float]:
    """The customary range that holds these values, else the values' own."""
    for customary in ((0.0, 1.0), (-1.0, 1.0)):
        if customary[0] <= low and high <= customary[1]:
            return customary
    if low >= 0:
        return 0.0, 255.0 if 127 < high <= 255 else high
    return low, high if high > low else 0.0  # level, and negative


def decode_all(
    cells: Sequence[Any], decoder: Decoder, threads: int
) -> list[np.ndarray | MediaError]:
    """Each picture, or the error that it gave."""

    def attempt(cell: Any) -> np.ndarray | MediaError:
        try:
            return decoder(cell)
        except MediaError as error:
            return error

    with quiet():
        if threads == 1 or len(cells) < 2:
            return [attempt(cell) for cell in cells]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(attempt, cells))
