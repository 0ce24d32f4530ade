"""An estimator that learns from what one estimator a modality says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from skmultimodal._fitting import keep_state_on_error
from skmultimodal.fusion.decision_level._meta_features import ModalityStacking
from skmultimodal.fusion.decision_level._targets import answer

_METHODS = ("predict_proba", "decision_function", "predict")


def _final_has(method: str) -> Callable[[Any], bool]:
    def check(self: Any) -> bool:
        final = getattr(self, "final_estimator_", self.final_estimator)
        if final is not None:
            getattr(final, method)  # AttributeError says what is missing
        return True

    return check


class ModalityStackingClassifier(ClassifierMixin, ModalityStacking):
    """Classify by what the estimators of single modalities say together.

    Each modality's estimator is fitted on the rows that have the modality. What it
    says of rows that it was not fitted on, fold by fold, are the features of a final
    estimator [1]_. Where a modality is absent, the shares of the classes in y stand for
    its answer; if it is absent in some training rows, a column of zeros and ones marks
    that. For modalities that are absent at predict alone, a vote is the better choice:
    the final estimator has not learned to do without them.

    Cost: each modality's estimator is fitted `cv` + 1 times, the final one once, on M
    columns for two classes and M K for K.

    Parameters
    ----------
    estimator : classifier, default=None
        Fitted on each modality. It gets a frame of the modality's columns. None is a
        logistic regression on standardised columns, shrunk more where there are
        many; of a sequence, on mean and standard deviation over the steps.
    estimators : dict of str to classifier, default=None
        Classifiers of single modalities, instead of `estimator`; ``"drop"`` leaves a
        modality out. Their parameters are ``estimators__<modality>__<parameter>``.
    final_estimator : classifier, default=None
        Fitted on what the others say. Its columns are, modality by modality, the
        probabilities (of two classes the second alone), or what `stack_method` gives;
        then marks of absent modalities, then X if `passthrough`. None is a logistic
        regression on standardised log-odds; probabilities below 1e-6 count as that.
    cv : int, cross-validation splitter or iterable, default=5
        Folds. Rows of one group, copies and near-equal rows are never parted, and the
        final estimator is not fitted on rows that a sampler made; each class keeps its
        weight. None is 5.
    stack_method : {"auto", "predict_proba", "decision_function", "predict"}, \
            default="auto"
        What to ask the estimators for. "auto" takes the first that an estimator has.
    passthrough : bool, default=False
        Whether the final estimator gets X too, with NaN where a modality is absent.
    n_jobs : int, default=None
        Number of estimators that are fitted at once.
    random_state : int, RandomState or None, default=None
        Seed of the folds. Unless None, it also sets every `random_state` of the
        estimators.
    modalities : dict of str to slice, list or mask, default=None
        Columns of each modality, for data whose column names do not tell.

    Attributes
    ----------
    estimators_ : dict of str to classifier
        The fitted classifier of each modality that there was something to learn from.
    final_estimator_ : classifier
        The fitted final estimator.
    stack_method_ : dict of str to str
        What each modality's estimator is asked for.
    modality_scores_ : dict of str to float
        Out-of-fold accuracy of each on the rows that have the modality.
    classes_ : ndarray of shape (n_classes,)
        Class labels; for multilabel y, the label numbers.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of these columns, when all are strings.

    See Also
    --------
    ModalityVotingClassifier : Learns a weight for each modality and nothing more.
    sklearn.ensemble.StackingClassifier : The same for models of all columns.

    References
    ----------
    .. [1] Wolpert, "Stacked generalization", Neural Networks 5, 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal import pack
    >>> from skmultimodal.fusion import ModalityStackingClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=100)
    >>> text, audio = rng.normal(size=(2, 100, 3)) + 2 * y[:, None]
    >>> text[:20] = np.nan  # twenty samples have no text
    >>> X = pack({"text": text, "audio": audio})
    >>> stack = ModalityStackingClassifier(random_state=0).fit(X, y)
    >>> bool(stack.score(X, y) > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **ModalityStacking._parameter_constraints,
        "stack_method": [StrOptions({"auto", *_METHODS})],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        estimators: Mapping[str, Any] | None = None,
        final_estimator: Any = None,
        cv: Any = 5,
        stack_method: str = "auto",
        passthrough: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
        modalities: Mapping[str, Any] | None = None,
    ):
        self.estimator = estimator
        self.estimators = estimators
        self.final_estimator = final_estimator
        self.cv = cv
        self.stack_method = stack_method
        self.passthrough = passthrough
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.modalities = modalities

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_state_on_error
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, groups: Any = None
    ) -> ModalityStackingClassifier:
        """Fit the classifier of each modality, and the final one.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data. NaN over a whole block means absent; what NaN in a part of
            one means is up to the estimators.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or an indicator matrix. A classifier that knows no
            multilabel y is fitted label by label.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, for all estimators. A Series is aligned to X by label, so that it
            still fits after a sampler.
        groups : array-like of shape (n_samples,), default=None
            Rows of one group go to one side of the internal folds.

        Returns
        -------
        self : ModalityStackingClassifier

        Raises
        ------
        ValueError
            If X is not encoded, if y has one class or NaN, if `estimators` name a
            modality that X does not have, or if the rows allow no folds. A previous
            fit stays usable.
        TypeError
            If an estimator lacks `stack_method`, or takes no weights and there are
            some.
        """
        self._fit(X, y, sample_weight, groups)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """What the final estimator predicts.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data; modalities may be absent.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
        """
        features = self._final_features(X)
        return self.final_estimator_.predict(features)

    @available_if(_final_has("predict_proba"))
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class, where the final estimator gives one.

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
        return self._ask_final(X, "predict_proba")

    @available_if(_final_has("decision_function"))
    def decision_function(self, X: Any) -> np.ndarray:
        """Decision of the final estimator, where it has one.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data; modalities may be absent.

        Returns
        -------
        ndarray of shape (n_samples,), (n_samples, n_classes) or (n_samples, n_labels)
        """
        found = self._ask_final(X, "decision_function")
        return found[:, 0] if found.shape[1] == 1 else found

    def _ask_final(self, X: Any, method: str) -> np.ndarray:
        features = self._final_features(X)
        final = self.final_estimator_
        prior = self._prior
        return answer(final, method, features, self._kind, self.classes_, prior)

    def _choose_method(self, name: str, estimator: Any) -> str:
        asked = _METHODS if self.stack_method == "auto" else (self.stack_method,)
        for method in asked:
            if hasattr(estimator, method):
                return method
        raise TypeError(
            f"stack_method={self.stack_method!r} needs {' or '.join(asked)}, which "
            f"{type(estimator).__name__} for the modality {name!r} does not have. "
            "Use stack_method='auto', or another estimator."
        )


