"""Rows of an embedding store: vectors and hashes of files, read, written, dropped."""

from __future__ import annotations

import functools
import time
import zlib
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from typing import TypeAlias

import numpy as np

from skmultimodal.encoders._store_file import (
    Connection,
    batches,
    broken,
    explained,
    impatient,
    size,
    transaction,
)

_USED_STEP = 3600  # seconds within which a second reading writes no new stamp

Result: TypeAlias = "np.ndarray | Exception"
Found: TypeAlias = Callable[[int, Result], object]


def serve(
    db: Connection, keys: Sequence[bytes], positions: Sequence[int], found: Found
) -> list[int]:
    """Hand on what is stored; the positions of what is not."""
    at = {keys[k]: k for k in positions}
    now = int(time.time())
    old: list[tuple[int, bytes]] = []
    with closing(stored(db, list(at))) as rows:
        for key, used, array in rows:
            found(at.pop(key), array)
            if used < now - _USED_STEP:
                old.append((now, key))
    if old:
        # Stamps are worth no waiting for one who writes, and no right to write.
        with suppress(OSError), impatient(db), transaction(db):
            db.executemany("UPDATE entries SET used = ? WHERE key = ?", old)
    return list(at.values())


def stored(
    db: Connection, keys: Sequence[bytes]
) -> Generator[tuple[bytes, int, np.ndarray], None, None]:
    """Key, stamp and array of those keys that are stored, row by row."""
    for marks, part in batches(keys):
        with explained(db.file):
            rows = db.execute(
                "SELECT key, used, shape, checksum, data FROM entries "
                f"JOIN vectors USING (id) WHERE key IN ({marks})",
                part,
            )
            for key, used, shape, checksum, data in rows:
                if _checksum(key, shape, data) != checksum:
                    raise broken(db.file, "a vector does not match its checksum")
                array = np.frombuffer(data, dtype="<f4").reshape(_shape(shape))
                yield key, used, array.astype(np.float32)


def write(db: Connection, arrays: Mapping[bytes, np.ndarray], label: str) -> None:
    """Store float32 arrays under their keys, inside a transaction."""
    new = dict(arrays)
    for marks, part in batches(list(arrays)):  # of one who took our claims over
        query = f"SELECT key FROM entries WHERE key IN ({marks})"
        for (key,) in db.execute(query, part):
            del new[key]
    now = int(time.time())
    (last,) = db.execute("SELECT max(id) FROM vectors").fetchone()
    entries, vectors = [], []
    for k, (key, array) in enumerate(new.items(), (last or 0) + 1):
        data = array.astype("<f4", copy=False).tobytes()
        shape = ",".join(map(str, array.shape))
        entries.append((key, k, len(data), now, label))
        vectors.append((k, shape, _checksum(key, shape, data), data))
    db.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", entries)
    db.executemany("INSERT INTO vectors VALUES (?, ?, ?, ?)", vectors)


def read_hashes(
    db: Connection, names: Sequence[bytes]
) -> dict[bytes, tuple[str, bytes]]:
    """Stamp and hash of each known file."""
    known: dict[bytes, tuple[str, bytes]] = {}
    for marks, part in batches(names):
        query = f"SELECT name, stamp, digest FROM files WHERE name IN ({marks})"
        with explained(db.file):
            known |= {n: (s, d) for n, s, d in db.execute(query, part)}
    return known


def write_hashes(db: Connection, rows: Sequence[tuple[bytes, str, bytes]]) -> None:
    now = int(time.time())
    db.executemany(
        "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)",
        [(*row, now) for row in rows],
    )


def evict(db: Connection, max_bytes: float) -> bool:
    """Drop what was not used for longest, if the store has grown too large."""
    if size(db, free=False) <= max_bytes:
        return False
    while (excess := size(db, free=False) - 0.9 * max_bytes) > 0:
        doomed: list[tuple[bytes, int]] = []
        freed, last = 0, 0
        query = "SELECT key, id, bytes, used FROM entries ORDER BY used, id"
        for key, k, n_bytes, used in db.execute(query):
            doomed.append((key, k))
            freed, last = freed + n_bytes, used
            if freed > excess + 0.01 * max_bytes:
                break
        if not doomed:
            db.execute("DELETE FROM files")
            break
        db.executemany("DELETE FROM entries WHERE key = ?", [d[:1] for d in doomed])
        db.executemany("DELETE FROM vectors WHERE id = ?", [d[1:] for d in doomed])
        db.execute("DELETE FROM files WHERE used <= ?", (last,))
    return True


def _checksum(key: bytes, shape: str, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(key + shape.encode()))


@functools.lru_cache(1024)
def _shape(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(","))) if text else ()
