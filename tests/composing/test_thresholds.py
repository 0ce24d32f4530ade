"""Thresholds and calibration around whole pipelines, raw rows with gaps."""

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import RandomOverSampler
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import (
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    make_scorer,
)
from sklearn.model_selection import StratifiedKFold, TunedThresholdClassifierCV

from skmultimodal import multimodal_pipeline
from skmultimodal.encoders import ImageEncoder, TextEncoder

WORDS = np.array(
    [
        ["clean", "quiet", "smooth", "steady", "fine"],
        ["leak", "smoke", "noise", "crack", "spark"],
    ]
)
STATES = {"runs": (0.3, 110), "wears": (0.5, 130), "fails": (0.65, 145)}
FOLDS = StratifiedKFold(3, shuffle=True, random_state=0)


def machines(n, shares, seed):
    """Notes and photos of machines, and their states; one in six is missing."""
    rng = np.random.default_rng(seed)
    y = rng.choice(list(shares), n, p=list(shares.values()))
    worry, level = np.array([STATES[state] for state in y]).T
    kinds = (rng.random((n, 6)) < worry[:, None]).astype(int)
    notes = [" ".join(WORDS[k, rng.integers(5, size=6)]) for k in kinds]
    colour = rng.normal(level[:, None, None, None], 60, (n, 1, 1, 3))
    photos = np.clip(colour + rng.normal(0, 20, (n, 8, 8, 3)), 0, 255)
    X = pd.DataFrame({"note": notes, "photo": list(photos.astype(np.uint8))})
    for column in X:
        X[column] = X[column].where(rng.random(n) > 1 / 6, None)
    return X, y


def model(**params):
    entries = [
        ("note", TextEncoder(n_components=8, random_state=0), "note"),
        ("photo", ImageEncoder(n_components=4, size=8, random_state=0), "photo"),
    ]
    params = {"fusion": "concat", "max_epochs": 4, "random_state": 0} | params
    return multimodal_pipeline("classifier", modalities=entries, **params)


def far_too_sure():
    return model(max_epochs=20, dropout=0.0, weight_decay=0.0)


def f1_of_failures(y, said):
    return f1_score(y, said, pos_label="fails")


@pytest.fixture(scope="module")
def skewed():
    """Training rows and others, of which 4 % fail."""
    shares = {"runs": 0.96, "fails": 0.04}
    return *machines(1500, shares, 0), *machines(1000, shares, 1)


@pytest.fixture(scope="module")
def untreated(skewed):
    X, y, *_ = skewed
    return model().fit(X, y)


@pytest.fixture(scope="module")
def even():
    shares = {"runs": 0.5, "fails": 0.5}
    return *machines(200, shares, 6), *machines(400, shares, 7)


class TestThresholds:
    @pytest.mark.parametrize(
        ("score", "gain"),
        [
            (balanced_accuracy_score, 0.1),
            (f1_of_failures, 0.05),
        ],
        ids=["balanced accuracy", "f1 of the rare class"],
    )
    def test_tuning_raises_the_score(self, skewed, untreated, score, gain):
        X, y, X_test, y_test = skewed
        assert X_test.isna().any().all()
        tuned = TunedThresholdClassifierCV(
            model(), scoring=make_scorer(score), cv=FOLDS
        ).fit(X, y)
        before = score(y_test, untreated.predict(X_test))
        assert score(y_test, tuned.predict(X_test)) > before + gain

    def test_the_decision_is_that_of_the_pipeline_at_another_threshold(self, skewed):
        X, y, X_test, _ = skewed
        tuned = TunedThresholdClassifierCV(model(), cv=FOLDS).fit(X, y)
        X_test = X_test[:50].copy()
        X_test.iloc[0] = None  # has nothing at all
        runs = tuned.predict_proba(X_test)[:, 1]
        assert np.isfinite(runs).all()
        expected = np.where(runs >= tuned.best_threshold_, "runs", "fails")
        np.testing.assert_array_equal(tuned.predict(X_test), expected)

    def test_behind_a_sampler_thresholds_are_judged_on_rows_as_they_come(self, skewed):
        X, y, *_ = skewed
        seen = []

        def score(y_true, said):
            seen.append(np.mean(y_true == "fails"))
            return balanced_accuracy_score(y_true, said)

        sampled = model(sampler=RandomOverSampler(), max_epochs=2)
        TunedThresholdClassifierCV(
            sampled, scoring=make_scorer(score), cv=FOLDS, thresholds=5
        ).fit(X, y)
        assert np.allclose(seen, np.mean(y == "fails"), atol=0.005)


