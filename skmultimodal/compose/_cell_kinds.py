"""What kind of data a column holds, by its cells."""

from __future__ import annotations

import datetime
import decimal
import numbers
import re
from collections import Counter
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from skmultimodal._cells import is_missing, missing_cells
from skmultimodal._recipes import Recipe
from skmultimodal.compose._array_kinds import (
    Finding,
    grids_kind,
    may_be_sound,
    vectors_kind,
    volumes_kind,
)
from skmultimodal.compose._file_kinds import HEAD, bytes_kind, path_kind

KINDS = (
    "tabular",
    "text",
    "image",
    "audio",
    "video",
    "series",
    "precomputed",
    "dialogue",
    "drop",
)
# Seen and told apart, but without an encoder of ours.
FOREIGN = {
    "url": "addresses of media on the web",
    "bytes": "bytes of an unknown format",
    "other": "cells that nothing here reads",
}
SAMPLE = 1000
SAMPLED_ARRAYS = 250
# Arrays of numbers are judged with their column, by dimensions. Beside cells that are
# sure of their kind, they are of that kind where they can be.
_ARRAYS = {1: "vector", 2: "grid", 3: "volume", 4: "volume"}
_MAY_BE = {
    "vector": ("series", "audio"),
    "grid": ("image", "series", "audio"),
    "volume": ("image", "video"),
}
_LETTER_PER_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")


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
    for form, kinds in _MAY_BE.items():
        sure = next((kind for kind in kinds if counts[kind] and counts[form]), None)
        if sure is not None:
            counts[sure] += counts.pop(form)
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
    numeric = set(counts) & set(_MAY_BE)
    if numeric and numeric == set(counts):
        return _kind_of_arrays(cells, found)
    if len(counts) > 1 and (kind == "string" or not clear):
        seen = ", ".join(f"{n} {FOREIGN.get(k, k)}" for k, n in counts.most_common())
        return Finding("other", f"cells of several kinds ({seen})")
    if kind in _MAY_BE:
        of_kind = [k for k, f in enumerate(found) if f.kind == kind]
        return _kind_of_arrays([cells[k] for k in of_kind], [found[k] for k in of_kind])
    return next(finding for finding in found if finding.kind == kind)


