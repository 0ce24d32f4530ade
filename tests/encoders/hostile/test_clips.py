"""Videos whose headers lie, and lists of other files that call themselves videos."""

import builtins
import os
import struct
import time
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from skmultimodal.encoders import AudioEncoder
from skmultimodal.encoders._video import VideoEncoder

from ._corpus import film, pixels, saved

pytest.importorskip("av")


def _refusal(cell, encoder=VideoEncoder, **limits):
    """What is said of a clip, soon, and without much memory."""
    start = time.process_time()
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"Encoder: row 0: .*on_error=") as caught:
        encoder(**limits).fit([cell])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.process_time() - start < 5
    assert peak < 50e6
    return str(caught.value)


# -- lists of other files --------------------------------------------------------------


def _lists(other):
    return {
        "m3u8": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n"
        f"{other}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile '{other}'\n",
        "sdp": "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\n"
        "t=0 0\r\nm=video 9 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
        "pls": f"[playlist]\nFile1={other}\nNumberOfEntries=1\nVersion=2\n",
        "mpd": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'>"
        f"<Period><BaseURL>{other}</BaseURL></Period></MPD>",
        "ffmetadata": ";FFMETADATA1\ntitle=x\n",
        "image pattern": "img%03d.png\n",
        "avisynth": f'AviSource("{other}")\n',
        "webvtt": "WEBVTT\n\n00:00.000 --> 00:01.000\nwords\n",
        "ass": "[Script Info]\nScriptType: v4.00+\n",
    }


@pytest.mark.parametrize("encoder", [VideoEncoder, AudioEncoder])
@pytest.mark.parametrize("kind", list(_lists("")))
def test_lists_of_other_files_are_refused(kind, encoder, tmp_path, monkeypatch):
    other = tmp_path / "other.mp4"
    other.write_bytes(film("mp4", "mpeg4", sound_codec="aac"))
    data = _lists(other)[kind].encode()
    assert "a cell of" in _refusal(data, encoder)
    for suffix in ("mp4", "m3u8", "txt"):
        path = tmp_path / f"list.{suffix}"
        path.write_bytes(data)
        accessed = os.stat(other).st_atime_ns
        assert f"list.{suffix}' is " in _refusal(str(path), encoder)
        assert os.stat(other).st_atime_ns == accessed


def test_a_mov_that_refers_to_another_file_reads_none(tmp_path, monkeypatch):
    """A `dref` with an alias: QuickTime's way to keep frames elsewhere."""
    data = film("mov", "mpeg4")
    name = b"/etc/passwd"
    alias = bytes(140) + struct.pack(">HH", 18, len(name)) + name
    alias += bytes(len(alias) % 2) + struct.pack(">HH", 0xFFFF, 0)
    body = struct.pack(">I4sI", len(alias) + 12, b"alis", 0) + alias
    url = data.index(b"url ") - 4
    old = struct.unpack(">I", data[url : url + 4])[0]
    opened = []
    real = builtins.open
    monkeypatch.setattr(
        builtins, "open", lambda *a, **k: (opened.append(a), real(*a, **k))[1]
    )
    changed = data[:url] + body + data[url + old :]
    try:
        VideoEncoder().fit([changed])
    except ValueError as error:
        assert "a cell of" in str(error)  # noqa: PT017
    assert not any("passwd" in str(a[0]) for a in opened)


# -- headers that lie ------------------------------------------------------------------


def _size_of_mp4(data, width, height):
    """A mp4 whose track and sample entry announce another size."""
    changed = bytearray(data)
    at = changed.index(b"tkhd") + 80
    changed[at : at + 8] = struct.pack(">II", width << 16, height << 16)
    at = changed.index(b"mp4v", changed.index(b"stsd")) + 28
    changed[at : at + 4] = struct.pack(">HH", width, height)
    return bytes(changed)


def test_a_size_that_is_announced_allocates_nothing():
    data = film("mp4", "mpeg4")
    lying = _size_of_mp4(data, 65_535, 65_535)
    tracemalloc.start()
    try:
        rows = VideoEncoder().fit_transform([data, lying])
    except ValueError as error:
        assert "pixels" in str(error) or "row 1" in str(error)  # noqa: PT017
    else:
        np.testing.assert_allclose(rows[1], rows[0], atol=1e-3)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
    assert "more than max_pixels=1000" in _refusal(data, max_pixels=1000)


@pytest.mark.parametrize("kind", ["mvhd", "mdhd", "tkhd"])
def test_hours_that_are_announced_are_not_believed(kind):
    data = film("mp4", "mpeg4")
    at = data.index(kind.encode()) + (24 if kind == "tkhd" else 20)
    lying = data[:at] + b"\x7f\xff\xff\xff" + data[at + 4 :]
    rows = VideoEncoder().fit_transform([data, lying])
    np.testing.assert_allclose(rows[1], rows[0], atol=1e-4)


def test_frames_far_apart_are_as_long_as_they_are():
    moved = [Image.fromarray(pixels(32, seed=k)) for k in range(12)]
    data = saved(
        moved[0], "GIF", save_all=True, append_images=moved[1:], duration=600_000
    )
    assert "more than max_seconds=3600" in _refusal(data)


def test_tables_of_billions_of_samples():
    data = film("mp4", "mpeg4")
    for table in (b"stsz", b"stts", b"stsc", b"stco", b"stss"):
        if table not in data:
            continue
        at = data.index(table) + 8 + 4 * (table == b"stsz")
        lying = data[:at] + b"\x3f\xff\xff\xff" + data[at + 4 :]
        try:
            row = VideoEncoder().fit_transform([lying])
        except ValueError as error:
            assert "a cell of" in str(error)  # noqa: PT017
        else:
            assert np.isfinite(row).all()


def _gif(n_frames, size, screen=None):
    """Frames that repeat; each is full-sized unless `screen` is larger."""
    moved = [Image.fromarray(pixels(size, seed=k)) for k in range(2)]
    data = saved(moved[0], "GIF", save_all=True, append_images=moved[1:], duration=40)
    head = bytearray(data[: data.index(b"\x21\xf9")])
    frames = data[len(head) : -1]
    if screen is not None:
        head[6:10] = struct.pack("<HH", screen, screen)
    return bytes(head) + frames * (n_frames // 2) + data[-1:]


def test_more_frames_than_the_limit():
    assert "more frames than max_frames=500" in _refusal(_gif(600, 32), max_frames=500)


def test_a_gif_of_a_huge_screen():
    assert "a cell of" in _refusal(_gif(4, 32, 65_535))


def test_a_small_file_that_is_the_work_of_hours():
    """Frames of one pixel on a canvas of 16 million: each is decoded as a whole."""
    large = saved(Image.new("P", (4000, 4000)), "GIF")[:-1]
    tiny = saved(Image.new("P", (1, 1)), "GIF")
    frame = b"\x21\xf9\x04\0\x04\0\0\0" + tiny[tiny.index(b"\x2c") : -1]
    data = large + frame * 20_000 + b";"
    assert "frames of 4000 x 4000 pixels must be decoded" in _refusal(data)


@pytest.mark.parametrize("n", [0, 1])
def test_clips_of_hardly_a_frame(n):
    data = _gif(2 * n, 32)
    if not n:
        assert "a cell of" in _refusal(data)
    else:
        assert np.isfinite(VideoEncoder().fit_transform([data])).all()
