"""Weights, groups and validation sets, routed as metadata."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from imblearn.over_sampling import RandomOverSampler
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import get_scorer, log_loss
from sklearn.model_selection import (
    StratifiedGroupKFold,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline

import skmultimodal.heads._preparing as head_module
from skmultimodal.compose import ModalityTransformer

from ._models import ENTRIES, head, pipeline


class TestMetadata:
    @pytest.fixture(autouse=True)
    def routing(self):
        with sklearn.config_context(enable_metadata_routing=True):
            yield

    def test_weights_reach_the_head_fold_by_fold(self, vqa):
        model = pipeline(max_epochs=8)
        model["head"].set_fit_request(sample_weight=True)
        scorer = get_scorer("accuracy").set_score_request(sample_weight=False)
        weight = (vqa.target != "yes").astype(float)
        done = cross_validate(
            model,
            vqa.data,
            vqa.target,
            cv=3,
            scoring=scorer,
            params={"sample_weight": weight},
            return_estimator=True,
            error_score="raise",
        )
        plain = pipeline(max_epochs=8).fit(vqa.data, vqa.target).predict(vqa.data)
        assert (plain == "yes").mean() > 0.2
        for fitted in done["estimator"]:
            assert "yes" in fitted.classes_
            assert (fitted.predict(vqa.data) == "yes").mean() < 0.02

    def test_weights_by_label_pass_a_sampler(self, vqa):
        model = pipeline(sampler=RandomOverSampler(random_state=0), max_epochs=8)
        model["head"].set_fit_request(sample_weight=True)
        weight = pd.Series(
            (vqa.target != "yes").astype(float), index=vqa.data.index
        ).sample(frac=1, random_state=0)
        model.fit(vqa.data, vqa.target, sample_weight=weight)
        assert "yes" not in model.predict(vqa.data)

    def test_groups_reach_the_splitter_and_the_head(self, vqa, monkeypatch):
        drawn = []

        def draw(y, *, groups, **params):
            parts = head_draw(y, groups=groups, **params)
            drawn.append((np.asarray(groups), parts))
            return parts

        head_draw = head_module.draw_validation
        monkeypatch.setattr(head_module, "draw_validation", draw)
        model = pipeline(early_stopping=True, validation_fraction=0.2, max_epochs=2)
        model["head"].set_fit_request(groups=True)
        cross_val_score(
            model,
            vqa.data,
            vqa.target,
            cv=StratifiedGroupKFold(2),
            params={"groups": vqa.groups},
            error_score="raise",
        )
        assert len(drawn) == 2
        for groups, (train, valid) in drawn:
            assert len(valid)
            assert not set(groups[train]) & set(groups[valid])
        # outer folds part the pictures too
        assert not set(drawn[0][0]) & set(drawn[1][0])

    def test_a_validation_set_goes_through_the_encoders(self, vqa):
        first = np.isin(vqa.groups, np.unique(vqa.groups)[:30])
        X, y = vqa.data[first], vqa.target[first]
        model = Pipeline(
            [
                ("encode", ModalityTransformer(ENTRIES)),
                ("head", head(early_stopping=True)),
            ],
            transform_input=["X_val"],
        )
        model["head"].set_fit_request(X_val=True, y_val=True)
        model.fit(X, y, X_val=vqa.data[~first], y_val=vqa.target[~first])
        valid_loss = model["head"].history_[-1]["valid_loss"]
        proba = model.predict_proba(vqa.data[~first])
        best = min(epoch["valid_loss"] for epoch in model["head"].history_)
        assert log_loss(vqa.target[~first], proba) == pytest.approx(best, abs=1e-5)
        assert np.isfinite(valid_loss)

    def test_a_raw_validation_set_is_an_error_that_says_so(self, vqa):
        model = pipeline()
        model["head"].set_fit_request(X_val=True, y_val=True)
        with pytest.raises(ValueError, match="transform_input"):
            model.fit(vqa.data, vqa.target, X_val=vqa.data, y_val=vqa.target)
