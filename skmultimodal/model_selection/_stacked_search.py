"""What a search does in the place of scikit-learn's `fit`."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import _fit_context, clone, is_classifier
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import (
    _insert_error_scores,
    _warn_or_raise_about_fit_failures,
)
from sklearn.utils import indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _check_method_params

from skmultimodal.heads._base import FusionHead
from skmultimodal.model_selection.searching import (
    Engine,
    Result,
    SearchProblem,
    evaluate,
    head_of,
    list_parts,
    prefix_key,
)


class StackedSearch(BaseSearchCV):
    """Base of the searches: encodes a fold once, trains heads together.

    A subclass inherits from one of scikit-learn's searches, which says by `_run_search`
    what the candidates are.
    """

    batched: bool | str
    max_models: int | str
    checkpoint: Any

    @_fit_context(
        # the estimator is not validated yet
        prefer_skip_nested_validation=False
    )
    def fit(self, X, y=None, **params):
        """Try all candidates on all folds, and fit the best one on all rows.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            What `estimator` takes, raw or encoded.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Target.
        **params : dict
            Parameters of the estimator's `fit`, of the scorer and of the splitter
            (``groups``). Those of one value a row are cut as X is.

        Returns
        -------
        self : object
            The fitted search.
        """
        scorers, refit_metric = self._get_scorers()
        X, y = indexable(X, y)
        params = _check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        weight = params.get("sample_weight")
        told = {
            "estimator": self,
            "X": X,
            "y": y,
            "metadata": None if weight is None else {"sample_weight": weight},
        }
        root = self._init_callback_context(max_subtasks=1 + (self.refit is not False))
        root.call_on_fit_task_begin(**told)
        split_params = routed.splitter.split
        self._checked_cv_orig = check_cv(
            self.cv, y, classifier=is_classifier(self.estimator)
        )
        self._check_input_parameters(X=X, y=y, split_params=split_params)
        self.n_splits_ = self._checked_cv_orig.get_n_splits(X, y, **split_params)
        self._check_batched()

        trials = _Trials(self, X, y, scorers, routed)
        self._run_search(trials.evaluate, callback_ctx=root)
        results = trials.results
        first = trials.out[0]["test_scores"]
        self.multimetric_ = isinstance(first, dict)
        if callable(self.scoring) and self.multimetric_:
            self._check_refit_for_multimetric(first)
            refit_metric = self.refit
        if self.refit or not self.multimetric_:
            self._choose(results, refit_metric)
        if self.refit:
            self._refit(X, y, routed.estimator.fit, root, told)
        single = not isinstance(scorers, _MultimetricScorer)
        self.scorer_ = scorers if single else scorers._scorers
        self.cv_results_ = results
        root.call_on_fit_task_end(**told)
        return self

    def _check_batched(self) -> None:
        head = head_of(self.estimator)
        if self.batched is True and not isinstance(head, FusionHead):
            raise ValueError(
                "batched=True needs an estimator that is, or a Pipeline that ends in, "
                f"a head of skmultimodal.heads; got {type(head).__name__}. "
                "batched='auto' trains others one by one."
            )

    def _choose(self, results: dict[str, Any], refit_metric: Any) -> None:
        best = self._select_best_index(self.refit, refit_metric, results)
        self.best_index_ = best
        if not callable(self.refit):
            self.best_score_ = results[f"mean_test_{refit_metric}"][best]
        self.best_params_ = results["params"][best]

    def _refit(self, X: Any, y: Any, fit_params: Any, root: Any, told: Any) -> None:
        """An ordinary fit of the best candidate on all rows."""
        best = clone(self.best_params_, safe=False)  # may hold estimators
        self.best_estimator_ = clone(self.estimator).set_params(**best)
        context = root.subcontext(task_name="refit-with-best-params")
        with context.propagate_callback_context(self.best_estimator_):
            context.call_on_fit_task_begin(**told)
            start = time.time()
            target = () if y is None else (y,)
            self.best_estimator_.fit(X, *target, **fit_params)
            self.refit_time_ = time.time() - start
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_
        context.call_on_fit_task_end(**told)


class _Trials:
    """The candidates of one `fit`, evaluated as `_run_search` asks for them."""

    def __init__(
        self, search: StackedSearch, X: Any, y: Any, scorers: Any, routed: Any
    ):
        self.search, self.X, self.y = search, X, y
        self.scorers, self.routed = scorers, routed
        self.candidates: list[dict[str, Any]] = []
        self.out: list[dict[str, Any]] = []
        self.more: dict[str, list[Any]] = defaultdict(list)
        self.results: dict[str, Any] = {}

    def evaluate(
        self,
        candidate_params: Iterable[dict[str, Any]],
        cv: Any = None,
        more_results: Any = None,
        callback_ctx: Any = None,
    ) -> dict[str, Any]:
        """Fit and score candidates on all folds: the results of all so far."""
        search = self.search
        problem = self._pose(list(candidate_params), cv)
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
        results = self._run(problem)
        out = [r.as_out(search.return_train_score) for r in results]
        _warn_or_raise_about_fit_failures(out, search.error_score)
        if callable(search.scoring):
            _insert_error_scores(out, search.error_score)
        self.candidates += problem.candidates
        self.out += out
        for key, value in (more_results or {}).items():
            self.more[key].extend(value)
        self.results = search._format_results(
            self.candidates, search.n_splits_, self.out, self.more
        )
        return self.results

    def _pose(self, candidates: list[dict[str, Any]], cv: Any) -> SearchProblem:
        search = self.search
        cv = cv or search._checked_cv_orig
        splits = list(cv.split(self.X, self.y, **self.routed.splitter.split))
        if len(splits) != search.n_splits_:
            raise ValueError(
                "cv.split and cv.get_n_splits return inconsistent results. Expected "
                f"{search.n_splits_} splits, got {len(splits)}"
            )
        seeds = np.random.default_rng().integers(2**31 - 1, size=len(splits))
        return SearchProblem(
            estimator=clone(search.estimator),
            X=self.X,
            y=self.y,
            candidates=candidates,
            splits=splits,
            seeds=[int(seed) for seed in seeds],
            scorer=self.scorers,
            fit_params=self.routed.estimator.fit,
            score_params=self.routed.scorer.score,
            return_train_score=search.return_train_score,
            error_score=search.error_score,
            batched=search.batched is not False,
            max_models=search.max_models,
        )

    def _run(self, problem: SearchProblem) -> list[Result]:
        """Candidate by candidate, fold by fold."""
        keys = [prefix_key(problem.candidate(k)) for k in range(len(problem.candidates))]
        parts = list_parts(keys, len(problem.splits), set())
        engine = Engine(self.search.n_jobs, self.search.pre_dispatch)
        found: dict[tuple[int, int], Result] = {}
        for _, results in engine.run(evaluate, problem, [(part,) for part in parts]):
            for result in results:
                found[result.candidate, result.fold] = result
        return [found[place] for place in sorted(found)]


STACKED_CONSTRAINTS: dict[str, list[Any]] = {
    "batched": ["boolean", StrOptions({"auto"})],
    "max_models": [
        StrOptions({"auto"}),
        Interval(Integral, 1, None, closed="left"),
    ],
    "checkpoint": [str, HasMethods("__fspath__"), None],
}
