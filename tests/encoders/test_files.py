"""Paths and bytes from strangers: what is opened, and what is said of the rest."""

import io
import os
import pathlib
import re
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from skmultimodal.compose import ModalityTransformer
from skmultimodal.encoders import AudioEncoder, ImageEncoder, SeriesEncoder
from skmultimodal.encoders._video import VideoEncoder
from skmultimodal.encoders.decoding import _files
from skmultimodal.encoders.decoding._files import MediaError, open_media

POSIX = pytest.mark.skipif(os.name != "posix", reason="files as POSIX has them")


def _open(cell, root=None, max_bytes=1000):
    with open_media(cell, root=root, max_bytes=max_bytes, noun="picture") as file:
        return file.read()


def _refusal(cell, **limits):
    with pytest.raises(MediaError) as caught:
        _open(cell, **limits)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder `inside` with a file and links, and a secret beside it."""
    inside = tmp_path / "inside"
    (inside / "deep").mkdir(parents=True)
    (inside / "a.png").write_bytes(b"content")
    (inside / "deep" / "b.png").write_bytes(b"deeper")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "inside2").mkdir()
    (tmp_path / "inside2" / "c.png").write_bytes(b"neighbour")
    if os.name == "posix":
        (inside / "out").symlink_to("../secret")
        (inside / "within").symlink_to("deep/b.png")
        (inside / "sibling").symlink_to(tmp_path / "inside2")
        (inside / "up").symlink_to("..")
        (inside / "loop").symlink_to("loop")
        (inside / "nowhere").symlink_to("gone")
        os.mkfifo(inside / "pipe")
    monkeypatch.chdir(tmp_path)
    return inside


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, np.bytes_])
def test_bytes_of_every_type_are_read(kind):
    assert _open(kind(b"content")) == b"content"


def test_paths_of_every_type_are_read(folder):
    for cell in (folder / "a.png", str(folder / "a.png"), "inside/a.png"):
        assert _open(cell) == b"content"
    assert _open(pathlib.PurePosixPath("inside") / "a.png") == b"content"


def test_home_is_found_without_root_only(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    assert _open("~/a.png") == b"content"
    assert "does not exist" in _refusal("~/a.png", root=str(folder))


# -- what is no file of media ----------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("inside/no.png", "'inside/no.png' does not exist .*Correct the path"),
        ("inside", "'inside' is a folder, expected the path of a picture"),
        ("inside/a.png/b", "cannot be found .*Correct the path"),
        ("in\0side", "cannot be found .*null .*Correct the path"),
        ("\ud800.png", r"'\\ud800.png' .*Correct the path"),
        ("\udcff.png", r"'\\udcff.png' does not exist"),
        ("a" * 5000, "cannot be found .*too long.*Correct the path"),
        ("", "does not exist"),
        (b"", "a cell of 0 bytes is empty. Restore it"),
        (b"x" * 1001, "1001 bytes, more than max_bytes=1000. Raise max_bytes"),
        (3, "found int, expected the path or the bytes of a picture"),
        (None, "found NoneType, expected the path or the bytes"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="the words of POSIX")
def test_each_refusal_says_what_was_found_and_what_to_do(folder, cell, said):
    message = _refusal(cell)
    assert re.search(said, message), message
    assert len(message) < 600
    message.encode()  # can be printed


@pytest.mark.parametrize(
    "address",
    [
        "http://host/x.png",
        "https://host/x.png",
        "HTTP://host/x.png",
        "ftp://host/x.png",
        "file:///etc/passwd",
        "s3://bucket/x.png",
        "rtsp://host/stream",
        "concat:///a|b",
        "data:image/png;base64,AAAA",
    ],
)
@pytest.mark.parametrize("kind", [str, pathlib.PurePosixPath])
@pytest.mark.parametrize("root", [None, "."])
def test_addresses_are_refused(address, kind, root):
    message = _refusal(kind(address), root=root)
    assert "is an address, and nothing is fetched. Download the picture" in message


def test_large_and_empty_files_are_refused_unread(folder):
    (folder / "empty").touch()
    assert "'inside/empty' is empty. Restore it" in _refusal("inside/empty")
    with open(folder / "sparse", "wb") as file:
        file.truncate(10**10)
    message = _refusal("inside/sparse", max_bytes=10**9)
    assert "has 10000000000 bytes, more than max_bytes=1000000000" in message


@POSIX
def test_pipes_and_devices_do_not_hang(folder):
    wrong = "is no regular file but a pipe or device, expected the path of a picture"
    for cell in ("inside/pipe", "/dev/zero", "/dev/null", "/dev/stdin"):
        if os.path.exists(cell) and not os.path.isfile(os.path.realpath(cell)):
            assert wrong in _refusal(cell)


@POSIX
def test_links_that_lead_nowhere_are_named(folder):
    said = "'inside/nowhere' is a link that leads nowhere"
    assert said in _refusal("inside/nowhere")
    assert "leads nowhere" in _refusal("nowhere", root=str(folder))
    assert "cannot be found" in _refusal("inside/loop")
    assert "'loop'" in _refusal("loop", root=str(folder))


@POSIX
@pytest.mark.skipif(
    getattr(os, "geteuid", lambda: 0)() == 0, reason="root may read everything"
)
def test_rights_are_asked_for(folder):
    (folder / "a.png").chmod(0)
    message = _refusal("inside/a.png")
    assert "'inside/a.png' cannot be opened (Permission denied)" in message
    assert "Correct its rights" in message


@POSIX
@pytest.mark.parametrize("now", ["pipe", "out", "folder"])
def test_what_takes_the_place_of_a_file_is_not_opened(folder, monkeypatch, now):
    """Between looking a path up and opening it."""
    look = _files.locate

    def locate(cell, root, noun):
        path = look(cell, root, noun)
        os.remove(folder / "a.png")
        if now == "folder":
            (folder / "a.png").mkdir()
        elif now == "pipe":
            os.mkfifo(folder / "a.png")
        else:
            (folder / "a.png").symlink_to("../secret")
        return path

    monkeypatch.setattr(_files, "locate", locate)
    n_open = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert "a.png' " in _refusal("a.png", root=str(folder))
    if n_open:
        assert len(os.listdir("/proc/self/fd")) == n_open


# -- root ------------------------------------------------------------------------------


@POSIX
def test_root_lets_in_what_lies_within(folder, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(folder)
    for root in (str(folder), "inside", "inside/", str(link), "inside2/../inside"):
        assert _open("a.png", root=root) == b"content"
        assert _open("./deep//b.png", root=root) == b"deeper"
        assert _open("within", root=root) == b"deeper"
        assert _open(pathlib.PurePosixPath("a.png"), root=root) == b"content"
    assert _open("a.png", root="/" + os.path.relpath(folder, "/")) == b"content"
    assert _open(os.path.relpath(folder / "a.png", "/"), root="/") == b"content"


@POSIX
@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("../secret", "is a path with '..', but root='inside' confines paths. Give"),
        ("deep/../a.png", "is a path with '..'"),
        ("..", "is a path with '..'"),
        ("/etc/passwd", "is an absolute path, but root='inside' confines paths"),
        ("//etc/passwd", "is an absolute path"),
        ("out", "is a link that leads out of root='inside'. Copy the file into it"),
        ("up/secret", "is a link that leads out"),
        ("sibling/c.png", "is a link that leads out"),
        ("~/a.png", "does not exist"),
        ("~root/a.png", "does not exist"),
        (".", "is a folder"),
        ("pipe", "is no regular file"),
    ],
)
def test_root_keeps_paths_in(folder, cell, said):
    assert said in _refusal(cell, root="inside")
    assert said in _refusal(pathlib.PurePosixPath(cell), root="inside")


def test_root_is_where_one_stands(folder, monkeypatch):
    assert _open("a.png", root="inside") == b"content"
    monkeypatch.chdir(folder)
    (folder / "inside").mkdir()
    (folder / "inside" / "a.png").write_bytes(b"another")
    assert _open("a.png", root="inside") == b"another"


@pytest.mark.parametrize(
    ("root", "found"),
    [("gone", "nothing there"), ("secret", "a file"), ("in\0side", "nothing there")],
)
@pytest.mark.parametrize("on_error", ["raise", "missing"])
def test_a_root_that_is_no_folder_is_told_at_once(folder, root, found, on_error):
    said = f"root={root!r} must be the folder that holds the files; found {found}"
    for encoder in (ImageEncoder, AudioEncoder, VideoEncoder, SeriesEncoder):
        with pytest.raises(ValueError, match=re.escape(said)):
            encoder(root=root, on_error=on_error).fit(["a.png"])


# -- through the encoders --------------------------------------------------------------


def _good(kind):
    buffer = io.BytesIO()
    if kind is ImageEncoder:
        Image.new("RGB", (20, 20), "red").save(buffer, "PNG")
    elif kind is AudioEncoder:
        soundfile = pytest.importorskip("soundfile")
        wave = np.sin(np.arange(4000) / 9)
        soundfile.write(buffer, wave, 8000, format="WAV")
    elif kind is VideoEncoder:
        pytest.importorskip("av")
        frames = [Image.new("RGB", (32, 32), c) for c in ("red", "green", "blue")]
        frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    else:
        np.save(buffer, np.arange(40.0).reshape(20, 2))
    return buffer.getvalue()


KINDS = [ImageEncoder, AudioEncoder, VideoEncoder, SeriesEncoder]
SUFFIX = {ImageEncoder: "png", AudioEncoder: "wav", VideoEncoder: "gif"}
WRONG = ["nothing", "folder", "empty", "words", "truncated", "pipe", "address", "large"]


def _wrong(case, kind, folder):
    suffix = SUFFIX.get(kind, "npy")
    path = folder / f"{case}.{suffix}"
    if case == "folder":
        path.mkdir()
    elif case == "empty":
        path.touch()
    elif case == "words":
        path.write_text("these are no media, but words " * 20)
    elif case == "truncated":
        path.write_bytes(_good(kind)[:30])
    elif case == "pipe":
        if os.name != "posix":
            pytest.skip("no pipes with a name here")
        os.mkfifo(path)
    elif case == "address":
        return f"https://host/x.{suffix}"
    elif case == "large":
        with open(path, "wb") as file:
            file.write(_good(kind))
            file.truncate(10_000_001)
    return str(path)


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_every_encoder_follows_on_error(kind, case, tmp_path):
    good = tmp_path / f"good.{SUFFIX.get(kind, 'npy')}"
    good.write_bytes(_good(kind))
    cell = _wrong(case, kind, tmp_path)
    X = pd.DataFrame({"clip": [str(good), cell]}, index=["a", "b"])
    limits = {"max_bytes": 10_000_000}

    def encoder(on_error):
        entry = ("media", kind(on_error=on_error, **limits), ["clip"])
        return ModalityTransformer([entry])

    with pytest.raises(ValueError, match="'media'") as caught:
        encoder("raise").fit_transform(X)
    message = str(caught.value)
    for said in ("column 'clip'", "row 1 (label 'b')", "on_error='warn'"):
        assert said in message
    assert repr(cell)[1:-1] in message
    whole = encoder("missing").fit_transform(X)
    assert np.isfinite(whole.iloc[0]).all()
    assert whole.iloc[1].isna().all()
    with pytest.warns(UserWarning, match=r"1 of 2 different .* cannot be read"):
        warned = encoder("warn").fit_transform(X)
    pd.testing.assert_frame_equal(warned, whole)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_the_suffix_says_nothing(kind, tmp_path):
    paths = [tmp_path / "x.png", tmp_path / "x.mp4", tmp_path / "x"]
    for path in paths:
        path.write_bytes(_good(kind))
    rows = kind().fit_transform([*map(str, paths), _good(kind)])
    assert np.isfinite(rows).all()
    np.testing.assert_array_equal(rows[1:], rows[[0, 0, 0]])
