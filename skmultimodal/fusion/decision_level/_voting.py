"""Voting of one estimator a modality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from skmultimodal._fitting import keep_state_on_error
from skmultimodal.fusion.decision_level._weighing import ModalityVoting


def _votes_softly(self: Any) -> bool:
    if self.voting == "hard":
        raise AttributeError(
            "predict_proba is not available with voting='hard'; use 'log' or 'soft'."
        )
    return True


class ModalityVotingClassifier(ClassifierMixin, ModalityVoting):
    """Classify by a weighted vote of one estimator a modality.

    Each modality's estimator is fitted on the rows that have the modality. What they
    say of a row is put together as a logarithmic pool [1]_

    .. math:: p(c) \\propto \\pi(c) \\prod_m (p_m(c) / \\pi(c))^{a_m w_m}

    where :math:`\\pi` are the shares of the classes in y and :math:`a_m` says whether
    the row has the modality: an absent one drops out, and a row that has none gets
    :math:`\\pi`. Weights of 1 are right for modalities that are independent given the
    class [2]_, weights that sum to 1 for such as say the same. By default they are
    those of least out-of-fold log loss, as in a super learner [3]_: a modality that
    knows nothing weighs little.

    Cost: with ``weights="loss"`` each estimator is fitted `cv` + 1 times, otherwise
    once; M weights are learned.

    Parameters
    ----------
    estimator : classifier, default=None
        Fitted on each modality. It gets a frame of the modality's columns. None is a
        logistic regression on standardised columns, shrunk more where there are
        many; of a sequence, on mean and standard deviation over the steps.
    estimators : dict of str to classifier, default=None
        Classifiers of single modalities, instead of `estimator`; ``"drop"`` leaves a
        modality out. Their parameters are ``estimators__<modality>__<parameter>``.
    weights : {"loss", "uniform"} or dict of str to float, default="loss"
        Weights of the modalities. Given ones are divided by their sum. "loss" learns
        them out of fold, none below 0.001. For a log vote they minimise the sum of the
        log losses and of half the squared weights; for a soft vote the log loss, and
        for a hard one the squared error of the shares of votes, over weights that sum
        to one. Probabilities below 1e-6 count as that.
    cv : int, cross-validation splitter or iterable, default=5
        Folds for ``weights="loss"``. Rows of one group, copies and near-equal rows are
        never parted, and rows that a sampler made are not tested on. None is 5.
    voting : {"log", "soft", "hard"}, default="log"
        "log" multiplies as above. Where the modalities that a row has weigh less than
        all, and less than 1, their weights are scaled up. "soft" takes the weighted
        mean of the probabilities of those that a row has, "hard" of their votes for
        one class.
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
    weights_ : dict of str to float
        Weights of these, with sum 1 unless a log vote has learned them.
    modality_scores_ : dict of str to float
        Out-of-fold accuracy of each on the rows that have the modality. Only with
        ``weights="loss"``.
    classes_ : ndarray of shape (n_classes,)
        Class labels; for multilabel y, the label numbers.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of these columns, when all are strings.

    See Also
    --------
    ModalityStackingClassifier : Learns another estimator on what each modality says.
    skmultimodal.heads.FusionClassifier : Learns from all modalities at once.

    References
    ----------
    .. [1] Genest and Zidek, "Combining probability distributions: a critique and an
       annotated bibliography", Statistical Science 1, 1986.
    .. [2] Kittler, Hatef, Duin and Matas, "On combining classifiers", IEEE Transactions
       on Pattern Analysis and Machine Intelligence 20, 1998.
    .. [3] van der Laan, Polley and Hubbard, "Super learner", Statistical Applications
       in Genetics and Molecular Biology 6, 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal import pack
    >>> from skmultimodal.fusion import ModalityVotingClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=200)
    >>> text = rng.normal(size=(200, 3)) + y[:, None]
    >>> noise = rng.normal(size=(200, 3))
    >>> text[:20] = np.nan  # twenty samples have no text
    >>> vote = ModalityVotingClassifier(random_state=0)
    >>> vote = vote.fit(pack({"text": text, "noise": noise}), y)
    >>> vote.weights_["text"] > 10 * vote.weights_["noise"]
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **ModalityVoting._parameter_constraints,
        "voting": [StrOptions({"log", "soft", "hard"})],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        estimators: Mapping[str, Any] | None = None,
        weights: Any = "loss",
        cv: Any = 5,
        voting: str = "log",
        n_jobs: int | None = None,
        random_state: Any = None,
        modalities: Mapping[str, Any] | None = None,
    ):
        self.estimator = estimator
        self.estimators = estimators
        self.weights = weights
        self.cv = cv
        self.voting = voting
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.modalities = modalities

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_state_on_error
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, groups: Any = None
    ) -> ModalityVotingClassifier:
        """Fit the classifier of each modality, and weigh them.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data. NaN over a whole block means absent; what NaN in a part of
            one means is up to the estimators.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or an indicator matrix. A classifier that knows no
            multilabel y is fitted label by label.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, for the estimators and for the loss. A Series is aligned to X by
            label, so that it still fits after a sampler.
        groups : array-like of shape (n_samples,), default=None
            Rows of one group go to one side of the internal folds.

        Returns
        -------
        self : ModalityVotingClassifier

        Raises
        ------
        ValueError
            If X is not encoded, if y has one class or NaN, if `estimators` or
            `weights` name a modality that X does not have, or if the rows allow no
            folds. A previous fit stays usable.
        TypeError
            If an estimator has no `predict_proba` and the vote is not hard, or if it
            takes no weights and there are some.
        """
        self._fit(X, y, sample_weight, groups)
        return self

    @available_if(_votes_softly)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class. Not available with ``voting="hard"``.

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
        found = self._pool(X)
        if self._kind == "labels":
            return found
        # estimators may have computed in float32
        return found / found.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """Class of most weight; for multilabel y, labels more probable than not.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data; modalities may be absent.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
        """
        shares = self._pool(X)
        if self._kind == "labels":
            return (shares > 0.5).astype(int)
        return self.classes_[shares.argmax(axis=1)]

    @property
    def _method(self) -> str:
        return "predict" if self.voting == "hard" else "predict_proba"

    @property
    def _is_log(self) -> bool:
        return self.voting == "log"

    def _check_method(self, name: str, estimator: Any) -> None:
        if not hasattr(estimator, self._method):
            raise TypeError(
                f"voting={self.voting!r} needs predict_proba, which "
                f"{type(estimator).__name__} for the modality {name!r} does not have. "
                "Put a CalibratedClassifierCV round it, or use voting='hard'."
            )


