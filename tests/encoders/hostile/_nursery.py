"""A process that has imported everything, and forks one that may die for each kind.

Run as a script it listens at the socket of its argument; imported it talks to that.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

SECONDS = 5.0  # of one case, on one core
PATIENCE = 60.0  # by the clock: other tests run beside
GROWTH = 500  # MB over what the process held before
ADDRESSES = 12 * 2**30  # bytes: more than this and the process is stopped


class Nursery:
    """Where workers come from, as the tests see it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fuzz")
        self.folder = Path(self._folder.name)
        self._address = str(self.folder / "socket")
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__, self._address],
            env=environment,
            stdin=subprocess.PIPE,
        )
        until = time.monotonic() + 4 * PATIENCE
        while not os.path.exists(self._address):
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the process that forks workers did not start")
            time.sleep(0.05)

    def worker(self, encoder: str, good: bytes, may_print: bool = False) -> Worker:
        return Worker(self, encoder, good, may_print)

    def connect(self) -> Connection:
        return Client(self._address)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()


class Worker:
    """A forked process that encodes one case after the other."""

    def __init__(
        self, nursery: Nursery, encoder: str, good: bytes, may_print: bool
    ) -> None:
        self._nursery, self._start = nursery, (encoder, good)
        self._may_print = may_print
        self._log = nursery.folder / f"{id(self)}.log"
        self._connection: Connection | None = None

    def run(self, data: bytes, path: str | None = None) -> dict[str, Any]:
        """What became of a case: ``{"outcome": ..., "seconds": ..., "grown": ...}``.

        `outcome` is "decoded", "refused" or "absent", or tells what went wrong.
        """
        if self._connection is None:
            self._connection = self._nursery.connect()
            self._connection.send((*self._start, str(self._log)))
            self._pid, ready = self._answer()
            assert ready == "ready", ready
        try:
            self._connection.send((data, path))
            found = self._answer()
        except (EOFError, OSError, TimeoutError) as error:
            found = {"outcome": f"the process died ({error!r})\n{self._said()}"}
            self.close()
        else:
            if (said := self._said()) and not self._may_print:
                found["outcome"] = f"it printed: {said}"
        return found

    def _answer(self) -> Any:
        assert self._connection is not None
        if not self._connection.poll(PATIENCE):
            raise TimeoutError(f"no answer within {PATIENCE} s")
        return self._connection.recv()

    def _said(self) -> str:
        if not self._log.exists():
            return ""
        said = self._log.read_text("utf-8", "replace")
        os.truncate(self._log, 0)
        return said

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)


# The other side -----------------------------------------------------------------------


def _listen(address: str) -> None:
    for name in ("_image", "_audio", "_video", "_series"):
        importlib.import_module(f"skmultimodal.encoders.{name}")
    for name in ("soundfile", "av"):
        with contextlib.suppress(ImportError, OSError, RuntimeError):
            importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with Listener(address) as listener:
        while True:
            connection = listener.accept()
            if os.fork() == 0:
                try:
                    _serve(connection)
                finally:
                    os._exit(0)
            connection.close()


def _serve(connection: Connection) -> None:
    encoder, good, log = connection.recv()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    faulthandler.enable(2)
    warnings.simplefilter("error")
    try:
        judge = _Judge(encoder, good)
    except BaseException as error:
        connection.send((os.getpid(), f"cannot start: {error!r}"))
        return
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    connection.send((os.getpid(), "ready"))
    while True:
        data, path = connection.recv()
        connection.send(judge(data, path))


class _Judge:
    """Encodes a case with all values of `on_error`, and sees that all is as it says."""

    def __init__(self, name: str, good: bytes) -> None:
        self._name, self._good = name, good
        module = f"skmultimodal.encoders._{name.removesuffix('Encoder').lower()}"
        encoder = getattr(importlib.import_module(module), name)
        self._encoders = {
            value: encoder(on_error=value).fit([good])
            for value in ("raise", "warn", "missing")
        }
        self._row = self._encoders["raise"].transform([good])
        self._before = _peak()

    def __call__(self, data: bytes, path: str | None) -> dict[str, Any]:
        cell: Any = data
        if path is not None:
            Path(path).write_bytes(data)
            cell = path
        start = time.process_time()
        try:
            outcome = self._judged(cell)
        except BaseException as error:
            outcome = f"{type(error).__name__}: {error}"
        seconds = time.process_time() - start
        grown = _peak() - self._before
        if seconds > SECONDS:
            outcome = f"it took {seconds:.1f} s"
        if grown > GROWTH:
            outcome = f"memory grew by {grown:.0f} MB"
        return {"outcome": outcome, "seconds": seconds, "grown": grown}

    def _judged(self, cell: Any) -> str:
        import numpy as np

        try:
            row = self._encoders["raise"].transform([cell])
        except ValueError as error:
            start = f"{self._name}: row 0: "
            end = "or count it as missing with on_error='warn' or 'missing'."
            said = str(error)
            if not (said.startswith(start) and said.endswith(end)):
                return f"the error does not say what to do: {said}"
        else:
            if row.dtype != np.float32 or row.shape != self._row.shape:
                return f"found {row.dtype} of shape {row.shape}"
            if np.isnan(row).all() and self._name == "AudioEncoder":
                return "absent"  # a video without sound
            return "decoded" if np.isfinite(row).all() else "numbers are not finite"
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            pair = self._encoders["missing"].transform([self._good, cell])
        if caught:
            return f"on_error='missing' warned: {caught[0].message}"
        if not np.isnan(pair[1]).all() or not np.allclose(pair[:1], self._row):
            return "on_error='missing' gave other rows"
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            alone = self._encoders["warn"].transform([cell])
        said = [str(w.message) for w in caught]
        if len(said) != 1 or "cannot be read" not in said[0]:
            return f"on_error='warn' warned: {said}"
        return "refused" if np.isnan(alone).all() else "on_error='warn' gave numbers"


def _peak() -> float:
    """The most memory that this process has held, in MB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    _listen(sys.argv[1])
