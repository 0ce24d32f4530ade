"""A ColumnTransformer that encodes each entry on the rows that have its cells."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import _fit_transform_one
from sklearn.utils._indexing import _get_column_indices, _safe_indexing
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import (
    _check_feature_names_in,
    _check_method_params,
    _num_samples,
    check_is_fitted,
)

from skmultimodal._layout import check_modality_name
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

REMAINDER = "remainder"


class BlockTransformer(ColumnTransformer):
    """What ModalityTransformer does with an explicit list of entries.

    It fills in the places that ColumnTransformer leaves for it: how entries are checked
    and run, how their results are named and joined.
    """

    # Their part is settled: output is dense, and names tell the modality.
    sparse_threshold = 0.0
    verbose_feature_names_out = True
    store: Any = None

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
                encoder = passthrough_encoder() if passes else self._clone(encoder)
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

    def _clone(self, encoder: Any) -> Any:
        """A copy that keeps what it encodes in our store, unless it has its own."""
        encoder = clone(encoder)
        if self.store is None or not hasattr(encoder, "get_params"):
            return encoder
        given = encoder.get_params(deep=True)
        stores = [name for name in given if name.split("__")[-1] == "store"]
        own = {name: self.store for name in stores if given[name] is None}
        return encoder.set_params(**own) if own else encoder

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
        return pd.DataFrame(full, index=index, columns=names, copy=False)

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
        array = np.concatenate([part.to_numpy() for part in Xs], axis=1)
        names = np.concatenate([part.columns.to_numpy() for part in Xs])
        if _get_output_config("transform", self)["dense"] == "polars":
            import polars as pl

            return pl.DataFrame(array, schema=list(names), orient="row")
        return pd.DataFrame(array, index=Xs[0].index, columns=names, copy=False)