class ModalityVotingRegressor(RegressorMixin, ModalityVoting):
    """Predict numbers by the weighted mean of one estimator a modality.

    Each modality's estimator is fitted on the rows that have the modality. What is
    predicted of a row is

    .. math:: f = \\sum_m a_m w_m f_m / \\sum_m a_m w_m

    where :math:`a_m` says whether the row has the modality: an absent one drops out. A
    row that has none gets the mean of y. By default the weights are those of least
    out-of-fold squared error [1]_, [2]_: a modality that knows nothing weighs little.

    Cost: with ``weights="loss"`` each estimator is fitted `cv` + 1 times, otherwise
    once; M weights are learned.

    Parameters
    ----------
    estimator : regressor, default=None
        Fitted on each modality. It gets a frame of the modality's columns. None is a
        ridge regression on standardised columns that chooses its penalty itself; of
        a sequence, on mean and standard deviation over the steps.
    estimators : dict of str to regressor, default=None
        Regressors of single modalities, instead of `estimator`; ``"drop"`` leaves a
        modality out. Their parameters are ``estimators__<modality>__<parameter>``.
    weights : {"loss", "uniform"} or dict of str to float, default="loss"
        Weights of the modalities. "loss" minimises the out-of-fold squared error over
        weights that are not negative and sum to one; none is below 0.001, so that a
        row that has nothing else is still answered. Several outputs count alike,
        whatever their units.
    cv : int, cross-validation splitter or iterable, default=5
        Folds for ``weights="loss"``. Rows of one group, copies and near-equal rows are
        never parted, and rows that a sampler made are not tested on. None is 5.
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
    weights_ : dict of str to float
        Weights of these, with sum 1.
    modality_scores_ : dict of str to float
        Out-of-fold R² of each on the rows that have the modality. Only with
        ``weights="loss"``.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of these columns, when all are strings.

    See Also
    --------
    ModalityStackingRegressor : Learns another estimator on what each modality says.
    skmultimodal.heads.FusionRegressor : Learns from all modalities at once.

    References
    ----------
    .. [1] Breiman, "Stacked regressions", Machine Learning 24, 1996.
    .. [2] van der Laan, Polley and Hubbard, "Super learner", Statistical Applications
       in Genetics and Molecular Biology 6, 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal import pack
    >>> from skmultimodal.fusion import ModalityVotingRegressor
    >>> rng = np.random.default_rng(0)
    >>> text, noise = rng.normal(size=(2, 100, 3))
    >>> y = text.sum(axis=1)
    >>> vote = ModalityVotingRegressor(random_state=0)
    >>> vote = vote.fit(pack({"text": text, "noise": noise}), y)
    >>> vote.weights_["text"] > 0.9
    True
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        estimators: Mapping[str, Any] | None = None,
        weights: Any = "loss",
        cv: Any = 5,
        n_jobs: int | None = None,
        random_state: Any = None,
        modalities: Mapping[str, Any] | None = None,
    ):
        self.estimator = estimator
        self.estimators = estimators
        self.weights = weights
        self.cv = cv
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.modalities = modalities

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_state_on_error
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, groups: Any = None
    ) -> ModalityVotingRegressor:
        """Fit the regressor of each modality, and weigh them.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data. NaN over a whole block means absent; what NaN in a part of
            one means is up to the estimators.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, for the estimators and for the loss. A Series is aligned to X by
            label, so that it still fits after a sampler.
        groups : array-like of shape (n_samples,), default=None
            Rows of one group go to one side of the internal folds.

        Returns
        -------
        self : ModalityVotingRegressor

        Raises
        ------
        ValueError
            If X is not encoded, if y has NaN, if `estimators` or `weights` name a
            modality that X does not have, or if the rows allow no folds. A previous
            fit stays usable.
        TypeError
            If an estimator takes no weights and there are some.
        """
        self._fit(X, y, sample_weight, groups)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Weighted mean of what the modalities predict.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Encoded data; modalities may be absent.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        found = self._pool(X)
        return found[:, 0] if self._flat else found
