"""The score of a fitted estimator as modalities go missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length
from sklearn.utils._indexing import _get_column_indices
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from skmultimodal._cells import to_pandas
from skmultimodal._layout import read_layout
from skmultimodal._splits import make_generator
from skmultimodal.compose import ModalityTransformer
from skmultimodal.model_selection._encoded_folds import is_encoded

ANY = "any"


@dataclass(frozen=True)
class Subject:
    """What is scored on what, and which columns are a modality."""

    estimator: Any
    X: Any
    columns: dict[str, list[int]]


@validate_params(
    {
        "fractions": ["array-like"],
        "modalities": [str, list, tuple, Mapping, None],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def missing_modality_curve(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    fractions: Sequence[float] = (0, 0.25, 0.5, 0.75, 1),
    modalities: Any = None,
    scoring: Any = None,
    n_repeats: int = 5,
    random_state: Any = None,
    n_jobs: int | None = None,
) -> pd.DataFrame:
    """Score a fitted estimator while more and more modalities are taken away.

    A share of the rows loses one modality, and a share of all modalities of all rows,
    whichever they are, is lost at random. What rows lack already stays absent.

    Parameters
    ----------
    estimator : fitted estimator
        A head, a Pipeline, a search, or anything that predicts from X as given. Where
        a Pipeline starts with a :class:`~skmultimodal.compose.ModalityTransformer`, X
        is encoded once, and modalities are taken from the encoded frame, where a row
        that lacks all cells of a modality has NaN.
    X : DataFrame, ndarray or polars DataFrame of shape (n_samples, n_columns)
        Raw or encoded rows, new to the estimator.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        What is true of them.
    fractions : array-like of float, default=(0, 0.25, 0.5, 0.75, 1)
        Shares to take away, from 0 to 1.
    modalities : str, list of str, dict or None, default=None
        The modalities to take away, the others stay; None takes all. A dict says which
        columns of X each of them is (``{"text": ["title", "body"]}``): their cells
        become None or NaN, for an estimator that does not tell.
    scoring : str, callable or None, default=None
        Name of a scikit-learn scorer, or ``scorer(estimator, X, y)``. None is that of
        a search, otherwise the estimator's `score`.
    n_repeats : int, default=5
        Number of draws of what goes missing. Within a draw, what is absent at one
        share is absent at every larger one.
    random_state : int, RandomState or None, default=None
        Seed of the draws.
    n_jobs : int, default=None
        Number of predictions that run at once.

    Returns
    -------
    DataFrame of shape ((1 + n_modalities) * n_fractions * n_repeats, 4)
        Columns ``modality`` ("any" for all of them at random), ``fraction``,
        ``repeat`` and ``score``. ``attrs["scoring"]`` names the score.

    Raises
    ------
    ValueError
        If a fraction is below 0 or above 1, if X has no such modality or is called
        "any", or if X is raw and nothing tells its modalities.
    NotFittedError
        If the estimator is not fitted.

    See Also
    --------
    MissingModalityDisplay : A picture of it.
    skmultimodal.model_selection.compare_fusions : Which fusion to use.

    Notes
    -----
    Cost: 1 + (M + 1) (F - 2) R + M + 1 predictions of all rows for M modalities, F
    fractions and R repeats; nothing is fitted.

    Examples
    --------
    >>> from skmultimodal.datasets import make_multimodal_classification
    >>> from skmultimodal.heads import FusionClassifier
    >>> from skmultimodal.inspection import missing_modality_curve
    >>> X, y = make_multimodal_classification(200, random_state=0)
    >>> model = FusionClassifier("gated", modality_dropout=0.2, random_state=0)
    >>> model = model.fit(X[:150], y[:150])
    >>> curve = missing_modality_curve(model, X[150:], y[150:], random_state=0)
    >>> curve["modality"].unique().tolist()
    ['any', 'text', 'image']
    >>> curve.groupby(["modality", "fraction"])["score"].mean().shape
    (15,)
    """
    shares = _read_fractions(fractions)
    check_consistent_length(X, y)
    check_is_fitted(estimator)
    if scoring is None and callable(getattr(estimator, "scorer_", None)):
        scoring = estimator.scorer_
    subject = _keep(_read_subject(estimator, to_pandas(X), modalities), modalities)
    scorer = check_scoring(subject.estimator, scoring)
    generators = make_generator(random_state).spawn(n_repeats)
    draws = [rng.random((len(subject.X), len(subject.columns))) for rng in generators]
    tasks = list(_tasks(list(subject.columns), shares, n_repeats))
    scores = Parallel(n_jobs=n_jobs)(
        delayed(_score)(
            subject, y, scorer, _absent(draws[repeat], list(subject.columns), m, share)
        )
        for m, share, repeat in tasks
    )
    found = dict(zip(tasks, scores))
    rows = [
        (m, share, repeat, found[_same(m, share, repeat)])
        for m in [ANY, *subject.columns]
        for share in shares
        for repeat in range(n_repeats)
    ]
    curve = pd.DataFrame(rows, columns=["modality", "fraction", "repeat", "score"])
    curve.attrs["scoring"] = scoring if isinstance(scoring, str) else "score"
    return curve


def _read_fractions(fractions: Any) -> list[float]:
    given = list(np.ravel(fractions))
    wrong = [f for f in given if not isinstance(f, Real) or not 0 <= float(f) <= 1]
    if wrong or not given:
        what = f"has {wrong[0]}" if wrong else "is empty"
        raise ValueError(f"fractions {what}: give shares from 0 to 1.")
    return sorted({float(f) for f in given})


def _read_subject(estimator: Any, X: Any, modalities: Any) -> Subject:
    """Where modalities stand: in X as it is, or in X as the first step encodes it."""
    if isinstance(modalities, Mapping):
        columns = {
            str(name): list(_get_column_indices(X, [c] if isinstance(c, str) else c))
            for name, c in modalities.items()
        }
        return Subject(estimator, X, columns)
    model = getattr(estimator, "best_estimator_", estimator)
    if isinstance(model, Pipeline):
        encode = model.steps[0][1]
        if isinstance(encode, ModalityTransformer) and len(model.steps) > 1:
            X, estimator = to_pandas(encode.transform(X)), model[1:]
        model = model.steps[-1][1]
    if not is_encoded(X):
        raise ValueError(
            "X is raw, and nothing tells which of its columns are which modality: the "
            "estimator is no Pipeline that starts with a ModalityTransformer. Say it "
            "by modalities={'text': ['title', 'body'], ...}."
        )
    names = list(X.columns) if isinstance(X, pd.DataFrame) else None
    layout = read_layout(np.shape(X)[1], names, getattr(model, "modalities", None))
    return Subject(estimator, X, {block.name: list(block.columns) for block in layout})


def _keep(subject: Subject, modalities: Any) -> Subject:
    """With the modalities that are to be taken away."""
    columns = subject.columns
    if modalities is not None:
        asked = [modalities] if isinstance(modalities, str) else list(modalities)
        unknown = [name for name in asked if name not in columns]
        if unknown or not asked:
            what = f"has no modality {unknown[0]!r}" if unknown else "loses none"
            raise ValueError(
                f"X {what}: modalities={modalities!r}. Name some of {list(columns)}."
            )
        columns = {name: columns[name] for name in asked}
    if ANY in columns:
        raise ValueError(
            f"A modality is called {ANY!r}, which stands for all of them in the "
            "result. Rename it."
        )
    return Subject(subject.estimator, subject.X, columns)


def _tasks(
    names: list[str], shares: list[float], n_repeats: int
) -> Iterator[tuple[str, float, int]]:
    """Each prediction that differs from all others."""
    every = (
        _same(name, share, repeat)
        for name in [ANY, *names]
        for share in shares
        for repeat in range(n_repeats)
    )
    yield from dict.fromkeys(every)


def _same(name: str, share: float, repeat: int) -> tuple[str, float, int]:
    """Nothing absent is one case; all absent is the same in each repeat."""
    if share == 0:
        return ANY, 0.0, 0
    return (name, share, 0) if share == 1 else (name, share, repeat)


def _absent(draw: np.ndarray, names: list[str], name: str, share: float) -> np.ndarray:
    """The smallest of the draws: (n, M) bool"""
    gone = np.zeros(draw.shape, dtype=bool)
    which = slice(None) if name == ANY else [names.index(name)]
    part = draw[:, which]
    ranks = part.ravel().argsort().argsort().reshape(part.shape)
    gone[:, which] = ranks < round(share * part.size)
    return gone


def _score(subject: Subject, y: Any, scorer: Any, gone: np.ndarray) -> float:
    X = subject.X
    for columns, rows in zip(subject.columns.values(), gone.T):
        if rows.any():
            X = _without(X, columns, rows)
    return float(scorer(subject.estimator, X, y))


def _without(X: Any, columns: list[int], rows: np.ndarray) -> Any:
    """A copy of X whose cells in these rows and columns are missing."""
    if not isinstance(X, pd.DataFrame):
        X = np.array(X, dtype=object if X.dtype == object else np.float64)
        X[np.ix_(rows, np.array(columns))] = None if X.dtype == object else np.nan
        return X
    if len(set(X.dtypes)) == 1 and X.dtypes.iloc[0].kind == "f":
        values = X.to_numpy(copy=True)
        values[np.ix_(rows, np.array(columns))] = np.nan
        return pd.DataFrame(values, index=X.index, columns=X.columns, copy=False)
    X = X.copy(deep=False)
    for k in columns:
        X.isetitem(k, X.iloc[:, k].mask(rows))
    return X
