"""Small pictures that would become large or slow, and formats that run programs."""

import io
import struct
import subprocess
import time
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, features

from skmultimodal.encoders import ImageEncoder
from skmultimodal.encoders.decoding import _raster
from skmultimodal.encoders.decoding._image import MAX_PIXELS, Decoder
from skmultimodal.encoders.decoding._quiet import quiet

from ._corpus import pixels, saved


def _refusal(data, **limits):
    """What is said of a picture, soon, and without much memory."""
    start = time.process_time()
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"ImageEncoder: row 0: .*on_error=") as caught:
        ImageEncoder(**limits).fit([data])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.process_time() - start < 5
    assert peak < 50e6
    return str(caught.value)


def _decoded(data):
    with quiet():
        return Decoder((64, 64), MAX_PIXELS)(data)


def _chunk(name, data):
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def _png(width, height, *chunks):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = b"".join(_chunk(*c) for c in ((b"IHDR", header), *chunks))
    return b"\x89PNG\r\n\x1a\n" + body + _chunk(b"IEND", b"")


def _announcing(kind):
    """A header of 60,000 x 60,000 pixels; of what the format can say, if less."""
    n = 60_000
    image = Image.fromarray(pixels())
    if kind == "PNG":
        return _png(n, n, (b"IDAT", zlib.compress(bytes(99))))
    if kind == "GIF":
        data = bytearray(saved(image, "GIF"))
        data[6:10] = struct.pack("<HH", n, n)
    elif kind == "BMP":
        data = bytearray(saved(image, "BMP"))
        data[18:26] = struct.pack("<ii", n, n)
    elif kind == "TIFF":
        data = bytearray(saved(image, "TIFF"))
        start = struct.unpack("<I", data[4:8])[0] + 2
        for tag in range(2):  # the first two: width and height
            at = start + 12 * tag
            data[at + 2 : at + 12] = struct.pack("<HII", 4, 1, n)
    elif kind == "JPEG":
        data = bytearray(saved(image, "JPEG"))
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">HH", n, n)
    elif kind == "WEBP":
        data = bytearray(saved(image.convert("RGBA"), "WEBP", lossless=True))
        size = (16_383).to_bytes(3, "little") * 2
        data[12:12] = b"VP8X" + struct.pack("<II", 10, 16) + size
        data[4:8] = struct.pack("<I", len(data) - 8)
    else:
        data = bytearray(saved(image, "JPEG2000"))
        for name, at in ((b"ihdr", 4), (b"\xff\x51", 6)):
            place = data.index(name) + at
            data[place : place + 8] = struct.pack(">II", n, n)
    return bytes(data)


@pytest.mark.parametrize(
    "kind", ["PNG", "GIF", "BMP", "TIFF", "JPEG", "WEBP", "JPEG2000"]
)
def test_headers_that_announce_huge_sizes(kind):
    if kind == "JPEG2000" and not features.check("jpg_2000"):
        pytest.skip("this Pillow reads no JPEG 2000")
    message = _refusal(_announcing(kind))
    assert "pixels" in message or "no picture that Pillow can read" in message


def test_a_picture_within_a_picture_has_the_same_limits():
    """An ICO says 16 x 16, and the PNG in it another size."""
    inner = saved(Image.new("RGB", (3000, 3000)), "PNG")
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(inner), 22)
    icon = struct.pack("<HHH", 0, 1, 1) + entry + inner
    assert "max_pixels=1000000" in _refusal(icon, max_pixels=1_000_000)
    huge = _announcing("PNG")
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(huge), 22)
    assert "exceeds limit" in _refusal(struct.pack("<HHH", 0, 1, 1) + entry + huge)


def test_only_the_first_of_many_frames_is_read():
    first = Image.fromarray(pixels())
    data = saved(first, "GIF", save_all=True, append_images=[first.rotate(90)])
    body, last = data[:-1], data[-1:]
    frame = body[body.rindex(b"\x2c") :]
    many = body + frame * 20_000 + last
    start = time.process_time()
    np.testing.assert_array_equal(_decoded(many), _decoded(saved(first, "GIF")))
    assert time.process_time() - start < 1


