"""What a search does in the place of scikit-learn's `fit`."""

from __future__ import annotations

import time
from numbers import Integral
from typing import Any

from sklearn.base import _fit_context, clone, is_classifier
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV, _search_estimator_has
from sklearn.utils import get_tags, indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_method_params

from skmultimodal.heads._base import FusionHead
from skmultimodal.model_selection._search_trials import Trials
from skmultimodal.model_selection.searching import (
    Result,
    SearchProblem,
    Stage,
    head_of,
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

        trials = Trials(self, X, y, scorers, routed)
        try:
            self._run_search(trials.evaluate, callback_ctx=root)
        except KeyboardInterrupt:
            trials.keep(self)
            if trials.results:
                self._forget_best()
            raise
        trials.keep(self)
        first = trials.out[0]["test_scores"]
        self.multimetric_ = isinstance(first, dict)
        if callable(self.scoring) and self.multimetric_:
            self._check_refit_for_multimetric(first)
            refit_metric = self.refit
        if self.refit or not self.multimetric_:
            self._choose(trials.results, refit_metric)
        if self.refit:
            self._refit(X, y, routed.estimator.fit, root, told)
        single = not isinstance(scorers, _MultimetricScorer)
        self.scorer_ = scorers if single else scorers._scorers
        root.call_on_fit_task_end(**told)
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = get_tags(self.estimator).input_tags.allow_nan
        return tags

    def _next_stage(
        self,
        problem: SearchProblem,
        candidates: list[dict[str, Any]],
        fits: list[Result],
    ) -> Stage | None:
        """How far to train, where that is done in stages."""
        return None

    @property
    def n_features_in_(self):
        """Number of columns that `fit` has seen; only with `refit`."""
        return super().n_features_in_

    @available_if(_search_estimator_has("predict_proba"))
    def predict_proba(self, X):
        """Probabilities by the best candidate, fitted on all rows.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            What `estimator` takes, raw or encoded.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns as ``classes_`` has them.
        """
        return super().predict_proba(X)

    @available_if(_search_estimator_has("predict_log_proba"))
    def predict_log_proba(self, X):
        """Logarithms of probabilities by the best candidate, fitted on all rows.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            What `estimator` takes, raw or encoded.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns as ``classes_`` has them.
        """
        return super().predict_log_proba(X)

    def _check_batched(self) -> None:
        head = head_of(self.estimator)
        if self.batched is True and not isinstance(head, FusionHead):
            raise ValueError(
                "batched=True needs an estimator that is, or a Pipeline that ends in, "
                f"a head of skmultimodal.heads; got {type(head).__name__}. "
                "batched='auto' trains others one by one."
            )

    def _forget_best(self) -> None:
        """Of an earlier fit: it is not the best one of these results."""
        for name in [n for n in vars(self) if n.startswith("best_")]:
            delattr(self, name)

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


STACKED_CONSTRAINTS: dict[str, list[Any]] = {
    "batched": ["boolean", StrOptions({"auto"})],
    "max_models": [
        StrOptions({"auto"}),
        Interval(Integral, 1, None, closed="left"),
    ],
    "checkpoint": [str, HasMethods("__fspath__"), None],
}
