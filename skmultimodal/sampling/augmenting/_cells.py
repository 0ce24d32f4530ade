"""Cells to the cells of a copy: texts at once, media as recipes."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from skmultimodal._cells import is_missing
from skmultimodal._recipes import Operation, Recipe, as_steps, shown_operation
from skmultimodal.encoders._columns import is_several
from skmultimodal.encoders.decoding._clips import is_clip
from skmultimodal.encoders.decoding._series import is_several as is_several_series


def cell_seed(base: int, label: Any, number: int, column: Any) -> int:
    """The seed of a cell of the copy with this number of the row with this label.

    It depends on no other row, so that a row has the same copies in every fold, and an
    encoder's store knows them.
    """
    told = f"{base} {_plain(label)!r} {number} {column!r}"
    digest = hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=7)
    return int.from_bytes(digest.digest(), "little")


def _plain(label: Any) -> Any:
    """A label as Python writes it: NumPy writes the same number in its own way."""
    if isinstance(label, tuple):
        return tuple(map(_plain, label))
    return label.item() if isinstance(label, np.generic) else label


def augmented(
    cell: Any, kind: str, operations: tuple[Operation, ...], seed: int
) -> Any:
    """What stands in the place of a cell in a copy; a missing one stays missing."""
    if is_missing(cell):
        return cell
    one = _rewritten if kind == "text" else _recipe
    if not _holds_several(cell, kind):
        return one(cell, kind, operations, seed)
    parts = [
        part if is_missing(part) else one(part, kind, operations, seed + k)
        for k, part in enumerate(cell)
    ]
    return tuple(parts) if isinstance(cell, tuple) else parts


def _holds_several(cell: Any, kind: str) -> bool:
    """Whether a cell is a list of texts, pictures, ..., as its encoder sees it."""
    if kind == "series":
        return is_several_series(cell)
    return is_several(cell) and not (kind == "video" and is_clip(cell))


def _recipe(
    cell: Any, kind: str, operations: tuple[Operation, ...], seed: int
) -> Recipe:
    if isinstance(cell, Recipe):  # of an augmenter before
        return Recipe(kind, cell.source, cell.steps + as_steps(operations, seed))
    return Recipe(kind, cell, as_steps(operations, seed))


def _rewritten(
    cell: Any, kind: str, operations: tuple[Operation, ...], seed: int
) -> Any:
    if isinstance(cell, tuple) and cell:  # a turn of a dialogue: (role, text)
        return (*cell[:-1], _rewritten(cell[-1], kind, operations, seed))
    if not isinstance(cell, str):
        return cell
    for operation, own_seed in as_steps(operations, seed):
        cell = operation(cell, np.random.default_rng(own_seed))
        if not isinstance(cell, str):
            raise ValueError(
                f"the augmentation {shown_operation(operation)} of text gave "
                f"{type(cell).__name__}, expected str."
            )
    return cell
