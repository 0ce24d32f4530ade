"""Augmentation as a sampler: changed copies of rows, added in `fit`."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from imblearn.base import BaseSampler
from imblearn.utils import check_sampling_strategy
from scipy import sparse
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions

from skmultimodal._fitting import keep_state_on_error
from skmultimodal._layout import NAMELESS, read_layout
from skmultimodal._splits import make_generator
from skmultimodal.compose._auto import as_frame
from skmultimodal.encoders._columns import shown_row
from skmultimodal.sampling._copies import copies_by_class, copies_of_all, copy_numbers
from skmultimodal.sampling._rows import take
from skmultimodal.sampling._targets import (
    check_rows,
    check_strategy_labels,
    class_labels,
    resample_weight,
    take_target,
)
from skmultimodal.sampling._tracing import taken
from skmultimodal.sampling.augmenting._cells import augmented, cell_seed
from skmultimodal.sampling.augmenting._choosing import Plan, make_plans

_ALL = "all"


class ModalityAugmenter(BaseSampler):
    """Add copies of rows whose texts and media are changed a little.

    A sampler of raw rows, for an imbalanced-learn Pipeline, before the encoders: rows
    are added in `fit` and never at predict. Texts are rewritten at once. A picture, a
    recording, a video or a series becomes a small recipe (the cell, what is done to it,
    a seed), which encoders read, change and describe when its turn comes; an embedding
    store knows it as it knows any cell.

    Parameters
    ----------
    augmentations : dict, default=None
        What is done to which column, by its name (its position where X is an array), by
        the name that ``ModalityTransformer("auto")`` gives its modality, or by kind,
        which means all columns of ``"image"``, ``"text"``, ``"audio"``, ``"series"`` or
        ``"video"``. A value is

        * ``"default"`` or None: what is usual for the kind that the cells are of;
        * a kind, ``"series"``: the same, where cells do not say what they are;
        * the name of an augmentation, ``"crop"``, an instance, ``Crop(min_area=0.5)``,
          or a function ``(array, rng) -> array`` of your own;
        * a list of these, done one after the other.

        None augments all text and media that X has, by default.
    n_copies : int, default=1
        Copies of each row, where `sampling_strategy` is None or ``"all"``.
    sampling_strategy : float, str, dict, callable or None, default=None
        None and ``"all"`` copy every row `n_copies` times. Otherwise so many copies are
        made of each class as imbalanced-learn's over-samplers make: ``"not majority"``
        or ``"auto"``, ``"minority"``, a dict of how many rows there shall be, ...
    random_state : int, RandomState instance, Generator or None, default=None
        Seed of all that is drawn. With an integer a row of a frame has the same copies
        in every fold, so that a store serves them.

    Attributes
    ----------
    augmentations_ : dict
        What is done to which column: tuples of augmentations.
    sampling_strategy_ : dict or None
        How many copies of which class are made; None where every row is copied.
    sample_indices_ : ndarray of shape (n_samples_new,)
        Position in X of the row that each row is, or is a copy of. Set by
        `fit_resample`.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where X has them as strings.

    See Also
    --------
    ModalitySampler : Samplers of imbalanced-learn over the same frames.
    imblearn.pipeline.Pipeline : Samples at fit, and never at predict.

    Notes
    -----
    A copy keeps the label of its original in the index: heads that stop early validate
    on originals only, and train on no copy of a row that they validate on. Arrays and
    lists have no labels: give a frame where a head stops early. A missing cell stays
    missing, and columns that are not named are copied as they are.

    By default pictures are flipped, cropped and recoloured; texts lose a word or
    swap two; recordings are masked in time and frequency, made louder or softer, and
    shifted; series get noise, are stretched in value and in time; videos lose frames
    and are flipped. Whether a label survives that only you know: a mirrored digit is
    no digit.

    A function of yours is given float32 pictures (h, w, 3) in [0, 1], videos (frames,
    h, w, 3), recordings (samples,), float64 series (steps, channels), or a string, with
    a `numpy.random.Generator`, and gives the same back. What it makes is not stored:
    its code may change while its name does not.

    References
    ----------
    .. [1] C. Shorten and T. Khoshgoftaar, "A survey on image data augmentation for deep
       learning", Journal of Big Data 6, 2019.
    .. [2] D. Park et al., "SpecAugment: a simple data augmentation method for automatic
       speech recognition", Interspeech 2019. https://arxiv.org/abs/1904.08779

    Examples
    --------
    >>> import pandas as pd
    >>> from skmultimodal.sampling import ModalityAugmenter, WordSwap
    >>> X = pd.DataFrame({
    ...     "note": ["we had a very good day", "it was not my best day", None],
    ...     "photo": ["1.png", None, "3.png"],
    ... })
    >>> augmenter = ModalityAugmenter({"note": WordSwap(0.5)}, random_state=0)
    >>> augmenter.fit_resample(X, [1, 0, 1])[0]
                         note  photo
    0  we had a very good day  1.png
    1  it was not my best day    NaN
    2                     NaN  3.png
    0  we a very had good day  1.png
    1  it not was my day best    NaN
    2                     NaN  3.png
    """

    _sampling_type = "bypass"
    # a Pipeline has no use for weights that come back: they go by, to the head
    __metadata_request__fit_resample = {"sample_weight": False}

    _parameter_constraints: dict = {
        "augmentations": [dict, None],
        "n_copies": [Interval(Integral, 0, None, closed="left")],
        "sampling_strategy": [
            Interval(Real, 0, 1, closed="right"),
            StrOptions(
                {"auto", "minority", "not minority", "not majority", "majority", _ALL}
            ),
            Mapping,
            callable,
            None,
        ],
        "random_state": ["random_state", np.random.Generator],
    }

    def __init__(
        self,
        augmentations: Any = None,
        *,
        n_copies: int = 1,
        sampling_strategy: Any = None,
        random_state: Any = None,
    ) -> None:
        self.augmentations = augmentations
        self.n_copies = n_copies
        self.sampling_strategy = sampling_strategy
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_state_on_error
    def fit(self, X: Any, y: Any) -> ModalityAugmenter:
        """Check the input, and find out what is done to which column.

        Parameters
        ----------
        X : {DataFrame, array-like, sparse matrix} of shape (n_samples, n_features)
            Raw rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.

        Returns
        -------
        self : ModalityAugmenter
            The instance, with `augmentations_` and `sampling_strategy_`.

        Raises
        ------
        ValueError
            As `fit_resample` does.
        """
        rows, y = check_rows(self, X, y)
        self._plan_columns(_table(X, rows))
        self._plan_classes(y)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_state_on_error
    def fit_resample(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Give the rows, and changed copies behind them.

        Parameters
        ----------
        X : {DataFrame, array-like, sparse matrix} of shape (n_samples, n_features)
            Raw rows: a frame (pandas or polars), an array, a list of rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets of any kind, but classes where a `sampling_strategy` balances them.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A Series is aligned to X by label.

        Returns
        -------
        X_resampled : {DataFrame, ndarray, sparse matrix, list} of shape \
                (n_samples_new, n_features)
            Rows of the kind that came in; columns of media hold objects.
        y_resampled : array-like of shape (n_samples_new,) or (n_samples_new, n_outputs)
            Their targets, of the kind that came in.
        sample_weight_resampled : ndarray or Series of shape (n_samples_new,)
            Only with `sample_weight`: a copy has the weight of its original.

        Raises
        ------
        ValueError
            If `augmentations` names a column, modality or kind that X does not have, or
            an augmentation that there is not for its kind, or is None and X is encoded
            already; if `sampling_strategy` names
            a class that y does not have, or y holds no classes, or one only.
        """
        return self._fit_resample(X, y, sample_weight)

    def _fit_resample(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        rows, y = check_rows(self, X, y)
        table = _table(X, rows)
        plans = self._plan_columns(table)
        labels = self._plan_classes(y)
        rng = make_generator(self.random_state)
        base = int(rng.integers(2**63))
        n = rows.shape[0]
        if labels is None or self.sampling_strategy_ is None:
            copied = copies_of_all(n, self.n_copies)
        else:
            copied = copies_by_class(labels, self.sampling_strategy_, rng)
        self.sample_indices_ = np.concatenate([np.arange(n), copied])
        X_new = self._resampled(table, plans, copied, base)
        X_new = X_new.tolist() if isinstance(X, list) else X_new
        y_new = take_target(y, self.sample_indices_, X_new)
        if sample_weight is None:
            return X_new, y_new
        origin = taken(self.sample_indices_)
        return X_new, y_new, resample_weight(sample_weight, origin, rows, X_new)

    def _plan_columns(self, table: Any) -> list[Plan]:
        is_object = isinstance(table, pd.DataFrame) or table.dtype == object
        if self.augmentations is None and not is_object:
            plans: list[Plan] = []
        else:
            dense = table.toarray() if sparse.issparse(table) else table
            plans = make_plans(*as_frame(dense), self.augmentations)
        if not plans and self.augmentations is None and _is_encoded(table):
            raise ValueError(
                "X is encoded: its columns are numbers, with nothing to change, and "
                "copies would be repeats. Put ModalityAugmenter before the encoders; "
                "ModalitySampler(RandomOverSampler()) repeats rows."
            )
        self.augmentations_ = {plan.label: plan.operations for plan in plans}
        return plans

    def _plan_classes(self, y: Any) -> np.ndarray | None:
        """Labels (n,) where classes are balanced; sets `sampling_strategy_`."""
        self.sampling_strategy_: dict[Any, int] | None = None
        strategy = self.sampling_strategy
        if strategy is None or (isinstance(strategy, str) and strategy == _ALL):
            return None
        remedy = "Leave sampling_strategy=None, which copies each row n_copies times"
        labels = class_labels(y, f"sampling_strategy={strategy!r:.40}", remedy)
        check_strategy_labels(strategy, labels)
        self.sampling_strategy_ = check_sampling_strategy(
            strategy, labels, "over-sampling"
        )
        return labels

    def _resampled(
        self, table: Any, plans: list[Plan], copied: np.ndarray, base: int
    ) -> Any:
        """Rows of a frame or array, and changed copies of some behind them."""
        out = take(table, self.sample_indices_)
        is_frame = isinstance(table, pd.DataFrame)
        n = table.shape[0]
        index = table.index if is_frame else pd.RangeIndex(n)
        numbers = copy_numbers(index, copied)
        for plan in plans:
            if is_frame:
                held = table.iloc[:, plan.position].to_numpy(dtype=object)
            else:
                held = table[:, plan.position]
            cells = np.empty(n + len(copied), dtype=object)
            cells[:n] = held
            for k, (row, number) in enumerate(zip(copied, numbers), n):
                seed = cell_seed(base, index[row], int(number), plan.label)
                try:
                    cells[k] = augmented(held[row], plan.kind, plan.operations, seed)
                except ValueError as error:
                    where = f"column {plan.label!r}, {shown_row(row, index)}"
                    raise ValueError(f"ModalityAugmenter: {where}: {error}") from error
            if not is_frame:
                out[:, plan.position] = cells
                continue
            dtype = table.dtypes.iloc[plan.position]
            is_text = plan.kind == "text" and isinstance(dtype, pd.StringDtype)
            column = pd.Series(cells, out.index, dtype=dtype if is_text else object)
            out.isetitem(plan.position, column)
        return out

    def __sklearn_tags__(self) -> Any:
        """Tags of a sampler that takes any cell."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.sampler_tags.sample_indices = True
        return tags


def _table(X: Any, rows: Any) -> Any:
    """What cells are taken from: a frame, numbers as they are, else objects."""
    if isinstance(X, list) and rows.dtype.kind not in "biufc":
        table = np.empty(rows.shape, dtype=object)
        for k, row in enumerate(X):
            table[k] = row
        return table
    if isinstance(rows, np.ndarray) and rows.dtype.kind not in "biufc":
        return rows.astype(object)
    return rows


def _is_encoded(table: Any) -> bool:
    """Whether the names of all columns begin with that of a modality."""
    if not isinstance(table, pd.DataFrame):
        return False
    return NAMELESS not in read_layout(table.shape[1], list(table.columns)).names
