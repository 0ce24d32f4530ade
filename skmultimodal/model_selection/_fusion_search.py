"""Search over fusions and parameters, at little more than the cost of one fit."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

from skmultimodal.model_selection._search_document import document_search
from skmultimodal.model_selection._stacked_search import (
    STACKED_CONSTRAINTS,
    StackedSearch,
)


@document_search
class FusionSearchCV(StackedSearch, GridSearchCV):
    """Exhaustive search over a grid, encoding once a fold and training together.

    A :class:`~sklearn.model_selection.GridSearchCV` in signature and results, and
    faster in two ways:

    * Steps before the head are fitted once a fold and setting of their own parameters,
      not once a candidate, samplers among them. Encoders that learn nothing encode all
      rows once.
    * Heads of one shape, which may differ in learning rate, dropout, seed and the like,
      are trained together as one stack of nets.

    `report_` says what was trained together and what it took.

    Parameters
    ----------
    estimator : head, Pipeline or estimator
        {estimator}
    param_grid : dict or list of dict
        Names of parameters and the values to try, as ``head__lr`` or ``head__fusion``;
        a list of such grids for fusions that have parameters of their own.
    {before}
    {after}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    FusionRandomizedSearchCV : Candidates drawn at random.
    compare_fusions : All fusions beside every single modality, with intervals.
    skmultimodal.inspection.SearchDisplay : The scores as a picture.

    Notes
    -----
    {notes}

    Examples
    --------
    >>> from skmultimodal.datasets import make_multimodal_classification
    >>> from skmultimodal.heads import FusionClassifier
    >>> from skmultimodal.model_selection import FusionSearchCV
    >>> X, y = make_multimodal_classification(120, random_state=0)
    >>> search = FusionSearchCV(
    ...     FusionClassifier(max_epochs=3, random_state=0),
    ...     {{"fusion": ["concat", "gated"], "lr": [1e-3, 1e-2]}},
    ...     cv=3,
    ... ).fit(X, y)
    >>> len(search.cv_results_["params"])
    4
    >>> list(search.report_.columns)
    ['candidate', 'rank', 'mean', 'sd', 'seconds', 'group', 'alone', 'fusion', 'lr']
    """

    _parameter_constraints: dict = {
        **GridSearchCV._parameter_constraints,
        **STACKED_CONSTRAINTS,
    }

    def __init__(
        self,
        estimator,
        param_grid,
        *,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        error_score=np.nan,
        return_train_score=False,
        batched="auto",
        max_models="auto",
        checkpoint=None,
    ):
        super().__init__(
            estimator=estimator,
            param_grid=param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.batched = batched
        self.max_models = max_models
        self.checkpoint = checkpoint


@document_search
class FusionRandomizedSearchCV(StackedSearch, RandomizedSearchCV):
    """Search over candidates drawn at random, encoding once a fold, training together.

    A :class:`~sklearn.model_selection.RandomizedSearchCV` in signature and results; all
    else is as in :class:`FusionSearchCV`.

    Parameters
    ----------
    estimator : head, Pipeline or estimator
        {estimator}
    param_distributions : dict or list of dict
        Names of parameters, and lists or distributions (of ``scipy.stats``) to draw
        their values from. Learning rates, dropout and seeds drawn from distributions
        train together; widths and fusions from lists of few values do so best.
    n_iter : int, default=10
        Number of candidates.
    {before}
    random_state : int, RandomState or None, default=None
        Seed of the draw. ``checkpoint`` needs one, since a search with other
        candidates is another search.
    {after}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    FusionSearchCV : All of a grid.

    Notes
    -----
    {notes}

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from skmultimodal.datasets import make_multimodal_classification
    >>> from skmultimodal.heads import FusionClassifier
    >>> from skmultimodal.model_selection import FusionRandomizedSearchCV
    >>> X, y = make_multimodal_classification(120, random_state=0)
    >>> search = FusionRandomizedSearchCV(
    ...     FusionClassifier(max_epochs=3, random_state=0),
    ...     {{"lr": loguniform(1e-4, 1e-1), "dropout": [0.0, 0.2]}},
    ...     n_iter=4, cv=3, random_state=0,
    ... ).fit(X, y)
    >>> len(search.report_)
    4
    """

    random_state: Any

    _parameter_constraints: dict = {
        **RandomizedSearchCV._parameter_constraints,
        **STACKED_CONSTRAINTS,
    }

    def __init__(
        self,
        estimator,
        param_distributions,
        *,
        n_iter=10,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
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
            param_distributions=param_distributions,
            n_iter=n_iter,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.batched = batched
        self.max_models = max_models
        self.checkpoint = checkpoint

    def _run_search(self, evaluate_candidates, *, callback_ctx=None):
        if self.random_state is not None:
            super()._run_search(evaluate_candidates, callback_ctx=callback_ctx)
            return
        self.random_state = np.random.RandomState()  # not NumPy's global state
        try:
            super()._run_search(evaluate_candidates, callback_ctx=callback_ctx)
        finally:
            self.random_state = None
