"""What closed-form fusions share: one vector a modality in, one `fused` frame out."""

from __future__ import annotations

import warnings
from abc import ABCMeta, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
    validate_data,
)

from skmultimodal._fitting import keep_state_on_error
from skmultimodal._layout import Block, Layout, read_layout


@dataclass(frozen=True)
class Vectors:
    """One vector a modality and row, and which rows have it."""

    values: dict[str, np.ndarray]  # (n, p_m) float64, 0 where absent or missing
    present: dict[str, np.ndarray]  # (n,) bool

    def __len__(self) -> int:
        return len(next(iter(self.present.values())))

    @property
    def mask(self) -> np.ndarray:
        """(n, M) bool"""
        return np.stack(list(self.present.values()), axis=1)

    def take(self, rows: np.ndarray | slice) -> Vectors:
        return Vectors(
            {m: values[rows] for m, values in self.values.items()},
            {m: here[rows] for m, here in self.present.items()},
        )


@dataclass
class BlockVectors:
    """From encoded columns to vectors, with means and deviations of the rows of `fit`.

    A sequence becomes the mean, or mean and deviation, of the steps that a row has.
    """

    blocks: tuple[Block, ...]  # the modalities that some row of `fit` has
    pooling: str
    center: dict[str, np.ndarray]  # (p_m,)
    scale: dict[str, np.ndarray]  # (p_m,)

    @classmethod
    def learn(
        cls, x: np.ndarray, layout: Layout, pooling: str, standardize: bool, who: str
    ) -> tuple[BlockVectors, Vectors]:
        """x: (n, p) float32 -> the rule, and the vectors of x itself."""
        rule = cls((), pooling, {}, {})
        pooled, partly = {}, {}
        for block in layout:
            values = rule._pool(x, block)  # (n, p_m), NaN where missing
            gone = np.isnan(values)
            here = ~gone.all(axis=1)
            if not here.any():
                warnings.warn(
                    f"Every row lacks the modality {block.name!r}: {who} goes on "
                    "without it, also in transform.",
                    UserWarning,
                    stacklevel=5,
                )
                continue
            if gone[here].any():
                partly[block.name] = int(gone[here].sum())
            count = np.maximum((~gone).sum(axis=0), 1)
            center = np.where(gone, 0, values).sum(axis=0) / count
            scale = np.ones_like(center)
            if standardize:
                squares = np.where(gone, 0, values - center) ** 2
                spread = np.sqrt(squares.sum(axis=0) / count)
                usable = spread > 1e-6 * np.abs(center) + 1e-30
                scale[usable] = spread[usable]
                scale[~usable] = np.inf  # a constant says nothing
            rule.blocks += (block,)
            rule.center[block.name], rule.scale[block.name] = center, scale
            pooled[block.name] = values
        if partly:
            what = ", ".join(f"{n} in modality {m!r}" for m, n in partly.items())
            warnings.warn(
                f"{who} filled missing values with the training mean: {what}. A "
                "modality counts as absent only where all its columns are NaN.",
                UserWarning,
                stacklevel=5,
            )
        return rule, rule._scale(pooled)

    def __call__(self, x: np.ndarray) -> Vectors:
        """x: (n, p) float32"""
        return self._scale({block.name: self._pool(x, block) for block in self.blocks})

    def _pool(self, x: np.ndarray, block: Block) -> np.ndarray:
        """(n, p) -> (n, p_m) float64, NaN where a row has no value"""
        values = x[:, list(block.columns)].astype(np.float64)
        if not block.is_sequence:
            return values
        steps = values.reshape(len(x), block.n_steps, block.n_features)
        gone = np.isnan(steps)
        count = (~gone).sum(axis=1)  # (n, d)
        with np.errstate(invalid="ignore"):
            mean = np.where(gone, 0, steps).sum(axis=1) / np.where(count, count, np.nan)
            if self.pooling == "mean":
                return mean
            squares = np.where(gone, 0, steps - mean[:, None]) ** 2
            spread = np.sqrt(squares.sum(axis=1) / np.where(count, count, np.nan))
        return np.concatenate([mean, spread], axis=1)  # (n, 2 d)

    def _scale(self, pooled: dict[str, np.ndarray]) -> Vectors:
        vectors, present = {}, {}
        for name, values in pooled.items():
            gone = np.isnan(values)
            scaled = (values - self.center[name]) / self.scale[name]
            vectors[name] = np.where(gone, 0, scaled)
            present[name] = ~gone.all(axis=1)
        return Vectors(vectors, present)


