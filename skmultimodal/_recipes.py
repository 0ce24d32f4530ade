"""Cells that are made when they are encoded: a source, and what is done to it.

An augmenter puts recipes in the place of cells; encoders read the source within their
limits, then do what the recipe says. A recipe of a path is as small as the path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, ClassVar

import numpy as np
import pandas as pd

Operation = Callable[[Any, np.random.Generator], Any]
Step = tuple[Operation, int]  # and the seed of its generator
_APART = 1000  # so that parts of a cell may have seeds in a row


@dataclass(frozen=True)
class Augmentation:
    """Base of the augmentations of this package: parameters, and a pure function.

    `name` is how it is called in a list. With `on_clock` it is given the times of
    frames, and says which stay. What is stored is stored under the `version` of its
    arithmetic, too.
    """

    name: ClassVar[str]
    on_clock: ClassVar[bool] = False
    version: ClassVar[int] = 1

    def __call__(self, array: Any, rng: np.random.Generator) -> Any:
        """What becomes of an array, or a text."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Recipe:
    """A cell that stands for a changed copy of another."""

    kind: str  # "image", "audio", "video" or "series"
    source: Any
    steps: tuple[Step, ...]

    def on(self, source: Any) -> Recipe:
        """The same steps on another source."""
        return Recipe(self.kind, source, self.steps)

    def apply(self, array: np.ndarray) -> np.ndarray:
        """Do all steps that change an array."""
        for operation, seed in self.steps:
            if not getattr(operation, "on_clock", False):
                array = self._applied(operation, seed, array)
        return array

    def kept(self, times: np.ndarray) -> np.ndarray:
        """Positions of the frames that all steps on the clock leave: (n_kept,)."""
        positions = np.arange(len(times))
        for operation, seed in self.steps:
            if getattr(operation, "on_clock", False):
                keep = operation(times[positions], np.random.default_rng(seed))
                positions = positions[keep]
        return positions

    def _applied(
        self, operation: Operation, seed: int, array: np.ndarray
    ) -> np.ndarray:
        rng = np.random.default_rng(seed)
        if isinstance(operation, Augmentation):
            return operation(array, rng)
        made = np.asarray(operation(array.copy(), rng))
        if not self._is_like(made, array):
            raise ValueError(
                f"the augmentation {shown_operation(operation)} of {self.kind} gave an "
                f"array of shape {made.shape} and dtype {made.dtype} for one of shape "
                f"{array.shape}; expected finite numbers, as many dimensions, and as "
                "many channels (of a video: frames, too)"
            )
        if self.kind in ("image", "video"):
            made = made.clip(0, 1)
        return made.astype(array.dtype, copy=False)

    def _is_like(self, made: np.ndarray, array: np.ndarray) -> bool:
        """Whether a function has given what it was given, in another state."""
        if made.ndim != array.ndim or made.dtype.kind not in "biuf" or not made.size:
            return False
        if made.ndim > 1 and made.shape[-1] != array.shape[-1]:
            return False
        if self.kind == "video" and len(made) != len(array):
            return False
        return self.kind == "series" or bool(np.isfinite(made).all())

    def digest(self, source: bytes | None) -> bytes | None:
        """Digest of what the cell holds, by that of its source; None where not known.

        What somebody's own function does may change while its name does not.
        """
        own = [(op, k) for op, k in self.steps if isinstance(op, Augmentation)]
        if source is None or len(own) < len(self.steps):
            return None
        told = [(repr(operation), operation.version, seed) for operation, seed in own]
        text = f"{self.kind} {told} numpy {np.__version__}"
        return hashlib.blake2b(source + text.encode(), digest_size=20).digest()

    @property
    def key(self) -> tuple[Any, ...]:
        """What two recipes of one source are told apart by."""
        return self.kind, tuple(
            (op if isinstance(op, Augmentation) else id(op), seed)
            for op, seed in self.steps
        )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Recipe)
            and self.key == other.key
            and _same(self.source, other.source)
        )

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        done = ", ".join(shown_operation(operation) for operation, _ in self.steps)
        what = type(self.source).__name__
        if isinstance(self.source, (str, PurePath)):
            what = repr(str(self.source))
        return f"augmented {self.kind}({what:.80}; {done})"


def source_of(cell: Any) -> Any:
    """The cell that a recipe starts from; any other cell as it is."""
    return cell.source if isinstance(cell, Recipe) else cell


def shown_operation(operation: Any) -> str:
    """How a message calls it: by its name, where it has one."""
    name = getattr(operation, "name", None) or getattr(operation, "__name__", None)
    return name if isinstance(name, str) else type(operation).__name__


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        if a.dtype == object or b.dtype == object:  # arrays in it, perhaps
            return a.shape == b.shape and _same(a.tolist(), b.tolist())
        return np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if isinstance(a, (pd.Series, pd.DataFrame)):
        return a.equals(b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, float) and a != a:  # NaN
        return b != b
    return bool(a == b)


def as_steps(operations: Iterable[Operation], seed: int) -> tuple[Step, ...]:
    """Operations with a seed each, of which one decides all."""
    return tuple(
        (operation, seed + _APART * k) for k, operation in enumerate(operations)
    )
