"""Samplers before and behind the encoders, stock and wrapped."""

from collections import Counter

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import Pipeline as SamplingPipeline
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_score,
)

from skmultimodal._provenance import Synthetic
from skmultimodal.compose import ModalityTransformer
from skmultimodal.sampling import ModalitySampler

from ._models import ENTRIES, head, pipeline, share


class Witness(ClassifierMixin, BaseEstimator):
    """Keeps what reached it."""

    def fit(self, X, y):
        self.X_, self.y_, self.classes_ = X, y, np.unique(y)
        return self

    def predict(self, X):
        return np.repeat(self.classes_[:1], len(X))


class TestSamplers:
    @pytest.fixture
    def skewed(self, vqa):
        rng = np.random.default_rng(0)
        rows = np.flatnonzero(
            (vqa.target != "yes") | (rng.random(len(vqa.target)) < 0.3)
        )
        return vqa.data.iloc[rows], vqa.target[rows]

    @pytest.mark.parametrize(
        "sampler",
        [
            RandomOverSampler(random_state=0),
            ModalitySampler(RandomOverSampler(random_state=0)),
        ],
        ids=["stock", "ModalitySampler"],
    )
    def test_copies_of_raw_rows_before_the_encoders(self, skewed, sampler):
        X, y = skewed
        assert X.isna().any(axis=None)
        encode = ModalityTransformer(ENTRIES)
        steps = [("sample", sampler), ("encode", encode)]
        counts = SamplingPipeline([*steps, ("head", Witness())]).fit(X, y)["head"].y_
        assert len(set(Counter(counts).values())) == 1
        model = SamplingPipeline([*steps, ("head", head("gated"))]).fit(X, y)
        assert len(model.predict(X)) == len(X)  # no sampling at predict
        scores = cross_val_score(model, X, y, cv=2, error_score="raise")
        assert (scores > 0.3).all()

    def test_smote_between_encoders_and_head_through_gaps(self, skewed):
        X, y = skewed
        model = pipeline("gated", sampler=SMOTE(random_state=0)).fit(X, y)
        assert model.score(X, y) > share(y)
        steps = [*model.steps[:-1], ("head", Witness())]
        seen = SamplingPipeline(steps).fit(X, y)["head"]
        assert len(set(Counter(seen.y_).values())) == 1
        made = [type(label) is Synthetic for label in seen.X_.index]
        assert sum(made) == len(seen.X_) - len(X)
        assert seen.X_.isna().any(axis=None)

    def test_stock_smote_between_encoders_and_head_without_gaps(self, skewed):
        X, y = skewed
        whole = X.notna().all(axis=1).to_numpy()
        X, y = X[whole], y[whole]
        model = SamplingPipeline(
            [
                ("encode", ModalityTransformer(ENTRIES)),
                ("sample", SMOTE(random_state=0)),
                ("head", head("cross_attention")),
            ]
        ).fit(X, y)
        assert model["head"]._inputs.layout.names == ["image", "question"]
        assert model.score(X, y) > share(y)
        model.set_params(head__early_stopping=True, head__max_epochs=2)
        with pytest.warns(UserWarning, match=r"ModalitySampler\(SMOTE\(\)\)"):
            model.fit(X, y)

    def test_parameters_of_the_sampler_are_searched(self, skewed):
        X, y = skewed
        search = GridSearchCV(
            pipeline(sampler=SMOTE(random_state=0), max_epochs=2),
            [
                {"sample__sampler__k_neighbors": [2, 4]},
                {"sample": ["passthrough", ModalitySampler()]},
            ],
            cv=2,
            scoring="balanced_accuracy",
            error_score="raise",
        ).fit(X, y)
        assert len(search.cv_results_["params"]) == 4
