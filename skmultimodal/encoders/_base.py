"""What encoders of one column share: missing cells, unique parts, names."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils.validation import _check_feature_names, check_is_fitted

from skmultimodal._fitting import keep_state_on_error
from skmultimodal._layout import block_names
from skmultimodal.encoders._columns import (
    Column,
    Parts,
    Sequences,
    gather,
    gather_steps,
    longest,
    read_column,
    unique_parts,
)


class ColumnEncoder(TransformerMixin, BaseEstimator):
    """Base of the encoders that turn one column of cells into a block.

    A subclass names its `_kind` and writes `_fit_parts`, which learns from unique
    texts or pictures, and `_encode_parts`, which describes each of them: all together
    as an array (n_parts, d), with a row of NaN for one that cannot be read; or, for a
    block of sequences, as a list of arrays (T, d), with T = 0 for one that cannot.
    """

    _kind: str
    n_steps_: int | None  # of a sequence block
    n_features_out_: int

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
        return self._gathered(parts, features, len(column.cells))

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
        if not parts.values:
            shape = len(column.cells), self.n_features_out_
            return np.full(shape, np.nan, dtype=np.float32)
        features = self._encode_parts(parts, column)
        return self._gathered(parts, features, len(column.cells))

    def get_feature_names_out(self, input_features=None):
        """Names of the columns that `transform` gives.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of str of shape (n_features_out_,)
            ``<kind>__0``, ``<kind>__1``, ..., of a sequence ``<kind>__t0__0``, ...; in
            a composition the modality's name stands before.
        """
        check_is_fitted(self)
        shape: tuple[int, ...] = (0, self.n_features_out_)
        if self.n_steps_ is not None:
            shape = (0, self.n_steps_, self.n_features_out_ // self.n_steps_)
        return np.asarray(block_names(self._kind, shape), dtype=object)

    def _gathered(
        self, parts: Parts, features: np.ndarray | Sequences, n_rows: int
    ) -> np.ndarray:
        """A row of the block for each row of the column."""
        if isinstance(features, np.ndarray):
            return gather(parts, features, n_rows)
        assert self.n_steps_ is not None
        width = self.n_features_out_ // self.n_steps_
        return gather_steps(parts, features, n_rows, self.n_steps_, width)

    def _fit_column(self, X: Any) -> tuple[Column, Parts, np.ndarray | Sequences]:
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
        if not any(len(f) and not np.isnan(f).all() for f in features):
            raise ValueError(
                f"{type(self).__name__} cannot be fitted: none of the "
                f"{len(parts.values)} different cells can be read "
                f"(on_error={getattr(self, 'on_error', None)!r}); the first is "
                f"{parts.values[0]!r:.80}."
            )
        self.n_steps_ = None
        if isinstance(features, np.ndarray):
            self.n_features_out_ = features.shape[1]
        else:
            steps = longest(parts, features, len(column.cells))
            self.n_steps_ = min(steps, self._most_steps() or steps)
            self.n_features_out_ = self.n_steps_ * next(f for f in features).shape[1]
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

    def _most_steps(self) -> int | None:
        """Steps of a sequence, at most."""
        return getattr(self, "max_steps", None)

    def _fit_parts(self, parts: Parts, column: Column) -> np.ndarray | Sequences:
        """Learn from the unique parts and describe them."""
        raise NotImplementedError

    def _encode_parts(self, parts: Parts, column: Column) -> np.ndarray | Sequences:
        """Describe the unique parts."""
        raise NotImplementedError

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags
