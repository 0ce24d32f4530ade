"""Embedding store: what was encoded once is read from then on, in every process."""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from skmultimodal.encoders._store_claims import claim, owner, release
from skmultimodal.encoders._store_file import (
    BrokenStoreError,
    Connection,
    connected,
    exists,
    explained,
    is_read_only,
    remove,
    shrink,
    size,
    transaction,
)
from skmultimodal.encoders._store_rows import (
    Found,
    Result,
    evict,
    read_hashes,
    serve,
    stored,
    write,
    write_hashes,
)

_SETTLED = 2.0  # seconds a file must have been left alone before its hash is kept
_PAUSES = (0.02, 0.5)  # first and longest wait for what others encode, in seconds
_FILES_CHUNK = 1024  # hashes of files written at a time


class EmbeddingStore:
    """Keep on disk what encoders made of each cell, for all folds and processes.

    Encoders look up every cell by what it holds and by all that decides its vector,
    so that a cell is encoded once, however many folds, candidates and processes meet
    it. Processes that start together on an empty store share the work: each cell is
    encoded by one of them.

    Parameters
    ----------
    path : str or path-like
        Folder of the store, made if absent, on a local disk.
    max_bytes : int, default=10737418240
        Size of the file (10 GiB). Above it, what was not used for longest is dropped.

    See Also
    --------
    ImageEncoder, AudioEncoder, VideoEncoder, TextEncoder, SeriesEncoder : Take a store.
    skmultimodal.compose.ModalityTransformer : Hands its store to its encoders.

    Notes
    -----
    The folder holds one SQLite file with vectors as raw float32 arrays and no pickle.
    What is encoded is written chunk by chunk: a process that is killed loses the chunk
    that it was at, and others take that over. A vector that does not match its
    checksum is an error, never a result.

    The folder wants a local disk: SQLite's locks, and the memory that processes share
    beside the file, do not work over NFS and its kin. A folder that cannot be written
    still serves what it holds.

    The object itself holds its two parameters and nothing open, so that it can be
    cloned, pickled and sent to workers.

    Examples
    --------
    >>> import tempfile
    >>> from skmultimodal.encoders import EmbeddingStore
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = EmbeddingStore(folder, max_bytes=2**30)
    ...     before = store.info()
    ...     store.clear()
    >>> before["n_vectors"], before["max_bytes"]
    (0, 1073741824)
    """

    def __init__(self, path, *, max_bytes=10 * 2**30):
        self.path = path
        self.max_bytes = max_bytes

    def __repr__(self) -> str:
        return f"EmbeddingStore({self.path!r}, max_bytes={self.max_bytes!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EmbeddingStore):
            return NotImplemented
        return (self.path, self.max_bytes) == (other.path, other.max_bytes)

    def __hash__(self) -> int:
        return hash((self.path, self.max_bytes))

    def info(self) -> dict[str, Any]:
        """Count what the store holds.

        Returns
        -------
        dict
            ``path``, ``n_vectors``, ``n_files`` (whose content is known by its hash),
            ``bytes`` (size of the file), ``max_bytes`` and ``encoders`` (vectors of
            each kind of encoder).
        """
        folder = self._folder()
        found: dict[str, Any] = {
            "path": str(folder),
            "n_vectors": 0,
            "n_files": 0,
            "bytes": 0,
            "max_bytes": self.max_bytes,
            "encoders": {},
        }
        if not exists(folder):
            return found
        with connected(folder, make=False) as db, explained(db.file):
            found["encoders"] = dict(
                db.execute("SELECT label, count(*) FROM entries GROUP BY label")
            )
            found["n_vectors"] = sum(found["encoders"].values())
            (found["n_files"],) = db.execute("SELECT count(*) FROM files").fetchone()
            found["bytes"] = size(db)
        return found

    def clear(self) -> None:
        """Remove all that the store holds; a damaged store is made anew."""
        folder = self._folder()
        if not exists(folder):
            return
        try:
            with connected(folder) as db:
                with transaction(db):
                    for table in ("entries", "vectors", "files"):
                        db.execute(f"DELETE FROM {table}")
                shrink(db)
        except BrokenStoreError:
            remove(folder)

    def _read(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        """The arrays of those keys that are stored."""
        found: dict[bytes, Any] = {}
        folder = self._folder()
        if exists(folder):
            with connected(folder, make=False) as db:
                found = {key: array for key, _, array in stored(db, keys)}
        return found

    def _encode(
        self,
        keys: Sequence[bytes],
        encode: Callable[[list[int]], Sequence[Result]],
        chunk: int,
        found: Found,
        label: str = "",
    ) -> int:
        """Hand the array of each key to `found`, encoded here, stored or by others.

        Parameters
        ----------
        keys : sequence of bytes
            Unique keys.
        encode : callable
            Given positions in `keys`, at most `chunk`, gives a float32 array or an
            exception for each. Exceptions are handed on, not stored.
        chunk : int
            Positions claimed, encoded and written at a time.
        found : callable
            Called once for each position, in any order, with position and result.
        label : str
            What `info` counts these vectors under.

        Returns
        -------
        int
            How many positions were given to `encode`.
        """
        if len(set(keys)) != len(keys):
            raise ValueError("EmbeddingStore: keys must be unique")
        folder = self._folder()
        todo = list(range(len(keys)))
        if exists(folder):
            with connected(folder, make=False) as db:
                todo = serve(db, keys, todo, found)
        if not todo:
            return 0
        if is_read_only(folder):
            return _encode_unkept(folder, todo, encode, chunk, found)
        n_encoded, pause = 0, _PAUSES[0]
        with connected(folder) as db, owner() as me:
            try:
                while todo:
                    with transaction(db):
                        share = claim(db, me, keys, todo, chunk)
                    if share.mine:
                        results = _checked(encode(share.mine), len(share.mine))
                        vectors = {
                            keys[k]: result
                            for k, result in zip(share.mine, results)
                            if not isinstance(result, Exception)
                        }
                        with self._bounded(db):
                            write(db, vectors, label)
                            release(db, me)
                        n_encoded += len(share.mine)
                        for k, result in zip(share.mine, results):
                            found(k, result)
                    evicted = serve(db, keys, share.stored, found)
                    todo = [*share.left, *evicted]
                    if share.mine or share.stored:
                        pause = _PAUSES[0]
                    elif todo:
                        time.sleep(pause)
                        pause = min(2 * pause, _PAUSES[1])
            except BaseException:
                with suppress(OSError), transaction(db):
                    release(db, me)
                raise
        return n_encoded

    def _file_digest(
        self,
        path: str | os.PathLike[str],
        status: os.stat_result,
        compute: Callable[[], bytes],
    ) -> bytes:
        """The hash of a file's content, computed only if the file is new or changed."""
        (digest,) = self._file_digests([(path, status)], lambda positions: [compute()])
        return digest

    def _file_digests(
        self,
        files: Sequence[tuple[str | os.PathLike[str], os.stat_result]],
        compute: Callable[[list[int]], Sequence[Any]],
    ) -> list[Any]:
        """The same for many; `compute` gives a hash or an exception a position.

        A hash is kept only if the file had been left alone for a while when it was
        read: within one tick of its clock a file can change and look the same (git
        calls such files racily clean). The time of the last change of the inode cannot
        be set by programs, so a restored modification time hides nothing.
        """
        folder = self._folder()
        names = [_file_name(path) for path, _ in files]
        stamps = [_file_stamp(status) for _, status in files]
        known: dict[bytes, tuple[str, bytes]] = {}
        if exists(folder):
            with connected(folder, make=False) as db:
                known = read_hashes(db, names)
        digests: list[Any] = [None] * len(files)
        todo: list[int] = []
        for k, (name, stamp) in enumerate(zip(names, stamps)):
            kept_stamp, digest = known.get(name, ("", b""))
            if kept_stamp == stamp:
                digests[k] = digest
            else:
                todo.append(k)
        for start in range(0, len(todo), _FILES_CHUNK):
            part = todo[start : start + _FILES_CHUNK]
            settled = 1e9 * (time.time() - _SETTLED)
            rows: list[tuple[bytes, str, bytes]] = []
            for k, digest in zip(part, compute(part), strict=True):
                digests[k] = digest
                status = files[k][1]
                changed = max(status.st_mtime_ns, status.st_ctime_ns)
                if isinstance(digest, bytes) and changed < settled:
                    rows.append((names[k], stamps[k], digest))
            if rows and not is_read_only(folder):
                with connected(folder) as db, self._bounded(db):
                    write_hashes(db, rows)
        return digests

    @contextmanager
    def _bounded(self, db: Connection) -> Iterator[None]:
        """A transaction after which the store is no larger than it may be."""
        with transaction(db):
            yield
            evicted = evict(db, self.max_bytes)
        if evicted:
            shrink(db)

    def _folder(self) -> Path:
        if not isinstance(self.path, (str, os.PathLike)):
            raise TypeError(
                "EmbeddingStore: path must be the path of a folder, got "
                f"{self.path!r:.80} of type {type(self.path).__name__}."
            )
        if not isinstance(self.max_bytes, Real) or not float(self.max_bytes) > 0:
            raise ValueError(
                "EmbeddingStore: max_bytes must be a number of bytes above 0, got "
                f"{self.max_bytes!r:.80}."
            )
        return Path(os.path.expanduser(os.fspath(self.path)))


def as_store(store: str | os.PathLike[str] | EmbeddingStore) -> EmbeddingStore:
    """The `store` of an encoder: a path is a store with the usual bound."""
    return store if isinstance(store, EmbeddingStore) else EmbeddingStore(store)


def _checked(results: Sequence[Result], n: int) -> list[Result]:
    """Exceptions as they are, all else float32, as it will be when read again."""
    if len(results) != n:
        raise ValueError(f"EmbeddingStore: {len(results)} results for {n} keys")
    return [
        r if isinstance(r, Exception) else np.ascontiguousarray(r, dtype=np.float32)
        for r in results
    ]


def _encode_unkept(
    folder: Path,
    todo: list[int],
    encode: Callable[[list[int]], Sequence[Result]],
    chunk: int,
    found: Found,
) -> int:
    warnings.warn(
        f"EmbeddingStore: {str(folder)!r} cannot be written, so that what it lacks "
        f"({len(todo)} cells) is encoded and not kept. Ask for the right to write, or "
        "give another folder.",
        UserWarning,
        stacklevel=3,
    )
    for start in range(0, len(todo), chunk):
        part = todo[start : start + chunk]
        for k, result in zip(part, _checked(encode(part), len(part))):
            found(k, result)
    return len(todo)


def _file_name(path: str | os.PathLike[str]) -> bytes:
    """A short stand-in for a path: where the user's files lie is not stored."""
    name = os.path.abspath(os.fsencode(path))
    return hashlib.blake2b(name, digest_size=16).digest()


def _file_stamp(status: os.stat_result) -> str:
    return (
        f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} "
        f"{status.st_ino} {status.st_dev}"
    )