@pytest.mark.parametrize("name", [b"zTXt", b"iTXt", b"iCCP", b"tEXt", b"eXIf"])
def test_notes_that_unpack_to_gigabytes(name):
    packed = zlib.compress(bytes(30_000_000), 1)
    head = {
        b"zTXt": b"note\0\0",
        b"iTXt": b"note\0\1\0\0\0",
        b"iCCP": b"note\0\0",
    }.get(name, b"note\0")
    rows = b"".join(b"\0" + row.tobytes() for row in pixels())
    data = _png(64, 64, (name, head + packed), (b"IDAT", zlib.compress(rows)))
    tracemalloc.start()
    try:
        assert _decoded(data).shape == (64, 64, 3)
    except ValueError as error:
        assert "Decompressed data too large" in str(error)  # noqa: PT017
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6


@pytest.mark.parametrize("count", [1, 1000, 2**20, 2**32 - 1])
@pytest.mark.parametrize("kind", range(14))
def test_silly_tags_of_tiff(kind, count):
    data = bytearray(saved(Image.fromarray(pixels()), "TIFF"))
    start = struct.unpack("<I", data[4:8])[0]
    n = struct.unpack("<H", data[start : start + 2])[0]
    for tag in range(2, n):
        at = start + 2 + 12 * tag
        damaged = bytearray(data)
        damaged[at + 2 : at + 12] = struct.pack("<HII", kind, count, 8)
        try:
            picture = _decoded(bytes(damaged))
        except ValueError as error:
            assert "a cell of" in str(error)  # noqa: PT017
        else:
            assert np.isfinite(picture).all()


