"""A search on the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from distributed import as_completed
from distributed.scheduler import KilledWorker

from skmultimodal.model_selection.searching._engine import (
    Args,
    Engine,
    Work,
    call,
    in_context,
)
from skmultimodal.model_selection.searching._shared import Shared


@dataclass
class _Scattered(Shared):
    """A value that each worker of the cluster has."""

    value: Any
    future: Any

    def get(self) -> Any:
        return self.value


class _Lost(Exception):
    """A worker died, and what it had with it."""


class DaskEngine(Engine):
    """Tasks become futures of the client; a worker has one at a time.

    Dask itself runs a task again that was lost with its worker, a few times.
    """

    _losses = (_Lost,)

    def __init__(self, backend: Any):
        self._client = backend.client
        self._options = backend.submit_kwargs
        backend.effective_n_jobs(-1)  # waits for a first worker
        self.n_workers = max(1, len(self._client.ncores()))

    def share(self, value: Any) -> _Scattered:
        return _Scattered(value, self._scatter(value))

    def _scatter(self, value: Any) -> Any:
        [future] = self._client.scatter([value], broadcast=True, hash=False)
        return future

    def _attempt(
        self, work: Work, tasks: Mapping[int, Args]
    ) -> Iterator[tuple[int, Any]]:
        waiting = iter(tasks.items())
        running = as_completed()
        lost: BaseException | None = None
        function = in_context(call)

        def submit_next() -> None:
            for number, args in waiting:
                args = tuple(self._found(a) for a in args)
                running.add(
                    self._client.submit(
                        function, number, work, *args, pure=False, **self._options
                    )
                )
                return

        try:
            for _ in range(self.n_workers):
                submit_next()
            for future in running:
                error = future.exception() if future.status == "error" else None
                submit_next()
                if future.cancelled() or isinstance(error, KilledWorker):
                    lost = error or _Lost("its data are gone")
                    continue
                yield future.result()
        finally:
            self._client.cancel(list(running.futures))
        if lost is not None:
            raise _Lost(str(lost)) from lost

    def _found(self, value: Any) -> Any:
        """A scattered value by its future; scattered again where no worker has it."""
        if not isinstance(value, _Scattered):
            return value
        if value.future.status != "finished":
            value.future = self._scatter(value.value)
        return value.future
