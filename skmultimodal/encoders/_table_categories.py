"""Categories and dirty strings of a table: skrub's encoders, without its parsing."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from skrub import StringEncoder, TableVectorizer
from skrub.core import SingleColumnTransformer

from skmultimodal._cells import is_missing
from skmultimodal.encoders._reduction import own_random_state
from skmultimodal.encoders._text import TextEncoder


class OneHotBlock:
    """A column of zeros and ones for each category, and one for missing cells."""

    def fit(self, cells: pd.DataFrame) -> np.ndarray:
        """Learn and give (n, k) float32."""
        self.known = {name: cells[name].cat.categories for name in cells}
        self.marked = [name for name in cells if cells[name].isna().any()]
        self.outputs = [
            f"{c}_{text}" for c, known in self.known.items() for text in known
        ]
        self.outputs += [f"{name}_missing" for name in self.marked]
        return self.transform(cells)

    def transform(self, cells: pd.DataFrame) -> np.ndarray:
        """Give (n, k) float32; a category not seen in `fit` has no one."""
        out = np.zeros((len(cells), len(self.outputs)), dtype=np.float32)
        start = 0
        for name, known in self.known.items():
            # a category of this frame, and -1 for a missing cell, to one of the fit
            place = np.append(known.get_indexer(cells[name].cat.categories), -1)
            found = place[cells[name].cat.codes]
            rows = np.flatnonzero(found >= 0)
            out[rows, start + found[rows]] = 1
            start += len(known)
        for k, name in enumerate(self.marked, start):
            out[:, k] = cells[name].isna()
        return out


class StringBlock:
    """Strings of many values, by a `TableVectorizer`."""

    def __init__(self, encoder: Any, n_jobs: int | None) -> None:
        self.vectorizer = TableVectorizer(
            cardinality_threshold=0, high_cardinality=encoder, n_jobs=n_jobs
        )

    def fit(self, cells: pd.DataFrame) -> np.ndarray:
        """Learn and give (n, k) float32."""
        with warnings.catch_warnings():
            # few different n-grams give fewer columns, which needs no action
            warnings.filterwarnings("ignore", message="The matrix shape is")
            encoded = self.vectorizer.fit_transform(cells)
        self.outputs = [str(name) for name in encoded.columns]
        return encoded.to_numpy(np.float32)

    def transform(self, cells: pd.DataFrame) -> np.ndarray:
        """Give (n, k) float32."""
        return self.vectorizer.transform(cells).to_numpy(np.float32)


def as_categories(column: pd.Series, missing: np.ndarray) -> pd.Series:
    """Strings under category dtype, which skrub reads neither as number nor date."""
    cells = column.astype(object).mask(missing, None)
    texts = [None if is_missing(cell) else _category(cell) for cell in cells]
    return pd.Series(pd.Categorical(texts), index=column.index)


def _category(cell: Any) -> str:
    """One text for a value, however its column came to hold it (1 or 1.0)."""
    if isinstance(cell, (float, np.floating)) and float(cell).is_integer():
        return str(int(cell))
    return str(cell)


def string_encoder(model: Any, n_components: int, store: Any, random_state: Any) -> Any:
    """What encodes a column of many strings."""
    if model is None:
        return StringEncoder(n_components, random_state=own_random_state(random_state))
    return ModelColumn(model, n_components, store, random_state)


class ModelColumn(SingleColumnTransformer):
    """`TextEncoder` with a model, as skrub wants the encoder of a column."""

    def __init__(self, model=None, n_components=30, store=None, random_state=None):
        self.model = model
        self.n_components = n_components
        self.store = store
        self.random_state = random_state

    def fit_transform(self, column, y=None):
        """Learn from a column and encode it."""
        self.encoder_ = TextEncoder(
            self.model,
            n_components=self.n_components,
            store=self.store,
            random_state=self.random_state,
        )
        self.input_name_ = column.name
        return self._named(column, self.encoder_.fit_transform(_strings(column)))

    def transform(self, column):
        """Encode a column."""
        return self._named(column, self.encoder_.transform(_strings(column)))

    def _named(self, column: pd.Series, encoded: np.ndarray) -> pd.DataFrame:
        names = [f"{self.input_name_}_{k}" for k in range(encoded.shape[1])]
        # a missing string has no direction, as in skrub's own encoder
        return pd.DataFrame(np.nan_to_num(encoded), index=column.index, columns=names)


def _strings(column: pd.Series) -> list[Any]:
    return list(column.astype(object))