class ClosedFormFusion(TransformerMixin, BaseEstimator, metaclass=ABCMeta):
    """Base class of fusions that are transformers of their own.

    A subclass has :meth:`_learn` and :meth:`_fuse`, which see one vector a modality.
    """

    level: ClassVar[str]
    min_modalities: ClassVar[int] = 1
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "pooling": [StrOptions({"mean", "mean_std"})],
        "standardize": ["boolean"],
        "modalities": [dict, None],
    }

    # set by the subclasses' __init__
    pooling: str
    standardize: bool
    modalities: dict[str, Any] | None

    @abstractmethod
    def _learn(self, vectors: Vectors, y: Any) -> int:
        """Fit on vectors; gives the number of fused columns."""

    @abstractmethod
    def _fuse(self, vectors: Vectors) -> np.ndarray:
        """Vectors of n rows -> (n, number of fused columns)."""

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_state_on_error
    def fit(self, X, y=None):
        """Learn the fusion.

        Parameters
        ----------
        X : DataFrame, ndarray or polars DataFrame of shape (n_samples, n_columns)
            Encoded data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Target. Only fusions that say so look at it.

        Returns
        -------
        self : object
            The fitted fusion.

        Raises
        ------
        ValueError
            If X has fewer modalities than the fusion needs, fewer rows than the fusion
            has components, or infinite values.
        """
        n_blocks = max(self.min_modalities, len(self.modalities or ()))
        x = validate_data(
            self,
            X,
            dtype=np.float32,
            ensure_all_finite="allow-nan",
            ensure_min_samples=2,
            ensure_min_features=n_blocks,
        )
        names = getattr(self, "feature_names_in_", None)
        layout = read_layout(x.shape[1], names, self.modalities)
        self._known = layout.names
        who = type(self).__name__
        self._rule, vectors = BlockVectors.learn(
            x, layout, self.pooling, self.standardize, who
        )
        self.modalities_ = [block.name for block in self._rule.blocks]
        if len(self.modalities_) < self.min_modalities:
            raise ValueError(self._too_few(layout))
        self._n_fused = self._learn(vectors, y)
        return self

    def _too_few(self, layout: Layout) -> str:
        found = ", ".join(map(repr, self.modalities_)) or "none"
        if not self.modalities_:
            return (
                f"X has no value in any of its modalities {layout.names}: "
                f"{type(self).__name__} has nothing to fuse."
            )
        return (
            f"{type(self).__name__} needs {self.min_modalities} modalities that some "
            f"row has, found {found}. Name columns '<modality>__<feature>', or say "
            "which columns are which by modalities={'text': slice(0, 384), ...}. "
            "BlockPCAFusion and KernelFusion also take one modality."
        )

    def _random_state(self) -> np.random.RandomState:
        """The estimator's `random_state`; None leaves the global state alone."""
        state = getattr(self, "random_state", None)
        return np.random.RandomState() if state is None else check_random_state(state)

    def transform(self, X):
        """Fuse the modalities of each row.

        Parameters
        ----------
        X : DataFrame, ndarray or polars DataFrame of shape (n_samples, n_columns)
            Encoded data.

        Returns
        -------
        DataFrame, ndarray or polars DataFrame of shape (n_samples, n_fused)
            float32 columns ``fused__0``, ``fused__1``, ... without NaN, in the
            container of X unless `set_output` says otherwise.

        Raises
        ------
        ValueError
            If the columns differ from those seen in `fit`.
        """
        check_is_fitted(self)
        x = validate_data(
            self, X, dtype=np.float32, ensure_all_finite="allow-nan", reset=False
        )
        fused = self._fuse(self._rule(x)).astype(np.float32)
        if _get_output_config("transform", self)["dense"] != "default":
            return fused
        names = self.get_feature_names_out()
        if isinstance(X, pd.DataFrame):
            return pd.DataFrame(fused, index=X.index, columns=names, copy=False)
        if type(X).__module__.startswith("polars"):
            import polars as pl

            return pl.DataFrame(fused, schema=list(names))
        return fused

    def get_feature_names_out(self, input_features=None):
        """Names of the fused columns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Checked against the names seen in `fit`, and not used otherwise.

        Returns
        -------
        ndarray of str of shape (n_fused,)
            ``fused__0``, ``fused__1``, ...
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features, generate_names=False)
        return np.array([f"fused__{k}" for k in range(self._n_fused)], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags
