"""What encoders of one column share: missing cells, unique parts, names."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils.validation import _check_feature_names, check_is_fitted

from skmultimodal._fitting import keep_state_on_error
from skmultimodal.encoders._columns import (
    Column,
    Parts,
    gather,
    read_column,
    unique_parts,
)


class ColumnEncoder(TransformerMixin, BaseEstimator):
    """Base of the encoders that turn one column of cells into a vector a row.

    A subclass names its `_kind` and writes `_fit_parts`, which learns from unique
    texts or pictures, and `_encode_parts`, which gives a row of numbers for each of
    them (a row of NaN for one that cannot be read).
    """

    _kind: str

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_state_on_error
    def fit(self, X, y=None):
        """Learn from one column.

        Parameters
        ----------
        X : Series, one-column DataFrame, list or array of shape (n_samples,) or \
                (n_samples, 1)
            Cells. None, NaN and ``""`` mean that a sample lacks it.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted encoder.
        """
        self._fit_column(X)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_state_on_error
    def fit_transform(self, X, y=None):
        """Learn from one column and encode it.

        Parameters
        ----------
        X : Series, one-column DataFrame, list or array of shape (n_samples,) or \
                (n_samples, 1)
            Cells. None, NaN and ``""`` mean that a sample lacks it.
        y : None
            Ignored.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out_)
            float32; a row of NaN where the cell is missing.
        """
        column, parts, features = self._fit_column(X)
        return gather(parts, features, len(column.cells))

    def transform(self, X):
        """Encode one column.

        Parameters
        ----------
        X : Series, one-column DataFrame, list or array of shape (n_samples,) or \
                (n_samples, 1)
            Cells. None, NaN and ``""`` mean that a sample lacks it.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out_)
            float32; a row of NaN where the cell is missing.
        """
        check_is_fitted(self)
        column = self._read(X, reset=False)
        parts = self._parts(column)
        if parts.values:
            features = self._encode_parts(parts, column)
        else:
            features = np.empty((0, self.n_features_out_), dtype=np.float32)
        return gather(parts, features, len(column.cells))

    def get_feature_names_out(self, input_features=None):
        """Names of the columns that `transform` gives.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of str of shape (n_features_out_,)
            ``<kind>__0``, ``<kind>__1``, ...; in a composition the modality's name
            stands before.
        """
        check_is_fitted(self)
        names = [f"{self._kind}__{k}" for k in range(self.n_features_out_)]
        return np.asarray(names, dtype=object)

    def _fit_column(self, X: Any) -> tuple[Column, Parts, np.ndarray]:
        column = self._read(X, reset=True)
        parts = self._parts(column)
        if not parts.values:
            name = f" of column {column.name!r}" if column.name is not None else ""
            raise ValueError(
                f"{type(self).__name__} cannot be fitted: all {len(column.cells)} cells"
                f"{name} are missing. Leave the column out, or fit on rows that have "
                "it."
            )
        features = self._fit_parts(parts, column)
        if np.isnan(features).all():
            raise ValueError(
                f"{type(self).__name__} cannot be fitted: none of the "
                f"{len(parts.values)} different cells can be read "
                f"(on_error={getattr(self, 'on_error', None)!r}); the first is "
                f"{parts.values[0]!r:.80}."
            )
        self.n_features_out_ = features.shape[1]
        self.n_features_in_ = 1
        return column, parts, features

    def _read(self, X: Any, *, reset: bool) -> Column:
        column = read_column(X, type(self).__name__)
        if not column.cells and reset:
            raise ValueError(
                f"{type(self).__name__} cannot be fitted on no rows: found array with "
                "0 sample(s) while a minimum of 1 is required."
            )
        if reset or column.frame is not None:
            _check_feature_names(self, column.frame, reset=reset)
        return column

    def _parts(self, column: Column) -> Parts:
        return unique_parts(column)

    def _fit_parts(self, parts: Parts, column: Column) -> np.ndarray:
        """Learn from the unique parts and give their features (n_parts, d)."""
        raise NotImplementedError

    def _encode_parts(self, parts: Parts, column: Column) -> np.ndarray:
        """Features of the unique parts (n_parts, d)."""
        raise NotImplementedError

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags
