"""Who encodes what: claims on the keys of a store, and what becomes of the dead's."""

from __future__ import annotations

import functools
import os
import socket
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from skmultimodal.encoders._store_file import Connection, batches

_LEASE = 600.0  # seconds a claim lives whose owner cannot be looked at
_PATIENCE = 3600.0  # seconds more for one that is seen alive, but may be stopped
_ACTIVE: set[str] = set()  # owners at work in this process


@dataclass(frozen=True)
class Owner:
    """One run over a store: a thread of a process of a host."""

    token: str
    place: str  # where the process number means something
    pid: int
    started: str  # a number is given again, with another start

    def is_alive(self, expires: float) -> bool:
        """Whether its claims still count."""
        now = time.time()
        if self.place != _place():
            return now < expires
        if self.pid == os.getpid():
            return self.token in _ACTIVE
        if not _runs(self.pid, self.started):
            return False
        return now < expires + (_PATIENCE if self.started else 0)


@dataclass
class Share:
    """Positions of keys, by what is to be done about them."""

    mine: list[int] = field(default_factory=list)
    stored: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)  # not looked at, or others'


@contextmanager
def owner() -> Iterator[Owner]:
    """Somebody who may claim. Before the end he has to `release`."""
    pid = os.getpid()
    someone = Owner(uuid.uuid4().hex, _place(), pid, _start(pid))
    _ACTIVE.add(someone.token)
    try:
        yield someone
    finally:
        _ACTIVE.discard(someone.token)


def claim(
    db: Connection,
    me: Owner,
    keys: Sequence[bytes],
    todo: Sequence[int],
    limit: int,
) -> Share:
    """Claim up to `limit` keys that are neither stored nor another's."""
    _bury(db)
    share = Share()
    others: list[int] = []
    seen = 0
    for marks, part in batches(todo):
        wanted = [keys[k] for k in part]
        stored = _which(db, f"SELECT key FROM entries WHERE key IN ({marks})", wanted)
        taken = _which(db, f"SELECT key FROM claims WHERE key IN ({marks})", wanted)
        for k in part:
            if keys[k] in stored:
                share.stored.append(k)
            elif keys[k] in taken:
                others.append(k)
            elif len(share.mine) == limit:
                break
            else:
                share.mine.append(k)
            seen += 1
        if len(share.mine) == limit:
            break
    if share.mine:
        db.execute(
            "INSERT OR REPLACE INTO owners VALUES (?, ?, ?, ?, ?)",
            (me.token, me.place, me.pid, me.started, time.time() + _LEASE),
        )
        db.executemany(
            "INSERT INTO claims VALUES (?, ?)",
            [(keys[k], me.token) for k in share.mine],
        )
    share.left = [*todo[seen:], *others]
    return share


def release(db: Connection, me: Owner) -> None:
    """Give up all claims, of what is stored by now and of what is not."""
    _release(db, me.token)


def _bury(db: Connection) -> None:
    """Drop the claims of those who died."""
    for *who, expires in db.execute("SELECT * FROM owners").fetchall():
        someone = Owner(*who)
        if not someone.is_alive(expires):
            _release(db, someone.token)


def _release(db: Connection, token: str) -> None:
    db.execute("DELETE FROM claims WHERE owner = ?", (token,))
    db.execute("DELETE FROM owners WHERE token = ?", (token,))


def _which(db: Connection, query: str, keys: Sequence[bytes]) -> set[bytes]:
    return {key for (key,) in db.execute(query, keys)}


@functools.cache
def _place() -> str:
    """The host since its last start and, in containers, the numbering of processes."""
    parts = [socket.gethostname()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    except OSError:
        pass
    return " ".join(parts)


def _start(pid: int) -> str:
    """When a living process started, as its system counts; empty if unknown."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return ""
    fields = status.rpartition(")")[2].split()  # the name before may hold spaces
    return "" if fields[0] in "ZX" else fields[19]  # killed, but still on the list


def _runs(pid: int, started: str) -> bool:
    """Whether the process is there, or may be, for all that can be known."""
    if started:
        return _start(pid) == started
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
