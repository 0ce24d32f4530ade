"""Heads inside stacking, voting, calibration, bagging and the rest."""

import warnings

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    StratifiedKFold,
    TunedThresholdClassifierCV,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.semi_supervised import SelfTrainingClassifier

from skmultimodal.compose import ModalityTransformer
from skmultimodal.fusion import (
    CrossAttentionFusion,
)

from ._models import ENTRIES, head, pipeline, share


class TestMetaEstimators:
    def test_stacking_with_boosted_trees_on_the_encoded_frame(self, encoded, vqa):
        stack = StackingClassifier(
            [
                ("fusion", head("gated", max_epochs=8)),
                ("trees", HistGradientBoostingClassifier(max_iter=5)),
            ],
            LogisticRegression(),
            cv=3,
        )
        half = np.isin(vqa.groups, np.unique(vqa.groups)[::2])
        model = Pipeline([("encode", ModalityTransformer(ENTRIES)), ("stack", stack)])
        model.fit(vqa.data[half], vqa.target[half])
        fusion = model["stack"].named_estimators_["fusion"]
        # the layout has reached the head: two modalities, not one
        assert fusion._inputs.layout.names == ["image", "question"]
        assert model.score(vqa.data[~half], vqa.target[~half]) > share(vqa.target)
        assert model["stack"].transform(encoded.iloc[:3]).shape == (3, 6)

    def test_voting(self, encoded, vqa):
        trees = HistGradientBoostingClassifier(max_iter=3)
        members = [("gated", head("gated")), ("trees", trees)]
        vote = VotingClassifier(members, voting="soft").fit(encoded, vqa.target)
        fusion = vote.named_estimators_["gated"]
        assert fusion._inputs.layout.names == ["image", "question"]
        proba = [e.predict_proba(encoded) for e in vote.estimators_]
        np.testing.assert_allclose(
            vote.predict_proba(encoded), np.mean(proba, axis=0), atol=1e-6
        )

    @pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
    def test_calibration_mends_the_probabilities(self, polar, method):
        X, y, groups = polar
        half = np.isin(groups, np.unique(groups)[::2])
        wild = head(max_epochs=40, dropout=0.0, weight_decay=0.0)  # far too sure
        cool = CalibratedClassifierCV(wild, method=method, cv=3)
        cool.fit(X[half], y[half])
        inner = cool.calibrated_classifiers_[0].estimator
        assert inner._inputs.layout.names == ["image", "question"]
        sure = log_loss(y[~half], wild.fit(X[half], y[half]).predict_proba(X[~half]))
        assert log_loss(y[~half], cool.predict_proba(X[~half])) < sure

    def test_tuned_threshold(self, polar):
        X, y, _ = polar
        half = np.arange(len(X)) % 2 == 0
        rare = half & ((y == "no") | (np.arange(len(X)) % 3 == 0))
        tuned = TunedThresholdClassifierCV(
            head("gated", max_epochs=10),
            scoring="balanced_accuracy",
            cv=StratifiedKFold(2, shuffle=True, random_state=0),
            store_cv_results=True,
        ).fit(X[rare], y[rare])
        assert tuned.estimator_._inputs.layout.names == ["image", "question"]
        assert 0 < tuned.best_threshold_ < 1
        yes = tuned.estimator_.predict_proba(X)[:, 1] >= tuned.best_threshold_
        np.testing.assert_array_equal(tuned.predict(X), np.where(yes, "yes", "no"))

    def test_tuned_threshold_of_a_whole_pipeline(self, vqa):
        y = np.where(vqa.target == "yes", "yes", "no")
        tuned = TunedThresholdClassifierCV(pipeline(max_epochs=3), cv=2)
        tuned.fit(vqa.data, y)
        assert set(tuned.predict(vqa.data.iloc[:20])) <= {"yes", "no"}

    def test_bagging_hands_a_bare_array_that_is_one_modality(self, encoded, vqa):
        full = encoded.dropna()
        y = vqa.target[encoded.index.get_indexer(full.index)]
        bag = BaggingClassifier(head(max_epochs=3), n_estimators=2, random_state=0)
        assert bag.fit(full, y).estimators_[0]._inputs.layout.names == ["x"]
        told = {"image": slice(0, 16), "question": slice(16, 32)}
        bag.set_params(estimator__modalities=told, estimator__fusion="cross_attention")
        bag.fit(full, y)
        for member in bag.estimators_:
            assert member._inputs.layout.names == ["image", "question"]
        assert bag.score(full, y) > share(y)
        np.testing.assert_allclose(bag.predict_proba(full).sum(1), 1, atol=1e-12)

    @pytest.mark.parametrize("meta", [OneVsOneClassifier, OneVsRestClassifier])
    def test_one_against_one_or_all(self, encoded, vqa, meta):
        full = encoded.dropna()
        y = vqa.target[encoded.index.get_indexer(full.index)]
        model = meta(head(max_epochs=6)).fit(full, y)
        assert len(model.estimators_) == 3
        assert model.score(full, y) > share(y)

    def test_a_bare_array_with_gaps_warns(self, encoded, vqa):
        model = OneVsOneClassifier(head(max_epochs=1))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(encoded, vqa.target)
        said = [str(w.message) for w in caught]
        assert any("one modality, 'x'" in text and "pack" in text for text in said)

    def test_a_fusion_that_needs_more_than_a_bare_array_says_so(
        self, encoded, vqa, monkeypatch
    ):
        monkeypatch.setattr(CrossAttentionFusion, "min_modalities", 2)
        bag = BaggingClassifier(head("cross_attention", max_epochs=1), n_estimators=1)
        with pytest.raises(ValueError, match=r"needs at least 2 modalities.*'x'"):
            bag.fit(encoded.dropna(), vqa.target[: len(encoded.dropna())])

    def test_self_training(self, polar):
        X, y, _ = polar
        X = X.dropna()
        y = (y[np.flatnonzero(~polar[0].isna().any(axis=1))] == "yes").astype(int)
        known = np.where(np.arange(len(y)) % 2 == 0, y, -1)
        told = {"image": slice(0, 16), "question": slice(16, 32)}
        model = SelfTrainingClassifier(
            head(max_epochs=6, modalities=told), threshold=0.6, max_iter=2
        ).fit(X, known)
        assert (model.transduction_ != -1).sum() > (known != -1).sum()
        assert model.estimator_._inputs.layout.names == ["image", "question"]
