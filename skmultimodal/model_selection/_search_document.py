"""What the docstrings of the searches share."""

from __future__ import annotations

from textwrap import indent
from typing import TypeVar

C = TypeVar("C", bound=type)

_SHARED = {
    "estimator": """\
A head, or a Pipeline (scikit-learn's or imbalanced-learn's) that ends in one. With
any other estimator at the end the search works too, one fit after another.""",
    "before": """\
scoring : str, callable, list, tuple or dict, default=None
    One score or several, as in GridSearchCV; None is the estimator's own.
n_jobs : int, default=None
    Number of workers, under joblib's active backend: processes of this machine, or
    the workers of a Dask or Ray cluster (``joblib.parallel_config(backend="dask")``). A
    task is what candidates of a prefix have to do on a fold, or on several folds of
    few rows.
refit : bool, str or callable, default=True
    Fit the best candidate on all rows, by an ordinary `fit`; a name chooses one of
    several scores, a callable the index.
cv : int, cross-validation splitter or iterable, default=None
    None is five folds.
verbose : int, default=0
    1 shows fits done, best score so far and time left, and says which fits trained
    alone and why; 2 also a line a fit, with its parameters.
pre_dispatch : int or str, default="2*n_jobs"
    Tasks that are sent to processes of this machine ahead of time.""",
    "after": """\
error_score : "raise" or float, default=nan
    Score of a fit that fails, with a FitFailedWarning; the others go on.
return_train_score : bool, default=False
    Whether to score the training rows too.
batched : bool or "auto", default="auto"
    Train heads of one shape as one stack of nets. False trains one after another;
    True is an error where the last step is no head.
max_models : int or "auto", default="auto"
    Nets in one stack, at most. "auto" takes as many as fit into memory, and on a CPU
    no more than are quick.
checkpoint : str or path, default=None
    A file that every finished fit is written to. Where it is there already, of the same
    search, that search is gone on with.""",
    "attributes": """\
cv_results_ : dict of str to array of shape (n_candidates,)
    As GridSearchCV gives it. ``mean_fit_time`` is that of a candidate alone: the prefix
    in full and the head.
report_ : DataFrame of shape (n_candidates, 7 + n_parameters)
    A row a candidate, best first, and of halving the last round first: ``candidate``
    (its place in `cv_results_`), ``rank``, ``mean`` and ``sd`` of the score,
    ``seconds`` that it really took, its share of what candidates share, ``group`` of
    those that have trained together (NA: alone), ``alone`` (why) and the parameters,
    readable.
best_estimator_ : estimator
    Fitted on all rows; only with `refit`.
best_score_ : float
    Mean score of the best candidate over the folds.
best_params_ : dict
    Its parameters.
best_index_ : int
    Its place in `cv_results_`.
scorer_ : callable or dict
    The scores that were used.
n_splits_ : int
    Number of folds.
refit_time_ : float
    Seconds of the last fit.
multimetric_ : bool
    Whether there are several scores.
classes_ : ndarray of shape (n_classes,)
    Those of `best_estimator_`, of a classifier.
n_features_in_ : int
    Number of columns, where `best_estimator_` has it.
feature_names_in_ : ndarray of str
    Their names, where `best_estimator_` has them.""",
    "notes": """\
Scores are those of GridSearchCV: to the last bit where heads train one after another
(``batched=False``), to rounding errors where they train together, which dropout makes
differ in what is drawn.

Where `random_state` is None, what is random is drawn once a fold and shared by its
candidates, which are so compared on the same draw.

Scorers get the whole Pipeline, fitted, and raw rows. Its steps remember what they made
of the rows of the fold; rows that they do not know they encode as ever.

A worker that dies takes its task with it: that is run again, finished ones are not.
Ctrl-C leaves what is finished in `cv_results_` and `report_`, the rest as NaN or
`error_score` and ranked last. scikit-learn's callbacks are told of each fit when it is
finished, and are not handed on to the candidates.""",
}


def document_search(cls: C) -> C:
    """Fill in, in the class docstring, what all searches share."""
    if cls.__doc__:  # gone under python -OO
        shared = {name: indent(t, " " * 4).lstrip() for name, t in _SHARED.items()}
        shared["estimator"] = indent(_SHARED["estimator"], " " * 8).lstrip()
        cls.__doc__ = cls.__doc__.format(**shared)
    return cls
