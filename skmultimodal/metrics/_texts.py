"""Columns of texts, checked, and the words of a text."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length

_WORD = re.compile(r"\w+|[^\w\s]")


def words(text: str) -> list[str]:
    """Lower-case words, and marks, each one of its own.

    >>> words("It's RED.")
    ['it', "'", 's', 'red', '.']
    """
    return _WORD.findall(text.lower())


def texts(values: Any, name: str) -> list[str]:
    """A column of texts as a list, or an error that names the row."""
    if isinstance(values, str):
        raise TypeError(
            f"{name} must be a column of texts, got one text: put it in []."
        )
    cells = np.asarray(values, dtype=object)
    if cells.ndim != 1:
        raise ValueError(
            f"{name} must be one column of texts, got an array of shape {cells.shape}."
        )
    for row, cell in enumerate(cells):
        if not isinstance(cell, str):
            raise TypeError(
                f"{name} must hold texts, but row {row} holds {cell!r:.40} "
                f"({type(cell).__name__}). Convert it, or leave the row out; a model "
                "that says nothing says ''."
            )
    return [str(cell) for cell in cells]


def paired_texts(y_true: Any, y_pred: Any) -> tuple[list[str], list[str]]:
    """Both columns, of one length, with at least one row."""
    true, said = texts(y_true, "y_true"), texts(y_pred, "y_pred")
    check_consistent_length(true, said)
    if not true:
        raise ValueError("y_true and y_pred are empty: there is nothing to score.")
    return true, said
