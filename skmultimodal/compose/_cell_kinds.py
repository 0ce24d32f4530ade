"""What kind of data a column holds, by its cells."""

from __future__ import annotations

import datetime
import decimal
import numbers
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from skmultimodal._cells import missing_cells

KINDS = ("tabular", "text", "image", "precomputed", "drop")
# Seen and told apart, but without an encoder of ours.
FOREIGN = {
    "audio": "sound",
    "video": "video",
    "series": "series of measurements",
    "url": "addresses of media on the web",
    "bytes": "bytes of an unknown format",
    "other": "cells that nothing here reads",
}
SAMPLE = 1000
_SUFFIXES = {
    "image": "png jpg jpeg jpe gif bmp tif tiff webp ppm pgm pbm jp2 ico avif",
    "audio": "wav wave flac ogg oga opus mp3 m4a aac aif aiff wma",
    "video": "mp4 m4v mov avi mkv webm mpg mpeg wmv flv",
    "series": "npy npz mat edf hdf5 h5 parquet",
}
_KIND_OF_SUFFIX = {s: kind for kind, names in _SUFFIXES.items() for s in names.split()}
_PATH = re.compile(r"[^\n]{1,1023}\.([A-Za-z0-9]{2,5})")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_LETTER_PER_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")


@dataclass(frozen=True)
class Finding:
    """What a column holds, and the reason in words."""

    kind: str  # one of KINDS or of FOREIGN
    reason: str
    doubt: str = ""  # what else it may be, where that is open


def column_kind(column: pd.Series) -> Finding:
    """Look at up to `SAMPLE` cells of a column, spread evenly, always the same."""
    dtype = column.dtype
    if dtype.kind == "c":
        raise ValueError(f"Complex data not supported: column {column.name!r}.")
    present = np.flatnonzero(~missing_cells(column)[:, 0])
    if not len(present):
        return Finding("drop", f"all {len(column)} cells are missing")
    if isinstance(dtype, pd.CategoricalDtype):
        return Finding("tabular", f"categories ({len(dtype.categories)})")
    if dtype.kind in "biuf":
        return Finding("tabular", "booleans" if dtype.kind == "b" else "numbers")
    if dtype.kind in "mM":
        return Finding("tabular", "dates" if dtype.kind == "M" else "durations")
    if len(present) > SAMPLE:
        present = present[np.linspace(0, len(present) - 1, SAMPLE).astype(int)]
    return _kind_of_cells([column.iloc[k] for k in present])


def _kind_of_cells(cells: list[Any]) -> Finding:
    found = [cell_kind(cell) for cell in cells]
    counts = Counter(finding.kind for finding in found)
    kind, count = counts.most_common(1)[0]
    strings = [cell for cell in cells if isinstance(cell, str)]
    if {"number", "string"} >= set(counts) and len(strings) < len(cells):
        if not strings:
            return Finding("tabular", "numbers, booleans or dates in an object column")
        return Finding("tabular", f"strings and numbers mixed ({strings[0]!r:.40})")
    if "texts" in counts and {"string", "texts"} >= set(counts):
        return Finding("text", "several texts in a cell")
    clear = count >= 0.9 * len(cells)
    # One "see fig1.png" makes no pictures of texts, one odd path no texts of pictures.
    if len(strings) == len(cells) and (kind == "string" or not clear):
        return _text_or_category(strings)
    if len(counts) > 1 and (kind == "string" or not clear):
        seen = ", ".join(f"{n} {FOREIGN.get(k, k)}" for k, n in counts.most_common())
        return Finding("other", f"cells of several kinds ({seen})")
    if kind == "precomputed":
        return _vectors(cells, [f for f in found if f.kind == kind])
    return next(finding for finding in found if finding.kind == kind)


def cell_kind(cell: Any) -> Finding:
    """What one cell holds; strings and numbers are judged with their column."""
    if isinstance(cell, (str, PurePath)):
        return _string(cell)
    if isinstance(cell, (bytes, bytearray, memoryview)):
        return _bytes(bytes(cell[:64]))
    if isinstance(cell, _SCALARS):
        return Finding("number", "numbers")
    if isinstance(cell, Image.Image):
        return Finding("image", "PIL images")
    if isinstance(cell, (list, tuple)):
        return _sequence(cell)
    if isinstance(cell, (pd.Series, pd.DataFrame)):
        return Finding("series", "a pandas Series or DataFrame in each cell")
    if hasattr(cell, "__array__"):
        return _array(np.asarray(cell))
    return Finding("other", f"objects of type {type(cell).__name__}")


_SCALARS = (
    numbers.Number,
    np.generic,
    decimal.Decimal,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    pd.Period,
    pd.Interval,
)


def _string(cell: str | PurePath) -> Finding:
    text = str(cell)
    match = _PATH.fullmatch(text)
    kind = _KIND_OF_SUFFIX.get(match[1].lower()) if match else None
    if kind is None:
        if isinstance(cell, PurePath):
            return Finding("other", f"paths of no known kind of file ({text!r:.60})")
        return Finding("string", "strings")
    if _URL.match(text):
        return Finding("url", f"addresses such as {text!r:.60}")
    return Finding(kind, f"paths of .{match[1].lower()} files" if match else "")


def _bytes(head: bytes) -> Finding:
    for kind, name, offset, magics in _MAGIC:
        if head[offset:].startswith(magics):
            return Finding(kind, f"bytes of {name} files")
    if head.startswith(b"RIFF"):
        riff = {b"WAVE": "audio", b"AVI ": "video", b"WEBP": "image"}.get(head[8:12])
        if riff is not None:
            return Finding(riff, f"bytes of {head[8:12].decode().strip()} files")
    if head[:1] == b"\xff" and head[1:2] and head[1] & 0xE0 == 0xE0:
        return Finding("audio", "bytes of MPEG sound")
    return Finding("bytes", f"bytes that begin with {head[:8]!r}")


_MAGIC: list[tuple[str, str, int, tuple[bytes, ...]]] = [
    ("image", "PNG", 0, (b"\x89PNG\r\n\x1a\n",)),
    ("image", "JPEG", 0, (b"\xff\xd8\xff",)),
    ("image", "GIF", 0, (b"GIF87a", b"GIF89a")),
    ("image", "TIFF", 0, (b"II*\x00", b"MM\x00*")),
    ("image", "BMP", 0, (b"BM",)),
    ("image", "PNM", 0, (b"P4\n", b"P5\n", b"P6\n", b"P5 ", b"P6 ")),
    ("image", "JPEG 2000", 0, (b"\x00\x00\x00\x0cjP  ",)),
    ("image", "AVIF or HEIF", 4, (b"ftypavif", b"ftypheic", b"ftypmif1")),
    ("audio", "M4A", 4, (b"ftypM4A",)),
    ("video", "MP4 or MOV", 4, (b"ftyp", b"moov")),
    ("video", "Matroska or WebM", 0, (b"\x1a\x45\xdf\xa3",)),
    ("video", "MPEG", 0, (b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3")),
    ("audio", "FLAC", 0, (b"fLaC",)),
    ("audio", "Ogg", 0, (b"OggS",)),
    ("audio", "MP3", 0, (b"ID3",)),
    ("audio", "AIFF", 0, (b"FORM",)),
]


def _array(cell: np.ndarray) -> Finding:
    shape = " x ".join(map(str, cell.shape))
    if cell.ndim == 0:
        return Finding("number", "numbers")
    if cell.dtype == object:
        return _sequence(list(cell))
    if cell.dtype.kind not in "biuf":
        return Finding("other", f"arrays of type {cell.dtype}")
    if cell.ndim == 1:
        return Finding("precomputed", f"arrays of {len(cell)} numbers")
    if cell.ndim > 3:
        return Finding("video", f"arrays of shape {shape}")
    if cell.dtype in (np.uint8, np.uint16):
        return Finding("image", f"{cell.dtype} arrays, {shape} for example")
    return Finding(
        "image",
        f"{cell.dtype} arrays, {shape} for example, taken for pictures",
        doubt="a series (time x channel) or a grid of measurements",
    )


def _sequence(cell: list | tuple) -> Finding:
    if len(cell) == 2 and isinstance(cell[0], numbers.Real):
        wave = cell[1]
        if isinstance(wave, np.ndarray | list):
            return Finding("audio", "pairs of sampling rate and wave")
    parts = [cell_kind(part) for part in cell[:8] if part is not None]
    kinds = {part.kind for part in parts}
    if kinds == {"number"}:
        return Finding("precomputed", f"lists of {len(cell)} numbers")
    if kinds == {"precomputed"}:
        return Finding("series", "nested lists of numbers")
    if kinds == {"string"}:
        return Finding("texts", "several texts in a cell")
    if len(kinds) == 1:
        first = parts[0]
        return Finding(first.kind, f"lists of {first.reason}", first.doubt)
    return Finding("other", f"lists that mix {', '.join(sorted(kinds))}")


def _vectors(cells: list[Any], found: list[Finding]) -> Finding:
    lengths = {len(c) for c in cells if isinstance(c, (list, tuple, np.ndarray))}
    if len(lengths) > 1:
        return Finding(
            "series",
            f"lists of {min(lengths)} to {max(lengths)} numbers: a precomputed vector "
            "has the same length in every row",
        )
    return found[0]


def _text_or_category(cells: list[str]) -> Finding:
    """Free text has words in a row, mostly in lower case, and seldom the same ones.

    Names of countries, breeds and people have fewer words or capitals; answers of a
    form are long at times, but few.
    """
    words = [_words(cell) for cell in cells]
    mean = float(np.mean([len(w) for w in words]))
    n_different = len(set(cells))
    few = n_different < 20 and 5 * n_different < len(cells)
    plain = [w[:1].isalpha() and not w[:1].isupper() for ws in words for w in ws]
    is_sentence = mean >= 6 or (mean >= 4 and float(np.mean(plain)) >= 0.4)
    told = f"{mean:.1f} words a cell, {n_different} different in {len(cells)}"
    if is_sentence and not few:
        return Finding("text", f"free text: {told}")
    return Finding("tabular", f"short or recurring strings: {told}")


def _words(cell: str) -> list[str]:
    spaced = cell.split()
    unspaced = _LETTER_PER_WORD.findall(cell)  # about two letters a word there
    return spaced + unspaced[::2] if len(unspaced) > len(spaced) else spaced
