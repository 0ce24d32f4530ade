"""A ColumnTransformer with one encoder a modality."""

from __future__ import annotations

import copy
import difflib
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import _fit_context, clone
from sklearn.compose import ColumnTransformer
from sklearn.compose._column_transformer import _check_X
from sklearn.pipeline import _fit_transform_one
from sklearn.utils._indexing import _get_column_indices, _safe_indexing
from sklearn.utils._param_validation import StrOptions
from sklearn.utils._repr_html.estimator import _VisualBlock
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import (
    _check_feature_names_in,
    _check_method_params,
    _check_n_features,
    _num_samples,
    check_is_fitted,
)

from skmultimodal._cells import to_pandas
from skmultimodal._fitting import keep_state_on_error
from skmultimodal._layout import check_modality_name
from skmultimodal.compose._auto import choose_encoders
from skmultimodal.compose._encoding import (
    describe,
    encode,
    naming,
    present_rows,
    scatter,
    sentence,
)
from skmultimodal.compose._feature_names import column_names, feature_names
from skmultimodal.compose._passthrough import (
    as_numbers,
    is_passthrough,
    passthrough_encoder,
)

AUTO = "auto"
REMAINDER = "remainder"


class ModalityTransformer(ColumnTransformer):
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
        ``"precomputed"``, ``"drop"`` or an encoder. The key is the column's name, or
        its position where X is an array.
    remainder : {"drop", "passthrough"} or estimator, default="drop"
        What happens to the columns that no entry names; they become the modality
        ``remainder``.
    n_jobs : int, default=None
        Number of encoders that run in parallel.
    transformer_weights : dict of str to float, default=None
        Factors for the output of each entry.
    verbose : bool, default=False
        Print the time each encoder took to fit.

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

    # Their part is settled: output is dense, and names tell the modality.
    sparse_threshold = 0.0
    verbose_feature_names_out = True

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

    def __init__(
        self,
        transformers=AUTO,
        *,
        modalities=None,
        remainder="drop",
        n_jobs=None,
        transformer_weights=None,
        verbose=False,
    ):
        self.transformers = transformers
        self.modalities = modalities
        self.remainder = remainder
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
            If no row has a modality: it contributes no columns then, for good.
        """
        X = as_table(X, type(self).__name__)
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
                if not _is(trans, "drop"):
                    self._check_columns(X, name, self._labels(name))
        return _framed(super().transform(X, **params), X)

    def get_feature_names_out(self, input_features=None):
        """Names of the encoded columns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the raw columns, for data that had none; otherwise the names seen
            in `fit`.

        Returns
        -------
        ndarray of str of shape (n_columns_out,)
            ``<modality>__<feature>``, feature parts in letters, digits and underscores.
        """
        check_is_fitted(self)
        renamed = input_features is not None and not hasattr(self, "feature_names_in_")
        inputs = _check_feature_names_in(self, input_features)
        parts = []
        for name, trans, *_ in self._active(fitted=True):
            names = self._names_out[name]
            if renamed:
                of_entry = inputs[self._transformer_to_input_indices[name]]
                features = feature_names(trans, of_entry, None)
                names = column_names(name, trans, features, len(names))
            parts.append(names)
        return np.concatenate(parts) if parts else np.array([], dtype=object)

    def set_output(self, *, transform=None):
        """Choose the container that `transform` and `fit_transform` give.

        The encoders keep their own: they run under scikit-learn's default output.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            ``"default"`` and ``"pandas"`` both give a pandas frame, ``"polars"`` gives
            a polars frame. ``None`` changes nothing.

        Returns
        -------
        self : object
            The same estimator.
        """
        return super(ColumnTransformer, self).set_output(transform=transform)

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
        return _is(self.transformers, AUTO)

    def _validate_transformers(self) -> None:
        for entry in self.transformers:
            if not (isinstance(entry, tuple | list) and len(entry) == 3):
                raise ValueError(
                    "transformers is a list of (name, encoder, columns), one a "
                    f"modality; got {entry!r}."
                )
            check_modality_name(entry[0])
            if entry[0] == REMAINDER:
                raise ValueError(
                    f"{REMAINDER!r} cannot name a modality: it is the name of the "
                    "columns that no entry takes."
                )
        super()._validate_transformers()

    def _validate_column_callables(self, X: Any) -> None:
        resolved, indices = [], {}
        for name, _, columns in self.transformers:
            if callable(columns):
                columns = columns(X)
            if isinstance(X, pd.DataFrame):
                asked = [columns] if isinstance(columns, str) else columns
                asked = [] if isinstance(asked, slice) else np.atleast_1d(asked)
                asked = [str(c) for c in asked if isinstance(c, str)]
                self._check_columns(X, name, asked)
            with naming(name, columns if isinstance(columns, list) else [columns]):
                indices[name] = _get_column_indices(X, columns)
            resolved.append(columns)
        self._columns = resolved
        self._transformer_to_input_indices = indices

    def _check_columns(self, X: pd.DataFrame, name: str, needed: Sequence[str]) -> None:
        missing = [column for column in needed if column not in X.columns]
        if not missing:
            return
        held = [str(column) for column in X.columns]
        alike = difflib.get_close_matches(missing[0], held, n=1, cutoff=0.6)
        hint = f" Was {missing[0]!r} renamed to {alike[0]!r}?" if alike else ""
        shown = ", ".join(repr(c) for c in held[:8]) + (", ..." if held[8:] else "")
        raise ValueError(
            f"columns are missing: {describe(name, missing)} is not all in X, whose "
            f"columns are {shown}.{hint} A sample that lacks a modality has None or "
            "NaN in its column, the column stays."
        )

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

    def _labels(self, name: str) -> list[Any]:
        """Names of an entry's columns, or their positions."""
        indices = self._transformer_to_input_indices[name]
        names = getattr(self, "feature_names_in_", None)
        return [k if names is None else str(names[k]) for k in indices]

    def _active(self, *, fitted: bool, column_as_labels: bool = False) -> list[tuple]:
        """Entries that give columns: (name, encoder, columns, weight)."""
        return list(
            self._iter(
                fitted=fitted,
                column_as_labels=column_as_labels,
                skip_drop=True,
                skip_empty_columns=True,
            )
        )

    def _call_func_on_transformers(
        self, X: Any, y: Any, func: Any, column_as_labels: bool, routed_params: Any
    ) -> list[Any]:
        """Run each encoder on the rows that have its modality; put the rows back.

        Gives a frame an entry, at fit with the fitted encoder beside it.
        """
        fitting = func is _fit_transform_one
        entries = self._active(fitted=not fitting, column_as_labels=column_as_labels)
        jobs, cuts = [], []
        for k, (name, encoder, columns, weight) in enumerate(entries, start=1):
            part = _safe_indexing(X, columns, axis=1)
            rows = present_rows(part)
            cuts.append(rows)
            if rows is not None and not len(rows):
                continue
            job = self._job(name, encoder, part, y, rows, routed_params[name])
            if fitting:
                passes = is_passthrough(encoder)
                encoder = passthrough_encoder() if passes else clone(encoder)
                job["names_in"] = self._names_in(name)
                job["message_clsname"] = type(self).__name__
                job["message"] = self._log_message(name, k, len(entries))
            jobs.append(
                delayed(encode)(func, transformer=encoder, weight=weight, **job)
            )
        encoded = iter(Parallel(n_jobs=self.n_jobs)(jobs))
        if fitting:
            self._names_out = {}
        results = []
        for (name, *_), rows in zip(entries, cuts):
            if rows is None or len(rows):
                array, features, encoder = next(encoded)
                if fitting:
                    self._name_columns(name, encoder, features, array.shape[1])
            elif fitting:
                self._warn_never_present(name)
                self._names_out[name] = np.array([], dtype=object)
                array, encoder = np.empty((0, 0), dtype=np.float32), "drop"
            else:
                width = len(self._names_out[name])
                array = np.empty((0, width), dtype=np.float32)
            frame = self._frame(name, array, rows, X)
            results.append((frame, encoder) if fitting else frame)
        return results

    def _job(
        self, name: str, encoder: Any, part: Any, y: Any, rows: Any, params: Any
    ) -> dict[str, Any]:
        """What one encoder gets: its columns, cut to its rows as are y and metadata."""
        labels = self._labels(name)
        if is_passthrough(encoder):
            part = as_numbers(part, name, labels)
        job = {"X": part, "y": y, "params": params, "modality": name, "columns": labels}
        if rows is not None:
            job["X"] = _safe_indexing(part, rows)
            job["y"] = y if y is None else _safe_indexing(y, rows)
            job["params"] = {
                method: _check_method_params(part, given, indices=rows)
                for method, given in params.items()
            }
            job["n_samples"] = _num_samples(part)
        return job

    def _names_in(self, name: str) -> np.ndarray:
        return _check_feature_names_in(self, None)[
            self._transformer_to_input_indices[name]
        ]

    def _name_columns(
        self, name: str, encoder: Any, features: list[str] | None, width: int
    ) -> None:
        with naming(name, self._labels(name)):
            self._names_out[name] = column_names(name, encoder, features, width)

    def _warn_never_present(self, name: str) -> None:
        warnings.warn(
            f"{sentence(describe(name, self._labels(name)))} is missing in all rows "
            "that fit sees: it contributes no columns, now and at transform.",
            UserWarning,
            stacklevel=2,
        )

    def _frame(self, name: str, array: np.ndarray, rows: Any, X: Any) -> pd.DataFrame:
        names = self._names_out[name]
        if array.shape[1] != len(names):
            raise ValueError(
                f"{sentence(describe(name, self._labels(name)))}: its encoder gave "
                f"{array.shape[1]} columns, at fit it gave {len(names)}. An encoder "
                "keeps its number of columns."
            )
        index = X.index if isinstance(X, pd.DataFrame) else None
        full = scatter(array, rows, _num_samples(X))
        return pd.DataFrame(full, index=index, columns=names)

    def _validate_output(self, result: Any) -> None:
        """Nothing left to check: every part is a float32 frame by now."""

    def _record_output_indices(self, Xs: Sequence[pd.DataFrame]) -> None:
        start = 0
        self.output_indices_ = {}
        # Entries as they were at fit: those found in no row are "drop" by now.
        for (name, *_), part in zip(self._active(fitted=False), Xs):
            if part.shape[1]:
                self.output_indices_[name] = slice(start, start + part.shape[1])
            start += part.shape[1]
        for name in [*(entry[0] for entry in self.transformers), REMAINDER]:
            self.output_indices_.setdefault(name, slice(0, 0))

    def _hstack(self, Xs: list[pd.DataFrame], *, n_samples: int) -> Any:
        """One float32 block: this is where the default output is decided."""
        blocks = [part.to_numpy() for part in Xs]
        array = np.concatenate(blocks, axis=1) if len(blocks) > 1 else blocks[0]
        names = np.concatenate([part.columns.to_numpy() for part in Xs])
        if _get_output_config("transform", self)["dense"] == "polars":
            import polars as pl

            return pl.DataFrame(array, schema=list(names), orient="row")
        return pd.DataFrame(array, index=Xs[0].index, columns=names)

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


def _is(value: Any, word: str) -> bool:
    return isinstance(value, str) and value == word


def _framed(encoded: Any, X: Any) -> Any:
    """The frame without columns in place of the array that no entry gives."""
    if not isinstance(encoded, np.ndarray):
        return encoded
    return pd.DataFrame(
        encoded.astype(np.float32), index=X.index if hasattr(X, "index") else None
    )


def as_table(X: Any, owner: str) -> Any:
    """X as a pandas frame or a 2-D array that has rows and columns."""
    X = _check_X(to_pandas(X))
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
    return X.tocsr() if sparse.issparse(X) else X
