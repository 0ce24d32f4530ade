"""X as the estimators of single modalities see it: one block of columns each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import _get_feature_names, validate_data

from skmultimodal._cells import refuse_repeated_columns, to_pandas
from skmultimodal._layout import Layout, read_layout


@dataclass(frozen=True)
class Blocks:
    """The columns of X, and which of them belong to which modality."""

    x: np.ndarray  # (n, p) NaN where absent
    layout: Layout
    names: np.ndarray | None  # (p,) of the columns, None for a nameless array
    index: pd.Index | None

    def __len__(self) -> int:
        return len(self.x)

    def present(self, modality: str) -> np.ndarray:
        """(n,) bool: rows that have something in the modality's block."""
        columns = list(self.layout[modality].columns)
        return ~np.isnan(self.x[:, columns]).all(axis=1)

    def take(self, modality: str, rows: np.ndarray) -> Any:
        """Some rows of a block: a frame, or an array where X has no column names."""
        columns = list(self.layout[modality].columns)
        part = self.x[rows][:, columns]
        if self.names is None:
            return part
        index = None if self.index is None else self.index[rows]
        return pd.DataFrame(part, index=index, columns=self.names[columns], copy=False)

    def scaled(self) -> np.ndarray:
        """(n, p) standardised columns, in which near-equal rows can be found."""
        gone = np.isnan(self.x)
        count = np.maximum((~gone).sum(axis=0), 1)
        mean = np.where(gone, 0, self.x).sum(axis=0) / count
        apart = self.x - mean
        spread = np.sqrt(np.square(np.where(gone, 0, apart)).sum(axis=0) / count)
        return apart / np.where(spread > 0, spread, 1)


def read_blocks(
    estimator: Any, X: Any, modalities: Mapping[str, Any] | None, *, reset: bool
) -> Blocks:
    """X checked, NaN still in it, and its layout."""
    X = to_pandas(X)
    _refuse_raw(estimator, X)
    x = validate_data(
        estimator,
        X,
        reset=reset,
        dtype=[np.float32, np.float64],
        ensure_all_finite="allow-nan",
        ensure_min_samples=2 if reset else 1,
    )
    found = _get_feature_names(X)
    names = None if found is None else np.asarray(found, dtype=object)
    layout = read_layout(x.shape[1], found, modalities)
    index = X.index if isinstance(X, pd.DataFrame) else None
    return Blocks(x, layout, names, index)


def _refuse_raw(estimator: Any, X: Any) -> None:
    """A frame with cells that are no numbers has not been encoded."""
    if not isinstance(X, pd.DataFrame):
        return
    refuse_repeated_columns(X)
    for name, dtype in X.dtypes.items():
        if pd.api.types.is_numeric_dtype(dtype) or _holds_numbers(X[name]):
            continue
        raise ValueError(
            f"Column {name!r} holds {dtype} cells; {type(estimator).__name__} takes an "
            "encoded frame of numbers. Put a ModalityTransformer before it."
        )


def _holds_numbers(column: pd.Series) -> bool:
    if not pd.api.types.is_object_dtype(column.dtype):
        return False
    kind = pd.api.types.infer_dtype(column)
    return kind in ("floating", "integer", "mixed-integer-float", "boolean")
