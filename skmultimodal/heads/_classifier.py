"""Classification from fused modalities."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils import compute_sample_weight
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target, unique_labels
from sklearn.utils.validation import column_or_1d

from skmultimodal._cells import refuse_missing_targets
from skmultimodal._fitting import keep_state_on_error
from skmultimodal.fusion import EvidentialFusion
from skmultimodal.fusion._base import make_fusion
from skmultimodal.heads._parameters import document_parameters
from skmultimodal.heads._predictor import FusionPredictor
from skmultimodal.losses import CrossEntropyLoss


def _gives_evidence(head: Any) -> bool:
    if isinstance(make_fusion(head.fusion), EvidentialFusion):
        return True
    raise AttributeError(
        f"predict_uncertainty needs fusion=EvidentialFusion(); this head has "
        f"fusion={head.fusion!r}."
    )


@document_parameters
class FusionClassifier(ClassifierMixin, FusionPredictor):
    """Classify samples from several modalities with a neural fusion.

    X is an encoded frame, as :class:`~skmultimodal.compose.ModalityTransformer` gives
    it: a modality is a block of columns ``<modality>__<feature>``, NaN over a whole
    block says that the sample lacks it. Each modality is standardised and projected to
    tokens of width `embed_dim`, the fusion makes one vector of them, and a multilayer
    perceptron makes class scores of that. Binary and multiclass y are 1-D; a 2-D
    indicator matrix of zeros and ones is multilabel.

    Parameters
    ----------
    {common}
    {prediction}
    loss : str or Loss, default="cross_entropy"
        What is minimised: "cross_entropy", "focal" (easy rows count less),
        "logit_adjusted" (classes as if equally common), "ldam" (margins, for 1-D y
        only) or "class_balanced" (weights by effective number), or a specification of
        :mod:`skmultimodal.losses`, such as ``FocalLoss(gamma=1.0)``, whose parameters
        can be searched (``loss__gamma``). Classes are counted in the training rows, by
        `sample_weight`; by `partial_fit` in all rows so far. A fusion that brings its
        own loss, and ``fusion="auto"``, take the default only.
    label_smoothing : float, default=0.0
        Share of each row's weight that goes to all classes alike; for multilabel y,
        twice how far zeros and ones are moved inwards. Validation is without it.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Weight of each class in the loss. For multilabel y, as in
        :func:`sklearn.utils.class_weight.compute_sample_weight`.
    batch_sampler : {{"balanced"}} or None, default=None
        "balanced" draws batches in which each class comes equally often; an epoch has
        as many rows as before, those of rare classes several times. For multilabel y,
        each label, and rows without any. Weights of rows and classes count on top.
    {training}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels; for multilabel y, the label numbers.
    {attributes}

    See Also
    --------
    FusionRegressor : The same for numbers.
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
    >>> from skmultimodal.heads import FusionClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=200)
    >>> text = rng.normal(size=(200, 8)) + y[:, None]
    >>> image = rng.normal(size=(200, 16)) - y[:, None]
    >>> text[:50] = np.nan  # the first fifty samples have no text
    >>> X = pack({{"text": text, "image": image}})
    >>> head = FusionClassifier(fusion="gated", random_state=0).fit(X, y)
    >>> bool(head.score(X, y) > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **FusionPredictor._parameter_constraints,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "batch_sampler": [StrOptions({"balanced"}), None],
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
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
        loss: Any = "cross_entropy",
        label_smoothing: float = 0.0,
        class_weight: Any = None,
        batch_sampler: str | None = None,
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
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.batch_sampler = batch_sampler
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
    ) -> FusionClassifier:
        """Train the net.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data. NaN over a whole block means absent; NaN in a part of one is
            filled with the training mean.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or an indicator matrix.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights. A Series is aligned to X by label, so that it still fits after a
            sampler.
        X_val, y_val : as X and y, default=None
            Rows to validate on, instead of a part of X. They have gone through the same
            encoders.
        groups : array-like of shape (n_samples,), default=None
            Rows of one group go to one side of the internal split.

        Returns
        -------
        self : FusionClassifier

        Raises
        ------
        ValueError
            If X holds infinity or is not encoded, if y has one class or NaN, if the
            fusion is unknown, or if the device is not there. A previous fit stays
            usable.
        """
        self._fit(X, y, sample_weight, X_val, y_val, groups)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_state_on_error
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> FusionClassifier:
        """Train one epoch on some rows.

        Scaling of columns is learned in the first call.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Targets.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come; needed in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        self : FusionClassifier

        Raises
        ------
        ValueError
            If `classes` are not given in the first call, or y has a label not in them.
        """
        if not self.__sklearn_is_fitted__():
            self._learn_classes(y, classes)
        elif classes is not None and not self._multilabel:
            given = unique_labels(classes)
            if not np.array_equal(given, self.classes_):
                raise ValueError(
                    f"`classes={given.tolist()}` is not the same as on last call to "
                    f"partial_fit, was: {self.classes_.tolist()}"
                )
        self._partial_fit(X, y, sample_weight)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data; modalities may be absent.

        Returns
        -------
        ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
            Rows sum to 1, except for multilabel y, where each column is the
            probability of a label.
        """
        # in float32 the mean over several heads would not sum to 1
        logits = self._outputs(X).astype(np.float64)
        return expit(logits) if self._multilabel else softmax(logits, axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """Most probable class; for multilabel y, labels more probable than not.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data; modalities may be absent.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
        """
        logits = self._outputs(X)
        if self._multilabel:
            return (logits > 0).astype(int)
        return self.classes_[logits.argmax(axis=1)]

    @available_if(_gives_evidence)
    def predict_uncertainty(self, X: Any) -> np.ndarray:
        """How little evidence there is; only with ``fusion=EvidentialFusion()``.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data; modalities may be absent.

        Returns
        -------
        ndarray of shape (n_samples,)
            K / Σ_k α_k in (0, 1], K the number of classes: 1 without any evidence.
        """
        log_alpha = self._outputs(X).astype(np.float64)
        return log_alpha.shape[1] / np.exp(log_alpha).sum(axis=1)

    # Target ------------------------------------------------------------------------

    def _learn_classes(self, y: Any, classes: Any) -> None:
        y = _as_array(y)
        if type_of_target(y) == "multilabel-indicator":
            self.classes_ = np.arange(np.shape(y)[1])
            self._multilabel = True
        elif classes is None:
            raise ValueError(
                "classes must be passed on the first call to partial_fit: all labels "
                "that will ever come."
            )
        else:
            self.classes_ = unique_labels(classes)
            self._multilabel = False

    def _read_target(self, y: Any, *, reset: bool) -> np.ndarray:
        if y is None:
            raise ValueError(
                f"requires y to be passed, but the target y is None: "
                f"{type(self).__name__} learns from labels."
            )
        y = _as_array(y)
        refuse_missing_targets(y)
        _refuse_infinite(y)
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind not in ("binary", "multiclass", "multilabel-indicator"):
            raise ValueError(
                f"Unknown label type: {kind}. FusionClassifier takes classes (1-D) or "
                "an indicator matrix of zeros and ones; FusionRegressor takes numbers."
            )
        multilabel = kind == "multilabel-indicator"
        if multilabel and not np.isin(y, (0, 1)).all():
            raise ValueError(
                f"y has {y.shape[1]} columns, and values other than 0 and 1: "
                f"{np.unique(y).tolist()[:5]}. A multilabel y is an indicator matrix "
                "of zeros and ones, as MultiLabelBinarizer makes it."
            )
        y = y if multilabel else column_or_1d(y, warn=True)
        if reset:
            self._multilabel = multilabel
            self.classes_ = np.arange(y.shape[1]) if multilabel else np.unique(y)
            if len(self.classes_) < 2 and not multilabel:
                raise ValueError(
                    f"FusionClassifier needs at least 2 classes, y has one class: "
                    f"{self.classes_.tolist()[0]!r} in all {len(y)} rows."
                )
        if multilabel != self._multilabel or (
            multilabel and y.shape[1] != len(self.classes_)
        ):
            raise ValueError(
                f"y has shape {y.shape}, but FusionClassifier was fitted on "
                + (f"{len(self.classes_)} labels." if self._multilabel else "classes.")
            )
        return y.astype(np.float32) if multilabel else self._encode_classes(y)

    def _encode_classes(self, y: np.ndarray) -> np.ndarray:
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"y holds labels that FusionClassifier has not seen: "
                f"{unknown.tolist()[:5]}. It knows {self.classes_.tolist()}: "
                "give all labels as `classes` in the first call of partial_fit, or "
                "fit anew."
            )
        return np.searchsorted(self.classes_, y)

    def _scale_target(self, y: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
        return y

    def _task(self) -> str:
        return "multilabel" if self._multilabel else "classification"

    def _target_weights(
        self, y: np.ndarray, weight: np.ndarray | None
    ) -> np.ndarray | None:
        if self.class_weight is None:
            return None
        if self._multilabel:
            return compute_sample_weight(self.class_weight, y)
        return compute_sample_weight(self.class_weight, self.classes_[y])

    def _check_loss(self) -> None:
        super()._check_loss()
        if self._is_auto and not isinstance(self._read_loss(), CrossEntropyLoss):
            raise ValueError(
                f"fusion='auto' pools its candidates by their log loss on the training "
                f"rows, which would undo what loss={self.loss!r} does. Name a fusion, "
                "or use class_weight, which counts for the candidates and the pool."
            )
        if self._is_auto and self.batch_sampler is not None:
            raise ValueError(
                f"fusion='auto' weighs its candidates on the training rows as they "
                f"come, which batch_sampler={self.batch_sampler!r} does not draw. Name "
                "a fusion, or use class_weight, which counts for the pool too."
            )

    def _count_rows(
        self, y: np.ndarray, weight: np.ndarray | None, so_far: bool
    ) -> None:
        w = np.ones(len(y)) if weight is None else weight / weight.mean()
        if self._multilabel:
            counts = np.stack([w @ (1 - y), w @ y])  # (2, L)
        else:
            counts = np.bincount(y, w, minlength=len(self.classes_))  # (K,)
        if so_far and self._class_counts is not None:
            counts = counts + self._class_counts
        self._class_counts = counts

    def _count_outputs(self, y: np.ndarray) -> int:
        return len(self.classes_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = self._loss_takes("multilabel")
        tags.input_tags.allow_nan = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_") or hasattr(self, "_auto")


def _as_array(y: Any) -> np.ndarray:
    y = y.toarray() if sparse.issparse(y) else np.asarray(y)
    return y.astype(object) if y.dtype.kind == "T" else y


def _refuse_infinite(y: np.ndarray) -> None:
    if y.dtype.kind == "f" and np.isinf(y).any():
        row = int(np.argwhere(np.isinf(y))[0][0])
        raise ValueError(
            f"Input y contains infinity, first in row {row}. Classes are strings, "
            "integers or booleans."
        )
