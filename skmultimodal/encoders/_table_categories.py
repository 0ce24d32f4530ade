"""Categories and dirty strings of a table: skrub's encoders, without its parsing."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn.preprocessing import OneHotEncoder
from skrub import TableVectorizer
from skrub.core import SingleColumnTransformer

from skmultimodal._cells import is_missing
from skmultimodal.encoders._text import TextEncoder


class CategoryBlock:
    """A `TableVectorizer` over columns of category dtype."""

    def __init__(self, vectorizer: TableVectorizer) -> None:
        self.vectorizer = vectorizer

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


def one_hot_encoder() -> OneHotEncoder:
    """One column a category, so that one not seen in `fit` can be all zeros."""
    return OneHotEncoder(sparse_output=False, dtype=np.float32, handle_unknown="ignore")


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


class ModelColumn(SingleColumnTransformer):
    """`TextEncoder` with a model, as skrub wants the encoder of a column."""

    def __init__(self, model=None, n_components=30, random_state=None):
        self.model = model
        self.n_components = n_components
        self.random_state = random_state

    def fit_transform(self, column, y=None):
        """Learn from a column and encode it."""
        self.encoder_ = TextEncoder(
            self.model, n_components=self.n_components, random_state=self.random_state
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