def test_what_pillow_decodes_pixel_by_pixel_has_a_lower_limit():
    n = 2000
    lengths = b"\xfd" * (n * n // 62 + 1)
    qoi = b"qoif" + struct.pack(">IIBB", n, n, 3, 0) + lengths + bytes(7) + b"\1"
    assert "QOI that is read slowly, more than 2097152" in _refusal(qoi)
    few_levels = b"P6 2000 2000 100\n" + bytes(3 * n * n)
    assert "of PPM that is read slowly" in _refusal(few_levels)
    assert _decoded(b"P6 2000 2000 255\n" + bytes(3 * n * n)).max() == 0
    assert _decoded(b"P6 20 20 100\n" + b"\x64" * 1200).min() == 1


def test_a_jpeg_painted_over_and_over_is_refused():
    data = saved(Image.new("L", (5000, 5000)), "JPEG", progressive=True)
    assert _decoded(data).shape == (64, 64, 3)
    last = data[data.rindex(b"\xff\xda") : -2]
    often = data[:-2] + last * 200 + data[-2:]
    assert "paints 5000 x 5000 pixels 2" in _refusal(often)


def test_markers_are_counted_across_blocks():
    for place in (0, 5, (1 << 20) - 1, (1 << 20) - 2, 1 << 20):
        file = io.BytesIO(bytes(place) + b"\xff\xda" + bytes(1 << 20) + b"\xff\xda")
        file.seek(3)
        assert _raster._count(file, b"\xff\xda") == 2
        assert file.tell() == 3


def test_transparency_of_a_large_picture_is_composed_band_by_band():
    rng = np.random.default_rng(0)
    array = rng.integers(0, 256, (1300, 1100, 4), dtype=np.uint8)
    picture = _raster.on_white(Image.fromarray(array))
    alpha = array[:, :, 3:] / 255
    expected = array[:, :, :3] * alpha + 255 * (1 - alpha)
    assert np.abs(np.asarray(picture) - expected).max() <= 1


# -- programs --------------------------------------------------------------------------

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"


def test_eps_never_starts_a_program(monkeypatch):
    def started(*args, **kwargs):
        raise AssertionError(f"started {args}")

    monkeypatch.setattr(subprocess, "Popen", started)
    assert "is no picture that Pillow can read" in _refusal(EPS)
    assert "is no picture that Pillow can read" in _refusal(
        struct.pack("<IIIIIIIHH", 0xC6D3D0C5, 32, len(EPS), *[0] * 6)[:32] + EPS
    )


@pytest.mark.parametrize("kind", ["EPS", "PDF", "MSP", "XBM", "BLP"])
def test_formats_that_are_no_raster_on_the_list_are_refused(kind):
    image = Image.fromarray(pixels())
    image = image.convert("1") if kind in ("MSP", "XBM") else image
    image = image.quantize() if kind == "BLP" else image
    message = _refusal(saved(image, kind))
    assert "is no picture that Pillow can read (cannot identify its format)" in message


@pytest.mark.parametrize(
    "head",
    [b"8BPS\0\1", b"SIMPLE  =                    T", b"\xd7\xcd\xc6\x9a", b"GRIB"]
    + [b"\x89HDF\r\n\x1a\n", b"BUFR", b"<svg xmlns='http://www.w3.org/2000/svg'>"],
)
def test_heads_of_other_formats_are_refused(head):
    assert "cannot identify its format" in _refusal(head + bytes(3000))


# -- warnings --------------------------------------------------------------------------


def test_corrupt_notes_do_not_spoil_a_picture():
    image = Image.fromarray(pixels())
    for note in (
        b"Exif\0\0",
        b"Exif\0\0XX*\0\x08\0\0\0",
        b"Exif\0\0II*\0\xff\xff\xff\0",
    ):
        data = saved(image, "JPEG", exif=note)
        np.testing.assert_array_equal(_decoded(data), _decoded(saved(image, "JPEG")))


def test_warnings_are_those_of_before_once_all_threads_are_done():
    before = list(warnings.filters)
    cells = [saved(Image.fromarray(pixels(seed=k)), "PNG") for k in range(20)]
    ImageEncoder(n_jobs=4).fit(cells)
    assert list(warnings.filters) == before
    with quiet(), quiet():
        warnings.warn("unheard", UserWarning, stacklevel=1)
        with pytest.raises(Image.DecompressionBombWarning):
            warnings.warn("bomb", Image.DecompressionBombWarning, stacklevel=1)
    assert list(warnings.filters) == before


# -- cells that are no files -----------------------------------------------------------


@pytest.mark.parametrize(
    "cell",
    [
        [[1, 2], [3]],
        [[[1, 2, 3]], [[1, 2]]],
        [[1, "a"], [2, 3]],
        np.full((4, 4), 1e300) * [[1, np.nan, 1, 1]],
        np.zeros((4, 4), dtype=complex),
        Image.new("RGB", (0, 5)),
    ],
    ids=range(6),
)
def test_odd_arrays_follow_on_error(cell):
    good = pixels()
    with pytest.raises(ValueError, match=r"ImageEncoder: row 1: .*on_error="):
        ImageEncoder().fit([good, cell])
    rows = ImageEncoder(on_error="missing").fit_transform([good, cell])
    np.testing.assert_array_equal(np.isnan(rows).all(axis=1), [False, True])


def test_a_cut_picture_opened_by_the_user_follows_on_error():
    data = saved(Image.fromarray(pixels()), "PNG")
    cut = Image.open(io.BytesIO(data[: len(data) // 2]))
    rows = ImageEncoder(on_error="missing").fit_transform([pixels(), cut])
    np.testing.assert_array_equal(np.isnan(rows).all(axis=1), [False, True])


@pytest.mark.parametrize("value", [-3.0, 0.0, 7.0, 1e30, -1e30])
def test_a_level_picture_of_any_value_is_read(value):
    rows = ImageEncoder().fit_transform([np.full((20, 20), value)])
    assert np.isfinite(rows).all()
