"""A search on the workers of Ray."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from skmultimodal.model_selection.searching._engine import (
    Args,
    Engine,
    Work,
    call,
    in_context,
)
from skmultimodal.model_selection.searching._shared import Shared, recall


@dataclass(frozen=True)
class _Stored(Shared):
    """A value in Ray's object store."""

    ref: Any

    def get(self) -> Any:
        return recall(self.ref.hex(), lambda: ray.get(self.ref))


class _Lost(Exception):
    """A worker died, and what it had with it."""


class RayEngine(Engine):
    """Tasks are tasks of Ray, with the resources that the backend was given."""

    _losses = (_Lost,)

    def __init__(self, backend: Any, n_jobs: Any):
        if not ray.is_initialized():
            ray.init()
        self._options = dict(getattr(backend, "ray_remote_args", None) or {})
        cpus = int(ray.cluster_resources().get("CPU", 1))
        self.n_workers = n_jobs if n_jobs is not None and n_jobs > 0 else cpus

    def share(self, value: Any) -> _Stored:
        return _Stored(ray.put(value))

    def _attempt(
        self, work: Work, tasks: Mapping[int, Args]
    ) -> Iterator[tuple[int, Any]]:
        options = {"max_retries": 0, **self._options}
        in_worker = in_context(call)

        def run(*args: Any) -> tuple[int, Any]:  # Ray takes functions only
            return in_worker(*args)

        remote = ray.remote(**options)(run)
        waiting = iter(tasks.items())
        running: dict[Any, int] = {}
        lost: BaseException | None = None

        def submit_next() -> None:
            for number, args in waiting:
                running[remote.remote(number, work, *args)] = number
                return

        try:
            for _ in range(self.n_workers):
                submit_next()
            while running:
                [ref], _ = ray.wait(list(running), num_returns=1)
                del running[ref]
                submit_next()
                try:
                    found = ray.get(ref)
                except RayTaskError as error:
                    raise error.cause if error.cause is not None else error from None
                except RayError as error:
                    lost = error
                    continue
                yield found
        finally:
            for ref in running:
                ray.cancel(ref, force=True)
        if lost is not None:
            raise _Lost(str(lost)) from lost
