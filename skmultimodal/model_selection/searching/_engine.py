"""Where tasks run: in this process, in others, on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sklearn.utils.parallel import Parallel, delayed

Work = Callable[..., Any]


class Engine:
    """Runs tasks under joblib, as they finish."""

    def __init__(self, n_jobs: Any, pre_dispatch: Any):
        self.n_jobs, self.pre_dispatch = n_jobs, pre_dispatch

    def run(
        self, work: Work, shared: Any, tasks: Sequence[Any]
    ) -> Iterator[tuple[int, Any]]:
        """``work(shared, task, number)`` of each, with its number."""
        parallel = Parallel(
            n_jobs=self.n_jobs,
            pre_dispatch=self.pre_dispatch,
            return_as="generator_unordered",
        )
        yield from parallel(
            delayed(_numbered)(work, shared, task, number)
            for number, task in enumerate(tasks)
        )


def _numbered(work: Work, shared: Any, task: Any, number: int) -> tuple[int, Any]:
    return number, work(shared, task, number)
