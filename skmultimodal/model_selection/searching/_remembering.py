"""Steps that remember what they made of the rows of a fold."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse


@dataclass
class _Known:
    """Rows that will be asked for, and what became of them once they were."""

    rows: Any
    made: Any = None
    seconds: float | None = None  # None: not asked for yet


class Memory:
    """Lets fitted steps encode the rows of a fold once for all candidates.

    A scorer gets the whole Pipeline and raw rows, so that each candidate would encode
    the same rows again. Here each step has, in the place of its `transform`, one that
    knows some rows by what they hold; all others it encodes as ever. The steps stay
    what they are, to a scorer that looks at them.
    """

    def __init__(self, steps: Sequence[Any], rows: Sequence[Any]):
        self.saved = 0.0  # seconds that recalling has saved so far
        self.known: list[list[_Known]] = [[_Known(_kept(X)) for X in rows]]
        self.attach(steps)

    def attach(self, steps: Sequence[Any]) -> None:
        """Let these steps recall; once more where they come out of a pickle."""
        for level, step in enumerate(s for s in steps if hasattr(s, "transform")):
            if len(self.known) == level + 1:
                self.known.append([])
            recall = _Recall(step, self, *self.known[level : level + 2])
            try:
                step.transform = recall
            except AttributeError:  # it takes no attributes
                return


class _Recall:
    """What a step has in the place of its `transform`."""

    def __init__(
        self, step: Any, memory: Memory, known: list[_Known], following: list[_Known]
    ):
        honest: Any = step.transform
        self._honest: Any = honest._honest if isinstance(honest, _Recall) else honest
        self._step, self._memory = step, memory
        self._known, self._following = known, following

    def __call__(self, X: Any, **params: Any) -> Any:
        known = None
        if not params:
            known = next((k for k in self._known if _same(X, k.rows)), None)
        if known is None:
            return self._honest(X, **params)
        if known.seconds is None:
            start = time.perf_counter()
            made = self._honest(X)
            known.made, known.seconds = _kept(made), time.perf_counter() - start
            self._following.append(_Known(known.made))
        else:
            self._memory.saved += known.seconds
        return _kept(known.made)

    def __reduce__(self) -> Any:
        return getattr, (self._step, "transform")  # a pickled step forgets


def _kept(rows: Any) -> Any:
    """A copy that no change of the other one reaches."""
    if sparse.issparse(rows):
        return rows.copy()
    return copy.copy(rows)  # of a frame, without its values: they are copied on write


def _same(X: Any, rows: Any) -> bool:
    """Whether two tables hold the same, each cell of objects being the same object."""
    if type(X) is not type(rows):
        return False
    if isinstance(X, np.ndarray):
        alike = X.shape == rows.shape and X.dtype == rows.dtype
        return alike and X.tobytes() == rows.tobytes()
    if sparse.issparse(X):
        alike = X.format == rows.format == "csr" and X.shape == rows.shape
        return alike and all(
            _same(getattr(X, part), getattr(rows, part))
            for part in ("data", "indices", "indptr")
        )
    try:
        return X.shape == rows.shape and bool(X.equals(rows))  # pandas, polars
    except Exception:  # cells that cannot be compared, or no table at all
        return False
