"""Successive halving over epochs: survivors go on training."""

from __future__ import annotations

from math import floor, log
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.model_selection._search_successive_halving import HalvingGridSearchCV
from sklearn.utils.validation import _num_samples

from skmultimodal.heads._base import FusionHead
from skmultimodal.model_selection._search_document import document_search
from skmultimodal.model_selection._stacked_search import (
    STACKED_CONSTRAINTS,
    StackedSearch,
)
from skmultimodal.model_selection.searching import (
    Result,
    SearchProblem,
    Stage,
    content,
    head_of,
)

EPOCHS = "max_epochs"


@document_search
class FusionHalvingSearchCV(StackedSearch, HalvingGridSearchCV):
    """Train all of a grid for few epochs, the best for more, and the best of those on.

    A :class:`~sklearn.model_selection.HalvingGridSearchCV` whose resource is the number
    of epochs. Survivors of a round go on training where they were, instead of starting
    again; in all else it is a :class:`FusionSearchCV`.

    Parameters
    ----------
    estimator : head, Pipeline or estimator
        {estimator}
    param_grid : dict or list of dict
        Names of parameters and the values to try; not the resource.
    factor : int or float, default=3
        Of so many candidates one goes on to the next round, with as many times the
        epochs.
    resource : str, default="max_epochs"
        What grows from round to round: the head's epochs, also of one at the end of a
        Pipeline. Anything else that HalvingGridSearchCV takes, ``"n_samples"`` among
        it, starts again in each round.
    max_resources : int, default=27
        Epochs of a candidate, at most.
    min_resources : {{"exhaust", "smallest"}} or int, default="exhaust"
        Epochs of the first round. "exhaust" has the last round come close to
        `max_resources`.
    aggressive_elimination : bool, default=False
        Repeat the first round until few enough candidates are left.
    {before}
    random_state : int, RandomState or None, default=None
        Seed of the rows that ``resource="n_samples"`` takes.
    {after}

    Attributes
    ----------
    {attributes}
    n_resources_ : list of int
        Epochs in each round.
    n_candidates_ : list of int
        Candidates in each round.
    n_remaining_candidates_ : int
        Candidates left after the last.
    max_resources_ : int
        Epochs at most.
    min_resources_ : int
        Epochs of the first round.
    n_iterations_ : int
        Number of rounds.
    n_possible_iterations_ : int
        Rounds that the epochs suffice for.
    n_required_iterations_ : int
        Rounds until fewer than `factor` candidates are left.

    See Also
    --------
    FusionSearchCV : All candidates to their end.

    Notes
    -----
    Schedules of learning rates are those of the last round, which earlier ones break
    off. The scores of the last round are so those of training without a break, where
    nets train as a stack. One that cannot, or that a checkpoint brings back, starts
    again.

    `cv_results_` also has ``iter`` and ``n_resources``, the best candidate is
    that of the last round, and several scores are not supported.

    {notes}

    Examples
    --------
    >>> from skmultimodal.datasets import make_multimodal_classification
    >>> from skmultimodal.heads import FusionClassifier
    >>> from skmultimodal.model_selection import FusionHalvingSearchCV
    >>> X, y = make_multimodal_classification(120, random_state=0)
    >>> search = FusionHalvingSearchCV(
    ...     FusionClassifier(random_state=0),
    ...     {{"lr": [1e-4, 1e-3, 1e-2, 1e-1]}},
    ...     factor=2, max_resources=8, cv=3,
    ... ).fit(X, y)
    >>> search.n_candidates_, search.n_resources_
    ([4, 2, 1], [2, 4, 8])
    """

    resource: str

    _parameter_constraints: dict = {
        **HalvingGridSearchCV._parameter_constraints,
        **STACKED_CONSTRAINTS,
        "pre_dispatch": [Integral, str],
    }

    def __init__(
        self,
        estimator,
        param_grid,
        *,
        factor=3,
        resource=EPOCHS,
        max_resources=27,
        min_resources="exhaust",
        aggressive_elimination=False,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=5,
        verbose=0,
        pre_dispatch="2*n_jobs",
        random_state=None,
        error_score=np.nan,
        return_train_score=False,
        batched="auto",
        max_models="auto",
        checkpoint=None,
    ):
        super().__init__(
            estimator=estimator,
            param_grid=param_grid,
            factor=factor,
            resource=resource,
            max_resources=max_resources,
            min_resources=min_resources,
            aggressive_elimination=aggressive_elimination,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.pre_dispatch = pre_dispatch
        self.batched = batched
        self.max_models = max_models
        self.checkpoint = checkpoint

    def fit(self, X, y=None, **params):
        """Run the rounds, and fit the best candidate of the last on all rows.

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
        self._n_samples_orig = _num_samples(X)
        asked = self.resource
        self.resource = self._resource_name()
        try:
            super().fit(X, y, **params)
        finally:
            self.resource = asked
        self.best_score_ = self.cv_results_["mean_test_score"][self.best_index_]
        return self

    def _resource_name(self) -> str:
        """The name by which the estimator knows it: ``head__max_epochs``."""
        if self.resource == EPOCHS and head_of(self.estimator) is not self.estimator:
            return f"{self.estimator.steps[-1][0]}__{EPOCHS}"
        return self.resource

    def _next_stage(
        self,
        problem: SearchProblem,
        candidates: list[dict[str, Any]],
        fits: list[Result],
    ) -> Stage | None:
        in_epochs = self.resource.rpartition("__")[2] == EPOCHS
        if not (in_epochs and isinstance(head_of(self.estimator), FusionHead)):
            return None
        before = {}
        for fit in fits:  # of all rounds, the last one last
            key = self._key(candidates[fit.candidate])
            before[key, fit.fold], fit.paused = fit.paused, None
        paused = {
            (number, fold): before.get((self._key(params), fold))
            for number, params in enumerate(problem.candidates)
            for fold in range(len(problem.splits))
        }
        until, last = self.n_resources_[-1], self._last_resources()
        return Stage(self.resource, until, last, paused)

    def _key(self, params: dict[str, Any]) -> Any:
        """A candidate in whatever round."""
        return content({k: v for k, v in params.items() if k != self.resource})

    def _last_resources(self) -> int:
        """Epochs of the last round."""
        required = 1 + floor(log(self.n_candidates_[0], self.factor))
        ratio = self.max_resources_ // self.min_resources_
        possible = 1 + floor(log(ratio, self.factor))
        rounds = possible if self.aggressive_elimination else min(required, possible)
        most = int(self.factor ** (rounds - 1) * self.min_resources_)
        return min(most, self.max_resources_)
