"""Opening what strangers give: regular files and bytes, within limits, nothing else."""

from __future__ import annotations

import io
import os
import re
import stat
from pathlib import Path, PurePath
from typing import Any, BinaryIO

from skmultimodal._recipes import Recipe

# A PurePath makes one slash of two; one letter is a drive of Windows.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[A-Za-z][A-Za-z0-9+.-]+:/|data:")
_OPEN = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)  # a FIFO that took the file's place cannot hang us
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


class MediaError(ValueError):
    """A cell that cannot be read: what was found, and what to do about it."""


def is_bytes(cell: Any) -> bool:
    return isinstance(cell, (bytes, bytearray, memoryview))


def is_path(cell: Any) -> bool:
    return isinstance(cell, (str, PurePath))


def open_media(cell: Any, *, root: str | None, max_bytes: int, noun: str) -> BinaryIO:
    """A path or bytes as a seekable file.

    Only a regular file that is not empty and not larger than `max_bytes` is opened;
    with `root` only one inside that folder. Raises MediaError.
    """
    if is_bytes(cell):
        _check_size(cell, memoryview(cell).nbytes, max_bytes)
        return io.BytesIO(cell)
    path = locate(cell, root, noun)
    # With `root` links are followed already: one that came since leads out.
    flags = _OPEN if root is None else _OPEN | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise MediaError(
            f"{shown(cell)} cannot be opened ({error.strerror}). Correct its rights"
        ) from None
    try:  # what was looked up may not be what was opened
        status = os.fstat(descriptor)
        _check_kind(cell, status.st_mode, noun)
        _check_size(cell, status.st_size, max_bytes)
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def locate(cell: Any, root: str | None, noun: str) -> str:
    """Where the file of a path cell lies: it is there and regular."""
    if not is_path(cell):
        raise MediaError(
            f"found {type(cell).__name__}, expected the path or the bytes of a {noun}"
        )
    name = os.fspath(cell)
    if _URL.match(name):
        raise MediaError(
            f"{name!r:.200} is an address, and nothing is fetched. Download the {noun} "
            "and give its path or bytes"
        )
    try:
        path = os.path.expanduser(name) if root is None else _inside(name, root)
        status = os.stat(path)
    except (OSError, ValueError) as error:
        if isinstance(error, MediaError):
            raise
        raise MediaError(_absent(name, root, error)) from None
    _check_kind(cell, status.st_mode, noun)
    return path


def _inside(name: str, root: str) -> str:
    """The real path of a file below `root`, links followed."""
    base = _real_root(root)
    path = PurePath(name)
    if path.is_absolute() or ".." in path.parts:
        what = "an absolute path" if path.is_absolute() else "a path with '..'"
        raise MediaError(
            f"{name!r:.200} is {what}, but root={root!r} confines paths. Give a path "
            "relative to root"
        )
    real = os.path.realpath(os.path.join(base, name))
    if os.path.commonpath([base, real]) != base:
        raise MediaError(
            f"{name!r:.200} is a link that leads out of root={root!r}. Copy the file "
            "into it"
        )
    return real


def _real_root(root: str) -> str:
    try:
        real = os.path.realpath(os.path.expanduser(root))
    except ValueError:  # a NUL, or what no file system can write
        real = ""
    if not os.path.isdir(real):
        found = "a file" if os.path.isfile(real) else "nothing there"
        raise NotADirectoryError(
            f"root={root!r} must be the folder that holds the files; found {found}."
        )
    return real


def _absent(name: str, root: str | None, error: Exception) -> str:
    start = _here() if root is None else root
    if isinstance(error, FileNotFoundError):
        link = os.path.islink(os.path.join(start, name))
        found = "is a link that leads nowhere" if link else "does not exist"
    else:
        found = f"cannot be found ({getattr(error, 'strerror', None) or error})"
    return (
        f"the file {name!r:.200} {found} (relative paths start at {start!r}). Correct "
        "the path"
    )


def _here() -> str:
    try:
        return os.getcwd()
    except OSError:  # removed
        return "."


def _check_kind(cell: Any, mode: int, noun: str) -> None:
    if stat.S_ISREG(mode):
        return
    what = "a folder" if stat.S_ISDIR(mode) else "no regular file but a pipe or device"
    raise MediaError(
        f"{os.fspath(cell)!r:.200} is {what}, expected the path of a {noun}. Correct "
        "the path"
    )


def _check_size(cell: Any, n_bytes: int, max_bytes: int) -> None:
    if n_bytes == 0:
        raise MediaError(f"{shown(cell)} is empty. Restore it")
    if n_bytes > max_bytes:
        raise MediaError(
            f"{shown(cell)} has {n_bytes} bytes, more than max_bytes={max_bytes}. "
            "Raise max_bytes if you trust it"
        )


def source_for(recipe: Recipe, kind: str) -> Any:
    """What a recipe starts from, if it is one for cells of this kind."""
    if recipe.kind != kind:
        raise MediaError(
            f"found a cell augmented as {recipe.kind}, expected one of kind {kind}. "
            f"Name the kind in the augmenter, {{column: {kind!r}}}, or give the column "
            "an encoder of the other kind"
        )
    return recipe.source


def shown(cell: Any) -> str:
    """How a message calls a cell."""
    if is_path(cell):
        return f"the file {os.fspath(cell)!r:.200}"
    if is_bytes(cell):
        return f"a cell of {memoryview(cell).nbytes} bytes"
    if hasattr(cell, "shape"):
        return f"an array of shape {cell.shape}"
    return f"a cell of type {type(cell).__name__}"


def root_folder(root: str | os.PathLike[str] | None) -> str | None:
    """The parameter `root` of an encoder as a string; its folder must exist."""
    if root is None:
        return None
    name = os.fspath(root)
    try:
        _real_root(name)
    except NotADirectoryError as error:
        raise ValueError(str(error)) from None
    return str(Path(name))
