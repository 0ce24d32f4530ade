"""Regression from fused modalities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import _check_y, column_or_1d

from skmultimodal._cells import missing_cells, refuse_missing_targets
from skmultimodal._fitting import keep_state_on_error
from skmultimodal.heads._parameters import document_parameters
from skmultimodal.heads._predictor import FusionPredictor
from skmultimodal.heads._target_density import POWERS, density_weights, robust_spread

_LARGEST = 1e150  # whose square is still finite


@document_parameters
class FusionRegressor(RegressorMixin, FusionPredictor):
    """Predict numbers from several modalities with a neural fusion.

    X is an encoded frame, as :class:`~skmultimodal.compose.ModalityTransformer` gives
    it: a modality is a block of columns ``<modality>__<feature>``, NaN over a whole
    block says that the sample lacks it. One target or several; each is standardised by
    the training rows and scaled back at predict.

    Parameters
    ----------
    {common}
    {prediction}
    loss : str or Loss, default="squared_error"
        What is minimised: "squared_error", or "huber", which outliers in y pull less;
        or a specification of :mod:`skmultimodal.losses`, such as
        ``HuberLoss(delta=0.5)``, whose parameters can be searched (``loss__delta``).
        ``fusion="auto"`` trains its nets with it, and chooses by squared error.
    target_weight : {{"inverse", "sqrt_inverse"}} or None, default=None
        Weighs rows by how rare numbers like their target are: by the inverse of the
        density of y, smoothed by a Gaussian kernel, or its square root; none by more
        than ten times the mean (label-distribution smoothing, arXiv:2102.09554). For
        one target; `sample_weight` multiplies it.
    {training}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    FusionClassifier : The same for classes.
    skmultimodal.multimodal_pipeline : Encoders and a head in one call.

    References
    ----------
    The scaling of columns and blocks follows RealMLP, Holzmüller, Grinsztajn and
    Steinwart, "Better by default: Strong pre-tuned MLPs and boosted trees on tabular
    data", arXiv:2407.04491. Trained with skorch on torch.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal import pack
    >>> from skmultimodal.heads import FusionRegressor
    >>> rng = np.random.default_rng(0)
    >>> text, image = rng.normal(size=(300, 4)), rng.normal(size=(300, 6))
    >>> y = 1000 + 50 * text[:, 0] + 20 * image[:, 0]
    >>> X = pack({{"text": text, "image": image}})
    >>> head = FusionRegressor(random_state=0).fit(X, y)
    >>> bool(head.score(X, y) > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **FusionPredictor._parameter_constraints,
        "target_weight": [StrOptions(set(POWERS)), None],
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
        loss: Any = "squared_error",
        target_weight: str | None = None,
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
        self.target_weight = target_weight
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

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_state_on_error
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        groups: Any = None,
    ) -> FusionRegressor:
        """Train the net.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data. NaN over a whole block means absent; NaN in a part of one is
            filled with the training mean.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets, in any unit.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights. A Series is aligned to X by label.
        X_val, y_val : as X and y, default=None
            Rows to validate on, instead of a part of X. They have gone through the same
            encoders.
        groups : array-like of shape (n_samples,), default=None
            Rows of one group go to one side of the internal split.

        Returns
        -------
        self : FusionRegressor

        Raises
        ------
        ValueError
            If X holds infinity or is not encoded, if y has NaN, if the fusion is
            unknown, or if the device is not there. A previous fit stays usable.
        """
        self._fit(X, y, sample_weight, X_val, y_val, groups)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_state_on_error
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> FusionRegressor:
        """Train one epoch on some rows.

        Scaling of columns and targets is learned in the first call.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        self : FusionRegressor
        """
        if self.target_weight is not None:
            raise ValueError(
                f"target_weight={self.target_weight!r} needs the density of all of y, "
                "and partial_fit sees a part. Give sample_weight, or use fit."
            )
        self._partial_fit(X, y, sample_weight)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predicted targets.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data; modalities may be absent.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            float64, in the unit of y.
        """
        scaled = self._outputs(X).astype(np.float64)
        y = scaled * self._target_scale + self._target_mean
        return y[:, 0] if self._flat else y

    # Target ------------------------------------------------------------------------

    def _read_target(self, y: Any, *, reset: bool) -> np.ndarray:
        if y is None:
            raise ValueError(
                f"requires y to be passed, but the target y is None: "
                f"{type(self).__name__} learns from targets."
            )
        y = _as_numbers(y)
        refuse_missing_targets(y)
        y = np.asarray(_check_y(y, multi_output=True, y_numeric=True, estimator=self))
        y = y.astype(np.float64)
        if self.target_weight is not None and y.shape[1:] == (1,):
            y = column_or_1d(y, warn=True)  # one target is all that it is for
        if np.abs(y).max(initial=0) > _LARGEST:
            raise ValueError(
                f"y holds {y.flat[np.abs(y).argmax()]}: its variance is beyond double "
                "precision. Divide y by a constant."
            )
        if reset or not hasattr(self, "_flat"):
            self._flat = y.ndim == 1
        columns = y.reshape(len(y), -1)  # (n, n_outputs)
        known = getattr(self, "_target_mean", None)
        if not reset and known is not None and columns.shape[1] != len(known):
            raise ValueError(
                f"y has {columns.shape[1]} outputs, but FusionRegressor was fitted on "
                f"{len(known)}."
            )
        return columns

    def _scale_target(self, y: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
        if rows is not None:
            if self._read_loss().robust:
                self._target_mean = np.median(y[rows], axis=0)
                spread = robust_spread(y[rows])
            else:
                self._target_mean = y[rows].mean(axis=0)
                spread = y[rows].std(axis=0)
            self._target_scale = np.where(spread > 0, spread, 1.0)
        return (y - self._target_mean) / self._target_scale

    def _task(self) -> str:
        return "regression"

    def _target_weights(
        self, y: np.ndarray, weight: np.ndarray | None
    ) -> np.ndarray | None:
        if self.target_weight is None:
            return None
        if y.shape[1] > 1:
            raise ValueError(
                f"target_weight={self.target_weight!r} weighs rows by how common their "
                f"target is, and y has {y.shape[1]} targets. Give sample_weight, or "
                "one target."
            )
        return density_weights(y[:, 0], weight, self.target_weight)

    def _count_outputs(self, y: np.ndarray) -> int:
        return y.shape[1]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = self.target_weight is None
        tags.input_tags.allow_nan = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_") or hasattr(self, "_auto")


def _as_numbers(y: Any) -> Any:
    """y as numbers in an array; what `_check_y` refuses, as it is."""
    if sparse.issparse(y):
        return y
    array = np.asarray(y)
    if array.dtype.kind in "mM":
        raise ValueError(
            f"y holds {array.dtype} cells; FusionRegressor takes numbers. Give the "
            "time since a date, as in (y - y.min()) / pd.Timedelta(days=1)."
        )
    if array.dtype.kind not in "OUST":
        return array
    array = array.astype(object)
    cells = np.where(missing_cells(array).reshape(array.shape), np.nan, array)
    try:
        return cells.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"y holds cells that are not numbers: {error}. FusionRegressor takes "
            "numbers; FusionClassifier takes classes."
        ) from error