class TestCalibration:
    @pytest.mark.parametrize("ensemble", [True, False])
    @pytest.mark.parametrize(
        ("method", "loss"),
        [
            ("sigmoid", log_loss),
            ("isotonic", brier_score_loss),  # log loss: its zeros would cost infinity
            ("temperature", log_loss),
        ],
    )
    def test_loss_of_a_net_that_is_too_sure_falls(self, even, method, loss, ensemble):
        X, y, X_test, y_test = even
        sure = far_too_sure().fit(X, y).predict_proba(X_test)
        calibrated = CalibratedClassifierCV(
            far_too_sure(), method=method, cv=FOLDS, ensemble=ensemble
        ).fit(X, y)
        proba = calibrated.predict_proba(X_test)
        assert loss(y_test, proba) < loss(y_test, sure)
        np.testing.assert_allclose(proba.sum(axis=1), 1)

    def test_temperature_cools_and_keeps_the_ranking(self, even):
        X, y, X_test, _ = even
        sure = far_too_sure().fit(X, y)
        cool = CalibratedClassifierCV(
            far_too_sure(), method="temperature", cv=FOLDS, ensemble=False
        ).fit(X, y)
        before, after = (m.predict_proba(X_test)[:, 0] for m in (sure, cool))
        np.testing.assert_array_equal(rankdata(before), rankdata(after))
        assert (np.abs(after - 0.5) <= np.abs(before - 0.5) + 1e-9).all()

    def test_temperature_changes_no_decision_among_three_classes(self):
        X, y = machines(240, dict.fromkeys(STATES, 1 / 3), 8)
        X_test, y_test = machines(400, dict.fromkeys(STATES, 1 / 3), 9)
        sure = far_too_sure().fit(X, y)
        cool = CalibratedClassifierCV(
            far_too_sure(), method="temperature", cv=FOLDS, ensemble=False
        ).fit(X, y)
        np.testing.assert_array_equal(sure.predict(X_test), cool.predict(X_test))
        losses = [log_loss(y_test, m.predict_proba(X_test)) for m in (sure, cool)]
        assert losses[1] < losses[0] - 0.1

    def test_a_pipeline_that_is_fitted_already(self, even):
        X, y, X_test, y_test = even
        sure = far_too_sure().fit(X, y)
        half = slice(0, 200), slice(200, None)
        cool = CalibratedClassifierCV(FrozenEstimator(sure), method="temperature")
        cool.fit(X_test[half[0]], y_test[half[0]])
        losses = [
            log_loss(y_test[half[1]], m.predict_proba(X_test[half[1]]))
            for m in (sure, cool)
        ]
        assert losses[1] < losses[0]

    def test_what_a_sampler_did_to_probabilities_is_undone(self, skewed):
        X, y, X_test, y_test = skewed
        sampled = model(sampler=RandomOverSampler())
        share = np.mean(y_test == "fails")
        wild = clone(sampled).fit(X, y).predict_proba(X_test)[:, 0].mean()
        assert wild > 2 * share  # as if classes were equally common
        calibrated = CalibratedClassifierCV(sampled, method="sigmoid", cv=FOLDS)
        found = calibrated.fit(X, y).predict_proba(X_test)[:, 0].mean()
        assert found == pytest.approx(share, abs=0.02)
