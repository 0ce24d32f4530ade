"""Decoding: any cell that holds a video becomes a few frames and a grey film strip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from PIL import Image

from skmultimodal._recipes import Recipe
from skmultimodal.encoders.decoding._files import (
    MediaError,
    open_media,
    shown,
    source_for,
)
from skmultimodal.encoders.decoding._film import Film, Wanted
from skmultimodal.encoders.decoding._image import Decoder, value_range

MAX_PIXELS = 36_000_000  # of a frame: 8K
MAX_SECONDS = 3600.0
MAX_FRAMES = 100_000
MAX_BYTES = 2 * 1024**3
GREY_SIZE = 48
GREY_RATE = 12.5  # grey frames a second
_BURSTS, _BURST = 8, 8  # of grey frames, where a clip is too long to take all


@dataclass(frozen=True)
class Clip:
    """What is kept of a video."""

    frames: np.ndarray  # (T, h, w, 3) uint8, or float32 in [0, 1]
    times: np.ndarray  # (T,) seconds
    grey: np.ndarray  # (G, 48, 48) uint8: dense in time, for what moves
    grey_times: np.ndarray  # (G,) seconds
    follows: np.ndarray  # (G - 1,) whether a grey frame directly follows the one before


@dataclass(frozen=True)
class ClipDecoder:
    """Which frames of a clip are taken, at which size, within which limits."""

    n_frames: int
    frame_rate: float | None = None
    max_steps: int | None = None
    size: tuple[int, int] = (64, 64)  # (height, width) to resize to
    shortest_edge: int | None = None  # keep the proportions, whatever `size` says
    enlarge: bool = True  # with `shortest_edge`, also what is smaller
    resample: int = Image.Resampling.BILINEAR
    grey: bool = True
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    max_pixels: int = MAX_PIXELS
    max_seconds: float = MAX_SECONDS
    max_frames: int = MAX_FRAMES
    max_bytes: int = MAX_BYTES
    root: str | None = None

    def __call__(self, cell: Any) -> Clip:
        """Read one cell; MediaError where it holds no clip."""
        if isinstance(cell, Recipe):
            clip = self._read(source_for(cell, "video"), cell)
            return replace(
                clip,
                frames=_repainted(cell, clip.frames),
                grey=_repainted(cell, clip.grey),
            )
        return self._read(cell, None)

    def _read(self, cell: Any, recipe: Recipe | None) -> Clip:
        if isinstance(cell, np.ndarray):
            return self._from_array(cell, recipe)
        with (
            open_media(
                cell, root=self.root, max_bytes=self.max_bytes, noun="video"
            ) as file,
            Film(file, cell, self.max_pixels, self.max_frames) as film,
        ):
            clock = film.clock
            if (length := clock[-1] - clock[0]) > self.max_seconds:
                raise MediaError(
                    f"{shown(cell)} lasts {length:.0f} seconds, more than "
                    f"max_seconds={self.max_seconds:g}. Cut it, or raise max_seconds"
                )
            return self._clip(clock, film, recipe)

    def _clip(self, clock: np.ndarray, film: Film, recipe: Recipe | None) -> Clip:
        left = _left(clock, recipe)
        chosen, dense = left[self._chosen(clock[left])], left[self._dense(clock[left])]
        wanted = [Wanted(chosen, self.target, self.resample)]
        if self.grey:
            grey_size = (GREY_SIZE, GREY_SIZE)
            wanted.append(Wanted(dense, lambda h, w: grey_size, None))
        got = film.take(wanted)
        frames = np.stack(list(got[0].values()))
        times = clock[list(got[0])]
        if not self.grey:
            return Clip(frames, times, *_NO_GREY)
        kept = np.array(list(got[1]), dtype=int)
        follows = _follows(clock[kept])
        return Clip(
            frames, times, np.stack(list(got[1].values())), clock[kept], follows
        )

    def target(self, height: int, width: int) -> tuple[int, int]:
        """The size (height, width) to which a frame is resized."""
        if self.shortest_edge is None:
            return self.size
        scale = self.shortest_edge / min(height, width)
        if scale >= 1 and not self.enlarge:
            return height, width
        return max(1, round(height * scale)), max(1, round(width * scale))

    def _chosen(self, clock: np.ndarray) -> np.ndarray:
        """Positions of the frames to take."""
        if self.frame_rate is None:
            most = min(self.n_frames, self.max_steps or self.n_frames)
            return _evenly(clock, most)
        n = int((clock[-1] - clock[0]) * self.frame_rate + 1e-6) + 1
        if n > (most := min(self.max_steps or n, len(clock))):
            return _evenly(clock, most)
        return _at(clock, clock[0] + np.arange(n) / self.frame_rate)

    def _dense(self, clock: np.ndarray) -> np.ndarray:
        """Positions of the grey frames: all of a short clip, bursts of a long one."""
        step = 1 / GREY_RATE
        length = clock[-1] - clock[0]
        n = round(length / step) + 1
        if n <= _BURSTS * _BURST:
            return _at(clock, clock[0] + step * np.arange(n))
        middle = clock[0] + length * (np.arange(_BURSTS) + 0.5) / _BURSTS
        within = step * (np.arange(_BURST) - _BURST / 2)
        return _at(clock, (middle[:, None] + within).ravel())

    def _from_array(self, array: np.ndarray, recipe: Recipe | None) -> Clip:
        self._check_array(array)
        clock = np.arange(len(array)) / GREY_RATE  # an array has none of its own
        left = _left(clock, recipe)
        if self.frame_rate is None:
            chosen = left[self._chosen(clock[left])]
        else:
            chosen = left[_evenly(clock[left], self.max_steps or len(left))]
        shape = array.shape[1:3]
        big = Decoder(self.target(*shape), self.max_pixels, self.ranges, self.resample)
        frames = [_picture(big, array[k]) for k in chosen]
        if array.dtype == np.uint8:
            frames = [np.rint(frame * 255).astype(np.uint8) for frame in frames]
        if not self.grey:
            return Clip(np.stack(frames), clock[chosen], *_NO_GREY)
        small = Decoder((GREY_SIZE, GREY_SIZE), self.max_pixels, self.ranges)
        dense = left[self._dense(clock[left])]
        strip = np.stack([_picture(small, array[k]) for k in dense])  # (G, 48, 48, 3)
        grey = np.rint(strip @ _LUMA * 255).astype(np.uint8)
        return Clip(
            np.stack(frames), clock[chosen], grey, clock[dense], _follows(clock[dense])
        )

    def _check_array(self, array: np.ndarray) -> None:
        channels = array.shape[3] if array.ndim == 4 else 1
        if array.dtype == object:
            raise MediaError(
                f"found a list of {len(array)} pictures of different sizes or types, "
                "expected the frames of one video. Give them one size"
            )
        if (
            array.ndim not in (3, 4)
            or channels not in (1, 3, 4)
            or not array.size
            or array.dtype.kind not in "buif"
        ):
            hint = ""
            if array.ndim == 4 and array.shape[1] in (1, 3, 4):
                hint = ". Channels stand last here: np.moveaxis(clip, 1, -1)"
            raise MediaError(
                f"found an array of shape {array.shape} and dtype {array.dtype}; "
                "expected the frames of a video as numbers of shape (frames, h, w), "
                f"(frames, h, w, 1), (frames, h, w, 3) or (frames, h, w, 4){hint}"
            )
        if len(array) > self.max_frames:
            raise MediaError(
                f"{shown(array)} has more frames than max_frames={self.max_frames}. "
                "Cut it, or raise max_frames"
            )


_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_NO_GREY = (
    np.empty((0, GREY_SIZE, GREY_SIZE), np.uint8),
    np.empty(0),
    np.empty(0, bool),
)


def _left(clock: np.ndarray, recipe: Recipe | None) -> np.ndarray:
    """Positions of the frames that a recipe leaves of all."""
    return np.arange(len(clock)) if recipe is None else recipe.kept(clock)


def _repainted(recipe: Recipe, frames: np.ndarray) -> np.ndarray:
    """Frames (T, h, w, 3) or grey ones (G, h, w) after a recipe, of the same type."""
    if not len(frames):
        return frames
    is_whole, is_grey = frames.dtype == np.uint8, frames.ndim == 3
    light = frames.astype(np.float32) / (255 if is_whole else 1)
    light = recipe.apply(np.repeat(light[..., None], 3, -1) if is_grey else light)
    light = light @ _LUMA if is_grey else light
    return np.rint(light * 255).clip(0, 255).astype(np.uint8) if is_whole else light


def _evenly(clock: np.ndarray, most: int) -> np.ndarray:
    """Positions of the middles of equal parts of the time."""
    if len(clock) <= most:
        return np.arange(len(clock))
    gap = (clock[-1] - clock[0]) / (len(clock) - 1)
    length = clock[-1] - clock[0] + gap
    return _at(clock, clock[0] + length * (np.arange(most) + 0.5) / most)


def _at(clock: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Positions of the frames that are seen at these times, each once."""
    found = np.searchsorted(clock, targets + 1e-6, side="right") - 1
    return np.unique(found.clip(0, len(clock) - 1))


