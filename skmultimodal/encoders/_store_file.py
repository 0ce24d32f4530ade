"""The file of an embedding store: made whole, opened briefly, errors with a remedy."""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

FILE = "embeddings.sqlite"
VERSION = 1
_APPLICATION = 0x736B6D6D  # "skmm" in the header of the file
_TIMEOUT = 60.0  # seconds that a transaction waits for those of others
_BATCH = 500  # values in one IN (...); older builds of SQLite allow 999

_SCHEMA = f"""
PRAGMA page_size = 16384;
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {VERSION};
BEGIN;
CREATE TABLE entries (
    key BLOB PRIMARY KEY,
    id INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    used INTEGER NOT NULL,
    label TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE vectors (
    id INTEGER PRIMARY KEY,
    shape TEXT NOT NULL,
    checksum INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE TABLE files (
    name BLOB PRIMARY KEY,
    stamp TEXT NOT NULL,
    digest BLOB NOT NULL,
    used INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE owners (
    token TEXT PRIMARY KEY,
    place TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started TEXT NOT NULL,
    expires REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE claims (
    key BLOB PRIMARY KEY,
    owner TEXT NOT NULL
) WITHOUT ROWID;
COMMIT;
"""

T = TypeVar("T")


class BrokenStoreError(OSError):
    """A store whose file must be made anew."""


def exists(folder: Path) -> bool:
    return (folder / FILE).is_file()


def is_read_only(folder: Path) -> bool:
    """Whether there is a store that can be read but not written."""
    file = folder / FILE
    if not file.is_file():
        return False
    return not (os.access(folder, os.W_OK) and os.access(file, os.W_OK))


class Connection(sqlite3.Connection):
    """A connection that knows its file."""

    file: Path


@contextmanager
def connected(folder: Path, *, make: bool = True) -> Iterator[Connection]:
    """A connection for one operation, closed at its end."""
    file = folder / FILE
    if make and not file.is_file():
        _create(folder)
    read_only = is_read_only(folder)
    uri = file.absolute().as_uri() + ("?mode=ro" if read_only else "?mode=rw")
    if read_only and not file.with_name(f"{FILE}-wal").exists():
        uri += "&immutable=1"  # else SQLite wants to make files beside it
    with explained(file):
        db = sqlite3.connect(
            uri, uri=True, isolation_level=None, timeout=_TIMEOUT, factory=Connection
        )
    try:
        db.file = file
        with explained(file):
            _check(db)
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA cache_size = -16384")
            db.execute("PRAGMA wal_autocheckpoint = 4000")
        yield db
    finally:
        db.close()


@contextmanager
def transaction(db: Connection) -> Iterator[None]:
    """All or nothing, with the lock for writing from the start."""
    with explained(db.file):
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


@contextmanager
def impatient(db: Connection) -> Iterator[None]:
    """Fail at once where another writes, instead of waiting."""
    db.execute("PRAGMA busy_timeout = 0")
    try:
        yield
    finally:
        db.execute(f"PRAGMA busy_timeout = {1000 * _TIMEOUT:.0f}")


def batches(values: Sequence[T]) -> Iterator[tuple[str, Sequence[T]]]:
    """The values in parts that fit into one IN, each with its question marks."""
    for start in range(0, len(values), _BATCH):
        part = values[start : start + _BATCH]
        yield ",".join("?" * len(part)), part


def size(db: Connection, *, free: bool = True) -> int:
    """Bytes of the file, with or without its free pages."""
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    (page,) = db.execute("PRAGMA page_size").fetchone()
    if not free:
        pages -= db.execute("PRAGMA freelist_count").fetchone()[0]
    return pages * page


def shrink(db: Connection) -> None:
    """Give free pages back to the disk."""
    with explained(db.file):
        # `execute` would stop after the first page.
        db.executescript("PRAGMA incremental_vacuum")
        with suppress(sqlite3.OperationalError):  # others read: they will do it
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def remove(folder: Path) -> None:
    for suffix in ("-wal", "-shm", ""):
        (folder / f"{FILE}{suffix}").unlink(missing_ok=True)


def _create(folder: Path) -> None:
    """Make the file whole under another name first, so that nobody meets a half."""
    fresh = folder / f".{FILE}.{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ValueError(
            f"EmbeddingStore: path={str(folder)!r} is or goes through a file, expected "
            "a folder. Give a folder; it is made if absent."
        ) from None
    except OSError as error:
        raise _cannot_write(folder, error) from error
    if not os.access(folder, os.W_OK):
        raise _cannot_write(folder, None)
    with explained(folder / FILE):
        try:
            db = sqlite3.connect(fresh)
            try:
                db.executescript(_SCHEMA)
            finally:
                db.close()
            _put(fresh, folder / FILE)
        finally:
            fresh.unlink(missing_ok=True)


def _put(fresh: Path, file: Path) -> None:
    try:
        os.link(fresh, file)
    except FileExistsError:  # another process was faster
        pass
    except OSError:  # a file system without links
        if not file.exists():
            os.rename(fresh, file)


def _cannot_write(folder: Path, error: OSError | None) -> OSError:
    reason = f" ({error.strerror})" if error is not None and error.strerror else ""
    return OSError(
        f"EmbeddingStore: no store can be made in path={str(folder)!r}{reason}. Give a "
        "folder that you may write to."
    )


def _check(db: Connection) -> None:
    file = db.file
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION:
        raise OSError(
            f"EmbeddingStore: {str(file)!r} is no embedding store but another file or "
            "database. Delete it if nobody needs it, or give another folder."
        )
    if version != VERSION:
        raise BrokenStoreError(
            f"EmbeddingStore: {str(file)!r} has format {version}, expected {VERSION}: "
            "it was written by another version of skmultimodal. Empty it with "
            "EmbeddingStore(path).clear(), or give another folder."
        )


def broken(file: Path, reason: object) -> BrokenStoreError:
    return BrokenStoreError(
        f"EmbeddingStore: {str(file)!r} is damaged ({reason}). Empty it with "
        "EmbeddingStore(path).clear(), or delete it; what it held is encoded again."
    )


@contextmanager
def explained(file: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise broken(file, error) from error
        raise OSError(
            f"EmbeddingStore: {str(file)!r} cannot be used now ({error}). See whether "
            "the disk is full, whether you may write there, and whether the folder is "
            "on a local disk."
        ) from error