class ModalityStackingRegressor(RegressorMixin, ModalityStacking):
    """Predict numbers by what the estimators of single modalities say together.

    Each modality's estimator is fitted on the rows that have the modality. What it
    predicts of rows that it was not fitted on, fold by fold, are the features of a
    final estimator [1]_, [2]_. Where a modality is absent, the mean of y stands for its
    prediction; if it is absent in some training rows, a column of zeros and ones marks
    that. For modalities that are absent at predict alone, a vote is the better choice:
    the final estimator has not learned to do without them.

    Cost: each modality's estimator is fitted `cv` + 1 times, the final one once, on M
    columns an output.

    Parameters
    ----------
    estimator : regressor, default=None
        Fitted on each modality. It gets a frame of the modality's columns. None is a
        ridge regression on standardised columns that chooses its penalty itself; of
        a sequence, on mean and standard deviation over the steps.
    estimators : dict of str to regressor, default=None
        Regressors of single modalities, instead of `estimator`; ``"drop"`` leaves a
        modality out. Their parameters are ``estimators__<modality>__<parameter>``.
    final_estimator : regressor, default=None
        Fitted on what the others predict, modality by modality, then marks of absent
        modalities, then X if `passthrough`. None is a ridge regression that chooses
        its penalty itself.
    cv : int, cross-validation splitter or iterable, default=5
        Folds. Rows of one group, copies and near-equal rows are never parted, and the
        final estimator is not fitted on rows that a sampler made. None is 5.
    passthrough : bool, default=False
        Whether the final estimator gets X too, with NaN where a modality is absent.
    n_jobs : int, default=None
        Number of estimators that are fitted at once.
    random_state : int, RandomState or None, default=None
        Seed of the folds. Unless None, it also sets every `random_state` of the
        estimators.
    modalities : dict of str to slice, list or mask, default=None
        Columns of each modality, for data whose column names do not tell.

    Attributes
    ----------
    estimators_ : dict of str to regressor
        The fitted regressor of each modality that there was something to learn from.
    final_estimator_ : regressor
        The fitted final estimator.
    stack_method_ : dict of str to str
        What each modality's estimator is asked for: ``"predict"``.
    modality_scores_ : dict of str to float
        Out-of-fold R² of each on the rows that have the modality.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of these columns, when all are strings.

    See Also
    --------
    ModalityVotingRegressor : Learns a weight for each modality and nothing more.
    sklearn.ensemble.StackingRegressor : The same for models of all columns.

    References
    ----------
    .. [1] Wolpert, "Stacked generalization", Neural Networks 5, 1992.
    .. [2] Breiman, "Stacked regressions", Machine Learning 24, 1996.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal import pack
    >>> from skmultimodal.fusion import ModalityStackingRegressor
    >>> rng = np.random.default_rng(0)
    >>> text, audio = rng.normal(size=(2, 100, 3))
    >>> y = text.sum(axis=1) + audio.sum(axis=1)
    >>> X = pack({"text": text, "audio": audio})
    >>> stack = ModalityStackingRegressor(random_state=0).fit(X, y)
    >>> bool(stack.score(X, y) > 0.9)
    True
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        estimators: Mapping[str, Any] | None = None,
        final_estimator: Any = None,
        cv: Any = 5,
        passthrough: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
        modalities: Mapping[str, Any] | None = None,
    ):
        self.estimator = estimator
        self.estimators = estimators
        self.final_estimator = final_estimator
        self.cv = cv
        self.passthrough = passthrough
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.modalities = modalities

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_state_on_error
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, groups: Any = None
    ) -> ModalityStackingRegressor:
        """Fit the regressor of each modality, and the final one.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data. NaN over a whole block means absent; what NaN in a part of
            one means is up to the estimators.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, for all estimators. A Series is aligned to X by label, so that it
            still fits after a sampler.
        groups : array-like of shape (n_samples,), default=None
            Rows of one group go to one side of the internal folds.

        Returns
        -------
        self : ModalityStackingRegressor

        Raises
        ------
        ValueError
            If X is not encoded, if y has NaN, if `estimators` name a modality that X
            does not have, or if the rows allow no folds. A previous fit stays usable.
        TypeError
            If an estimator takes no weights and there are some.
        """
        self._fit(X, y, sample_weight, groups)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """What the final estimator predicts.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data; modalities may be absent.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        features = self._final_features(X)
        return self.final_estimator_.predict(features)
