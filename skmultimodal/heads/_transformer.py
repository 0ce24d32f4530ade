"""The fused representation as features for whatever comes next."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import TransformerMixin, _fit_context, clone
from sklearn.utils._param_validation import StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import (
    _check_feature_names_in,
    _num_samples,
    check_is_fitted,
)

from skmultimodal._fitting import keep_state_on_error
from skmultimodal._folds import draw_folds
from skmultimodal.heads._classifier import FusionClassifier
from skmultimodal.heads._inputs import BlockInputs
from skmultimodal.heads._labelled import Labelled, read_labelled
from skmultimodal.heads._network import Recipe
from skmultimodal.heads._objectives import (
    ContrastiveRecipe,
    ReconstructionRecipe,
    refuse_lone_views,
)
from skmultimodal.heads._parameters import document_parameters
from skmultimodal.heads._reading import read_encoded, row_index
from skmultimodal.heads._representations import each, fused, which
from skmultimodal.heads._seeding import draw_seed
from skmultimodal.heads._shared_space import learn_map
from skmultimodal.heads._supervision import SupervisedHead

_RECIPES: dict[str, type[Recipe]] = {
    "contrastive": ContrastiveRecipe,
    "reconstruction": ReconstructionRecipe,
}


@document_parameters
class FusionTransformer(TransformerMixin, SupervisedHead):
    """Learn a fused representation, and give it as features.

    X is an encoded frame; what comes out is one too: a modality ``fused`` with columns
    ``fused__<k>``, or one block a modality. Any estimator may stand behind it.

    * ``objective="supervised"`` trains the net of a head on y and gives what its fusion
      makes of a row. A net tells the rows that it was trained on by heart: a second
      estimator, trained on their representations, would trust them too much. So
      `fit_transform` gives each training row the representation of a net that has not
      seen it: `cv` folds, each net's space mapped to the space of the net of all rows
      (ridge regression on the rows that both have seen; an integer `random_state` lets
      all nets start alike). With ``cv=None`` there is one net, and a warning.
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
    {prediction}
    loss : str, Loss or None, default=None
        What the supervised objective minimises, as in :class:`FusionClassifier` and
        :class:`FusionRegressor`; None is the cross entropy of classes and labels, or
        the squared error of numbers. The other objectives have losses of their own,
        and no outputs for `n_members` and `mixup`.
    objective : {{"supervised", "contrastive", "reconstruction"}}, default="supervised"
        What the net is trained for.
    output : {{"fused", "per_modality"}}, default="fused"
        One block ``fused``, or a block for each modality, NaN where a row lacks it.
        With "contrastive" both lie in the same space, of width `embed_dim`. It may be
        set after `fit` too.
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
    ICML 2011 (reconstruction from a part).

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
        **SupervisedHead._parameter_constraints,
        "objective": [StrOptions({"supervised", *_RECIPES})],
        "output": [StrOptions({"fused", "per_modality"})],
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
        n_members: int = 1,
        mixup: float = 0.0,
        loss: Any = None,
        objective: str = "supervised",
        output: str = "fused",
        task: str = "auto",
        cv: Any = 5,
        lr: float = 5e-3,
        lr_schedule: str = "cosine",
        weight_decay: float = 0.01,
        max_grad_norm: float | None = None,
        average: str | None = None,
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
        self.n_members = n_members
        self.mixup = mixup
        self.loss = loss
        self.objective = objective
        self.output = output
        self.task = task
        self.cv = cv
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.weight_decay = weight_decay
        self.max_grad_norm = max_grad_norm
        self.average = average
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
        if self._is_supervised:
            known = self._read_labelled(X, y, sample_weight, groups)
            n_unknown = _num_samples(X) - len(known.rows)
            if n_unknown:
                warnings.warn(
                    f"{n_unknown} rows with y = -1 count as unlabelled: the supervised "
                    "objective leaves them out. Rename the class if it is one.",
                    UserWarning,
                    stacklevel=4,
                )
                X, y, groups = known.X, known.y, known.groups
                sample_weight = known.weight
        elif y is None or _num_samples(y) == _num_samples(X):
            y = np.zeros(_num_samples(X))
        self._fit(X, y, sample_weight, None, None, groups)
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
        if not self._is_supervised:
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
        values = self._represent(X)  # unlabelled rows have taught the net nothing
        known = self._read_labelled(X, y, sample_weight, groups)
        seen, n_blocks = values[known.rows], len(self._blocks)
        folds = draw_folds(
            known.y,
            index=row_index(known.X),
            x=self._inputs(read_encoded(self, known.X, reset=False))[0].numpy(),
            groups=known.groups,
            cv=self.cv,
            stratify=isinstance(self._reader, FusionClassifier),
            random_state=draw_seed(self.random_state),
        )
        for train, test in folds:
            part = known.take(train)
            net = clone(self).fit(part.X, part.y, part.weight, groups=part.groups)
            move = learn_map(net._represent(part.X), seen[train], n_blocks)
            out = known.take(test)
            values[out.rows] = move(net._represent(out.X))
        return values

    def _read_labelled(
        self, X: Any, y: Any, sample_weight: Any, groups: Any
    ) -> Labelled:
        if y is None:
            raise ValueError(
                "requires y to be passed, but the target y is None: "
                "FusionTransformer(objective='supervised') learns from it. Give y, or "
                "objective='contrastive' or 'reconstruction'."
            )
        numbers = self.task == "regression"
        return read_labelled(X, y, sample_weight, groups, numbers)

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
        input_features : array-like of str, default=None
            Checked against the names seen in `fit`, and not used otherwise.

        Returns
        -------
        ndarray of str of shape (n_features_out,)
            ``fused__<k>``, or ``<modality>__<k>``.
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features, generate_names=False)
        width = self._recipe.embed_dim
        if self.output == "fused" and self.objective != "contrastive":
            width = self.module_.fusion.d_out
        names = [f"{m}__{k}" for m in self._blocks for k in range(width)]
        return np.array(names, dtype=object)

    @property
    def _blocks(self) -> list[str]:
        return self._recipe.layout.names if self.output == "per_modality" else ["fused"]

    def _represent(self, X: Any) -> np.ndarray:
        if self.output == "fused":
            return self._compute(X, fused)
        values = self._compute(X, each)
        present = self._compute(X, which).astype(bool)  # (n, M)
        wide = np.repeat(present, values.shape[1] // present.shape[1], axis=1)
        return np.where(wide, values, np.float32(np.nan))

    def _contain(self, values: np.ndarray, X: Any) -> Any:
        if _get_output_config("transform", self)["dense"] != "default":
            return values
        if isinstance(X, pd.DataFrame):
            names = self.get_feature_names_out()
            return pd.DataFrame(values, index=X.index, columns=names, copy=False)
        return values

    _is_auto = False  # there are no predictions to choose by

    def _plan(
        self, x: np.ndarray, X: Any, target: np.ndarray
    ) -> tuple[Recipe, BlockInputs]:
        recipe, inputs = super()._plan(x, X, target)
        if self.objective == "contrastive":
            refuse_lone_views(inputs.layout, inputs(x)[1])
        if not self._is_supervised:
            given = {f.name: getattr(recipe, f.name) for f in fields(recipe)}
            recipe = _RECIPES[self.objective](**given)
        return recipe, inputs

    def _check_task(self, fusion: Any) -> None:
        super()._check_task(fusion)
        own = self.modality_balance is not None or self.aux_loss_weight
        if not self._is_supervised and own:
            raise ValueError(
                f"objective={self.objective!r} has no loss of single modalities: leave "
                "aux_loss_weight=0 and modality_balance=None."
            )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self._is_supervised
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_")
