"""One candidate on one fold, and all of them with progress."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed

from skmultimodal.fusion.decision_level._metadata import fit_params
from skmultimodal.model_selection._candidates import Candidate
from skmultimodal.model_selection._encoded_folds import Fold
from skmultimodal.model_selection._heard import Heard, hear, warn_once


@dataclass
class Trial:
    """What came of one candidate on one fold."""

    candidate: int
    fold: int
    score: float = np.nan
    fit_seconds: float = np.nan
    predict_seconds: float = np.nan
    n_parameters: float = np.nan
    failure: str | None = None
    heard: Heard = field(default_factory=list)


def run_trials(
    candidates: list[Candidate],
    folds: Sequence[Fold],
    scorer: Any,
    *,
    error_score: Any,
    n_jobs: Any,
    verbose: int,
) -> pd.DataFrame:
    """A row a candidate: level, mean, sd, seconds, parameters and the folds' scores."""

    def tasks() -> Iterator[Any]:
        for number, candidate in enumerate(candidates):
            for k in range(len(folds)):
                part = folds[k].only(candidate.modality)
                trial = Trial(number, k)
                yield delayed(_attempt)(
                    trial, candidate.estimator, part, scorer, error_score
                )

    done: list[list[Trial]] = [[] for _ in candidates]
    finished = 0
    parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    for trial in parallel(tasks()):
        if verbose > 1:
            label = candidates[trial.candidate].label
            print(f"{label}, fold {trial.fold}: {trial.score:.4f}", flush=True)
        done[trial.candidate].append(trial)
        if len(done[trial.candidate]) == len(folds):
            finished += 1
            if verbose:
                label = candidates[trial.candidate].label
                line = _progress(label, done[trial.candidate])
                print(f"[{finished}/{len(candidates)}] {line}", flush=True)
    _report(candidates, done)
    rows = {c.label: _row(c, trials) for c, trials in zip(candidates, done)}
    results = pd.DataFrame.from_dict(rows, orient="index")
    results.index.name = "candidate"
    return results


def _attempt(
    trial: Trial, estimator: Any, part: Fold, scorer: Any, error_score: Any
) -> Trial:
    try:
        _, trial.heard = hear(_fit_and_score, trial, clone(estimator), part, scorer)
    except Exception as error:
        if isinstance(error_score, str):
            raise
        trial.failure = f"{type(error).__name__}: {error}"
        trial.score = float(error_score)
    return trial


def _fit_and_score(trial: Trial, estimator: Any, part: Fold, scorer: Any) -> None:
    if not part.X_train.shape[1]:
        raise ValueError("No row to train on has this modality: give other folds.")
    params, routed = fit_params(estimator, "the fold", None, part.groups)
    start = time.perf_counter()
    with config_context(enable_metadata_routing=routed):
        estimator.fit(part.X_train, part.y_train, **params)
    trial.fit_seconds = time.perf_counter() - start
    trial.n_parameters = count_parameters(estimator)
    start = time.perf_counter()
    score = scorer(estimator, part.X_test, part.y_test)
    trial.predict_seconds = time.perf_counter() - start
    if not isinstance(score, Real) or np.isnan(float(score)):
        raise ValueError(f"scoring gave {score!r:.80}; expected one number.")
    trial.score = float(score)


def count_parameters(estimator: Any) -> float:
    """Weights of a head's net; NaN of what has none."""
    if isinstance(estimator, Pipeline):
        return count_parameters(estimator[-1])
    module: Any = getattr(estimator, "module_", None)
    if module is None:
        return np.nan
    return float(sum(weights.numel() for weights in module.parameters()))


def _progress(label: str, trials: list[Trial]) -> str:
    scores = np.array([trial.score for trial in trials])
    seconds = np.nansum([(t.fit_seconds, t.predict_seconds) for t in trials])
    spread = scores.std(ddof=1) if len(scores) > 1 else np.nan
    return f"{label:<28} {scores.mean():.4f} ± {spread:.4f}  {seconds:.1f} s"


def _row(candidate: Candidate, trials: list[Trial]) -> dict[str, Any]:
    trials = sorted(trials, key=lambda trial: trial.fold)
    scores = np.array([trial.score for trial in trials])

    def median(name: str) -> float:  # the first fit of a process takes longer
        values = np.array([getattr(trial, name) for trial in trials])
        known = values[np.isfinite(values)]
        return float(np.median(known)) if len(known) else np.nan

    return {
        "level": candidate.level,
        "mean": float(scores.mean()),
        "sd": float(scores.std(ddof=1)) if len(scores) > 1 else np.nan,
        "fit_seconds": median("fit_seconds"),
        "predict_seconds": median("predict_seconds"),
        "n_parameters": median("n_parameters"),
        **{f"fold_{trial.fold}": trial.score for trial in trials},
    }


def _report(candidates: list[Candidate], done: list[list[Trial]]) -> None:
    """Say what failed and what was warned of, once each."""
    failures = [trial.failure for trials in done for trial in trials]
    if all(failures):
        raise ValueError(
            f"Every candidate failed on every fold, {candidates[0].label!r} with "
            f"{failures[0]}"
        )
    for candidate, trials in zip(candidates, done):
        broken = sorted((t for t in trials if t.failure), key=lambda trial: trial.fold)
        if broken:
            which = ", ".join(str(trial.fold) for trial in broken)
            warnings.warn(
                f"{candidate.label!r} failed on fold {which} of {len(trials)} and has "
                f"the score {broken[0].score} there. {broken[0].failure}",
                FitFailedWarning,
                stacklevel=4,
            )
    warn_once(
        (
            (candidate.label, category, message)
            for candidate, trials in zip(candidates, done)
            for trial in trials
            for category, message in trial.heard
        ),
        stacklevel=4,
    )
