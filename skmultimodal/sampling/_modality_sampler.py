"""Any imbalanced-learn sampler, over rows of any kind, that tells their origin."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pandas as pd
from imblearn.base import BaseSampler
from imblearn.over_sampling import RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from sklearn.base import _fit_context, clone
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods, StrOptions

from skmultimodal._cells import to_pandas
from skmultimodal._fitting import keep_state_on_error
from skmultimodal.sampling._measuring import (
    check_classes_measured,
    measured_columns,
    plan_of,
    scaled,
)
from skmultimodal.sampling._modality_augmenter import ModalityAugmenter
from skmultimodal.sampling._neighbours import too_few_rows
from skmultimodal.sampling._rows import combine, take
from skmultimodal.sampling._targets import (
    check_rows,
    check_strategy_labels,
    class_labels,
    resample_weight,
    take_target,
)
from skmultimodal.sampling._tracing import Parents, TwistedCubic, taken


class ModalitySampler(BaseSampler):
    """Resample rows of several modalities with any imbalanced-learn sampler.

    Samplers of imbalanced-learn want finite numbers, hand back renumbered rows, and
    leave no trace of which row was made from which. This one runs the sampler on a
    scaled copy of the features, finds out which rows each resampled row came from, and
    takes or combines *these* rows of X:

    * rows that a sampler selects or repeats are taken as they are, dtypes, objects and
      index labels included;
    * rows that a sampler invents (SMOTE and its kin) are the same combination of the
      same two rows, computed on the numbers in X, with absent modalities respected;
      texts, media and whatever else is no number come from the nearer of the two;
    * the index tells where each row came from: a copy has the label of its original,
      an invented row a label that names its parents. Heads read it, so that early
      stopping never validates on a relative of a training row.

    Parameters
    ----------
    sampler : sampler object, default=None
        An instance with ``fit`` and ``fit_resample``, a Pipeline of such too. None
        stands for :class:`imblearn.over_sampling.RandomOverSampler`.

        `RandomOverSampler` and `RandomUnderSampler` look at no feature and so take raw
        frames with text, paths and objects. All others measure distances: put them
        behind the encoders, or name columns of numbers by `modalities`. They see each
        column centred and divided by its standard deviation and each modality by the
        root of its width, NaN as the mean.
    modalities : list of str, default=None
        Modalities that distances are measured by, None for all. Columns without a
        modality's name before them, as raw numbers are, can be named one by one. What
        is not named is resampled all the same.
    missing : {"neighbour", "drop"}, default="neighbour"
        What an invented row has where one of its parents lacks a value: that of the
        other parent, or none either. Where both lack it, so does the row.

    Attributes
    ----------
    sampler_ : sampler object
        The fitted clone of `sampler`.
    sampling_strategy_ : dict or None
        How many rows of which class were added or kept, by `sampler_`; None if that
        does not say so.
    sample_indices_ : ndarray of shape (n_samples_new,)
        Position in X that a row was taken from; of an invented row, its nearer parent.
        Set by `fit_resample`.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where X has them as strings.

    See Also
    --------
    imblearn.pipeline.Pipeline : Samples at fit, and never at predict.

    Notes
    -----
    Polars frames come out as pandas frames, since the index carries the provenance.
    Arrays and lists stay what they are, and so have none. Labels of X that occur more
    than once count as copies of one row.

    Parents are found by adding a code to each row: points of a twisted cubic, small
    enough to change no distance. Rows that are no combination of two rows
    (`ClusterCentroids` with soft voting, `SMOTEN`, `SMOTENC`, shrinkage) cannot be
    traced and are refused.

    References
    ----------
    .. [1] G. Lemaître, F. Nogueira, C. Aridas, "Imbalanced-learn: A Python Toolbox to
       Tackle the Curse of Imbalanced Datasets in Machine Learning", JMLR 18(17), 2017.
    .. [2] N. Chawla et al., "SMOTE: Synthetic Minority Over-sampling Technique",
       JAIR 16, 2002.

    Examples
    --------
    >>> import pandas as pd
    >>> from imblearn.over_sampling import RandomOverSampler
    >>> from skmultimodal.sampling import ModalitySampler
    >>> X = pd.DataFrame({"note": ["fine", "good", None], "price": [1.0, 2.0, 3.0]})
    >>> sampler = ModalitySampler(RandomOverSampler(random_state=0))
    >>> sampler.fit_resample(X, [0, 0, 1])[0]
       note  price
    0  fine    1.0
    1  good    2.0
    2   NaN    3.0
    2   NaN    3.0
    """

    _sampling_type = "bypass"
    # a Pipeline has no use for weights that come back: they go by, to the head
    __metadata_request__fit_resample = {"sample_weight": False}

    _parameter_constraints: dict = {
        "sampler": [HasMethods(["fit", "fit_resample"]), None],
        "modalities": [list, tuple, None],
        "missing": [StrOptions({"neighbour", "drop"})],
    }

    def __init__(
        self,
        sampler: Any = None,
        *,
        modalities: Any = None,
        missing: str = "neighbour",
    ) -> None:
        self.sampler = sampler
        self.modalities = modalities
        self.missing = missing

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_state_on_error
    def fit(self, X: Any, y: Any) -> ModalitySampler:
        """Check the input and find out how many rows each class should have.

        Parameters
        ----------
        X : {DataFrame, array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to resample.
        y : array-like of shape (n_samples,)
            Classes.

        Returns
        -------
        self : ModalitySampler
            The instance, with `sampling_strategy_`.

        Raises
        ------
        ValueError
            As `fit_resample` does.
        """
        X, labels = self._check_X_y(X, y)
        self.sampler_ = self._clone()
        self.sampler_.fit(self._features(X, labels), labels)
        self.sampling_strategy_ = plan_of(self.sampler_)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_state_on_error
    def fit_resample(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Resample rows and classes, and weights where they are given.

        Parameters
        ----------
        X : {DataFrame, array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to resample: a raw or an encoded frame (pandas or polars), an array, a
            list of rows.
        y : array-like of shape (n_samples,)
            Classes; one column or one-vs-all indicators will do.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A Series is aligned to X by label.

        Returns
        -------
        X_resampled : {DataFrame, ndarray, sparse matrix, list} of shape \
                (n_samples_new, n_features)
            Rows of the kind that came in, with their dtypes.
        y_resampled : array-like of shape (n_samples_new,)
            Their classes, of the kind that came in.
        sample_weight_resampled : ndarray or Series of shape (n_samples_new,)
            Only with `sample_weight`: a copy has the weight of its original, an
            invented row the mean of its parents' weights. A Pipeline has no use for
            weights of a sampler; there give the head's as a Series, which it aligns by
            label.

        Raises
        ------
        ValueError
            If a sampler that measures distances meets a column that is no number or
            not finite; if `modalities` names one that X does not have; if a class has
            fewer rows than the sampler looks for neighbours, or lacks all that is
            measured; if `sampling_strategy` of the sampler names a class that y does
            not have; if y is continuous or multilabel; if rows of the sampler cannot be
            traced to rows of X.
        TypeError
            If `sampler` is a class or a ModalitySampler.
        """
        return self._fit_resample(X, y, sample_weight=sample_weight)

    def _fit_resample(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        rows, labels = self._check_X_y(X, y)
        self.sampler_ = self._clone()
        parents, new_labels = self._run(self._features(rows, labels), labels)
        self.sampling_strategy_ = plan_of(self.sampler_)
        self.sample_indices_ = parents.first
        if parents.made.any():
            X_new = combine(rows, parents, self.missing)
            X_new = X_new.tolist() if isinstance(X, list) else X_new
        else:
            X_new = take(X if isinstance(X, list) else rows, parents.first)
        classes, first = np.unique(labels, return_index=True)
        row_of_class = first[np.searchsorted(classes, new_labels)]
        y_new = take_target(to_pandas(y), row_of_class, X_new)
        if sample_weight is None:
            return X_new, y_new
        return X_new, y_new, resample_weight(sample_weight, parents, rows, X_new)

    def _check_X_y(self, X: Any, y: Any) -> tuple[Any, np.ndarray]:
        """X as a frame or an array, y as (n,) labels."""
        X, y = check_rows(self, X, y)
        labels = class_labels(y, type(self).__name__, "Leave the sampler out")
        check_strategy_labels(getattr(self.sampler, "sampling_strategy", None), labels)
        return X, labels

    def _clone(self) -> Any:
        if inspect.isclass(self.sampler):
            name = self.sampler.__name__
            raise TypeError(
                f"sampler={name} is a class; give an instance: "
                f"ModalitySampler({name}())."
            )
        if isinstance(self.sampler, ModalitySampler):
            raise TypeError(
                "sampler is a ModalitySampler already; give the sampler inside it."
            )
        if isinstance(self.sampler, ModalityAugmenter):
            raise TypeError(
                "sampler is a ModalityAugmenter, which changes raw cells and tells "
                "where rows come from by itself. Make it a step before the encoders: "
                "multimodal_pipeline(task, augmenter=ModalityAugmenter()), or "
                "Pipeline([('augment', ModalityAugmenter()), *pipeline.steps])."
            )
        return RandomOverSampler() if self.sampler is None else clone(self.sampler)

    def _features(self, X: Any, labels: np.ndarray) -> np.ndarray:
        """What the sampler looks at: scaled features, or nothing at all."""
        columns = measured_columns(X, self.modalities)
        if _is_random(self.sampler):
            return np.zeros((X.shape[0], 1))
        if columns is not None:
            X = X.iloc[:, columns] if isinstance(X, pd.DataFrame) else X[:, columns]
        features, absent = scaled(X, type(self.sampler).__name__)
        if absent.any():
            check_classes_measured(absent, labels, self._clone(), self.modalities)
        return features

    def _run(
        self, features: np.ndarray, labels: np.ndarray
    ) -> tuple[Parents, np.ndarray]:
        """Parents and labels (n_out,) of the resampled rows."""
        sampler, width = self.sampler_, features.shape[1]
        if _selects(sampler):
            made, new_labels = self._resample(features, labels)
            rows = np.asarray(sampler.sample_indices_, dtype=np.intp)
            if len(rows) == len(made) and np.array_equal(features[rows], made):
                return taken(rows), np.asarray(new_labels)
            raise self._untraceable()
        cubic = TwistedCubic(len(features))
        made, new_labels = self._resample(
            np.concatenate([features, cubic.codes], axis=1), labels
        )
        parents, found = cubic.trace(made[:, width:])
        if not found.all() or not _agree(features, parents, made[:, :width]):
            raise self._untraceable()
        return parents, np.asarray(new_labels)

    def _resample(self, features: np.ndarray, labels: np.ndarray) -> Any:
        try:
            return self.sampler_.fit_resample(features, labels)
        except (ValueError, RuntimeError) as error:
            told = too_few_rows(error, self.sampler_, labels)
            if told is None:
                raise
            raise told from error

    def _untraceable(self) -> ValueError:
        return ValueError(
            f"Rows that {self.sampler_} makes are no row of X and no combination of "
            "two, so ModalitySampler cannot tell where they come from. Use a sampler "
            "that selects rows or combines pairs of them (SMOTE, BorderlineSMOTE, "
            "SVMSMOTE, KMeansSMOTE, ADASYN, SMOTEENN, SMOTETomek), or use this one "
            "without ModalitySampler and give the head X_val and y_val."
        )

    def __sklearn_tags__(self) -> Any:
        """Tags of a sampler that takes any cell where its sampler looks at none."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = _is_random(self.sampler)
        tags.sampler_tags.sample_indices = True
        return tags


def _is_random(sampler: Any) -> bool:
    """Whether a sampler looks at y alone."""
    if isinstance(sampler, RandomOverSampler):
        return sampler.shrinkage is None
    return sampler is None or isinstance(sampler, RandomUnderSampler)


def _selects(sampler: Any) -> bool:
    """Whether a sampler says which rows it has taken."""
    tags = getattr(get_tags(sampler), "sampler_tags", None)
    return bool(getattr(tags, "sample_indices", False))


def _agree(features: np.ndarray, parents: Parents, made: np.ndarray) -> bool:
    """Whether the features of the rows are what their codes say, seen in projection."""
    directions = np.random.default_rng(0).standard_normal((features.shape[1], 2))
    shadow, found = features @ directions, made @ directions
    share = parents.share[:, None]
    expected = (1 - share) * shadow[parents.first] + share * shadow[parents.second]
    return bool((np.abs(expected - found) <= 1e-8 * (1 + np.abs(expected))).all())
