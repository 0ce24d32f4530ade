"""What a join of rows and files leaves open: missing, empty, duplicated, orphaned."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skmultimodal.datasets._media_files import Listing, Match
from skmultimodal.datasets._media_patterns import STAR, Field, Pattern, leads_out

_SHOWN = 5


@dataclass(repr=False)
class MediaReport:
    """What `read_media_table` found. See its "Returns"."""

    summary: pd.DataFrame
    missing: pd.DataFrame
    empty: pd.DataFrame
    duplicated: pd.DataFrame
    orphaned: pd.DataFrame

    def __repr__(self) -> str:
        lines = ["MediaReport", *_indented(self.summary.to_string())]
        for name in ("missing", "empty", "duplicated", "orphaned"):
            frame = getattr(self, name)
            if len(frame):
                lines.append(f"{name}:")
                shown = frame.head(_SHOWN).to_string(index=False, na_rep="")
                lines += _indented(shown)
            if len(frame) > _SHOWN:
                lines.append(f"    ... and {len(frame) - _SHOWN:,} more")
        return "\n".join(lines)


def _indented(text: str) -> list[str]:
    return [f"    {line}".rstrip() for line in text.split("\n")]


def make_report(
    index: pd.Index,
    matches: dict[str, Match],
    patterns: dict[str, list[Pattern]],
    texts: dict[Field, list[str | None]],
    listing: Listing,
    own: str,
) -> MediaReport:
    used = {own, *_used(matches.values())}
    counts: dict[str, dict[str, int]] = {}
    frames: dict[str, list[pd.DataFrame]] = {
        "missing": [],
        "empty": [],
        "duplicated": [],
        "orphaned": [],
    }
    for media, match in matches.items():
        fields = _fields(patterns[media])
        keys = _keys(fields, texts, len(index))
        empty = np.array([path is None for path in match.asked], dtype=bool)
        gone = np.array([cell is None for cell in match.cells], dtype=bool) & ~empty
        twice = pd.Series(keys, dtype=object).duplicated(keep=False).to_numpy() & ~empty
        orphans = [path for path in match.fitting if path not in used]
        found = {
            "missing": _missing(
                index, keys, np.flatnonzero(gone), match, patterns[media], used, listing
            ),
            "empty": _rows(index, keys, empty),
            "duplicated": _rows(index, keys, twice),
            "orphaned": pd.DataFrame({"path": orphans}, dtype=object),
        }
        for name, frame in found.items():
            frame.insert(0, "media", pd.Series(media, index=frame.index, dtype=object))
            frames[name].append(frame)
        counts[media] = {
            "rows": len(index),
            "found": int((~gone & ~empty).sum()),
            **{name: len(frame) for name, frame in found.items()},
            "files": len(set(_used([match]))),
        }
    joined = {k: pd.concat(parts, ignore_index=True) for k, parts in frames.items()}
    return MediaReport(summary=pd.DataFrame(counts).T, **joined)


def _missing(
    index: pd.Index,
    keys: list[str],
    rows: np.ndarray,
    match: Match,
    patterns: Sequence[Pattern],
    used: set[str],
    listing: Listing,
) -> pd.DataFrame:
    asked = [str(match.asked[row]) for row in rows]
    reasons = [
        "leads out of root"
        if leads_out(path)
        else "no such file"
        if STAR in path
        else listing.why_not(path)
        for path in asked
    ]
    near = near_misses(asked, _unused(match, patterns, used, listing))
    columns = {
        "row": list(index[rows]),
        "key": [keys[row] for row in rows],
        "path": [path.replace(STAR, "*") for path in asked],
        "reason": reasons,
        "near": [near[path][0] if path in near else None for path in asked],
        "differs_in": [near[path][1] if path in near else None for path in asked],
    }
    return pd.DataFrame({k: pd.Series(v, dtype=object) for k, v in columns.items()})


def _unused(
    match: Match, patterns: Sequence[Pattern], used: set[str], listing: Listing
) -> dict[str, str]:
    """What a row would have to ask for -> a file that no row uses."""
    if not any(pattern.has_star for pattern in patterns):
        return {path: path for path in listing.files() if path not in used}
    return {
        pattern.asked(path): path
        for path in match.fitting
        for pattern in patterns[:1]
        if path not in used
    }


def near_misses(
    asked: Iterable[str], unused: dict[str, str]
) -> dict[str, tuple[str, str]]:
    """For paths without a file: a file that differs in little, and in what."""
    found: dict[str, tuple[str, str]] = {}
    left = dict.fromkeys(asked)
    for difference, blur in _BLURS.items():
        if not left or not unused:
            break
        blurred = {blur(path): file for path, file in sorted(unused.items())}
        for path in left:
            if blur(path) in blurred and not leads_out(path):
                found[path] = blurred[blur(path)], difference
        left = dict.fromkeys(path for path in left if path not in found)
    return found


def _no_zeros(path: str) -> str:
    return re.sub(r"(?<!\d)0+(?=\d)", "", path)


def _no_spaces(path: str) -> str:
    return re.sub(r"\s+", "", path)


def _one_form(path: str) -> str:
    return unicodedata.normalize("NFKC", path)


def _no_suffix(path: str) -> str:
    return re.sub(r"(?<=[^/])\.\w{1,5}$", "", path)


def _all(path: str) -> str:
    return _no_suffix(_no_spaces(_no_zeros(_one_form(path).casefold())))


_BLURS: dict[str, Callable[[str], str]] = {
    "case": str.casefold,
    "leading zeros": _no_zeros,
    "spaces": _no_spaces,
    "Unicode form": _one_form,
    "suffix": _no_suffix,
    "more than one of these": _all,
}
_REMEDIES = {
    "case": "write the pattern, or the keys, as the files are written",
    "leading zeros": "a key such as 007 was read as a number: read the table as text "
    "with dtype=str, or give the width in the pattern, as in {id:03d}",
    "spaces": "strip the keys",
    "Unicode form": "normalize the keys with Series.str.normalize",
    "suffix": "give a list of patterns, one for each suffix",
    "more than one of these": "look at `report.missing`",
}


def complaints(report: MediaReport, patterns: dict[str, list[Pattern]]) -> dict:
    """What is wrong, in a sentence each: {"missing": ..., "orphaned": ..., ...}."""
    said: dict[str, str] = {}
    for kind in ("missing", "duplicated", "orphaned"):
        frame = getattr(report, kind)
        parts = []
        for media, part in frame.groupby("media", sort=False):
            first, n = part.iloc[0], len(part)
            if kind == "missing":
                rows = report.summary.loc[media, "rows"]
                parts.append(_say_missing(media, part, rows))
            elif kind == "duplicated":
                parts.append(
                    f"{media!r}: {n:,} rows share their key with another row (first: "
                    f"row {first['row']!r}, {first['key']})"
                )
            else:
                shapes = " or ".join(repr(p.text) for p in patterns[str(media)])
                what = "1 file fits" if n == 1 else f"{n:,} files fit"
                parts.append(
                    f"{media!r}: {what} {shapes}, but no row (first: {first['path']!r})"
                )
        if parts:
            said[kind] = "; ".join(parts)
    return said


def _say_missing(media: Any, part: pd.DataFrame, n_rows: int) -> str:
    first, n = part.iloc[0], len(part)
    said = (
        f"{media!r}: {n:,} of {n_rows:,} rows {'has' if n == 1 else 'have'} no file "
        f"(first: row {first['row']!r}, {first['key']}, {first['path']!r:.200}: "
        f"{first['reason']})"
    )
    for difference, near in part.dropna(subset="near").groupby("differs_in"):
        said += (
            f"; for {len(near):,} there is one that differs in {difference} only, such "
            f"as {near['near'].iloc[0]!r} ({_REMEDIES[str(difference)]})"
        )
    return said.replace("differs in more than one of these only", "differs in little")


def _fields(patterns: Sequence[Pattern]) -> list[Field]:
    return list(dict.fromkeys(f for pattern in patterns for f in pattern.fields))


def _keys(
    fields: list[Field], texts: dict[Field, list[str | None]], n_rows: int
) -> list[str]:
    """What is shown as a row's key: ``id='17'``."""
    columns = [
        [f"{field.column}={text!r:.80}" for text in texts[field]] for field in fields
    ]
    return [", ".join(parts) for parts in zip(*columns)] if columns else [""] * n_rows


def _rows(index: pd.Index, keys: list[str], mask: np.ndarray) -> pd.DataFrame:
    key = pd.Series([k for k, m in zip(keys, mask) if m], dtype=object)
    return pd.DataFrame({"row": pd.Series(list(index[mask]), dtype=object), "key": key})


def _used(matches: Iterable[Match]) -> Iterable[str]:
    for match in matches:
        for cell in match.cells:
            if isinstance(cell, str):
                yield cell
            elif cell is not None:
                yield from cell
