"""Where tasks run: in this process, in others, on a cluster."""

from __future__ import annotations

import tempfile
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from sklearn import get_config
from sklearn.utils.parallel import Parallel, delayed

from skmultimodal.model_selection.searching._shared import Here, Mapped, Shared

_MOST_LOSSES = 3  # in a row, with no task finished between them

Work = Callable[..., Any]
Args = tuple[Any, ...]


class Engine(ABC):
    """Runs tasks on workers. A task that was lost with its worker is run again."""

    n_workers: int
    lost: int = 0  # workers so far
    _losses: tuple[type[BaseException], ...] = ()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *error: object) -> None:
        """Leave nothing behind."""
        return

    @abstractmethod
    def share(self, value: Any) -> Shared:
        """Put a value where all workers find it."""

    @abstractmethod
    def _attempt(
        self, work: Work, tasks: Mapping[int, Args]
    ) -> Iterator[tuple[int, Any]]:
        """Run all, and give them as they finish; raises one of `_losses` at worst."""

    def run(self, work: Work, tasks: Sequence[Args]) -> Iterator[tuple[int, Any]]:
        """``work(*task)`` of each as it finishes, with its number.

        What is shared among the arguments stands there as its value.
        """
        left = dict(enumerate(tasks))
        in_a_row = 0
        while left:
            try:
                for number, found in self._attempt(work, dict(left)):
                    del left[number]
                    in_a_row = 0
                    yield number, found
            except self._losses as error:
                self.lost += 1
                in_a_row += 1
                if in_a_row > _MOST_LOSSES:
                    raise RuntimeError(
                        f"Workers died {in_a_row} times in a row, and {len(left)} of "
                        f"{len(tasks)} tasks of the search are not done. Most often "
                        "they have run out of memory: use fewer workers (n_jobs), a "
                        "smaller max_models, or fewer rows. With checkpoint= what is "
                        "finished is kept."
                    ) from error


class JoblibEngine(Engine):
    """This process, threads, or the processes of loky."""

    _losses = (BrokenProcessPool,)

    def __init__(self, n_jobs: Any, pre_dispatch: Any):
        self._n_jobs, self._pre_dispatch = n_jobs, pre_dispatch
        self.n_workers = effective_n_jobs(n_jobs)
        backend, _ = get_active_backend()
        threads = getattr(backend, "uses_threads", False)
        streams = getattr(backend, "supports_return_generator", False)
        self._return_as = "generator_unordered" if streams else "list"
        self._at_home = self.n_workers == 1 or threads
        self._folder: Any = None
        self._n_files = 0

    def __exit__(self, *error: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def share(self, value: Any) -> Shared:
        if self._at_home:
            return Here(value)
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(
                prefix="skmultimodal-search-", ignore_cleanup_errors=True
            )
        self._n_files += 1
        return Mapped.write(value, self._folder.name, f"{self._n_files}")

    def _attempt(
        self, work: Work, tasks: Mapping[int, Args]
    ) -> Iterator[tuple[int, Any]]:
        parallel = Parallel(
            n_jobs=self._n_jobs,
            pre_dispatch=self._pre_dispatch,
            return_as=self._return_as,
        )
        yield from parallel(
            delayed(call)(number, work, *args) for number, args in tasks.items()
        )


def choose_engine(n_jobs: Any, pre_dispatch: Any) -> Engine:
    """The engine of joblib's active backend (`joblib.parallel_config`)."""
    backend, in_config = get_active_backend()
    module = type(backend).__module__
    if module.startswith("joblib._dask"):
        from skmultimodal.model_selection.searching._dask import DaskEngine

        return DaskEngine(backend)
    if module.startswith("ray."):
        from skmultimodal.model_selection.searching._ray import RayEngine

        return RayEngine(backend, in_config if n_jobs is None else n_jobs)
    return JoblibEngine(n_jobs, pre_dispatch)


def call(number: int, work: Work, *args: Any) -> tuple[int, Any]:
    """Run a task, in a worker."""
    return number, work(*(a.get() if isinstance(a, Shared) else a for a in args))


def in_context(work: Work) -> Work:
    """`work` under the configuration and the warning filters of here and now."""
    function, _, _ = delayed(work)()
    return function.with_config_and_warning_filters(get_config(), warnings.filters)
