"""A ColumnTransformer with one encoder a modality."""

from __future__ import annotations

import copy
import os
import warnings
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import _fit_context
from sklearn.compose import ColumnTransformer
from sklearn.compose._column_transformer import _check_X
from sklearn.utils import check_consistent_length
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils._repr_html.estimator import _VisualBlock
from sklearn.utils.validation import _check_n_features, check_is_fitted

from skmultimodal._cells import (
    refuse_records,
    refuse_repeated_columns,
    to_pandas,
)
from skmultimodal._fitting import keep_state_on_error
from skmultimodal.compose._auto import choose_encoders
from skmultimodal.compose._block_transformer import REMAINDER, BlockTransformer

AUTO = "auto"


class ModalityTransformer(BlockTransformer):
    """Encode each modality of a raw frame and put the results side by side.

    A :class:`~sklearn.compose.ColumnTransformer` in every habit, made for frames whose
    columns also hold text and media, and which lack some of them:

    * An encoder is fitted on, and sees, only the rows that have its modality. A row
      lacks it when all its cells in the columns of that entry are missing (``None``,
      ``NaN``, ``""`` or an empty list). Such rows come out as NaN. Encoders know
      nothing of gaps; stock ones (:class:`~sklearn.preprocessing.StandardScaler`,
      :class:`~sklearn.feature_extraction.text.TfidfVectorizer`, a Pipeline) serve as
      well as those of :mod:`skmultimodal.encoders`.
    * The result is one float32 frame whose column names, ``<modality>__<feature>``,
      are the layout that samplers, fusions and heads read.

    Parameters
    ----------
    transformers : list of (name, encoder, columns) or "auto", default="auto"
        One entry a modality. `name` is the modality's name: letters, digits and single
        underscores. `encoder` is a transformer, ``"drop"`` or ``"passthrough"``
        (numbers as they are, or one column whose cells are lists of floats).
        `columns` are given as in ColumnTransformer; a scalar selects one column as
        a 1-d Series, a list as a frame.

        With ``"auto"`` the cells of each column decide, in `fit`: numbers, dates,
        categories and short strings together are one modality, ``tabular``; each column
        of text or media is one of its own, named after it; `modalities_` tells what was
        chosen. Nested parameters exist for an explicit list only:
        :func:`make_modality_transformer` gives one.
    modalities : dict of column to str or encoder, default=None
        Overrules ``"auto"`` column by column: ``"tabular"``, ``"text"``, ``"image"``,
        ``"audio"``, ``"video"``, ``"series"``, ``"precomputed"``, ``"dialogue"``,
        ``"drop"`` or an encoder. The key is the column's name, or
        its position where X is an array.
    remainder : {"drop", "passthrough"} or estimator, default="drop"
        What happens to the columns that no entry names; they become the modality
        ``remainder``.
    store : str, path, EmbeddingStore or None, default=None
        Where encoders keep what they have encoded, so that no content is encoded twice:
        not in another fold, not by another candidate of a search, not by another
        process. It is handed to the encoders that have a `store` and name none.
    n_jobs : int, default=None
        Number of encoders that run in parallel.
    transformer_weights : dict of str to float, default=None
        Factors for the output of each entry.
    verbose : bool, default=False
        Print what ``"auto"`` chose, and the time each encoder took to fit.

    Attributes
    ----------
    transformers_ : list of (name, fitted encoder, columns)
        ``"passthrough"`` has become a
        :class:`~skmultimodal.encoders.PrecomputedEncoder`; a modality that no row of
        the training data had has become ``"drop"``.
    named_transformers_ : Bunch
        The fitted encoders by name.
    modalities_ : dict of str to Modality
        What ``"auto"`` chose: kind, columns and the reason. Only with ``"auto"``.
    output_indices_ : dict of str to slice
        Where each modality stands in the output.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of these columns, when all are strings.

    See Also
    --------
    make_modality_transformer : The list that ``"auto"`` would choose, spelled out.
    ModalitySelector : Keep some modalities of an encoded frame.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skmultimodal.compose import ModalityTransformer
    >>> X = pd.DataFrame({
    ...     "age": [1.0, 3.0, None],
    ...     "review": ["good", None, "not good"],
    ... })
    >>> encode = ModalityTransformer([
    ...     ("tabular", StandardScaler(), ["age"]),
    ...     ("text", TfidfVectorizer(), "review"),
    ... ])
    >>> encode.fit_transform(X).round(2)
       tabular__age  text__good  text__not
    0          -1.0        1.00       0.00
    1           1.0         NaN        NaN
    2           NaN        0.58       0.81
    """

    _parameter_constraints: dict = {
        name: constraint
        for name, constraint in ColumnTransformer._parameter_constraints.items()
        if name not in ("sparse_threshold", "verbose_feature_names_out")
    }
    _parameter_constraints["transformers"] = [
        *_parameter_constraints["transformers"],
        StrOptions({AUTO}),
    ]
    _parameter_constraints["modalities"] = [dict, None]
    _parameter_constraints["store"] = [str, os.PathLike, HasMethods("info"), None]

    def __init__(
        self,
        transformers=AUTO,
        *,
        modalities=None,
        remainder="drop",
        store=None,
        n_jobs=None,
        transformer_weights=None,
        verbose=False,
    ):
        self.transformers = transformers
        self.modalities = modalities
        self.remainder = remainder
        self.store = store
        self.n_jobs = n_jobs
        self.transformer_weights = transformer_weights
        self.verbose = verbose

    @_fit_context(
        # the encoders are not validated yet
        prefer_skip_nested_validation=False
    )
    @keep_state_on_error
    def fit_transform(self, X, y=None, **params):
        """Fit all encoders, encode the data and put the results side by side.

        Parameters
        ----------
        X : DataFrame, ndarray or polars DataFrame of shape (n_samples, n_columns)
            Raw data.
        y : array-like of shape (n_samples, ...), default=None
            Targets, for supervised encoders. An encoder gets those of the rows that
            have its modality.
        **params : dict
            Metadata routed to the encoders, cut to the same rows where it has one value
            a row. Needs ``sklearn.set_config(enable_metadata_routing=True)``.

        Returns
        -------
        DataFrame of shape (n_samples, sum of the widths)
            float32, with the index of X. A row that lacks a modality has NaN over its
            block.

        Raises
        ------
        ValueError
            If a name cannot name a modality, a column is not in X, an encoder changes
            the number of rows or gives something else than numbers; and whatever an
            encoder raises, with modality and columns put before its message.

        Warns
        -----
        UserWarning
            If no row has a modality: it contributes no columns then, for good. With
            ``"auto"``, if the cells of a column do not say what they are: the guess,
            what else they may be, and how to overrule it by `modalities`.
        """
        X = as_table(X, type(self).__name__)
        if y is not None:
            check_consistent_length(X, y)
        self.__dict__.pop("modalities_", None)
        if not self._is_auto:
            if self.modalities is not None:
                raise ValueError(
                    "modalities= overrules what transformers='auto' chooses, but "
                    "transformers is an explicit list. Change its entries, or leave "
                    "modalities=None."
                )
            return _framed(super().fit_transform(X, y, **params), X)
        entries, chosen = choose_encoders(X, self.modalities)
        if self.verbose:
            for name, found in chosen.items():
                print(f"[ModalityTransformer] {name} is {found.kind}: {found.reason}")
        try:
            self.transformers = entries
            encoded = _framed(super().fit_transform(X, y, **params), X)
        finally:
            self.transformers = AUTO
        self.modalities_ = chosen
        return encoded

    def transform(self, X, **params):
        """Encode the data with the fitted encoders.

        Parameters
        ----------
        X : DataFrame, ndarray or polars DataFrame of shape (n_samples, n_columns)
            Raw data. Columns of a frame are found by name: their order does not
            matter, and there may be more of them. An array after a frame in `fit` is
            taken column by column, with a warning.
        **params : dict
            Metadata routed to the encoders.

        Returns
        -------
        DataFrame of shape (n_samples, sum of the widths)
            float32, with the index of X.

        Raises
        ------
        ValueError
            If a column is missing; the message names it and the modality that needs
            it.
        """
        check_is_fitted(self)
        X = self._named(as_table(X, type(self).__name__))
        if isinstance(X, pd.DataFrame) and hasattr(self, "feature_names_in_"):
            for name, trans, *_ in self.transformers_:
                if not (isinstance(trans, str) and trans == "drop"):
                    self._check_columns(X, name, self._labels(name))
        return _framed(super().transform(X, **params), X)

    def set_params(self, **kwargs):
        """Set the parameters of this estimator and of its encoders.

        Parameters
        ----------
        **kwargs : dict
            ``text=TextEncoder()``, ``text__max_features=100``, ``n_jobs=2``, ...

        Returns
        -------
        self : object
            The same estimator.
        """
        try:
            return super().set_params(**kwargs)
        except ValueError as error:
            if not self._is_auto:
                raise
            raise ValueError(
                f"{error} With transformers='auto' encoders have no parameters of "
                "their own before `fit`: make_modality_transformer(X) gives the same "
                "encoders as an explicit list."
            ) from error

    def get_metadata_routing(self):
        """What metadata the encoders ask for.

        Returns
        -------
        MetadataRouter
            With ``"auto"``: of the fitted encoders, and of those given by `modalities`
            before `fit`.
        """
        if not self._is_auto:
            return super().get_metadata_routing()
        stand_in = copy.copy(self)
        if hasattr(self, "transformers_"):
            stand_in.transformers = [e for e in self.transformers_ if e[0] != REMAINDER]
        else:
            given = (self.modalities or {}).items()
            stand_in.transformers = [
                (str(column), encoder, [column])
                for column, encoder in given
                if not isinstance(encoder, str)
            ]
        return ColumnTransformer.get_metadata_routing(stand_in)

    @property
    def _is_auto(self) -> bool:
        return isinstance(self.transformers, str) and self.transformers == AUTO

    def _named(self, X: Any) -> Any:
        """An array as a frame, where `fit` has seen one: its columns by position."""
        names = getattr(self, "feature_names_in_", None)
        if names is None or not isinstance(X, np.ndarray):
            return X
        _check_n_features(self, X, reset=False)
        warnings.warn(
            f"X does not have valid feature names, but {type(self).__name__} was "
            "fitted with feature names: its columns are taken in the order of `fit`.",
            UserWarning,
            stacklevel=3,
        )
        frame = pd.DataFrame(X, columns=names)
        return frame.infer_objects() if X.dtype == object else frame

    def _sk_visual_block_(self) -> _VisualBlock:
        if not self._is_auto:
            return super()._sk_visual_block_()
        if not hasattr(self, "transformers_"):
            return _VisualBlock(
                "single", self, names=type(self).__name__, name_details=str(self)
            )
        stand_in = copy.copy(self)
        stand_in.transformers = [e for e in self.transformers_ if e[0] != REMAINDER]
        return ColumnTransformer._sk_visual_block_(stand_in)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        if self._is_auto:
            tags.input_tags.string = True
            tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _framed(encoded: Any, X: Any) -> Any:
    """The frame without columns in place of the array that no entry gives."""
    if not isinstance(encoded, np.ndarray):
        return encoded
    return pd.DataFrame(
        encoded.astype(np.float32), index=X.index if hasattr(X, "index") else None
    )


def as_table(X: Any, owner: str) -> Any:
    """X as a pandas frame or a 2-D array that has rows and columns."""
    X = to_pandas(X)
    refuse_records(X, owner)
    X = _check_X(X)
    if len(X.shape) != 2:
        raise ValueError(
            f"Expected 2D array, got {len(X.shape)}D array instead: {owner} reads a "
            f"frame or a 2-D array, X has shape {X.shape}. Reshape your data: "
            "X.to_frame() of a Series, X.reshape(-1, 1) of one column."
        )
    for size, what in zip(X.shape, ("sample", "feature")):
        if size == 0:
            raise ValueError(
                f"Found array with 0 {what}(s) (shape={X.shape}) while a minimum of 1 "
                f"is required by {owner}."
            )
    refuse_repeated_columns(X)
    return X.tocsr() if sparse.issparse(X) else X