def _kind_of_arrays(cells: list[Any], found: list[Finding]) -> Finding:
    """Judge arrays and nested lists of numbers by their shapes and numbers together."""
    looked = cells[:: -(-len(cells) // SAMPLED_ARRAYS)]
    arrays = [_finite(part) for cell in looked for part in _as_arrays(cell)]
    arrays = [array for array in arrays if not is_missing(array)]
    dimensions = {array.ndim for array in arrays}
    told = found[0].reason
    if not arrays:
        return Finding("other", f"{told} that hold more than numbers")
    if len(dimensions) > 1:
        shapes = ", ".join(sorted({_shape(array) for array in arrays})[:4])
        if dimensions == {1, 2}:
            return Finding("series", f"arrays of shapes {shapes}", ("audio",))
        return Finding("other", f"arrays of several dimensions ({shapes})")
    if dimensions == {2} and _is_several(cells[0]):
        return Finding("image", f"{told}, taken for pictures", ("audio", "other"))
    if dimensions == {2} and told == "lists of vectors":
        told += f", {_shape(arrays[0])} for example"
        sound = ("audio",) if may_be_sound(arrays) else ()
        return Finding("series", told + (", taken for series" if sound else ""), sound)
    judge = {1: vectors_kind, 2: grids_kind}.get(arrays[0].ndim, volumes_kind)
    with np.errstate(all="ignore"):  # numbers may be huge
        return judge(arrays, told)


def cell_kind(cell: Any) -> Finding:
    """What one cell holds; strings and numbers are judged with their column."""
    if isinstance(cell, Recipe):
        return Finding(cell.kind, "augmented cells")
    if isinstance(cell, (str, PurePath)):
        return _string(cell)
    if isinstance(cell, (bytes, bytearray, memoryview)):
        return _bytes(bytes(cell[:HEAD]))
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


def may_be(cell: Any) -> tuple[str, ...]:
    """What an array of numbers, or nested lists, may be if somebody says so."""
    if not isinstance(cell, (np.ndarray, list, tuple)):
        return ()
    arrays = _as_arrays(cell)
    if not arrays or any(array.dtype.kind not in "biuf" for array in arrays):
        return ()
    return _MAY_BE.get(_ARRAYS.get(arrays[0].ndim, ""), ())


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
    found = path_kind(cell)
    if found is None:
        if isinstance(cell, PurePath):
            return Finding(
                "other", f"paths of no known kind of file ({str(cell)!r:.60})"
            )
        return Finding("string", "strings")
    kind, suffix = found
    if kind == "url":
        return Finding(kind, f"addresses such as {str(cell)!r:.60}")
    return Finding(kind, f"paths of .{suffix} files")


def _bytes(head: bytes) -> Finding:
    found = bytes_kind(head)
    if found is None:
        return Finding("bytes", f"bytes that begin with {head[:8]!r}")
    return Finding(found[0], f"bytes of {found[1]} files")


def _array(cell: np.ndarray) -> Finding:
    if cell.ndim == 0:
        return Finding("number", "numbers")
    if cell.dtype == object:  # as Parquet gives lists of lists
        return _sequence([_unless_larger(part) for part in cell])
    if cell.dtype.kind not in "biuf":
        return Finding("other", f"arrays of type {cell.dtype}")
    if cell.ndim > 4:
        return Finding("other", f"arrays of shape {_shape(cell)}")
    is_light = cell.dtype in (np.uint8, np.uint16)
    if is_light and cell.ndim in (2, 3) and _has_sides_of_a_picture(cell.shape):
        return Finding("image", f"{cell.dtype} arrays, {_shape(cell)} for example")
    return Finding(_ARRAYS[cell.ndim], f"{cell.dtype} arrays")


def _has_sides_of_a_picture(shape: tuple[int, ...]) -> bool:
    return min(shape[:2]) > 4 and shape[2:] in ((), (1,), (3,), (4,))


def _sequence(cell: list | tuple) -> Finding:
    if len(cell) == 2 and isinstance(cell[0], numbers.Real) and _is_wave(cell[1]):
        return Finding("audio", "pairs of sampling rate and wave")
    if len(cell) == 2 and isinstance(cell[1], numbers.Real) and _is_wave(cell[0]):
        return Finding(
            "other", "pairs of wave and sampling rate, in this order: turn them round"
        )
    parts = [cell_kind(part) for part in cell[:8] if part is not None]
    kinds = {part.kind for part in parts}
    if kinds == {"number"}:
        return Finding("vector", "lists")
    if kinds in ({"vector"}, {"grid"}, {"volume"}):
        return _nested(cell, parts[0])
    if kinds in ({"string"}, {"texts"}):
        return Finding("texts", "several texts in a cell")
    if len(kinds) == 1:
        return Finding(parts[0].kind, f"lists of {parts[0].reason}")
    return Finding("other", f"lists that mix {', '.join(sorted(kinds))}")


def _is_wave(cell: Any) -> bool:
    return isinstance(cell, np.ndarray | list) and np.ndim(cell) in (1, 2)


def _unless_larger(part: Any) -> Any:
    is_vector = isinstance(part, np.ndarray) and part.ndim == 1
    return part.tolist() if is_vector else part


def _nested(cell: list | tuple, first: Finding) -> Finding:
    """Lists of lists of numbers, or a list of several arrays."""
    if _is_several(cell):
        return Finding(first.kind, f"lists of {first.reason}")
    arrays = _as_arrays(cell)
    if not arrays:
        return Finding(
            "other",
            f"lists of {first.reason} of different lengths: a series has as many "
            "channels at each step, and recordings need AudioEncoder(sample_rate=...)",
        )
    told = "lists of vectors" if isinstance(cell[0], np.ndarray) else "nested lists"
    return Finding(_ARRAYS.get(arrays[0].ndim, "other"), told)


def _is_several(cell: Any) -> bool:
    """Whether a cell is a list of pictures or clips, not one array as a list."""
    if not isinstance(cell, (list, tuple)):
        return False
    held = next((part for part in cell if part is not None), None)
    return isinstance(held, np.ndarray) and held.ndim > 1


def _as_arrays(cell: Any) -> list[np.ndarray]:
    """The arrays that a cell of numbers holds: one, several, none if it is ragged."""
    if _is_several(cell):
        return [array for part in cell for array in _as_arrays(part)]
    array = np.asarray(cell) if hasattr(cell, "__array__") else None
    if array is not None and array.dtype != object:
        return [array]
    nested = cell.tolist() if array is not None else cell
    try:
        return [np.asarray(_plain(nested), dtype=float)]
    except (TypeError, ValueError):
        return []


def _finite(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return array
    return np.where(np.isfinite(array), array, np.nan)


def _plain(cell: Any) -> Any:
    """Nested lists without None, which stands for a missing number."""
    if isinstance(cell, np.ndarray):
        cell = cell.tolist()
    if isinstance(cell, (list, tuple)):
        return [_plain(part) for part in cell]
    return np.nan if cell is None or cell is pd.NA else cell


def _shape(array: np.ndarray) -> str:
    return " x ".join(map(str, array.shape))


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
