"""Reading video files with libav: what they really hold, and frames at wanted times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from skmultimodal._optional import import_optional
from skmultimodal.encoders.decoding._files import MediaError, shown

# formats that hold their pictures themselves: none that opens other files or addresses
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,apng,mpeg,mpegts,mpegvideo,flv,asf,"
    "ogg"
)
_IN_MEMORY = 64 * 1024**2  # bytes of packets that are read once only
_PACKETS_A_FRAME = 50  # sound and subtitles between two frames, at most
_DECODED_PIXELS = 2**36  # over all frames that must be decoded: a minute or two
_GREY = "gray"


@dataclass(frozen=True)
class Wanted:
    """Frames at some positions of the film's clock, in a size of their own."""

    positions: np.ndarray  # sorted
    size: Callable[[int, int], tuple[int, int]]  # of an upright frame: (height, width)
    resample: int | None  # a filter of Pillow's; None: grey and averaged


@dataclass
class _Packet:
    time: int  # in units of the stream's time base, or its number
    is_key: bool


class Film:
    """An open video file.

    The packets are read before anything is decoded: what a header says of length and
    number of frames is never believed. Only the parts between key frames that hold a
    wanted frame are decoded.
    """

    clock: np.ndarray  # (n,) seconds at which frames are shown, sorted

    def __init__(
        self, file: BinaryIO, cell: Any, max_pixels: int, max_frames: int
    ) -> None:
        self._av = import_optional("av", extra="video", purpose="VideoEncoder")
        self._file, self._cell = file, cell
        self._max_pixels, self._max_frames = max_pixels, max_frames
        self._container = self._open()
        try:
            self._stream = self._find_stream()
            self._packets = self._scan()
        except BaseException:
            self.close()
            raise
        times = np.array([p.time for p in self._packets], dtype=np.int64)
        self._times = np.unique(times)
        self.clock = self._times * self._unit

    def __enter__(self) -> Film:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._container.close()

    def take(self, wanted: list[Wanted]) -> list[dict[int, np.ndarray]]:
        """Frames by position, for each of the wanted: (h, w, 3) or grey (h, w), uint8.

        What cannot be decoded is left out; MediaError where that is all.
        """
        queues = [_Queue(w, self._av) for w in wanted]
        positions = np.unique(np.concatenate([w.positions for w in wanted]))
        error: Exception | None = None
        last: Any = None
        for run in self._runs(positions):
            for frame in run:
                if isinstance(frame, Exception):
                    error = frame
                    continue
                position = self._position(frame)
                for queue in queues:
                    queue.offer(position, frame)
                last = position, frame
        if last is not None:
            for queue in queues:
                queue.end(*last)
        if not all(queue.found for queue in queues):
            reason = f"no frame can be decoded ({_reason(error)})" if error else "empty"
            raise MediaError(
                f"{shown(self._cell)} is broken or truncated: {reason}. Restore the "
                "file"
            ) from error
        return [dict(sorted(queue.found.items())) for queue in queues]

    # Reading -----------------------------------------------------------------------

    def _open(self) -> Any:
        self._file.seek(0)
        try:
            return self._av.open(
                self._file,
                mode="r",
                container_options={
                    "format_whitelist": _FORMATS,
                    "protocol_whitelist": "none",
                },
                io_open=_refuse,
                metadata_errors="replace",
            )
        except (self._av.FFmpegError, ValueError, OSError) as error:
            raise MediaError(
                f"{shown(self._cell)} is no video that libav can read as "
                f"{_FORMATS.replace(',', ', ')} ({_reason(error)}). Convert it to mp4"
            ) from error

    def _find_stream(self) -> Any:
        cover = self._av.stream.Disposition.attached_pic
        streams = [
            s for s in self._container.streams.video if not s.disposition & cover
        ]
        if not streams:
            raise MediaError(
                f"{shown(self._cell)} holds no pictures that move. Give a video"
            )
        stream = streams[0]
        context = stream.codec_context
        if context is None:
            raise MediaError(
                f"{shown(self._cell)} is in a code that libav cannot decode. Convert "
                "it to H.264 in mp4"
            )
        self._check_pixels(context.width, context.height)
        # also what a stream turns to later on, before anything is allocated
        context.options = {"max_pixels": str(self._max_pixels)}
        context.thread_count = 1
        for other in self._container.streams:
            if other is not stream:
                other.discard = self._av.stream.Discard.all
        return stream

    def _check_pixels(self, width: int, height: int) -> None:
        if width * height > self._max_pixels:
            raise MediaError(
                f"{shown(self._cell)} has frames of {width} x {height} pixels, more "
                f"than max_pixels={self._max_pixels}. Shrink it, or raise max_pixels "
                "if you trust it"
            )

    def _check_work(self, needed: list[tuple[int, int]]) -> None:
        """A few bytes can stand for a frame: small files can be the work of hours."""
        context = self._stream.codec_context
        n = sum(stop - start + 1 for start, stop in needed)
        if n * context.width * context.height > _DECODED_PIXELS:
            raise MediaError(
                f"{shown(self._cell)} has so few key frames that {n} frames of "
                f"{context.width} x {context.height} pixels must be decoded. Shrink "
                "it, cut it, or save it with more key frames"
            )

    def _scan(self) -> list[_Packet]:
        """Time of every packet; the packets themselves where they are few."""
        found: list[_Packet] = []
        packets: list[Any] | None = []
        kept = 0
        for packet in self._demux():
            kept += packet.size
            found.append(_Packet(packet.pts, packet.is_keyframe))
            if packets is not None:
                packets.append(packet)
                if kept > _IN_MEMORY:
                    packets = None
        if not found:
            raise MediaError(
                f"{shown(self._cell)} is broken or truncated: it has a header, but no "
                "frames. Restore the file"
            )
        self._kept = packets
        self._counted = any(p.time is None for p in found)
        if self._counted:  # no clock, or one with holes: frames are counted
            rate = self._stream.average_rate or self._stream.guessed_rate
            self._unit = 1 / float(rate) if rate and 1 <= rate <= 240 else 1 / 25
            for k, p in enumerate(found):
                p.time, p.is_key = k, k == 0
        else:
            self._unit = float(self._stream.time_base)
        return found

    def _demux(self) -> Iterator[Any]:
        """Packets of the stream, as far as the file can be read."""
        n_others = n = 0
        try:
            for packet in self._container.demux():
                if packet.stream_index != self._stream.index or not packet.size:
                    n_others += 1
                    if n_others > self._max_frames * _PACKETS_A_FRAME:
                        break
                    continue
                n += 1
                if n > self._max_frames:
                    raise MediaError(
                        f"{shown(self._cell)} has more frames than "
                        f"max_frames={self._max_frames}. Cut it, or raise max_frames"
                    )
                yield packet
        except (self._av.FFmpegError, ValueError, OSError) as error:
            if isinstance(error, MediaError):
                raise
            # a cut file: what lies before the cut is used

    # Decoding ----------------------------------------------------------------------

    def _position(self, frame: Any) -> int:
        """Place of a frame on the clock."""
        if self._counted or frame.pts is None:
            time = self._count
        else:
            time = frame.pts
        self._count += 1
        position = np.searchsorted(self._times, time)
        return min(int(position), len(self._times) - 1)

    def _runs(self, positions: np.ndarray) -> Iterator[Iterator[Any]]:
        """Frames, or errors, of each part that has to be decoded."""
        context = self._stream.codec_context
        self._count = 0
        needed = self._needed(positions)
        self._check_work(needed)
        if self._kept is not None:
            packets: Iterator[Any] = iter(self._kept)
        else:
            self._container.close()
            self._container = self._open()
            self._stream = self._find_stream()
            context = self._stream.codec_context
            packets = self._demux()
        numbered = enumerate(packets)
        for start, stop in needed:
            yield self._decoded(context, numbered, start, stop)
            context.flush_buffers()

    def _decoded(
        self, context: Any, numbered: Iterator[Any], start: int, stop: int
    ) -> Iterator[Any]:
        """Frames of the packets start..stop and what the decoder holds back."""
        for number, packet in numbered:
            if number < start:
                continue
            try:
                yield from context.decode(packet)
            except self._av.FFmpegError as error:
                yield error
            if number >= stop:
                break
        try:
            yield from context.decode(None)
        except self._av.FFmpegError as error:
            yield error

    def _needed(self, positions: np.ndarray) -> list[tuple[int, int]]:
        """Packets (first, last) to decode: from a key frame to what is wanted."""
        times = np.array([p.time for p in self._packets])
        number = {time: k for k, time in reversed(list(enumerate(times.tolist())))}
        keys = [k for k, p in enumerate(self._packets) if p.is_key]
        if not keys:
            return [(0, len(times) - 1)]
        ranges: list[list[int]] = []
        for k in sorted(number[self._times[p]] for p in positions):
            # frames may be stored before the key frame that is shown before them
            start = next(
                (i for i in reversed(keys) if i <= k and times[i] <= times[k]), 0
            )
            if ranges and start <= ranges[-1][1] + 1:
                ranges[-1][1] = max(k, ranges[-1][1])
            else:
                ranges.append([start, k])
        return [(start, stop) for start, stop in ranges]


