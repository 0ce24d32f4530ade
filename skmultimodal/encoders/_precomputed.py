"""Embeddings that are already there: numeric columns, or lists of floats in cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
    validate_data,
)

from skmultimodal._cells import is_missing, to_pandas
from skmultimodal._fitting import keep_state_on_error
from skmultimodal._layout import SEPARATOR, block_names, layout_from_names
from skmultimodal.encoders._columns import shown_row
from skmultimodal.encoders._names import feature_names

_STEP = re.compile(r"t\d+__.+", re.ASCII)


class PrecomputedEncoder(TransformerMixin, BaseEstimator):
    """Take a modality that is numbers already, and only check it.

    Parameters
    ----------
    max_steps : int, default=256
        The most steps of a cell that is a sequence. Further ones are left out.

    Attributes
    ----------
    n_features_out_ : int
        Number of output columns.
    n_steps_ : int or None
        Steps of the longest sequence of `fit`, for a column of sequences; what is
        longer at `transform` is cut off.
    n_features_in_ : int
        Number of columns seen in `fit`: 1 for a column of lists.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where all are strings.

    See Also
    --------
    TabularEncoder : Imputes, scales and encodes the columns of a table.

    Notes
    -----
    The input is a block of numeric columns, or one column whose cells are lists or
    arrays of floats, all of one length; or sequences of such vectors, arrays
    (steps, width) or lists of lists, of any number of steps. Nothing is scaled: the
    heads of this package do that. Missing numbers and cells become NaN. Columns keep
    their names, without the prefix of a modality (``text__3`` becomes ``3``; a full
    grid of ``text__t<step>__<feature>`` stays a sequence).

    Examples
    --------
    >>> from skmultimodal.encoders import PrecomputedEncoder
    >>> PrecomputedEncoder().fit_transform([[[1.0, 2.0]], [None], [[3.0, 4.0]]])
    array([[ 1.,  2.],
           [nan, nan],
           [ 3.,  4.]], dtype=float32)
    >>> frames = [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]]]
    >>> PrecomputedEncoder().fit_transform([[cell] for cell in frames])
    array([[ 1.,  2.,  3.,  4.],
           [ 5.,  6., nan, nan]], dtype=float32)
    """

    _kind = "precomputed"
    _names: list[str]

    _parameter_constraints: dict[str, list[Any]] = {
        "max_steps": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, max_steps=256):
        self.max_steps = max_steps

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_state_on_error
    def fit(self, X, y=None):
        """Learn the width and the names of the columns.

        Parameters
        ----------
        X : DataFrame, Series or array-like of shape (n_samples, n_columns)
            Numbers, or one column of lists or arrays of floats.
        y : None
            Ignored.

        Returns
        -------
        self : PrecomputedEncoder
            The fitted encoder.

        Raises
        ------
        ValueError
            If a value is no number or infinite, or cells differ in length.
        """
        self._fit(X)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_state_on_error
    def fit_transform(self, X, y=None):
        """Learn the width and the names of the columns, and give the numbers.

        Parameters
        ----------
        X : DataFrame, Series or array-like of shape (n_samples, n_columns)
            Numbers, or one column of lists or arrays of floats.
        y : None
            Ignored.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out_)
            float32; NaN where a number or cell is missing.
        """
        return self._fit(X)

    def transform(self, X):
        """Give the numbers.

        Parameters
        ----------
        X : DataFrame, Series or array-like of shape (n_samples, n_columns)
            Numbers, or one column of lists or arrays of floats.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out_)
            float32; NaN where a number or cell is missing.
        """
        check_is_fitted(self)
        X = _framed(X)
        if self._from_cells:
            cells, names, labels = self._validated(X, reset=False)
            vectors = self._vectors(cells[:, 0], names, labels)
            return self._block(vectors, len(cells))
        return _numbers(*self._validated(X, reset=False))

    def get_feature_names_out(self, input_features=None):
        """Names of the columns that `transform` gives.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Checked against the names of `fit`.

        Returns
        -------
        ndarray of str of shape (n_features_out_,)
            ``precomputed__<name of the column>``, or ``precomputed__0``, ... for cells.
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features)
        names = [f"{self._kind}{SEPARATOR}{name}" for name in self._names]
        return np.asarray(names, dtype=object)

    def _fit(self, X: Any) -> np.ndarray:
        X = _framed(X)
        array, names, labels = self._validated(X, reset=True)
        held = next((c for c in array[:, 0] if not is_missing(c)), None)
        if held is None and array.dtype == object and array.shape[1] == 1:
            raise ValueError(
                f"PrecomputedEncoder cannot be fitted: all {len(array)} cells of "
                f"column {names[0]!r} are missing. Leave the column out, or fit on "
                "rows that have it."
            )
        self._from_cells = isinstance(held, (list, tuple, np.ndarray))
        if self._from_cells:
            if array.shape[1] != 1:
                raise ValueError(
                    "PrecomputedEncoder takes one column of lists, or columns of "
                    f"numbers; got {array.shape[1]} columns and lists in the first. "
                    "Give each its own entry in ModalityTransformer."
                )
            self._width: tuple[int, int] | None = None  # dimensions of a cell, d
            self.n_steps_: int | None = None
            vectors = self._vectors(array[:, 0], names, labels)
            assert self._width is not None
            ndim, width = self._width
            shape: tuple[int, ...] = (0, width)
            if ndim == 2:
                longest = max(len(steps) for steps in vectors.values())
                self.n_steps_ = min(longest, self.max_steps)
                shape = 0, self.n_steps_, width
            names_of_block = block_names(self._kind, shape)
            self._names = [n.split(SEPARATOR, 1)[1] for n in names_of_block]
            values = self._block(vectors, len(array))
        else:
            values = _numbers(array, names, labels)
            self._names = _own_names(names)
            self.n_steps_ = None
        self.n_features_out_ = values.shape[1]
        return values

    def _vectors(
        self, cells: np.ndarray, names: Sequence[Any], labels: Any
    ) -> dict[int, np.ndarray]:
        """The vectors (d,) or sequences (T, d) of the rows that have one."""
        found: dict[int, np.ndarray] = {}
        for row, cell in enumerate(cells):
            if is_missing(cell):
                continue
            vector = _vector(cell, _place(names, 0, labels, row), self._width)
            if self._width is None:
                self._width = vector.ndim, int(vector.shape[-1])
            found[row] = vector
        return found

    def _block(self, vectors: dict[int, np.ndarray], n_rows: int) -> np.ndarray:
        """(n, d) or (n, steps * d), NaN where a cell or a step is missing."""
        assert self._width is not None
        _, width = self._width
        out = np.full((n_rows, self.n_steps_ or 1, width), np.nan, dtype=np.float32)
        for row, vector in vectors.items():
            steps = vector.reshape(-1, width)[: out.shape[1]]
            out[row, : len(steps)] = steps
        return out.reshape(n_rows, -1)

    def _validated(self, X: Any, *, reset: bool) -> tuple[np.ndarray, list[Any], Any]:
        """Values (n, k), the names of the columns and the labels of the rows."""
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, reset=reset, skip_check_array=True)
            if reset and 0 in X.shape:
                what = "sample" if X.shape[0] == 0 else "feature"
                raise ValueError(
                    f"PrecomputedEncoder: found array with 0 {what}(s) "
                    f"(shape={X.shape}) while a minimum of 1 is required."
                )
            return X.to_numpy(), list(X.columns), X.index
        array = validate_data(self, X, reset=reset, dtype=None, ensure_all_finite=False)
        return array, [str(k) for k in range(array.shape[1])], None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        tags.requires_fit = True
        return tags


def _framed(X: Any) -> Any:
    X = to_pandas(X)
    if isinstance(X, pd.Series):
        return X.to_frame()
    if isinstance(X, (list, tuple)) and any(_holds_vector(row) for row in X):
        return pd.DataFrame({0: pd.Series([_only(row) for row in X], dtype=object)})
    if isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1:
        held = next((c for c in X if not is_missing(c)), None)
        if isinstance(held, (list, tuple, np.ndarray)):
            return pd.DataFrame({0: pd.Series(list(X), dtype=object)})
    return X


def _holds_vector(row: Any) -> bool:
    return (
        isinstance(row, (list, tuple))
        and len(row) == 1
        and isinstance(row[0], (list, tuple, np.ndarray))
    )


def _only(row: Any) -> Any:
    return row[0] if isinstance(row, (list, tuple)) and len(row) == 1 else row


def _place(names: Sequence[Any], column: int, labels: Any, row: int) -> str:
    return f"column {names[column]!r}, {shown_row(int(row), labels)}"


def _numbers(array: np.ndarray, names: Sequence[Any], labels: Any) -> np.ndarray:
    """(n, k) float32, after a look at each value that is not finite."""
    if array.dtype.kind not in "biuf":
        array = _from_objects(array, names, labels)
    with np.errstate(over="ignore"):
        values = array.astype(np.float32)
    infinite = np.isinf(values)
    if infinite.any():
        row, column = np.argwhere(infinite)[0]
        raise ValueError(
            f"PrecomputedEncoder: {_place(names, column, labels, row)} holds an "
            "infinite number, or one too large for float32 (inf). Replace it, for "
            "instance by NaN, which means missing."
        )
    return values


