"""Sound files whose headers lie."""

import struct
import time
import tracemalloc

import numpy as np
import pytest

from skmultimodal.encoders import AudioEncoder

from ._corpus import sound

pytest.importorskip("soundfile")


def _refusal(data, **limits):
    """What is said of a recording, soon, and without much memory."""
    start = time.process_time()
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"AudioEncoder: row 0: .*on_error=") as caught:
        AudioEncoder(**limits).fit([data])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.process_time() - start < 5
    assert peak < 50e6
    return str(caught.value)


def _wav(rate=8000, channels=1, bits=16, code=1, data=bytes(2000), announced=None):
    width = channels * bits // 8
    about = struct.pack(
        "<HHIIHH", code, channels, rate, rate * width % 2**32, width % 2**16, bits
    )
    body = b"WAVEfmt " + struct.pack("<I", 16) + about + b"data"
    size = len(data) if announced is None else announced
    body += struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"announced": 2**31}, "announces 2147483648 bytes of sound, found 2000"),
        ({"channels": 255}, "has 255 channels, expected 1 to max_channels=64"),
        ({"rate": 2**31 - 1}, "2147483647 samples a second, expected 100 to 1000000"),
        ({"rate": 7}, "7 samples a second, expected 100 to 1000000"),
        ({"rate": 0}, "a cell of"),
        ({"channels": 0}, "a cell of"),
        ({"bits": 0}, "a cell of"),
        ({"code": 0x4242}, "a cell of"),
        ({"data": b""}, "a cell of"),
    ],
    ids=str,
)
def test_headers_of_wav(header, said):
    assert said in _refusal(_wav(**header))


@pytest.mark.parametrize("announced", [0, 2**32 - 1, 0xFFFF_FFF0])
def test_streams_without_an_end_are_read_as_far_as_they_go(announced):
    tone = (np.sin(np.arange(4000) / 9) * 2**14).astype("<i2").tobytes()
    whole, open_ended = (_wav(data=tone, announced=n) for n in (None, announced))
    try:
        rows = AudioEncoder().fit_transform([whole, open_ended])
    except ValueError as error:
        assert "row 1: a cell of" in str(error)  # noqa: PT017
    else:
        np.testing.assert_allclose(rows[1], rows[0], atol=1e-4)


def test_a_flac_of_centuries():
    data = bytearray(sound("FLAC", "PCM_16"))
    at = data.index(b"fLaC") + 8 + 10  # rate, channels, bits: 28 bits; samples: 36
    packed = int.from_bytes(data[at : at + 8], "big")
    longest = packed | (2**36 - 1)
    data[at : at + 8] = longest.to_bytes(8, "big")
    assert "longer than max_seconds=3600" in _refusal(bytes(data))
    rate = (655_350 << 44) | (packed & (2**44 - 1))
    data[at : at + 8] = rate.to_bytes(8, "big")
    try:
        row = AudioEncoder().fit_transform([bytes(data)])
    except ValueError as error:
        assert "on_error=" in str(error)  # noqa: PT017
    else:
        assert np.isfinite(row).all()


def test_silence_that_was_packed_well():
    """An hour is 30 kB of FLAC: what it unpacks to is never held as a whole."""
    soundfile = pytest.importorskip("soundfile")
    import io

    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", samplerate=48_000, channels=8, format="FLAC", subtype="PCM_16"
    ) as file:
        for _ in range(90):
            file.write(np.zeros((48_000, 8), dtype=np.int16))
    data = buffer.getvalue()
    assert len(data) < 200_000
    assert "longer than max_seconds=60" in _refusal(data, max_seconds=60)
    tracemalloc.start()
    assert np.isfinite(AudioEncoder().fit_transform([data])).all()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100e6  # 138 MB as floats


def test_channels_and_seconds_within_limits_are_read():
    row = AudioEncoder(max_channels=255).fit_transform(
        [_wav(channels=255, data=bytes(255 * 2 * 4000))]
    )
    assert np.isfinite(row).all()


@pytest.mark.parametrize(
    "data",
    [
        b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nm=audio 9 RTP/AVP 0\r\n",
        b"[playlist]\nFile1=/etc/passwd\nNumberOfEntries=1\n",
        b"<?xml version='1.0'?><MPD></MPD>",
        b"RIFF\0\0\0\0WAVE",
        b"fLaC",
        b"OggS",
        b"ID3",
        b"\xff\xfb",
        b"\x47",
        b"\xff",
    ],
)
def test_what_is_no_sound_is_refused(data):
    assert "a cell of" in _refusal(data)
