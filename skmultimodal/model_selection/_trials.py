"""Fit and score every candidate in every fold, and tell how far it is."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed

from skmultimodal.fusion.decision_level._metadata import fit_params
from skmultimodal.model_selection._candidates import Candidate
from skmultimodal.model_selection._encoded_folds import EncodedFold

RAISE = "raise"
Scorer = Callable[[Any, Any, Any], float]


@dataclass
class Trial:
    """One candidate in one fold."""

    score: float = np.nan
    fit_seconds: float = np.nan
    predict_seconds: float = np.nan
    n_parameters: float = np.nan
    failure: str | None = None


def run_trial(
    candidate: Candidate, fold: EncodedFold, scorer: Scorer, error_score: Any
) -> Trial:
    """Fit on the training rows, score by the test rows."""
    trial = Trial()
    try:
        estimator = clone(candidate.estimator)
        X, y, groups = fold.train.cut()
        params, routed = fit_params(estimator, candidate.label, None, groups)
        start = time.perf_counter()
        with config_context(enable_metadata_routing=routed):
            estimator.fit(X, y, **params)
        trial.fit_seconds = time.perf_counter() - start
        trial.n_parameters = count_parameters(estimator)
        X, y, _ = fold.test.cut()
        start = time.perf_counter()
        trial.score = float(scorer(estimator, X, y))
        trial.predict_seconds = time.perf_counter() - start
        if np.isnan(trial.score):
            trial.failure = "the score is NaN"
    except Exception as error:
        if error_score == RAISE:
            raise
        trial.failure = f"{type(error).__name__}: {error}"
    if trial.failure is not None:
        trial.score = float(error_score) if error_score != RAISE else np.nan
    return trial


def count_parameters(estimator: Any) -> float:
    """Weights of a head's net, also at the end of a pipeline; NaN of anything else."""
    if isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    module = getattr(estimator, "module_", None)
    if module is None:
        return np.nan
    return float(sum(weight.numel() for weight in module.parameters()))


def run_trials(
    candidates: list[Candidate],
    folds: list[EncodedFold],
    scorer: Scorer,
    error_score: Any,
    n_jobs: int | None,
    verbose: int,
) -> list[list[Trial]]:
    """A list of candidates of a list of folds; a line a candidate when it is done."""
    places = [(c, f) for c in range(len(candidates)) for f in range(len(folds))]
    jobs = (
        delayed(_placed)(c, f, candidates[c], folds[f], scorer, error_score)
        for c, f in places
    )
    found: list[dict[int, Trial]] = [{} for _ in candidates]
    n_done = 0
    for c, f, trial in Parallel(n_jobs=n_jobs, return_as="generator_unordered")(jobs):
        found[c][f] = trial
        if verbose > 1:
            _say(f"{candidates[c].label}, fold {f}: {trial.score:.4f}")
        if len(found[c]) == len(folds):
            n_done += 1
            trials = [found[c][k] for k in range(len(folds))]
            _warn_of_failures(candidates[c], trials)
            if verbose:
                _say(f"{n_done}/{len(candidates)} {_describe(candidates[c], trials)}")
    return [[trials[f] for f in range(len(folds))] for trials in found]


def _placed(c: int, f: int, *args: Any) -> tuple[int, int, Trial]:
    return c, f, run_trial(*args)


def _say(line: str) -> None:
    print(f"[compare_fusions] {line}", flush=True)


def _describe(candidate: Candidate, trials: list[Trial]) -> str:
    scores = np.array([trial.score for trial in trials])
    line = f"{candidate.label}: {scores.mean():.4f}"
    if len(scores) > 1:
        line += f" ± {scores.std(ddof=1):.4f}"
    fit = np.mean([trial.fit_seconds for trial in trials])
    return f"{line}, fit {fit:.1f} s a fold"


def _warn_of_failures(candidate: Candidate, trials: list[Trial]) -> None:
    failed = [k for k, trial in enumerate(trials) if trial.failure is not None]
    if not failed:
        return
    where = ", ".join(map(str, failed))
    warnings.warn(
        f"{candidate.label!r} failed in fold {where} of {len(trials)}, which counts as "
        f"score {trials[failed[0]].score} there. {trials[failed[0]].failure}",
        FitFailedWarning,
        stacklevel=4,
    )
