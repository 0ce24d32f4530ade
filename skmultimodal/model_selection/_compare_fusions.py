"""Every single modality, every fusion, the same folds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length
from sklearn.utils._param_validation import StrOptions, validate_params
from sklearn.utils.multiclass import type_of_target

from skmultimodal._cells import to_pandas
from skmultimodal.compose import ModalityTransformer
from skmultimodal.heads import FusionClassifier, FusionRegressor, FusionTransformer
from skmultimodal.heads._base import FusionHead
from skmultimodal.heads._reading import refuse_missing_targets
from skmultimodal.heads._seeding import draw_seed
from skmultimodal.model_selection._candidates import (
    Candidate,
    Ground,
    make_candidates,
    read_fusions,
    seeded,
)
from skmultimodal.model_selection._encoded_folds import (
    EncodedFold,
    Split,
    as_frame,
    draw_splits,
    encode_folds,
    is_encoded,
    share_folds,
)
from skmultimodal.model_selection._paired_differences import (
    best_single,
    comparison_summary,
    difference_columns,
)
from skmultimodal.model_selection._trials import RAISE, Trial, run_trials


@validate_params(
    {
        "cv": ["cv_object"],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "error_score": [StrOptions({RAISE}), Real],
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
    scoring: str | Callable[..., float] | None = None,
    n_jobs: int | None = None,
    random_state: Any = None,
    verbose: int = 0,
    error_score: Any = np.nan,
) -> pd.DataFrame:
    """Compare fusions with each other and with every single modality, fold by fold.

    Each modality alone, voting and stacking of one model a modality, and the fusions
    asked for are fitted and scored on the same folds. Of each the table tells the
    paired difference to the best single modality, with an interval that knows that
    the training parts of folds overlap. Fusion may well not pay: then it says so.

    Parameters
    ----------
    X : DataFrame, ndarray or polars DataFrame of shape (n_samples, n_columns)
        Encoded data: numbers in columns named ``<modality>__<feature>``, or a nameless
        array with an `estimator` whose `modalities` tells the columns. Anything else
        is raw, and is encoded by ``ModalityTransformer("auto")`` or by the steps of
        `estimator`: once a fold, on its training rows alone.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Classes, an indicator matrix, or numbers.
    fusions : "all", str, fusion, estimator, list or dict, default="all"
        What to compare, beside the single modalities, voting and stacking. "all" takes
        every neural and closed-form fusion that suits y and the number of modalities,
        your own among them, and ``"auto"``. A list holds names, neural fusions
        (``BottleneckFusion(n_tokens=2)``), transformers, which a linear model follows,
        or estimators that take an encoded frame. The keys of a dict are labels.
    estimator : head, Pipeline that ends in a head, or None, default=None
        The head whose `fusion` is replaced; its other parameters are those of all
        neural fusions and of the single modalities. The steps of a Pipeline before it,
        encoders and samplers, are fitted once a fold. None is
        :class:`~skmultimodal.heads.FusionRegressor` where y holds floats, otherwise
        :class:`~skmultimodal.heads.FusionClassifier`.
    cv : int, cross-validation splitter or iterable of (train, test), default=5
        Folds, drawn once for all. A number of them is shuffled, keeps the shares of
        classes, and parts no group.
    groups : array-like of shape (n_samples,), default=None
        Group of each row, for the folds and for the `fit` of whatever takes `groups`.
    scoring : str, callable or None, default=None
        Name of a scikit-learn scorer, or ``scorer(estimator, X, y)``; greater is
        better. None is accuracy, or R² for numbers.
    n_jobs : int, default=None
        Number of fits that run at once.
    random_state : int, RandomState or None, default=None
        Seed of the folds and of every candidate. None draws one, and leaves the seeds
        that `estimator` has.
    verbose : int, default=0
        1 prints a line when a candidate is done, and the verdict; 2 also a line a fold.
    error_score : "raise" or float, default=numpy.nan
        Score of a candidate in a fold where it fails; a warning names both. With NaN
        the candidate's mean is NaN.

    Returns
    -------
    DataFrame of shape (n_candidates, 9 + n_folds)
        A row a candidate: ``"text alone"``, ..., ``"voting"``, ``"stacking"``,
        ``"concat"``, ... Columns are

        ``level``
            "single", "decision", "feature", "hierarchical", "relational", "auto", or
            "other" for an estimator of your own.
        ``mean``, ``sd``
            Of the scores over folds.
        ``difference``, ``low``, ``high``
            Mean paired difference to the best single modality, and its corrected 95 %
            interval.
        ``fit_seconds``, ``predict_seconds``
            Mean time a fold to fit and to score, without encoding.
        ``n_parameters``
            Weights of the net in the first fold; NaN where there is none.
        ``fold_0``, ``fold_1``, ...
            The scores.

        ``attrs["summary"]`` says in words whether fusion beat the best single modality
        beyond noise; ``attrs`` also has "best_single", "scoring", "n_train", "n_test"
        (means over folds) and "encode_seconds" (of all folds).

    Raises
    ------
    ValueError
        If `fusions` is empty, repeats a label or names something unknown, if y has
        missing values or another length than X, if the folds cannot be drawn, or if
        every candidate fails.
    TypeError
        If `estimator` is no head and no Pipeline that ends in one, or if a fusion is a
        class or no estimator.

    Warns
    -----
    FitFailedWarning
        If a candidate fails in a fold.

    See Also
    --------
    comparison_summary : The verdict again, after rows were sorted or left out.
    skmultimodal.inspection.FusionComparisonDisplay : A picture of the table.

    Notes
    -----
    With differences :math:`d_1, ..., d_k` over k folds, of variance :math:`s^2`, the
    interval is

    .. math:: \\bar d \\pm t_{k-1} \\sqrt{(1/k + n_{test} / n_{train}) \\, s^2}

    [1]_. The best single modality is chosen on these same folds, which flatters it and
    makes the comparison slightly conservative. So is the best fusion, which flatters
    that: of twenty that are alike one may well stand out. Nested folds, or new rows,
    tell what the chosen one is worth.

    Cost: k fits of each of M + 2 + F candidates. The k encoded copies of raw data are
    held in memory; folds of encoded data share it.

    References
    ----------
    .. [1] Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning
       52, 2003.

    Examples
    --------
    >>> from skmultimodal.datasets import make_multimodal_classification
    >>> from skmultimodal.heads import FusionClassifier
    >>> from skmultimodal.model_selection import compare_fusions
    >>> X, y = make_multimodal_classification(
    ...     200, redundant=0, unique=0, synergistic=1, random_state=0
    ... )
    >>> head = FusionClassifier(max_epochs=10)
    >>> results = compare_fusions(X, y, ["gated"], estimator=head, cv=3, random_state=0)
    >>> list(results.index)
    ['text alone', 'image alone', 'voting', 'stacking', 'gated']
    >>> results.attrs["summary"].split(":")[0]
    'Fusion beat the best single modality beyond noise'
    """
    asked = read_fusions(fusions)
    X = to_pandas(X)
    check_consistent_length(X, y, groups)
    refuse_missing_targets(y)
    y = np.asarray(y)
    seed = draw_seed(random_state)
    steps, head = _read_estimator(estimator, y, seed, random_state is not None)
    ground = Ground(head.set_params(modalities=None), _task(head, y), seed)
    splits = draw_splits(X, y, groups, cv, ground.task == "classification", seed)
    modalities = None if estimator is None else _head_of(estimator).modalities
    if not steps and modalities is None and not is_encoded(X):
        steps = [("encode", ModalityTransformer("auto"))]
    if groups is not None:
        groups = np.asarray(groups)
    start = time.perf_counter()
    if steps:
        folds = encode_folds(steps, X, y, groups, splits, modalities, n_jobs)
    else:
        folds = share_folds(as_frame(X, modalities), y, groups, splits)
    encode_seconds = time.perf_counter() - start
    if verbose and steps:
        print(f"[compare_fusions] encoded {len(folds)} folds in {encode_seconds:.1f} s")
    candidates = make_candidates(asked, _modalities(folds), ground)
    default = "r2" if ground.task == "regression" else "accuracy"
    scorer = get_scorer(scoring or default)
    trials = run_trials(candidates, folds, scorer, error_score, n_jobs, verbose)
    _refuse_total_failure(trials)
    results = _table(candidates, trials, splits)
    results.attrs["scoring"] = _scoring_name(scoring or default)
    results.attrs["encode_seconds"] = encode_seconds if steps else 0.0
    results.attrs["summary"] = comparison_summary(results)
    if verbose:
        print(f"[compare_fusions] {results.attrs['summary']}")
    return results


def _head_of(estimator: Any) -> Any:
    return estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator


def _read_estimator(
    estimator: Any, y: np.ndarray, seed: int, overrule: bool
) -> tuple[list[tuple[str, Any]], Any]:
    """Steps that encode, and the head; seeded where they are not."""
    if estimator is None:
        kind = FusionRegressor if y.dtype.kind == "f" else FusionClassifier
        return [], kind(random_state=seed)
    head = _head_of(estimator)
    if not isinstance(head, FusionHead) or isinstance(head, FusionTransformer):
        where = "ends in" if isinstance(estimator, Pipeline) else "is"
        raise TypeError(
            f"estimator {where} {head!r:.80}; expected a FusionClassifier or a "
            "FusionRegressor, alone or as the last step of a Pipeline. Other "
            "estimators can be compared: fusions={'mine': estimator}."
        )
    steps = []
    if isinstance(estimator, Pipeline):
        steps = [(name, _seeded_step(step, seed)) for name, step in estimator.steps]
    return steps[:-1], seeded(head, seed, overrule=overrule or False)


def _seeded_step(step: Any, seed: int) -> Any:
    if step is None or isinstance(step, str):
        return step
    return seeded(step, seed, overrule=False)


def _task(head: Any, y: np.ndarray) -> str:
    """In the words of `NeuralFusion.tasks`."""
    kind = type_of_target(y, input_name="y")
    if is_regressor(head):
        return "regression"
    assert is_classifier(head)
    if kind.startswith("continuous"):
        raise ValueError(
            f"y holds numbers that are no classes ({kind}), but estimator is a "
            f"{type(head).__name__}. Give estimator=FusionRegressor()."
        )
    return "multilabel" if kind == "multilabel-indicator" else "classification"


def _modalities(folds: list[EncodedFold]) -> list[str]:
    """Of all folds: training rows of one may lack what others have."""
    return list(dict.fromkeys(name for fold in folds for name in fold.modalities))


def _scoring_name(scoring: Any) -> str:
    if isinstance(scoring, str):
        return scoring
    return getattr(scoring, "__name__", "score")


def _refuse_total_failure(trials: list[list[Trial]]) -> None:
    failures = [trial.failure for of_one in trials for trial in of_one]
    if all(failure is not None for failure in failures):
        raise ValueError(
            f"Every candidate failed in every fold. The first of them: {failures[0]}"
        )


def _table(
    candidates: list[Candidate], trials: list[list[Trial]], splits: list[Split]
) -> pd.DataFrame:
    scores = np.array([[trial.score for trial in of_one] for of_one in trials])
    levels = [candidate.level for candidate in candidates]
    ratio = float(np.mean([len(test) / len(train) for train, test in splits]))
    columns: Mapping[str, Any] = {
        "level": levels,
        **difference_columns(scores, levels, ratio),
        "fit_seconds": [np.mean([t.fit_seconds for t in ts]) for ts in trials],
        "predict_seconds": [np.mean([t.predict_seconds for t in ts]) for ts in trials],
        "n_parameters": [ts[0].n_parameters for ts in trials],
        **{f"fold_{k}": scores[:, k] for k in range(len(splits))},
    }
    labels = pd.Index([c.label for c in candidates], name="candidate")
    results = pd.DataFrame(columns, index=labels)
    best = best_single(scores, levels)
    if best is not None:
        results.attrs["best_single"] = candidates[best].label
    results.attrs["n_train"] = float(np.mean([len(train) for train, _ in splits]))
    results.attrs["n_test"] = float(np.mean([len(test) for _, test in splits]))
    return results
