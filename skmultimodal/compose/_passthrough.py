"""Columns that pass through: numbers, or one column of lists of floats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from skmultimodal._cells import is_missing
from skmultimodal.compose._encoding import describe, sentence


def passthrough_encoder() -> Any:
    """The encoder that stands for ``"passthrough"``."""
    from skmultimodal.encoders import PrecomputedEncoder

    return PrecomputedEncoder()


def is_passthrough(encoder: Any) -> bool:
    """Whether an entry, fitted or not, hands its columns on as they are."""
    if isinstance(encoder, str):
        return encoder == "passthrough"
    return getattr(encoder, "_kind", None) == "precomputed"


def as_numbers(part: Any, modality: str, columns: Sequence[Any]) -> Any:
    """The columns of a passthrough entry, or an error that names one of words."""
    if isinstance(part, np.ndarray) and part.dtype.kind in "OUS":
        part = pd.DataFrame(part).infer_objects()
    if isinstance(part, pd.Series):
        part = part.to_frame()
    if not isinstance(part, pd.DataFrame):
        return part
    for k, (column, dtype) in enumerate(zip(columns, part.dtypes)):
        if dtype.kind in "biuf":
            continue
        found = _not_numbers(part.iloc[:, k])
        if found:
            raise ValueError(
                f"{sentence(describe(modality, [column]))} holds {found}, which cannot "
                "pass through as numbers. Give the column an encoder of its own, as in "
                f'("{modality}", TabularEncoder(), [{column!r}]) or TextEncoder() for '
                "free text, or leave it out with remainder='drop'."
            )
    return part


def _not_numbers(column: pd.Series) -> str | None:
    """What a column holds in place of numbers, None when it holds numbers."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return f"categories ({', '.join(map(repr, column.cat.categories[:3]))})"
    if column.dtype.kind in "Mm":
        return f"dates or durations ({column.dtype})"
    for cell in column:
        if isinstance(cell, (str, bytes)) and not is_missing(cell):
            shown = repr(cell) if len(cell) <= 30 else repr(cell[:27]) + "..."
            return f"strings or bytes ({shown})"
    return None
