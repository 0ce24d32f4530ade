"""Keep some modalities of an encoded frame."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
    validate_data,
)

from skmultimodal._fitting import keep_state_on_error
from skmultimodal._layout import read_layout


class ModalitySelector(TransformerMixin, BaseEstimator):
    """Keep some modalities of an encoded frame and leave out the others.

    Parameters
    ----------
    modalities : str or list of str, default=None
        Names of the modalities to keep; None keeps all. Columns stay in the order of X.
        Columns without ``__`` in their name, and all columns of a nameless array, are
        the modality ``x``.

    Attributes
    ----------
    modalities_ : list of str
        The modalities kept.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of these columns, when all are strings.

    See Also
    --------
    ModalityTransformer : Encodes each modality of a raw frame.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal import pack
    >>> from skmultimodal.compose import ModalitySelector
    >>> X = pack({"text": np.zeros((2, 1)), "audio": np.ones((2, 2))})
    >>> ModalitySelector("audio").fit_transform(X)
       audio__0  audio__1
    0       1.0       1.0
    1       1.0       1.0
    """

    _parameter_constraints: dict = {"modalities": [str, "array-like", None]}

    def __init__(self, modalities=None):
        self.modalities = modalities

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_state_on_error
    def fit(self, X, y=None):
        """Read the layout of X and find the modalities to keep.

        Parameters
        ----------
        X : DataFrame, ndarray or polars DataFrame of shape (n_samples, n_columns)
            Encoded data.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted selector.

        Raises
        ------
        ValueError
            If X has no modality of a name asked for, or none is asked for.
        """
        values = self._validate(X, reset=True)
        names = getattr(self, "feature_names_in_", None)
        layout = read_layout(values.shape[1], names)
        asked = self.modalities
        if asked is None:
            asked = layout.names
        asked = [asked] if isinstance(asked, str) else list(asked)
        known = ", ".join(map(repr, layout.names))
        unknown = [name for name in asked if name not in layout.names]
        if unknown:
            raise ValueError(
                f"X has no modality {unknown[0]!r}; its modalities are {known}."
            )
        if not asked:
            raise ValueError(
                f"modalities=[] keeps nothing: name some of {known}, or None for all."
            )
        kept = [block for block in layout if block.name in asked]
        self.modalities_ = [block.name for block in kept]
        self._columns = np.sort(np.concatenate([b.columns for b in kept])).astype(int)
        return self

    def transform(self, X):
        """Keep the columns of the chosen modalities.

        Parameters
        ----------
        X : DataFrame, ndarray or polars DataFrame of shape (n_samples, n_columns)
            Encoded data.

        Returns
        -------
        DataFrame, ndarray or polars DataFrame of shape (n_samples, n_kept)
            float32, in the container of X unless `set_output` says otherwise.

        Raises
        ------
        ValueError
            If the columns differ from those seen in `fit`.
        """
        check_is_fitted(self)
        kept = self._validate(X, reset=False)[:, self._columns]
        if _get_output_config("transform", self)["dense"] != "default":
            return kept
        if isinstance(X, pd.DataFrame):
            names = self.get_feature_names_out()
            return pd.DataFrame(kept, index=X.index, columns=names, copy=False)
        if type(X).__module__.startswith("polars"):
            import polars as pl

            return pl.DataFrame(kept, schema=list(self.get_feature_names_out()))
        return kept

    def get_feature_names_out(self, input_features=None):
        """Names of the columns kept.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns, for data that had none.

        Returns
        -------
        ndarray of str of shape (n_kept,)
            The same names as in X.
        """
        check_is_fitted(self)
        return _check_feature_names_in(self, input_features)[self._columns]

    def _validate(self, X, *, reset: bool) -> np.ndarray:
        return validate_data(
            self, X, dtype=np.float32, ensure_all_finite="allow-nan", reset=reset
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags
