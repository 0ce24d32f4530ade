"""Search over fusions and parameters, at little more than the cost of one fit."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

from skmultimodal.model_selection._stacked_search import (
    STACKED_CONSTRAINTS,
    StackedSearch,
)


class FusionSearchCV(StackedSearch, GridSearchCV):
    """Exhaustive search over a grid."""

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


class FusionRandomizedSearchCV(StackedSearch, RandomizedSearchCV):
    """Search over candidates drawn at random."""

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
