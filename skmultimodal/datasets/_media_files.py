"""Which files there are, and which of them belong to which row."""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from skmultimodal.datasets._media_patterns import (
    STAR,
    Field,
    Pattern,
    leads_out,
    natural_order,
    star_regex,
)

_LAST = chr(0x10FFFF)


@dataclass
class Folder:
    """What one look into a folder shows."""

    files: set[str] = field(default_factory=set)
    folders: list[str] = field(default_factory=list)
    others: set[str] = field(default_factory=set)  # pipes, links to nothing
    error: str = ""


class Listing:
    """The folders below a root, each looked into once and only if somebody asks."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._seen: dict[str, Folder] = {}

    def folder(self, path: str) -> Folder:
        if path not in self._seen:
            self._seen[path] = self._look(path)
        return self._seen[path]

    def _look(self, path: str) -> Folder:
        found = Folder()
        try:
            with os.scandir(os.path.join(self.root, path)) as entries:
                for entry in entries:
                    if _holds(entry.is_file):
                        found.files.add(entry.name)
                    elif _holds(entry.is_dir):
                        found.folders.append(entry.name)
                    else:
                        found.others.add(entry.name)
        except OSError as error:
            reason = error.strerror or str(error)
            if isinstance(error, FileNotFoundError):
                reason = "does not exist"
            found.error = f"the folder {path!r} {_lower(reason)}"
        return found

    def has(self, path: str) -> bool:
        parent, _, name = path.rpartition("/")
        return name in self.folder(parent).files

    def why_not(self, path: str) -> str:
        """Why there is no file of this path, in words."""
        parent, _, name = path.rpartition("/")
        folder = self.folder(parent)
        if name in folder.folders:
            return "is a folder, expected a file"
        if name in folder.others:
            return "is a link to nothing, or no regular file"
        return folder.error or "no such file"

    def walk(self, shape: Sequence[str | re.Pattern[str]]) -> list[str]:
        """All files whose path looks so."""
        folders = [""]
        for part in shape[:-1]:
            if isinstance(part, str):
                folders = [_join(above, part) for above in folders]
            else:
                folders = [
                    _join(above, name)
                    for above in folders
                    for name in self.folder(above).folders
                    if part.fullmatch(name)
                ]
        last = shape[-1]
        if isinstance(last, str):
            paths = [_join(above, last) for above in folders]
            return [path for path in paths if self.has(path)]
        return [
            _join(above, name)
            for above in folders
            for name in self.folder(above).files
            if last.fullmatch(name)
        ]

    def files(self) -> Iterable[str]:
        """Every file of every folder looked into."""
        for above, folder in self._seen.items():
            yield from (_join(above, name) for name in folder.files)


@dataclass
class Match:
    """What one medium's patterns found."""

    cells: list[str | list[str] | None]  # relative to root
    asked: list[str | None]  # the first path that a row asks for; None: empty key
    fitting: list[str]  # files that look like one of the patterns


def match_media(
    patterns: Sequence[Pattern],
    texts: dict[Field, list[str | None]],
    listing: Listing,
    n_rows: int,
) -> Match:
    cells: list[str | list[str] | None] = [None] * n_rows
    asked: list[str | None] = [None] * n_rows
    fitting: dict[str, None] = {}
    as_lists = any(pattern.has_star for pattern in patterns)
    for pattern in patterns:
        rows = pattern.rows(texts)
        asked = [first or row for first, row in zip(asked, rows)]
        fitting |= dict.fromkeys(sorted(listing.walk(pattern.shape())))
        open_rows = {r for r, cell in zip(rows, cells) if r is not None and not cell}
        inside = sorted(row for row in open_rows if not leads_out(row))
        found: dict[str, str | list[str]]
        if pattern.has_star:
            found = dict(_starred(inside, pattern, listing))
        else:
            found = {r: [r] if as_lists else r for r in inside if listing.has(r)}
        cells = [
            found.get(row) if cell is None and row is not None else cell
            for row, cell in zip(rows, cells)
        ]
    return Match(cells, asked, list(fitting))


def _starred(
    rows: Sequence[str], pattern: Pattern, listing: Listing
) -> dict[str, list[str]]:
    """Files for each row. A file goes to the row that says most of its name."""
    shape = pattern.shape()
    paths = Paths(listing.walk(shape))
    found = {}
    for row in rows:
        deeper = row.count("/") != len(shape) - 1  # a key that holds a folder
        hits = listing.walk(_exact(row)) if deeper else paths.fitting(row)
        if hits:
            found[row] = hits
    most: dict[str, int] = {}
    for row, hits in found.items():
        for path in hits:
            most[path] = max(most.get(path, 0), len(row))
    for row, hits in found.items():
        if len(hits) > 1 or most[hits[0]] > len(row):
            kept = [path for path in hits if most[path] == len(row)]
            found[row] = sorted(kept, key=natural_order)
    return {row: hits for row, hits in found.items() if hits}


class Paths:
    """Paths sorted from both ends, so that a row's are found without a look at all."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._forward = sorted(paths)
        self._backward = sorted(path[::-1] for path in paths)

    def fitting(self, row: str) -> list[str]:
        prefix, *middle, suffix = row.split(STAR)
        ahead = _between(self._forward, prefix)
        behind = _between(self._backward, suffix[::-1])
        if len(ahead) <= len(behind):
            near = [self._forward[k] for k in ahead]
        else:
            near = [self._backward[k][::-1] for k in behind]
        if middle:
            regex = star_regex(row)
            return [path for path in near if regex.fullmatch(path)]
        ends = len(prefix) + len(suffix)
        return [
            path
            for path in near
            if len(path) >= ends
            and path.startswith(prefix)
            and path.endswith(suffix)
            and "/" not in path[len(prefix) : len(path) - len(suffix)]
        ]


def _between(ordered: list[str], start: str) -> range:
    return range(bisect_left(ordered, start), bisect_left(ordered, start + _LAST))


def _exact(row: str) -> list[str | re.Pattern[str]]:
    return [star_regex(p) if STAR in p else p for p in row.split("/")]


def _join(above: str, name: str) -> str:
    return f"{above}/{name}" if above else name


def _holds(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except OSError:  # links in a circle
        return False


def _lower(reason: str) -> str:
    return reason[:1].lower() + reason[1:]
