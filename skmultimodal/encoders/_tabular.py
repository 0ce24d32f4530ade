"""Tabular encoder: numbers, categories, dates and dirty strings as one block."""

from __future__ import annotations

import os
import warnings
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
    validate_data,
)

from skmultimodal._cells import (
    missing_cells,
    refuse_repeated_columns,
    to_pandas,
    without_arrow,
)
from skmultimodal._fitting import keep_state_on_error
from skmultimodal.encoders._columns import shown_row
from skmultimodal.encoders._names import feature_names
from skmultimodal.encoders._table_categories import (
    OneHotBlock,
    StringBlock,
    as_categories,
    string_encoder,
)
from skmultimodal.encoders._table_columns import (
    DateColumn,
    NumberBlock,
    NumberColumn,
    parse_column,
)


class TabularEncoder(TransformerMixin, BaseEstimator):
    """Encode the columns of a table as one block of numbers.

    Numbers and dates are scaled robustly in double precision and only then cast to
    float32; few categories become one-hot columns; many, or dirty, ones become vectors
    of character n-grams by skrub's ``TableVectorizer`` [1]_.

    Parameters
    ----------
    model : str, path or None, default=None
        Folder or hub name of a sentence-transformers model that encodes string columns
        of many different values. By default skrub's ``StringEncoder`` does, and
        nothing is downloaded. Needs ``pip install 'skmultimodal[text]'``.
    cardinality_threshold : int, default=40
        A string column with fewer different values becomes one-hot columns.
    n_components : int, default=30
        Columns for each string column of many values.
    scale : bool, default=True
        Whether numbers and dates are centred, divided by their interquartile range and
        squashed smoothly into (-3, 3), as skrub's ``SquashingScaler`` does. Without,
        large numbers (unix seconds) are rounded by the cast to float32.
    store : str, path, EmbeddingStore or None, default=None
        Where the embeddings of `model` are kept, so that no string is encoded twice.
    n_jobs : int or None, default=None
        Columns encoded at once.
    random_state : int, RandomState instance or None, default=None
        Seed of the string encoder.

    Attributes
    ----------
    column_kinds_ : dict of str to str
        ``"number"``, ``"date"``, ``"category"`` or ``"empty"`` (gives no output).
    categories_ : dict of str to list of str
        Of each column that is one-hot encoded the categories seen in `fit`.
    n_features_out_ : int
        Number of output columns.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where all are strings.

    Notes
    -----
    A column of category dtype is never read as numbers: cast integer codes to
    ``category``. Strings that all hold numbers, or dates of one format, are parsed;
    strings of digits that all have one length (zip codes) count as categories.
    A missing number becomes the median, and a column of zeros and ones marks it where
    numbers were missing at `fit`; so for categories. A category not seen in `fit` gives
    zeros. Longer texts are for `TextEncoder`.

    References
    ----------
    .. [1] skrub, "Prepping tables for machine learning". https://skrub-data.org

    Examples
    --------
    >>> import pandas as pd
    >>> from skmultimodal.encoders import TabularEncoder
    >>> X = pd.DataFrame({"area (m2)": [50.0, 80.0, None], "town": ["Ulm", "Bonn", ""]})
    >>> encoder = TabularEncoder().fit(X)
    >>> list(encoder.get_feature_names_out())  # doctest: +NORMALIZE_WHITESPACE
    ['tabular__area_m2', 'tabular__area_m2_missing', 'tabular__town_Bonn',
     'tabular__town_Ulm', 'tabular__town_missing']
    >>> encoder.transform(X).round(2)
    array([[-0.95,  0.  ,  0.  ,  1.  ,  0.  ],
           [ 0.95,  0.  ,  1.  ,  0.  ,  0.  ],
           [ 0.  ,  1.  ,  0.  ,  0.  ,  1.  ]], dtype=float32)
    """

    _kind = "tabular"

    _parameter_constraints: dict[str, list[Any]] = {
        "model": [str, os.PathLike, None],
        "cardinality_threshold": [Interval(Integral, 0, None, closed="left")],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "scale": ["boolean"],
        "store": [str, os.PathLike, HasMethods("info"), None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        model=None,
        *,
        cardinality_threshold=40,
        n_components=30,
        scale=True,
        store=None,
        n_jobs=None,
        random_state=None,
    ):
        self.model = model
        self.cardinality_threshold = cardinality_threshold
        self.n_components = n_components
        self.scale = scale
        self.store = store
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X, y=None):
        """Learn from a table.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            pandas or polars frame, or array; None, NaN and ``""`` are missing.
        y : None
            Ignored.

        Returns
        -------
        self : TabularEncoder
            The fitted encoder.

        Raises
        ------
        ValueError
            If a number is infinite, or all columns are missing as a whole.
        """
        self.fit_transform(X)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_state_on_error
    def fit_transform(self, X, y=None):
        """Learn from a table and encode it.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            None, NaN and ``""`` are missing.
        y : None
            Ignored.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out_)
            float32, without NaN.
        """
        frame = self._frame(X, reset=True)
        missing = missing_cells(frame)
        self._columns = feature_names(frame.columns)
        self._fit_kinds(frame, missing)
        parts: list[np.ndarray] = []
        names: list[str] = []
        if self._readers:
            parts.append(self._fit_numbers(frame, missing))
            names += self._number_names()
        self._category_parts = self._category_blocks(frame, missing)
        for block, columns in self._category_parts:
            parts.append(block.fit(self._cells(frame, missing, columns)))
            names += block.outputs
        raw_names = dict(zip(self._columns, map(str, frame.columns)))
        self.categories_ = {
            raw_names[name]: list(known)
            for block, _ in self._category_parts
            if isinstance(block, OneHotBlock)
            for name, known in block.known.items()
        }
        self._names = feature_names(names)
        self.n_features_out_ = len(names)
        return self._finite(np.hstack(parts))

    def transform(self, X):
        """Encode a table.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            The columns of `fit`, in the same order.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out_)
            float32, without NaN.

        Raises
        ------
        ValueError
            If a column is missing, new or at another place, or a number is infinite.

        Warns
        -----
        UserWarning
            If a cell of a column of numbers or dates is neither missing nor one of
            them: it counts as missing.
        """
        check_is_fitted(self)
        frame = self._frame(X, reset=False)
        if not len(frame):
            return np.empty((0, self.n_features_out_), dtype=np.float32)
        missing = missing_cells(frame)
        parts = []
        if self._readers:
            values = self._numbers(frame, missing, fit=False)
            parts.append(self._block.transform(values))
        for block, columns in self._category_parts:
            parts.append(block.transform(self._cells(frame, missing, columns)))
        return self._finite(np.hstack(parts))

    def get_feature_names_out(self, input_features=None):
        """Names of the columns that `transform` gives.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Checked against the names of `fit`.

        Returns
        -------
        ndarray of str of shape (n_features_out_,)
            ``tabular__<column>``, ``tabular__<column>_<category>``, ...
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features)
        return np.asarray([f"{self._kind}__{n}" for n in self._names], dtype=object)

    def _frame(self, X: Any, *, reset: bool) -> pd.DataFrame:
        X = to_pandas(X)
        if isinstance(X, pd.Series):
            X = X.to_frame()
        if isinstance(X, pd.DataFrame):
            refuse_repeated_columns(X)
            validate_data(self, X, reset=reset, skip_check_array=True)
            if reset and 0 in X.shape:
                what = "sample" if X.shape[0] == 0 else "feature"
                raise ValueError(
                    f"TabularEncoder: found array with 0 {what}(s) "
                    f"(shape={X.shape}) while a minimum of 1 is required."
                )
            return without_arrow(X)
        array = validate_data(self, X, reset=reset, dtype=None, ensure_all_finite=False)
        return pd.DataFrame(array).add_prefix("x")

    def _fit_kinds(self, frame: pd.DataFrame, missing: np.ndarray) -> None:
        """Find out which columns hold numbers, dates or categories."""
        self._readers: dict[int, NumberColumn | DateColumn] = {}
        kinds = {}
        for k, name in enumerate(map(str, frame.columns)):
            if missing[:, k].all():
                kinds[name] = "empty"
                continue
            reader = parse_column(frame.iloc[:, k], missing[:, k])
            kinds[name] = "category" if reader is None else reader.kind
            if reader is not None:
                self._readers[k] = reader
        self._categories = [
            k for k, kind in enumerate(kinds.values()) if kind == "category"
        ]
        if set(kinds.values()) == {"empty"}:
            raise ValueError(
                f"TabularEncoder cannot be fitted: all of the {len(kinds)} columns are "
                "missing in every row. Leave them out, or fit on rows that have them."
            )
        self.column_kinds_ = kinds

    def _fit_numbers(self, frame: pd.DataFrame, missing: np.ndarray) -> np.ndarray:
        values = self._numbers(frame, missing, fit=True)
        widths = [len(reader.outputs) for reader in self._readers.values()]
        self._block = NumberBlock(self.scale, np.cumsum([0, *widths[:-1]]))
        return self._block.fit(values)

    def _number_names(self) -> list[str]:
        """Names of the numbers and dates, then of the marks of what was missing."""
        names = [name for r in self._readers.values() for name in r.outputs]
        source = dict(zip(self._block.markable, self._readers))
        marks = [f"{self._columns[source[m]]}_missing" for m in self._block.marked]
        return names + marks

    def _category_blocks(
        self, frame: pd.DataFrame, missing: np.ndarray
    ) -> list[tuple[OneHotBlock | StringBlock, list[int]]]:
        """One block for columns of few categories, one for those of many."""
        cells = self._cells(frame, missing, self._categories)
        counts = {
            k: len(cells[self._columns[k]].cat.categories) for k in self._categories
        }
        few = [k for k, n in counts.items() if n < self.cardinality_threshold]
        many = [k for k in counts if k not in few]
        strings = string_encoder(
            self.model, self.n_components, self.store, self.random_state
        )
        blocks = ((OneHotBlock(), few), (StringBlock(strings, self.n_jobs), many))
        return [(block, columns) for block, columns in blocks if columns]

    def _numbers(
        self, frame: pd.DataFrame, missing: np.ndarray, *, fit: bool
    ) -> np.ndarray:
        """(n, k) float64 of all numbers and dates."""
        blocks = [np.empty((len(frame), 0))]
        for k, reader in self._readers.items():
            column = frame.iloc[:, k].rename(self._columns[k])
            if column.dtype.kind not in "biufMm":
                column = column.mask(missing[:, k]).infer_objects()
            try:
                block = (reader.fit if fit else reader.transform)(column)
            except ValueError as error:
                raise ValueError(
                    f"TabularEncoder: column {frame.columns[k]!r} {error}."
                ) from error
            if np.isinf(block).any():
                row = int(np.flatnonzero(np.isinf(block).any(axis=1))[0])
                raise ValueError(
                    f"TabularEncoder: column {frame.columns[k]!r}, "
                    f"{shown_row(row, frame.index)} holds an infinite number (inf). "
                    "Replace it, for instance by X.replace([np.inf, -np.inf], np.nan)."
                )
            if not fit:
                self._warn_unread(frame, k, np.isnan(block[:, 0]) & ~missing[:, k])
            blocks.append(block)
        return np.hstack(blocks)

    def _warn_unread(self, frame: pd.DataFrame, k: int, unread: np.ndarray) -> None:
        """A cell that is there and yet no number is most often a slip."""
        if not unread.any():
            return
        row = int(unread.argmax())
        kind = self._readers[k].kind
        warnings.warn(
            f"TabularEncoder: column {frame.columns[k]!r} held {kind}s in fit; "
            f"now {int(unread.sum())} of {len(frame)} cells are none and count as "
            f"missing, first {str(frame.iloc[row, k])!r:.80} in "
            f"{shown_row(row, frame.index)}. Correct them, or set them to None.",
            UserWarning,
            stacklevel=4,
        )

    def _finite(self, encoded: np.ndarray) -> np.ndarray:
        infinite = np.isinf(encoded)
        if infinite.any():
            row, column = np.argwhere(infinite)[0]
            raise ValueError(
                f"TabularEncoder: {self._names[column]!r}, row {row} is too large for "
                "float32. Use scale=True, or replace it."
            )
        return encoded

    def _cells(
        self, frame: pd.DataFrame, missing: np.ndarray, columns: list[int]
    ) -> pd.DataFrame:
        """Some columns as categories, under the names that their outputs begin with."""
        cells = {
            self._columns[k]: as_categories(frame.iloc[:, k], missing[:, k])
            for k in columns
        }
        return pd.DataFrame(cells, index=frame.index)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags
