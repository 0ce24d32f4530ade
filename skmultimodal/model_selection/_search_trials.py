"""The candidates of one search, evaluated as it asks for them."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection._validation import (
    _insert_error_scores,
    _warn_or_raise_about_fit_failures,
)

from skmultimodal.model_selection.searching import (
    Checkpoint,
    Progress,
    Result,
    SearchProblem,
    choose_engine,
    make_report,
    run_fits,
)

_STOPPED = "The search was interrupted before this fit."


class Trials:
    """What scikit-learn's searches call `evaluate_candidates`, and its results."""

    def __init__(self, search: Any, X: Any, y: Any, scorers: Any, routed: Any):
        self.search, self.X, self.y = search, X, y
        self.scorers, self.routed = scorers, routed
        self.results: dict[str, Any] = {}
        self.out: list[dict[str, Any]] = []
        self._fits: list[Result] = []
        self._candidates: list[dict[str, Any]] = []
        self._more: dict[str, list[Any]] = defaultdict(list)
        seeds = np.random.default_rng().integers(2**31 - 1, size=search.n_splits_)
        self._seeds = [int(seed) for seed in seeds]

    def evaluate(
        self,
        candidate_params: Iterable[dict[str, Any]],
        cv: Any = None,
        more_results: Any = None,
        callback_ctx: Any = None,
    ) -> dict[str, Any]:
        """Fit and score candidates on all folds: the results of all so far."""
        search = self.search
        more = more_results or {}
        problem = self._pose(list(candidate_params), cv)
        problem.stage = search._next_stage(problem, self._candidates, self._fits)
        n_fits = len(problem.candidates) * len(problem.splits)
        if search.verbose > 0:
            print(
                f"Fitting {len(problem.splits)} folds for each of "
                f"{len(problem.candidates)} candidates, totalling {n_fits} fits"
            )
        if not n_fits:
            raise ValueError(
                "No fits were performed. Was the CV iterator empty? Were there no "
                "candidates?"
            )
        found: dict[tuple[int, int], Result] = {}
        try:
            for result in self._run(problem, n_fits, callback_ctx):
                found[result.candidate, result.fold] = result
        except KeyboardInterrupt:
            self._add_stopped(problem, found, more)
            raise
        out = self._add(problem, found, more)
        _warn_or_raise_about_fit_failures(out, search.error_score)
        if callable(search.scoring):
            _insert_error_scores(out, search.error_score)
        self._format()
        return self.results

    def keep(self, search: Any) -> None:
        """Give the search its results; nothing where no fit is finished."""
        if not self.results:
            return
        search.cv_results_ = self.results
        names = [n for n in self.results if n.startswith("mean_test_")]
        refit = f"mean_test_{search.refit}"
        score = (refit if refit in names else names[0]).removeprefix("mean_test_")
        search.report_ = make_report(self.results, self._fits, score)

    def _pose(self, candidates: list[dict[str, Any]], cv: Any) -> SearchProblem:
        search = self.search
        cv = cv or search._checked_cv_orig
        splits = list(cv.split(self.X, self.y, **self.routed.splitter.split))
        if len(splits) != search.n_splits_:
            raise ValueError(
                "cv.split and cv.get_n_splits return inconsistent results. Expected "
                f"{search.n_splits_} splits, got {len(splits)}"
            )
        return SearchProblem(
            estimator=clone(search.estimator),
            X=self.X,
            y=self.y,
            candidates=candidates,
            splits=splits,
            seeds=self._seeds,
            scorer=self.scorers,
            fit_params=self.routed.estimator.fit,
            score_params=self.routed.scorer.score,
            return_train_score=search.return_train_score,
            error_score=search.error_score,
            batched=search.batched is not False,
            max_models=search.max_models,
        )

    def _run(
        self, problem: SearchProblem, n_fits: int, callback_ctx: Any
    ) -> Iterable[Result]:
        """All results: those of the checkpoint first, then others as they come."""
        search = self.search
        score = search.refit if isinstance(search.refit, str) else None
        progress = Progress(n_fits, search.verbose, score, problem.candidates)
        checkpoint = None
        if search.checkpoint is not None:
            first = not self._candidates
            checkpoint = Checkpoint(search.checkpoint, problem, first)
            problem.seeds = self._seeds = checkpoint.seeds
            if checkpoint.found:
                progress.say(f"{len(checkpoint.found)} fits are in the checkpoint")
            progress.add(checkpoint.found, before=True)
            yield from checkpoint.found
        found = [] if checkpoint is None else checkpoint.found
        done = {(result.candidate, result.fold) for result in found}
        tell = _Told(search, problem, callback_ctx)
        with choose_engine(search.n_jobs, search.pre_dispatch) as engine:
            for results in run_fits(problem, engine, done, progress.say):
                if checkpoint is not None:
                    checkpoint.add(results)
                progress.add(results)
                for result in results:
                    tell(result)
                yield from results
        progress.finish()

    def _add(
        self,
        problem: SearchProblem,
        found: dict[tuple[int, int], Result],
        more: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """Candidate by candidate, fold by fold, behind what was there before."""
        n_before = len(self._candidates)
        fits = [found[place] for place in sorted(found)]
        out = [fit.as_out(self.search.return_train_score) for fit in fits]
        for fit in fits:
            fit.candidate += n_before
        self._fits += fits
        self._candidates += problem.candidates
        self.out += out
        for key, value in more.items():
            self._more[key].extend(value)
        return out

    def _add_stopped(
        self,
        problem: SearchProblem,
        found: dict[tuple[int, int], Result],
        more: dict[str, Any],
    ) -> None:
        """What is finished, and an error in the place of each fit that is not."""
        scored = [r for r in found.values() if r.fit_error is None]
        if not scored:
            return
        score = self.search.error_score
        score = np.nan if score == "raise" else score
        first = scored[0].test_scores
        if isinstance(first, dict):
            score = dict.fromkeys(first, score)
        for candidate in range(len(problem.candidates)):
            for fold in range(len(problem.splits)):
                result = Result(candidate, fold, fit_error=_STOPPED)
                result = found.setdefault((candidate, fold), result)
                if result.fit_error is not None:
                    result.test_scores = result.train_scores = score
        self._add(problem, found, more)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "One or more of the", UserWarning)
            self._format()

    def _format(self) -> None:
        self.results = self.search._format_results(
            self._candidates, self.search.n_splits_, self.out, self._more
        )


class _Told:
    """Tells scikit-learn's callbacks of each fit, once it is finished."""

    def __init__(self, search: Any, problem: SearchProblem, context: Any):
        self._search, self._n_folds = search, len(problem.splits)
        n_fits = len(problem.candidates) * self._n_folds
        self._contexts = [
            context.subcontext(task_name="candidate-split-evaluation", task_id=k)
            for k in range(n_fits if context is not None else 0)
        ]

    def __call__(self, result: Result) -> None:
        if self._contexts:
            context = self._contexts[result.candidate * self._n_folds + result.fold]
            context.call_on_fit_task_begin(estimator=self._search)
            context.call_on_fit_task_end(estimator=self._search)
