"""Small real files of every kind, to be damaged."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

ENCODERS = {
    "png": "ImageEncoder",
    "jpeg": "ImageEncoder",
    "gif": "ImageEncoder",
    "webp": "ImageEncoder",
    "tiff": "ImageEncoder",
    "bmp": "ImageEncoder",
    "wav": "AudioEncoder",
    "flac": "AudioEncoder",
    "ogg": "AudioEncoder",
    "mp3": "AudioEncoder",
    "m4a": "AudioEncoder",
    "mp4": "VideoEncoder",
    "avi": "VideoEncoder",
    "moving gif": "VideoEncoder",
    "webm": "VideoEncoder",
    "npy": "SeriesEncoder",
}


def files(kind: str) -> list[bytes]:
    """Two or more files of this kind; skips where its library is absent."""
    return _WRITERS[kind]()


def pixels(n: int = 64, seed: int = 0) -> np.ndarray:
    """(n, n, 3) uint8: slopes, a disk and some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:n, :n] / n
    disk = 120 * ((y - 0.5) ** 2 + (x - 0.4 - seed / 99) ** 2 < 0.06)
    picture = np.stack([200 * y, 200 * x, disk], axis=2) + rng.normal(0, 5, (n, n, 3))
    return picture.clip(0, 255).astype(np.uint8)


def saved(image: Image.Image, suffix: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, suffix, **options)
    return buffer.getvalue()


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "as the camera was held"
    return exif


def _pictures() -> tuple[Image.Image, Image.Image, Image.Image]:
    colour = Image.fromarray(pixels())
    clear = colour.convert("RGBA")
    clear.putalpha(colour.convert("L"))
    return colour, clear, colour.quantize(32)


def _png() -> list[bytes]:
    colour, clear, palette = _pictures()
    wide = Image.fromarray(pixels()[:, :, 0].astype(np.uint16) * 200)
    return [
        saved(colour, "PNG", exif=_exif()),
        saved(clear, "PNG"),
        saved(palette, "PNG", transparency=3),
        saved(wide, "PNG"),
        saved(colour, "PNG", save_all=True, append_images=[clear.convert("RGB")]),
    ]


def _jpeg() -> list[bytes]:
    colour, _, _ = _pictures()
    return [
        saved(colour, "JPEG", exif=_exif()),
        saved(colour, "JPEG", progressive=True),
        saved(colour.convert("CMYK"), "JPEG"),
        saved(colour.convert("L"), "JPEG", quality=30, restart_marker_blocks=2),
    ]


def _gif() -> list[bytes]:
    colour, clear, palette = _pictures()
    moved = [Image.fromarray(pixels(seed=k)) for k in range(4)]
    return [
        saved(palette, "GIF"),
        saved(clear, "GIF"),
        saved(moved[0], "GIF", save_all=True, append_images=moved[1:]),
        saved(colour.convert("1"), "GIF", interlace=0),
    ]


def _webp() -> list[bytes]:
    colour, clear, _ = _pictures()
    return [
        saved(colour, "WEBP", exif=_exif()),
        saved(clear, "WEBP", lossless=True),
        saved(clear, "WEBP", save_all=True, append_images=[colour]),
    ]


def _tiff() -> list[bytes]:
    colour, clear, palette = _pictures()
    depth = Image.fromarray(pixels()[:, :, 0].astype(np.float32) / 255)
    return [
        saved(colour, "TIFF"),
        saved(colour, "TIFF", compression="tiff_lzw", exif=_exif()),
        saved(colour, "TIFF", compression="jpeg"),
        saved(clear, "TIFF", compression="tiff_adobe_deflate"),
        saved(palette, "TIFF", compression="packbits"),
        saved(colour.convert("1"), "TIFF", compression="group4"),
        saved(depth, "TIFF", save_all=True, append_images=[depth]),
    ]


def _bmp() -> list[bytes]:
    colour, clear, palette = _pictures()
    return [saved(p, "BMP") for p in (colour, clear, palette, colour.convert("1"))]


def wave(rate: int, channels: int = 1, seconds: float = 0.5) -> np.ndarray:
    """(samples, channels) of two tones and some noise."""
    t = np.arange(int(rate * seconds)) / rate
    tones = 0.4 * np.sin(2 * np.pi * 440 * t) + 0.2 * np.sin(2 * np.pi * 1000 * t)
    noise = np.random.default_rng(0).normal(0, 0.02, (len(t), channels))
    return (tones[:, None] + noise).astype(np.float32)


