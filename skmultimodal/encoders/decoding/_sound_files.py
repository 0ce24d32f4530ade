"""Sound files of any format, read in blocks: what a header says is not believed."""

from __future__ import annotations

import os
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from skmultimodal._optional import import_optional
from skmultimodal.encoders.decoding._files import MediaError, shown

_BLOCK = 1 << 16  # frames
_STREAMED = 0xFFFF_0000  # sizes above, and zero, are those of a stream without an end
_PURPOSE = "AudioEncoder, to read"


@dataclass(frozen=True)
class Source:
    """Where samples come from: float32 blocks (k, channels) at a rate."""

    rate: int
    channels: int
    frames: int | None  # as the header says, where it does
    exact: bool  # whether fewer frames than that mean a truncated file
    blocks: Callable[[], Iterator[np.ndarray]]


def open_source(file: BinaryIO, cell: Any) -> Source | None:
    """What reads this file; None for a video that has no sound."""
    head = file.read(16)
    file.seek(0)
    if head[:4] in (b"RIFF", b"RF64", b"RIFX") and head[8:12] == b"WAVE":
        _check_complete(file, cell)
        return _wav(file, cell)
    if head[:4] in (b"fLaC", b"OggS", b"FORM", b".snd", b"caff") or _is_mp3(head):
        return _soundfile(file, cell)
    demuxer = _demuxer(head)
    if demuxer is not None:
        return None if demuxer == "gif" else _sound_track(file, cell, demuxer)
    raise MediaError(
        f"{shown(cell)} is neither a sound nor a video of a known format (it begins "
        f"with {head[:8]!r}). Convert it to wav, flac, ogg or mp3"
    )


def _is_mp3(head: bytes) -> bool:
    if head[:3] == b"ID3":
        return True
    layer = head[1] & 0x06 if len(head) > 1 else 0  # none: AAC, which libav reads
    return head[:1] == b"\xff" and head[1:2] >= b"\xe0" and layer != 0


def _demuxer(head: bytes) -> str | None:
    """The reader of libav for what begins like this.

    Named, because libav left to guess would also take playlists of other files.
    """
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"):
        return "mov"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xF6 == 0xF0:
        return "aac"
    known = {
        b"\x1a\x45\xdf\xa3": "matroska",
        b"\x30\x26\xb2\x75": "asf",
        b"\x00\x00\x01\xba": "mpeg",
        b"FLV\x01": "flv",
        b"GIF8": "gif",
        b"#!AM": "amr",
    }
    return known.get(head[:4], "mpegts" if head[:1] == b"\x47" else None)


# Sound ------------------------------------------------------------------------------


def _wav(file: BinaryIO, cell: Any) -> Source:
    try:
        return _soundfile(file, cell)
    except ImportError as error:
        file.seek(0)
        try:
            return _plain_wav(file)
        except (wave.Error, EOFError, NotImplementedError):
            raise error from None


def _soundfile(file: BinaryIO, cell: Any) -> Source:
    soundfile = import_optional(
        "soundfile", extra="audio", purpose=f"{_PURPOSE} sound files"
    )
    try:
        sound = soundfile.SoundFile(_Steady(file))
    except Exception as error:
        raise broken(cell, error) from error

    def blocks() -> Iterator[np.ndarray]:
        with sound:
            while len(block := sound.read(_BLOCK, dtype="float32", always_2d=True)):
                yield block

    exact = sound.format == "FLAC"
    return Source(sound.samplerate, sound.channels, sound.frames, exact, blocks)


class _Steady:
    """A file that stays where it is when a broken sound asks for what is before it."""

    def __init__(self, file: BinaryIO) -> None:
        self.tell, self.readinto = file.tell, file.readinto  # type: ignore[attr-defined]
        self.read, self.write = file.read, file.write
        self._seek = file.seek

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return self._seek(offset, whence)
        except (ValueError, OSError):
            return self.tell()


def _plain_wav(file: BinaryIO) -> Source:
    """PCM without the package soundfile."""
    sound = wave.open(file)  # noqa: SIM115
    width, channels = sound.getsampwidth(), sound.getnchannels()
    if width not in (1, 2, 3, 4):
        raise wave.Error(f"{width} bytes a sample")

    def blocks() -> Iterator[np.ndarray]:
        while data := sound.readframes(_BLOCK):
            yield _samples(data, width, channels)

    return Source(sound.getframerate(), channels, sound.getnframes(), False, blocks)


def _samples(data: bytes, width: int, channels: int) -> np.ndarray:
    """(k, channels) float32 in [-1, 1) of little-endian PCM; one byte is unsigned."""
    data = data[: len(data) - len(data) % (width * channels)]
    if width == 1:
        block = (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128
    elif width == 3:
        wide = np.zeros((len(data) // 3, 4), dtype=np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        block = wide.reshape(-1).view("<i4") / np.float32(2**31)
    else:
        block = np.frombuffer(data, f"<i{width}") / np.float32(2 ** (8 * width - 1))
    return block.astype(np.float32, copy=False).reshape(-1, channels)


def _check_complete(file: BinaryIO, cell: Any) -> None:
    """libsndfile reads the rest of a truncated wav without a word."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    order: Any = "big" if file.read(4) == b"RIFX" else "little"
    place = 12
    while place + 8 <= size:
        file.seek(place)
        name, n = file.read(4), int.from_bytes(file.read(4), order)
        if name == b"data":
            if size < place + 8 + n and n < _STREAMED:
                raise MediaError(
                    f"{shown(cell)} is truncated: its header announces {n} bytes of "
                    f"sound, found {size - place - 8}. Restore the file"
                )
            break
        place += 8 + n + n % 2
    file.seek(0)


# Video ------------------------------------------------------------------------------


def _sound_track(file: BinaryIO, cell: Any, demuxer: str) -> Source | None:
    av = import_optional(
        "av", extra="video", purpose=f"{_PURPOSE} the sound track of a video"
    )
    try:
        container = av.open(file, format=demuxer, metadata_errors="ignore")
        if not container.streams.audio:
            container.close()
            return None
        context = container.streams.audio[0].codec_context
        rate, channels = int(context.sample_rate or 0), int(context.channels or 0)
    except Exception as error:
        raise broken(cell, error) from error

    def blocks() -> Iterator[np.ndarray]:
        with container:
            for frame in container.decode(audio=0):
                found = (frame.sample_rate, len(frame.layout.channels))
                if found != (rate, channels):
                    raise MediaError(
                        f"{shown(cell)} changes from {channels} channels at {rate} Hz "
                        f"to {found[1]} at {found[0]} Hz within. Convert it to wav"
                    )
                yield _frame_samples(frame.to_ndarray(), channels)

    return Source(rate, channels, None, False, blocks)


def _frame_samples(samples: np.ndarray, channels: int) -> np.ndarray:
    """(k, channels) of planes (channels, k), or of one packed row (1, k * channels)."""
    scaled = scaled_samples(samples)
    if scaled.shape[0] == channels:
        return scaled.T
    return scaled.reshape(-1, channels)


def scaled_samples(samples: np.ndarray) -> np.ndarray:
    """float32; integers by the range of their type, so that full scale is 1."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float32, copy=False)
    half = 2.0 ** (8 * samples.dtype.itemsize - 1)
    middle = half if samples.dtype.kind == "u" else 0.0
    wide: Any = np.float32 if samples.dtype.itemsize <= 2 else np.float64
    return ((samples.astype(wide) - middle) / half).astype(np.float32)


def broken(cell: Any, error: Exception) -> MediaError:
    said = getattr(error, "error_string", None) or str(error)
    reason = said.strip().split("\n")[0].rstrip(".") or type(error).__name__
    return MediaError(
        f"{shown(cell)} is broken or truncated ({reason:.200}). Restore the file"
    )
