"""Every single modality, the decision level and fusions, on the same folds."""

from __future__ import annotations

import time
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import clone, is_regressor
from sklearn.metrics import check_scoring
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils._param_validation import HasMethods, StrOptions, validate_params
from sklearn.utils.multiclass import type_of_target

from skmultimodal._cells import refuse_missing_targets, to_pandas
from skmultimodal._folds import draw_folds
from skmultimodal.compose import ModalityTransformer
from skmultimodal.heads import FusionClassifier, FusionRegressor
from skmultimodal.heads._base import FusionHead
from skmultimodal.model_selection._candidates import (
    Question,
    list_candidates,
    seeded,
)
from skmultimodal.model_selection._differences import (
    add_differences,
    summarize_comparison,
)
from skmultimodal.model_selection._encoded_folds import (
    EncodedFolds,
    Fold,
    default_steps,
    encode_folds,
    is_encoded,
    named_blocks,
)
from skmultimodal.model_selection._heard import warn_once
from skmultimodal.model_selection._trials import run_trials


@validate_params(
    {
        "estimator": [HasMethods(["fit", "get_params"]), None],
        "cv": ["cv_object"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "error_score": [StrOptions({"raise"}), Real],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=True,
)
def compare_fusions(
    X: Any,
    y: Any,
    fusions: Any = "all",
    *,
    estimator: Any = None,
    cv: Any = 5,
    groups: Any = None,
    scoring: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
    error_score: Any = np.nan,
    verbose: int = 0,
) -> pd.DataFrame:
    """Cross-validate fusions beside every single modality and the decision level.

    All candidates see the same folds. Each is compared with the best single modality,
    fold by fold, since that is what a fusion has to beat to be worth its cost.

    Parameters
    ----------
    X : DataFrame, ndarray or polars DataFrame of shape (n_samples, n_columns)
        Encoded data, or a raw frame. An array of numbers, or a frame of numbers whose
        columns all read ``<modality>__<feature>``, is encoded, and so is one whose
        columns the `modalities` of `estimator` tell. A raw frame is encoded
        inside each fold, by encoders fitted on its training rows: once a fold, not once
        a candidate.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Target.
    fusions : "all", or list or dict of fusions, default="all"
        Beside single modalities and the decision level, which are always there. "all"
        are all neural fusions that suit y and the number of modalities, a user's own
        included, all closed forms (similarities of all pairs up to 3,000 rows) and
        "auto". A list holds names ("gated", "cca", "auto"), specifications
        (``BottleneckFusion(n_tokens=8)``), transformers, which get a linear model
        behind them, and estimators of encoded data. A dict gives each a label of your
        own; one that stands in the table already is replaced.
    estimator : FusionClassifier, FusionRegressor or Pipeline, default=None
        The head whose fusion is replaced, with all its other parameters; or a Pipeline
        that ends in one, whose other steps encode X. None is a head with its defaults:
        a regressor for y of floats with more than two values or of several outputs,
        a classifier otherwise; and for a raw frame ``ModalityTransformer("auto")``.
    cv : int, cross-validation splitter or iterable, default=5
        A number of folds is shuffled, and stratified by classes. Folds are drawn once.
        Rows of one group or one index label are never parted, rows that a sampler made
        are not tested on.
    groups : array-like of shape (n_samples,), default=None
        Rows of one group stay together, in the folds and in what candidates split off
        inside.
    scoring : str or callable, default=None
        One score, greater is better. None is accuracy or R².
    n_jobs : int, default=None
        Number of processes; a task is one candidate on one fold.
    random_state : int, RandomState or None, default=None
        Seed of the folds. Unless None, it also sets every `random_state` of the
        candidates, and those of encoders that have none.
    error_score : "raise" or float, default=nan
        Score of a candidate on a fold where it fails, with a warning that names both.
    verbose : int, default=0
        1 prints a line a candidate as it finishes, and the summary; 2 also a line a
        fold.

    Returns
    -------
    DataFrame of shape (n_candidates, 9 + n_folds)
        A row a candidate, labelled ``text alone`` (a head without anything to fuse),
        ``text alone, linear`` (a linear model), ``voting``, ``stacking`` (of linear
        models, one a modality), and by the names of the fusions. Columns:

        level
            "single", "decision", "feature", "hierarchical" or "relational".
        mean, sd
            Of the folds' scores. NaN where a fold failed.
        difference, low, high
            Mean difference to the best single modality, fold by fold, and its 95 %
            interval. Above zero as a whole means better beyond noise.
        fit_seconds, predict_seconds
            Median over folds, without the time of encoding.
        n_parameters
            Weights of the net; NaN of what has none, and of "auto".
        fold_0, fold_1, ...
            The scores.

        ``attrs["summary"]`` says in words whether fusion beat the best single
        modality; :func:`summarize_comparison` says it again of some of the rows.
        ``attrs["scoring"]`` names the score, ``attrs["best_single"]`` the best single
        modality.

    Raises
    ------
    ValueError
        If a fusion is not known or none is asked for, a label is there twice, y has
        missing values or does not suit `estimator`, the folds cannot be drawn, or
        everything fails.
    TypeError
        If `estimator` is neither a head nor a Pipeline that ends in one.

    Warns
    -----
    FitFailedWarning
        If a candidate fails on a fold. Other warnings are given once, with the names
        of the candidates that they come from.

    See Also
    --------
    summarize_comparison : The summary once more, of some rows of the table.
    skmultimodal.inspection.FusionComparisonDisplay : The table as a picture.
    skmultimodal.heads.FusionClassifier : With ``fusion="auto"`` it chooses by itself.

    Notes
    -----
    Training parts of folds overlap, so that their scores are not independent. The
    interval is that of a t-test whose variance is corrected for it [1]_,

    .. math:: \\bar d \\pm t_{k-1} \\, s_d \\sqrt{1/k + n_{test} / n_{train}}

    The best single modality is chosen by the same scores, which flatters it: the
    comparison is slightly conservative. The fusion that comes out best is flattered
    likewise, the more, the more are tried; its score on new rows will be lower.

    Cost: one fit a candidate and fold; of a raw frame, one fit of the encoders a fold,
    and memory for the encoded rows of all folds.

    References
    ----------
    .. [1] Nadeau and Bengio, "Inference for the generalization error", Machine
       Learning 52, 2003.

    Examples
    --------
    >>> from skmultimodal.datasets import make_multimodal_classification
    >>> from skmultimodal.heads import FusionClassifier
    >>> from skmultimodal.model_selection import compare_fusions
    >>> X, y = make_multimodal_classification(200, random_state=0)
    >>> results = compare_fusions(
    ...     X, y, ["gated"], cv=3, estimator=FusionClassifier(max_epochs=3),
    ...     random_state=0,
    ... )
    >>> list(results.index)
    ['text alone', 'image alone', 'text alone, linear', 'image alone, linear',
     'voting', 'stacking', 'gated']
    """
    y = y.toarray() if sparse.issparse(y) else np.asarray(y)
    X = to_pandas(X)
    X = X if isinstance(X, pd.DataFrame) else np.asarray(X)
    check_consistent_length(X, y)
    refuse_missing_targets(y)
    steps, head = _read_estimator(estimator, X, y)
    kind = _read_kind(head, y)
    seed = _draw_seed(random_state)
    scorer = check_scoring(head, _one_score(scoring, kind))
    splits = draw_folds(
        _strata(y, kind),
        index=X.index if isinstance(X, pd.DataFrame) else None,
        groups=groups,
        cv=5 if cv is None else cv,
        stratify=kind == "classes",
        random_state=seed,
    )
    folds: EncodedFolds | list[Fold]
    if steps:
        start = time.perf_counter()
        steps = [seeded(step, seed, overrule=False) for step in steps]
        folds, heard = encode_folds(
            steps, X, y, groups, splits, head.modalities, n_jobs
        )
        warn_once((("encoders", *said) for said in heard), stacklevel=3)
        if verbose:
            seconds = time.perf_counter() - start
            print(f"{len(folds)} folds encoded in {seconds:.1f} s", flush=True)
        names = list(dict.fromkeys(m for fold in folds for m in fold.modalities))
    else:
        X = named_blocks(X, head.modalities)
        folds = EncodedFolds(X, y, groups, splits)
        names = folds[0].modalities
    head = clone(head).set_params(modalities=None)
    question = Question(kind, head, names, len(y))
    candidates = [
        replace(c, estimator=seeded(c.estimator, seed))
        for c in list_candidates(fusions, question)
    ]
    results = run_trials(
        candidates,
        folds,
        scorer,
        error_score=error_score,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    share = float(np.mean([len(test) / len(train) for train, test in splits]))
    results = add_differences(results, share)
    results.attrs["scoring"] = (
        scoring if isinstance(scoring, str) else _named(scoring, kind)
    )
    results.attrs["n_modalities"] = len(names)
    results.attrs["summary"] = summarize_comparison(results)
    if verbose:
        print(results.attrs["summary"], flush=True)
    return results


def _read_estimator(estimator: Any, X: Any, y: np.ndarray) -> tuple[list[Any], Any]:
    """The steps that encode X, none if it is encoded, and the head."""
    steps: list[Any] | None = None
    if isinstance(estimator, Pipeline):
        *before, (_, head) = estimator.steps
        steps = [step for _, step in before if step not in (None, "passthrough")]
    else:
        head = estimator
    if head is None:
        head = FusionRegressor() if _is_number(y) else FusionClassifier()
    if not isinstance(head, FusionHead) or not hasattr(head, "predict"):
        raise TypeError(
            f"estimator={estimator!r:.80} is neither a FusionClassifier or "
            "FusionRegressor nor a Pipeline that ends in one. Other estimators are "
            "compared as entries of `fusions`."
        )
    if not steps:
        known = is_encoded(X) or head.modalities is not None
        return ([] if known else default_steps()), head
    first = steps[0]
    if is_encoded(X) and isinstance(first, ModalityTransformer) and first._is_auto:
        raise ValueError(
            "X is encoded already, but estimator begins with ModalityTransformer, "
            "which encodes raw frames. Give the raw frame, or the head alone: "
            "estimator=pipeline[-1]."
        )
    return steps, head


def _is_number(y: np.ndarray) -> bool:
    if type_of_target(y).startswith("continuous"):
        return True
    return y.dtype.kind == "f" and len(np.unique(y)) > 2


def _read_kind(head: Any, y: np.ndarray) -> str:
    if is_regressor(head):
        return "numbers"
    found = type_of_target(y)
    if found.startswith("continuous"):
        raise ValueError(
            f"y holds numbers that are no classes ({found}), but estimator is a "
            f"{type(head).__name__}. Give estimator=FusionRegressor()."
        )
    return "labels" if found == "multilabel-indicator" else "classes"


def _strata(y: np.ndarray, kind: str) -> np.ndarray:
    """y, in which classes are told from numbers by their type."""
    if kind == "classes" and y.dtype.kind == "f":
        return np.unique(y, return_inverse=True)[1]
    return y


def _draw_seed(random_state: Any) -> int | None:
    if random_state is None or isinstance(random_state, Integral):
        return random_state if random_state is None else int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def _one_score(scoring: Any, kind: str) -> Any:
    if isinstance(scoring, list | tuple | set | dict):
        raise ValueError(
            f"scoring={scoring!r:.80} asks for several scores; give one, such as "
            "'accuracy' or 'roc_auc_ovr'."
        )
    if scoring is None:
        return "r2" if kind == "numbers" else "accuracy"
    return scoring


def _named(scoring: Any, kind: str) -> str:
    found = _one_score(scoring, kind)
    return found if isinstance(found, str) else getattr(found, "__name__", "score")