class _Queue:
    """Positions that still wait for their frame."""

    def __init__(self, wanted: Wanted, av: Any) -> None:
        self._wanted = wanted
        self._left = wanted.positions.tolist()[::-1]
        self._reformatter = av.video.reformatter.VideoReformatter()
        self.found: dict[int, np.ndarray] = {}

    def offer(self, position: int, frame: Any) -> None:
        """Take the frame if it is the first at or behind a wanted position."""
        reached = False
        while self._left and self._left[-1] <= position:
            self._left.pop()
            reached = True
        if reached and position not in self.found:
            self.found[position] = self._small(frame)

    def end(self, position: int, frame: Any) -> None:
        """The last frame that can be decoded stands for those behind it."""
        if not self.found:
            self.found[position] = self._small(frame)

    def _small(self, frame: Any) -> np.ndarray:
        quarter = round(frame.rotation / 90) % 4
        height, width = frame.height, frame.width
        if quarter % 2:
            height, width = width, height
        height, width = self._wanted.size(height, width)
        if quarter % 2:
            height, width = width, height
        resample = self._wanted.resample
        smaller = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format=_GREY if resample is None else "rgb24",
            interpolation=_FILTERS[resample],
            threads=1,
        )
        return np.rot90(smaller.to_ndarray(), quarter)


_FILTERS = {None: "AREA", 0: "POINT", 1: "LANCZOS", 2: "BILINEAR", 3: "BICUBIC"}
_FILTERS |= {4: "AREA", 5: "BILINEAR"}


def _refuse(url: str, *_: Any) -> Any:
    raise PermissionError(f"a video may not open {url!r}")


def _reason(error: Exception | None) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