def _from_objects(array: np.ndarray, names: Sequence[Any], labels: Any) -> np.ndarray:
    values = np.full(array.shape, np.nan)
    for (row, column), cell in np.ndenumerate(array):
        if is_missing(cell):
            continue
        try:
            if isinstance(cell, (str, bytes, np.datetime64, np.timedelta64)):
                raise TypeError
            values[row, column] = cell
        except (TypeError, ValueError):
            error = TypeError if not isinstance(cell, str) else ValueError
            raise error(
                f"PrecomputedEncoder: {_place(names, column, labels, row)} holds "
                f"{cell!r:.60} ({type(cell).__name__}). Its argument must be numeric: "
                "turn a string into a number first, or use TabularEncoder or "
                "TextEncoder for such columns."
            ) from None
    return values


def _vector(cell: Any, place: str, width: tuple[int, int] | None) -> np.ndarray:
    """(d,) or (T, d) float32 of a list or array; `width` is (1 or 2, d), if known."""
    try:
        with np.errstate(over="ignore"):
            vector = _as_float32(cell)
    except (TypeError, ValueError):
        raise ValueError(
            f"PrecomputedEncoder: {place} holds {cell!r:.60}; expected a list or "
            "array of numbers, or of vectors of one length."
        ) from None
    known = vector.ndim in (1, 2) and vector.size
    if not known or (width is not None and (vector.ndim, vector.shape[-1]) != width):
        expected = "one dimension, or (steps, width)"
        if width is not None:
            expected = f"{width[1]} numbers" + (" a step" if width[0] == 2 else "")
        raise ValueError(
            f"PrecomputedEncoder: {place} holds an array of shape {vector.shape}; "
            f"expected {expected}, as in the rows before. All embeddings of a "
            "column have one length."
        )
    if np.isinf(vector).any():
        where = np.argwhere(np.isinf(vector))[0].tolist()
        raise ValueError(
            f"PrecomputedEncoder: {place} holds an infinite number (inf), or one too "
            f"large for float32, at position {', '.join(map(str, where))}. Replace it "
            "by NaN."
        )
    return vector


def _as_float32(cell: Any) -> np.ndarray:
    if isinstance(cell, np.ndarray) and cell.dtype.kind in "biuf":
        return cell.astype(np.float32)
    return np.asarray(_with_nan(cell, depth=0), dtype=np.float32)


def _with_nan(cell: Any, depth: int) -> Any:
    """Nested lists with NaN for what is missing in them; no strings, no complex."""
    if isinstance(cell, (list, tuple, np.ndarray)) and depth < 3:
        return [_with_nan(part, depth + 1) for part in cell]
    if is_missing(cell):
        return np.nan
    if depth == 0 or isinstance(cell, (str, bytes, complex, np.complexfloating)):
        raise TypeError
    return cell


def _own_names(names: Sequence[Any]) -> list[str]:
    """Names without the modality before; steps stay steps where the grid is full."""
    texts = [str(name) for name in names]
    if all(_STEP.fullmatch(name) for name in texts):
        texts = [f"x{SEPARATOR}{name}" for name in texts]
    layout = layout_from_names(texts)
    if len(layout) == 1 and layout.blocks[0].is_sequence:
        tails = [name.split(SEPARATOR, 1)[1].split(SEPARATOR, 1) for name in texts]
        clean = dict(
            zip(layout.blocks[0].features, feature_names(layout.blocks[0].features))
        )
        return [f"{step}{SEPARATOR}{clean[feature]}" for step, feature in tails]
    return feature_names(name.split(SEPARATOR, 1)[-1] or name for name in texts)