def sound(suffix: str, subtype: str, rate: int = 16_000, channels: int = 1) -> bytes:
    soundfile = pytest.importorskip("soundfile")
    buffer = io.BytesIO()
    waves = wave(rate, channels)
    soundfile.write(buffer, waves, rate, format=suffix, subtype=subtype)
    return buffer.getvalue()


def _wav() -> list[bytes]:
    return [
        sound("WAV", "PCM_16"),
        sound("WAV", "PCM_U8", 8000, 2),
        sound("WAV", "FLOAT", 44_100),
        sound("WAV", "ULAW", 8000),
        sound("WAV", "MS_ADPCM", 8000),
        sound("RF64", "PCM_24", 8000, 3),
    ]


def _flac() -> list[bytes]:
    return [sound("FLAC", "PCM_16"), sound("FLAC", "PCM_24", 8000, 2)]


def _ogg() -> list[bytes]:
    return [sound("OGG", "VORBIS"), sound("OGG", "OPUS", 16_000, 2)]


def _mp3() -> list[bytes]:
    plain = sound("MP3", "MPEG_LAYER_III", 16_000)
    title = b"TIT2" + (6).to_bytes(4, "big") + b"\0\0" + b"\x03title"
    comment = b"COMM" + (6).to_bytes(4, "big") + b"\0\0" + b"\x03engab"
    tag = b"ID3\x03\0\0" + bytes([0, 0, 0, len(title + comment)]) + title + comment
    return [plain, tag + plain, sound("MP3", "MPEG_LAYER_III", 44_100, 2)]


def film(
    suffix: str,
    codec: str,
    n: int = 12,
    form: str = "yuv420p",
    sound_codec: str | None = None,
) -> bytes:
    """A clip of `n` frames at 25 a second."""
    av = pytest.importorskip("av")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=suffix) as container:
        stream = None
        if codec:
            stream = container.add_stream(codec, rate=25)
            stream.width = stream.height = 64
            stream.pix_fmt = form
            stream.codec_context.gop_size = 5
        track = sound_codec and container.add_stream(sound_codec, rate=16_000)
        for k in range(n if stream else 0):
            frame = av.VideoFrame.from_ndarray(pixels(seed=k), format="rgb24")
            container.mux(stream.encode(frame))
        if stream:
            container.mux(stream.encode(None))
        if track:
            samples = wave(16_000).T.copy()
            heard = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            heard.sample_rate, heard.pts = 16_000, 0
            heard.time_base = Fraction(1, 16_000)
            container.mux(track.encode(heard))
            container.mux(track.encode(None))
    return buffer.getvalue()


def _m4a() -> list[bytes]:
    return [
        film("mp4", "", sound_codec="aac"),
        film("mp4", "mpeg4", sound_codec="aac"),
        film("webm", "", sound_codec="libopus"),
        film("avi", "mpeg4", sound_codec="mp2"),
    ]


def _mp4() -> list[bytes]:
    return [
        film("mp4", "libx264"),
        film("mp4", "mpeg4", sound_codec="aac"),
        film("mov", "mjpeg", 5, "yuvj420p"),
    ]


def _avi() -> list[bytes]:
    return [
        film("avi", "mpeg4"),
        film("avi", "mjpeg", 6, "yuvj420p"),
        film("avi", "rawvideo", 4, "bgr24"),
    ]


def _moving_gif() -> list[bytes]:
    pytest.importorskip("av")
    moved = [Image.fromarray(pixels(seed=k)) for k in range(8)]
    return [
        saved(moved[0], "GIF", save_all=True, append_images=moved[1:n], duration=80)
        for n in (3, 8)
    ]


def _webm() -> list[bytes]:
    return [
        film("webm", "libvpx"),
        film("webm", "libvpx-vp9", 8),
        film("matroska", "mpeg4", sound_codec="libopus"),
    ]


def _npy() -> list[bytes]:
    series = wave(100, 3)
    made = []
    for array in (series, series.astype(">f8"), (series * 99).astype(np.int16).T):
        buffer = io.BytesIO()
        np.save(buffer, array)
        made.append(buffer.getvalue())
    return made


_WRITERS: dict[str, Callable[[], list[bytes]]] = {
    "png": _png,
    "jpeg": _jpeg,
    "gif": _gif,
    "webp": _webp,
    "tiff": _tiff,
    "bmp": _bmp,
    "wav": _wav,
    "flac": _flac,
    "ogg": _ogg,
    "mp3": _mp3,
    "m4a": _m4a,
    "mp4": _mp4,
    "avi": _avi,
    "moving gif": _moving_gif,
    "webm": _webm,
    "npy": _npy,
}
