"""Files of pixels from strangers: the formats that are read, and what they may cost."""

from __future__ import annotations

import functools
from typing import Any, BinaryIO

from PIL import Image

from skmultimodal.encoders.decoding._files import MediaError, shown

_RASTER = (
    *("PNG", "JPEG", "MPO", "GIF", "BMP", "DIB", "TIFF", "WEBP", "AVIF", "HEIF"),
    *("JPEG2000", "PPM", "ICO", "ICNS", "PCX", "SGI", "TGA", "DDS", "QOI", "SPIDER"),
)
_FAST = {"bmp_rle", "SGI16"}  # written in Python, and yet not pixel by pixel
_SLOW_PIXELS = 2**21  # of a decoder in Python: some seconds
_SCANNED_PIXELS = 2**31  # over all scans of a JPEG: some seconds
_BAND = 1 << 20  # pixels that are composed at once
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@functools.cache
def _formats() -> tuple[str, ...]:
    """Formats that hold pixels; Pillow also has some that run another program."""
    Image.init()
    return tuple(name for name in _RASTER if name in Image.OPEN)


def identified(file: BinaryIO, cell: Any) -> Image.Image:
    """The picture in a file, not decoded yet."""
    try:
        return Image.open(file, formats=_formats())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaError(
            f"{shown(cell)} is larger than Pillow's limit ({first_line(error)}). "
            "Shrink it, or raise PIL.Image.MAX_IMAGE_PIXELS if you trust it"
        ) from error
    except Exception as error:
        raise MediaError(
            f"{shown(cell)} is no picture that Pillow can read ({first_line(error)}). "
            "Convert it to PNG or JPEG"
        ) from error


def check_work(image: Image.Image, file: BinaryIO, cell: Any) -> None:
    """Refuse what a small file can make Pillow work on for minutes."""
    pixels = image.width * image.height
    slow = {tile[0] for tile in getattr(image, "tile", ())} & set(
        Image.DECODERS
    ) - _FAST
    if slow and pixels > _SLOW_PIXELS:
        raise MediaError(
            f"{shown(cell)} has {image.width} x {image.height} pixels of a kind of "
            f"{image.format} that is read slowly, more than {_SLOW_PIXELS}. Convert it "
            "to PNG or JPEG"
        )
    if image.format in ("JPEG", "MPO"):
        scans = _count(file, b"\xff\xda")
        if scans * pixels > _SCANNED_PIXELS:
            raise MediaError(
                f"{shown(cell)} paints {image.width} x {image.height} pixels {scans} "
                "times over. Save it again"
            )


def _count(file: BinaryIO, marker: bytes) -> int:
    place = file.tell()
    file.seek(0)
    count, last = 0, b""
    while block := file.read(1 << 20):
        count += (last + block).count(marker)
        last = block[-1:]
    file.seek(place)
    return count


def upright(image: Image.Image) -> Image.Image:
    """A picture as the camera was held. Notes that are corrupt say nothing."""
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        turn = None
    return image if turn is None else image.transpose(turn)


def on_white(image: Image.Image) -> Image.Image:
    """RGB, what is transparent white. Band by band: four large copies are too many."""
    width, height = image.size
    picture = Image.new("RGB", image.size)
    rows = max(1, _BAND // width)
    for top in range(0, height, rows):
        box = 0, top, width, min(top + rows, height)
        band = image.crop(box).convert("RGBA")
        white = Image.new("RGBA", band.size, (255, 255, 255, 255))
        picture.paste(Image.alpha_composite(white, band).convert("RGB"), box)
    return picture


def first_line(error: Exception) -> str:
    """What an error says, in short."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "cannot identify its format"
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