def _follows(times: np.ndarray) -> np.ndarray:
    """Whether a frame follows the one before without a leap in time."""
    gaps = np.diff(times)
    if not gaps.size:
        return np.empty(0, dtype=bool)
    return gaps <= 3 * max(1 / GREY_RATE, float(np.median(gaps)))


def _picture(decoder: Decoder, frame: np.ndarray) -> np.ndarray:
    try:
        return decoder(frame)
    except MediaError as error:
        raise MediaError(f"a frame cannot be used: {error}") from None


def as_clip(cell: Any) -> Any:
    """A list of pictures as one array of frames; any other cell as it is.

    Pictures of different sizes, which are no frames of one video, become an array of
    objects, which is refused when it is decoded.
    """
    if isinstance(cell, Recipe):
        return cell.on(as_clip(cell.source))
    if not is_clip(cell):
        return cell
    frames = [np.asarray(_plain(part)) for part in cell]
    if len({(frame.shape, frame.dtype) for frame in frames}) == 1:
        return np.stack(frames)
    different = np.empty(len(frames), dtype=object)
    different[:] = frames
    return different


def is_clip(cell: Any) -> bool:
    """Whether a list holds the frames of one video, and not several videos."""
    if not isinstance(cell, (list, tuple)) or not cell:
        return False
    return all(_is_picture(part) for part in cell)


def _is_picture(part: Any) -> bool:
    if isinstance(part, np.ndarray):
        return part.ndim == 2 or (part.ndim == 3 and part.shape[2] in (1, 3, 4))
    return isinstance(part, Image.Image)


def _plain(part: Any) -> Any:
    """A picture of a mode that an array of numbers can hold."""
    if not isinstance(part, Image.Image) or part.mode in ("L", "RGB", "RGBA", "F"):
        return part
    return part.convert("RGB")


def array_range(
    cell: Any, ranges: Mapping[str, tuple[float, float]]
) -> tuple[float, float] | None:
    """What black and white are in an array cell, None where its type says it."""
    if not isinstance(cell, np.ndarray) or cell.dtype.kind not in "fiu":
        return None
    return value_range(cell.dtype, ranges)


def decode_clips(
    cells: Sequence[Any], decoder: ClipDecoder, threads: int
) -> list[Clip | MediaError]:
    """Each clip, or the error that it gave."""

    def attempt(cell: Any) -> Clip | MediaError:
        try:
            return decoder(cell)
        except MediaError as error:
            return error

    if threads == 1 or len(cells) < 2:
        return [attempt(cell) for cell in cells]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(attempt, cells))
