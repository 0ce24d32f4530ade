import contextlib
import io
import os
import struct
import sys
import wave

import numpy as np
import pytest
from scipy.signal import resample_poly

from skmultimodal.encoders.decoding import _resampling
from skmultimodal.encoders.decoding._files import MediaError
from skmultimodal.encoders.decoding._sound import SoundDecoder

from ._sounds import FORMATS, RATE, TONE, film, sound_bytes


def wav_header(n_bytes, riff_bytes, rate=RATE, channels=1):
    form = struct.pack("<IHHIIHH", 16, 1, channels, rate, 2 * rate, 2 * channels, 16)
    data = b"WAVEfmt " + form + b"data" + struct.pack("<I", n_bytes)
    return b"RIFF" + struct.pack("<I", riff_bytes) + data


@pytest.fixture
def decode():
    return SoundDecoder(RATE)


@pytest.mark.parametrize("kind", FORMATS)
def test_files_of_every_format_hold_the_tone(decode, kind, tmp_path):
    cell = sound_bytes(TONE, kind=kind)
    wave_ = decode(cell)
    assert wave_.dtype == np.float32
    assert abs(len(wave_) - RATE) <= 0.1 * RATE  # mp3 pads
    spectrum = np.abs(np.fft.rfft(wave_[:RATE], RATE))
    assert spectrum.argmax() == 440
    np.testing.assert_allclose(np.abs(wave_[4000:12000]).max(), 0.8, atol=0.05)
    path = tmp_path / "tone.of_no_known_suffix"
    path.write_bytes(cell)
    np.testing.assert_array_equal(decode(path), wave_)
    np.testing.assert_array_equal(decode(str(path)), wave_)


@pytest.mark.parametrize(
    ("dtype", "scale", "middle"),
    [("int16", 2**15, 0), ("int32", 2**31, 0), ("int8", 2**7, 0), ("uint8", 128, 128)],
)
def test_integers_are_scaled_by_the_range_of_their_type(decode, dtype, scale, middle):
    integers = (TONE.astype(float) * (scale - 1) + middle).astype(dtype)
    expected = (integers.astype(float) - middle) / scale
    np.testing.assert_allclose(decode((RATE, integers)), expected, atol=1e-6)


def test_a_pair_a_list_and_a_bare_array_are_one(decode):
    expected = decode((RATE, TONE))
    bare = SoundDecoder(RATE, sample_rate=RATE)
    cells = [TONE, TONE[:, None], TONE.tolist(), np.column_stack([TONE, TONE])]
    for cell in cells:
        np.testing.assert_allclose(bare(cell), expected, atol=1e-6)
        np.testing.assert_allclose(decode((np.int64(RATE), cell)), expected, atol=1e-6)
    with pytest.raises(TypeError, match=r"without a sampling rate.*sample_rate="):
        decode(TONE)


def test_channels_are_averaged(decode):
    stereo = np.column_stack([TONE, np.zeros_like(TONE)])
    np.testing.assert_allclose(decode((RATE, stereo)), TONE / 2, atol=1e-7)
    found = decode(sound_bytes(stereo, kind="wavfloat"))
    np.testing.assert_allclose(found, TONE / 2, atol=1e-7)


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 44_100, 48_000, 44_101])
def test_other_rates_are_resampled_to_the_same_tone(decode, rate):
    time = np.arange(rate) / rate
    found = decode((rate, 0.8 * np.sin(2 * np.pi * 440 * time)))
    assert abs(len(found) - RATE) <= 1
    np.testing.assert_allclose(found[1000:15_000], TONE[1000:15_000], atol=0.01)


@pytest.mark.parametrize(("up", "down"), [(2, 1), (160, 441), (1, 3), (640, 441)])
def test_resampling_in_blocks_is_that_of_the_whole(monkeypatch, up, down):
    monkeypatch.setattr(_resampling, "_BLOCK", 1000)
    x = np.random.default_rng(0).normal(size=9001).astype(np.float32)
    expected = resample_poly(x, up, down)
    found = _resampling.resampled(np.array_split(x, 7), 441 * down, 441 * up)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_plain_wav_needs_no_soundfile(decode, monkeypatch):
    cells = {k: sound_bytes(TONE, kind=k) for k in ("wav", "wav8", "wav24", "flac")}
    expected = {k: decode(cell) for k, cell in cells.items()}
    monkeypatch.setitem(sys.modules, "soundfile", None)
    for kind in ("wav", "wav8", "wav24"):
        np.testing.assert_allclose(decode(cells[kind]), expected[kind], atol=1e-7)
    with pytest.raises(ImportError, match=r"pip install 'skmultimodal\[audio\]'"):
        decode(cells["flac"])


@pytest.mark.parametrize("kind", ["wav", "flac", "wavfloat"])
def test_a_truncated_file_is_an_error(decode, kind):
    cell = sound_bytes(TONE, kind=kind)
    with pytest.raises(MediaError, match="truncated"):
        decode(cell[: len(cell) // 2])


def test_what_a_header_announces_is_not_allocated(decode):
    lie = wav_header(2**31 - 2, 2**31) + b"\1\0" * 28
    with pytest.raises(MediaError, match=r"announces 2147483646 bytes.*found 56"):
        decode(lie)
    stream = wav_header(2**32 - 1, 2**32 - 1) + b"\1\0" * 28  # its end is not known
    assert len(decode(stream)) == 28


def test_limits():
    decode = SoundDecoder(RATE, max_seconds=0.5, max_channels=2, max_bytes=40_000)
    assert len(decode((RATE, TONE[:8000]))) == 8000
    long = r"lasts 1 seconds or more, longer than max_seconds=0\.5"
    for cell in [(RATE, TONE), sound_bytes(TONE), sound_bytes(TONE, kind="flac")]:
        with pytest.raises(MediaError, match=long):
            decode(cell)
    with pytest.raises(MediaError, match="more than max_bytes=40000"):
        decode(sound_bytes(TONE, kind="wavfloat"))
    with pytest.raises(MediaError, match=r"3 channels, expected 1 to max_channels=2"):
        decode((RATE, np.zeros((9, 3))))
    with pytest.raises(MediaError, match=r"Channels stand last here: wave\.T"):
        decode((RATE, np.zeros((3, 9))))


@pytest.mark.parametrize("rate", [1, 99, 10_000_000])
def test_absurd_rates_are_errors(decode, rate):
    for cell in [(rate, TONE), wav_header(4, 40, rate) + b"\0" * 4]:
        with pytest.raises(MediaError, match="samples a second, expected 100"):
            decode(cell)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ((RATE, np.array([0.0, np.nan])), "NaN or infinite samples"),
        ((RATE, np.array([0.0, np.inf])), "NaN or infinite samples"),
        ((RATE, np.empty(0)), "no sound: 0 samples"),
        ((RATE, np.zeros((2, 3, 4))), r"shape \(2, 3, 4\)"),
        ((RATE, np.array(["a", "b"])), "dtype <U1"),
        ((RATE + 0.5, TONE), "expected a whole number"),
        ((float("nan"), TONE), "expected a whole number"),
        (7, r"found int; expected .* \(rate, wave\), the rate first"),
        (b"hello world, I am no sound", "neither a sound nor a video"),
        (b"", "is empty"),
        (b"OggS" + bytes(50), "broken or truncated"),
        (b"\x1a\x45\xdf\xa3" + bytes(50), "broken or truncated"),
        (wav_header(0, 36), "no sound: 0 samples"),
    ],
)
def test_what_is_no_sound_says_why(decode, cell, message):
    if isinstance(cell, bytes) and cell[:1] == b"\x1a":
        pytest.importorskip("av")
    with pytest.raises(MediaError, match=message):
        decode(cell)


def test_a_broken_file_leaves_no_trace_on_the_screen(decode, monkeypatch):
    """libsndfile asks for what is before the beginning of this one."""
    cell = bytearray(sound_bytes(TONE, kind="aiff"))
    cell[41] = 75
    unheard = []
    monkeypatch.setattr(sys, "unraisablehook", unheard.append)
    with contextlib.suppress(MediaError):
        decode(bytes(cell))
    assert not unheard


def test_only_regular_files_are_opened(tmp_path):
    decode = SoundDecoder(RATE, root=str(tmp_path))
    (tmp_path / "empty.wav").touch()
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "link.wav").symlink_to(tmp_path / "gone.wav")
    os.mkfifo(tmp_path / "fifo.wav")
    (tmp_path / "tone.wav").write_bytes(sound_bytes(TONE))
    assert len(decode("tone.wav")) == RATE
    for name in ("empty.wav", "folder.wav", "link.wav", "fifo.wav", "../tone.wav"):
        with pytest.raises(MediaError):
            decode(name)


def test_wave_files_of_python_are_read(decode):
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.full((800, 2), 2**14, dtype="<i2").tobytes())
    found = decode(buffer.getvalue())
    assert len(found) == 1600
    np.testing.assert_allclose(found[200:1400], 0.5, atol=0.01)


@pytest.mark.parametrize(
    ("form", "codec"), [("mp4", "aac"), ("matroska", "aac"), ("avi", "pcm_s16le")]
)
def test_the_sound_track_of_a_video_is_read(decode, form, codec):
    found = decode(film(True, form, codec))
    assert abs(len(found) - RATE) <= 3000
    assert np.abs(np.fft.rfft(found[:RATE], RATE)).argmax() == 440
    np.testing.assert_allclose(np.abs(found[4000:12_000]).max(), 0.8, atol=0.05)


def test_a_video_without_sound_gives_none(decode):
    assert decode(film(False)) is None
    with pytest.raises(MediaError, match="max_seconds"):
        SoundDecoder(RATE, max_seconds=0.2)(film(True))
