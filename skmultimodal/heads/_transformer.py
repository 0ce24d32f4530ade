"""The fused representation as features for whatever comes next."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from scipy.linalg import orthogonal_procrustes
from sklearn.base import TransformerMixin, _fit_context, clone
from sklearn.utils._param_validation import StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _num_samples, check_is_fitted
from torch import Tensor

from skmultimodal._fitting import keep_state_on_error
from skmultimodal._folds import draw_folds
from skmultimodal._provenance import align_sample_weight
from skmultimodal.heads._base import FusionHead
from skmultimodal.heads._classifier import FusionClassifier
from skmultimodal.heads._inputs import BlockInputs
from skmultimodal.heads._network import Recipe
from skmultimodal.heads._objectives import (
    ContrastiveNetwork,
    ContrastiveRecipe,
    ReconstructionRecipe,
    only,
)
from skmultimodal.heads._parameters import document_parameters
from skmultimodal.heads._reading import read_encoded, row_index
from skmultimodal.heads._regressor import FusionRegressor
from skmultimodal.heads._seeding import draw_seed
from skmultimodal.nn import pool_tokens
from skmultimodal.nn._losses import OwnLoss, WeightedLoss

_RECIPES: dict[str, type[Recipe]] = {
    "contrastive": ContrastiveRecipe,
    "reconstruction": ReconstructionRecipe,
}
_UNLABELLED = -1
_READERS = {"classification": FusionClassifier, "regression": FusionRegressor}


@document_parameters
class FusionTransformer(TransformerMixin, FusionHead):
    """Learn a fused representation, and give it as features.

    X is an encoded frame; what comes out is one too: a modality ``fused`` with columns
    ``fused__<k>``, or one block a modality. Any estimator may stand behind it.

    * ``objective="supervised"`` trains the net of a head on y and gives what its fusion
      makes of a row. A net tells the rows that it was trained on by heart: a second
      estimator, trained on their representations, would trust them too much. So
      `fit_transform` gives each training row the representation of a net that has not
      seen it: `cv` folds, each net's space turned onto the space of the net of all rows
      (orthogonal Procrustes on the rows that both have seen). With ``cv=None`` there is
      one net, and a warning.
    * ``objective="contrastive"`` needs no y. Each modality alone, and all together, go
      through the fusion and a projection onto the unit sphere, where views of one row
      come to lie together (symmetric InfoNCE over all pairs). A row that lacks all but
      its text then lies near the rows of fitting pictures: retrieval from one modality
      to another is a nearest-neighbour search.
    * ``objective="reconstruction"`` needs no y either: modalities are hidden at random,
      and the fusion of the others has to tell them.

    Parameters
    ----------
    {common}
    objective : {{"supervised", "contrastive", "reconstruction"}}, default="supervised"
        What the net is trained for.
    output : {{"fused", "per_modality"}}, default="fused"
        One block ``fused``, or a block for each modality, NaN where a row lacks it.
        With "contrastive" both lie in the same space, of width `embed_dim`.
    task : {{"auto", "classification", "regression"}}, default="auto"
        What y is to the supervised objective; "auto" looks at it.
    cv : int, splitter, iterable or None, default=5
        Folds of `fit_transform` with the supervised objective. Rows of one group,
        copies, and a synthetic row's parents are never parted.
    {training}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    FusionClassifier : Net and prediction in one.
    skmultimodal.fusion.CCAFusion : A representation in closed form.

    References
    ----------
    van den Oord, Li and Vinyals, arXiv:1807.03748 (InfoNCE); Radford et al.,
    arXiv:2103.00020 (between modalities); Vincent et al., ICML 2008, and Ngiam et al.,
    ICML 2011 (reconstruction from a part); Schönemann, Psychometrika 31, 1966
    (Procrustes).

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal import pack, unpack
    >>> from skmultimodal.heads import FusionTransformer
    >>> rng = np.random.default_rng(0)
    >>> shared = rng.normal(size=(200, 2))
    >>> text = shared @ rng.normal(size=(2, 6))
    >>> image = shared @ rng.normal(size=(2, 9))
    >>> X = pack({{"text": text, "image": image}})
    >>> align = FusionTransformer(
    ...     objective="contrastive", output="per_modality", embed_dim=8, random_state=0
    ... )
    >>> Z = align.fit_transform(X)
    >>> blocks = unpack(Z)
    >>> alike = blocks["text"] @ blocks["image"].T  # cosines: (200 texts, 200 images)
    >>> ahead = (alike > alike.diagonal()[:, None]).sum(axis=1)
    >>> bool(np.median(ahead) < 10)  # the own image is among the nearest
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **FusionHead._parameter_constraints,
        "objective": [StrOptions({"supervised", *_RECIPES})],
        "output": [StrOptions({"fused", "per_modality"})],
        "task": [StrOptions({"auto", *_READERS})],
        "cv": ["cv_object"],
    }

    def __init__(
        self,
        fusion: Any = "concat",
        *,
        temporal: str = "mean",
        embed_dim: int = 64,
        hidden_layer_sizes: Any = (128,),
        dropout: float = 0.3,
        modality_dropout: float = 0.0,
        aux_loss_weight: float = 0.0,
        modality_balance: str | None = None,
        objective: str = "supervised",
        output: str = "fused",
        task: str = "auto",
        cv: Any = 5,
        lr: float = 5e-3,
        lr_schedule: str = "cosine",
        weight_decay: float = 0.01,
        max_epochs: int = 30,
        batch_size: int | str = "auto",
        standardize: bool = True,
        block_scale: str = "relevance",
        modalities: Mapping[str, Any] | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        validation_split: Any = None,
        n_iter_no_change: int = 10,
        max_time: float | None = None,
        warm_start: bool = False,
        callbacks: Any = None,
        device: Any = "auto",
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.fusion = fusion
        self.temporal = temporal
        self.embed_dim = embed_dim
        self.hidden_layer_sizes = hidden_layer_sizes
        self.dropout = dropout
        self.modality_dropout = modality_dropout
        self.aux_loss_weight = aux_loss_weight
        self.modality_balance = modality_balance
        self.objective = objective
        self.output = output
        self.task = task
        self.cv = cv
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.standardize = standardize
        self.block_scale = block_scale
        self.modalities = modalities
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.validation_split = validation_split
        self.n_iter_no_change = n_iter_no_change
        self.max_time = max_time
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    # Fitting -----------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_state_on_error
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        groups: Any = None,
    ) -> FusionTransformer:
        """Train the net on all rows.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data. NaN over a whole block means absent.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets of the supervised objective; the others take no notice. Where
            classes are integers, -1 beside two or more others means unlabelled.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights. A Series is aligned to X by label.
        groups : array-like of shape (n_samples,), default=None
            Rows of one group go to one side of an internal split.

        Returns
        -------
        self : FusionTransformer

        Raises
        ------
        ValueError
            If the supervised objective has no y, X is not encoded, or the fusion is
            unknown.
        """
        if self.objective == "supervised":
            X, y, sample_weight, groups = self._labelled(X, y, sample_weight, groups)
        elif y is None or len(y) == _num_samples(X):
            y = np.zeros(_num_samples(X))
        self._fit(X, y, sample_weight, None, None, groups)
        self._name_columns(X)
        return self

    def fit_transform(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        groups: Any = None,
    ) -> Any:
        """Train, and represent the training rows as new rows will be.

        Parameters
        ----------
        X, y, sample_weight, groups : as in `fit`
            Training data.

        Returns
        -------
        DataFrame or ndarray of shape (n_samples, n_features_out)
            With the supervised objective out of fold (`cv`).
        """
        self.fit(X, y, sample_weight, groups=groups)
        if self.objective != "supervised":
            return self.transform(X)
        if self.cv is None:
            warnings.warn(
                "FusionTransformer(cv=None) gives training rows a representation that "
                "has seen their y: an estimator behind it will trust it too much. Set "
                "cv=5 for representations out of fold.",
                UserWarning,
                stacklevel=3,
            )
            return self.transform(X)
        return self._contain(self._out_of_fold(X, y, sample_weight, groups), X)

    def _out_of_fold(
        self, X: Any, y: Any, sample_weight: Any, groups: Any
    ) -> np.ndarray:
        known = self._is_labelled(y)
        values = self._represent(X)  # unlabelled rows have taught the net nothing
        rows = np.flatnonzero(known)
        few, y = _rows(X, rows), np.asarray(y)[rows]
        groups = None if groups is None else _rows(groups, rows)
        weight = self._aligned_weight(sample_weight, X)
        seen = values[rows].copy()
        x = self._inputs(read_encoded(self, few, reset=False))[0].numpy()
        seed = draw_seed(self.random_state)
        folds = draw_folds(
            y,
            index=row_index(few),
            x=x,
            groups=groups,
            cv=self.cv,
            stratify=isinstance(self._reader, FusionClassifier),
            random_state=seed,
        )
        for train, test in folds:
            net = clone(self).set_params(random_state=seed)
            part = _rows(few, train)
            net.fit(
                part,
                y[train],
                None if weight is None else weight[rows][train],
                groups=None if groups is None else _rows(groups, train),
            )
            turned = _turn(net._represent(part), seen[train])
            values[rows[test]] = turned(net._represent(_rows(few, test)))
        return values

    def _labelled(
        self, X: Any, y: Any, sample_weight: Any, groups: Any
    ) -> tuple[Any, Any, Any, Any]:
        """Without the rows whose y is missing, as semi-supervised data has it."""
        if y is None:
            raise ValueError(
                "requires y to be passed, but the target y is None: "
                "FusionTransformer(objective='supervised') learns from it. Give y, or "
                "objective='contrastive' or 'reconstruction'."
            )
        known = self._is_labelled(y)
        if known.all():
            return X, y, sample_weight, groups
        warnings.warn(
            f"{int((~known).sum())} rows with y = -1 count as unlabelled: the "
            "supervised objective leaves them out. Rename the class if it is one.",
            UserWarning,
            stacklevel=4,
        )
        rows = np.flatnonzero(known)
        weight = self._aligned_weight(sample_weight, X)
        groups = None if groups is None else _rows(groups, rows)
        weight = None if weight is None else weight[rows]
        return _rows(X, rows), np.asarray(y)[rows], weight, groups

    def _is_labelled(self, y: Any) -> np.ndarray:
        y = np.asarray(y)
        if y.ndim != 1 or y.dtype.kind != "i" or self.task == "regression":
            return np.ones(len(y), dtype=bool)
        known = y != _UNLABELLED
        return known if len(np.unique(y[known])) > 1 else np.ones(len(y), dtype=bool)

    def _aligned_weight(self, sample_weight: Any, X: Any) -> np.ndarray | None:
        if sample_weight is None:
            return None
        index = row_index(X)
        return np.asarray(align_sample_weight(sample_weight, index, _num_samples(X)))

    def _name_columns(self, X: Any) -> None:
        names = self._recipe.layout.names
        blocks = names if self.output == "per_modality" else ["fused"]
        few = _rows(X, np.arange(min(2, _num_samples(X))))
        width = self._represent(few).shape[1] // len(blocks)
        self._names_out = [f"{m}__{k}" for m in blocks for k in range(width)]

    # Transforming ------------------------------------------------------------------

    def transform(self, X: Any) -> Any:
        """Represent rows.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data; modalities may be absent.

        Returns
        -------
        DataFrame or ndarray of shape (n_samples, n_features_out)
            float32, a frame for a frame unless `set_output` says otherwise. Of unit
            length with the contrastive objective.
        """
        check_is_fitted(self)
        return self._contain(self._represent(X), X)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns.

        Parameters
        ----------
        input_features : ignored
            For the sake of scikit-learn's interface.

        Returns
        -------
        ndarray of str of shape (n_features_out,)
            ``fused__<k>``, or ``<modality>__<k>``.
        """
        check_is_fitted(self)
        return np.array(self._names_out, dtype=object)

    def _represent(self, X: Any) -> np.ndarray:
        if self.output == "fused":
            return self._compute(X, _fused)
        values = self._compute(X, _each)
        present = self._compute(X, _presence).astype(bool)  # (n, M)
        wide = np.repeat(present, values.shape[1] // present.shape[1], axis=1)
        return np.where(wide, values, np.float32(np.nan))

    def _contain(self, values: np.ndarray, X: Any) -> Any:
        if _get_output_config("transform", self)["dense"] != "default":
            return values
        if isinstance(X, pd.DataFrame):
            return pd.DataFrame(
                values, index=X.index, columns=self._names_out, copy=False
            )
        return values

    _is_auto = False  # there are no predictions to choose by

    # What a head says --------------------------------------------------------------

    def _read_target(self, y: Any, *, reset: bool) -> np.ndarray:
        if self.objective != "supervised":
            return np.zeros((len(y), 1))
        if reset:
            self._reader = _READERS[_task_of(y) if self.task == "auto" else self.task]()
        return self._reader._read_target(y, reset=reset)

    def _scale_target(self, y: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
        if self.objective != "supervised":
            return y
        return self._reader._scale_target(y, rows)

    def _class_weights(self, y: np.ndarray) -> np.ndarray | None:
        return None

    def _make_loss(self) -> WeightedLoss:
        if self.objective != "supervised":
            return OwnLoss()
        return self._reader._make_loss()

    def _task(self) -> str:
        if self.objective != "supervised":
            return "representation"
        return self._reader._task()

    def _count_outputs(self, y: np.ndarray) -> int:
        return self._reader._count_outputs(y) if self.objective == "supervised" else 1

    def _plan(
        self, x: np.ndarray, X: Any, target: np.ndarray
    ) -> tuple[Recipe, BlockInputs]:
        recipe, inputs = super()._plan(x, X, target)
        if self.objective != "supervised":
            given = {f.name: getattr(recipe, f.name) for f in fields(recipe)}
            recipe = _RECIPES[self.objective](**given)
        return recipe, inputs

    def _check_task(self, fusion: Any) -> None:
        super()._check_task(fusion)
        own = self.modality_balance is not None or self.aux_loss_weight
        if self.objective != "supervised" and own:
            raise ValueError(
                f"objective={self.objective!r} has no loss of single modalities: leave "
                "aux_loss_weight=0 and modality_balance=None."
            )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.objective == "supervised"
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_")


def _task_of(y: Any) -> str:
    kind = type_of_target(np.asarray(y), input_name="y")
    return "regression" if kind.startswith("continuous") else "classification"


def _rows(values: Any, rows: np.ndarray) -> Any:
    return values.iloc[rows] if hasattr(values, "iloc") else np.asarray(values)[rows]


def _turn(found: np.ndarray, wanted: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Shift, rotation and scale that bring `found` onto `wanted`: both (n, d).

    NaN, in blocks of absent modalities, stays.
    """
    held = ~np.isnan(found)
    shift, goal = np.nanmean(found, axis=0), np.nanmean(wanted, axis=0)
    a, b = np.where(held, found - shift, 0), np.where(held, wanted - goal, 0)
    rotation, size = orthogonal_procrustes(a, b)
    scale = size / max((a**2).sum(), 1e-12)

    def turned(values: np.ndarray) -> np.ndarray:
        gone = np.isnan(values)
        moved = np.where(gone, 0, values - shift) @ rotation * scale + goal
        return np.where(gone, np.nan, moved).astype(np.float32)

    return turned


# --- what the net gives ---------------------------------------------------------------


def _fused(module: Any, x: Tensor, present: Tensor) -> Tensor:
    here = module.presence(present)
    if isinstance(module, ContrastiveNetwork):
        return module.embed(x, here)
    return module.fuse(x, here)[1].fused


def _each(module: Any, x: Tensor, present: Tensor) -> Tensor:
    """(n, M * d), modality after modality"""
    here = module.presence(present)
    if isinstance(module, ContrastiveNetwork):
        return torch.cat([module.embed(x, only(here, m)) for m in here], dim=1)
    tokens, out = module.fuse(x, here)
    streams = out.per_modality
    if streams is None:
        streams = {m: pool_tokens(z, here[m]) for m, z in tokens.items()}
    return torch.cat(list(streams.values()), dim=1)


def _presence(module: Any, x: Tensor, present: Tensor) -> Tensor:
    return torch.stack([p.any(1) for p in module.presence(present).values()], dim=1)
