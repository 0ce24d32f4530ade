"""A stack of modalities against scikit-learn's, and its default against formulas."""

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import StackingClassifier, StackingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from skmultimodal.fusion import ModalityStackingClassifier, ModalityStackingRegressor

from ._decision_level import WIDTHS, columns, numbers, out_of_fold, samples


def by_columns(estimator, X):
    """Pipelines that give the estimator the columns of one modality each."""
    return [
        (name, make_pipeline(make_column_transformer(("passthrough", cols)), estimator))
        for name, cols in ((name, columns(X, name)) for name in WIDTHS)
    ]


class TestAgainstScikitLearn:
    @pytest.mark.parametrize("n_classes", [2, 4])
    @pytest.mark.parametrize("passthrough", [False, True])
    @pytest.mark.parametrize(
        ("estimator", "method"),
        [
            (GaussianNB(), "auto"),
            (LinearSVC(), "auto"),
            (LogisticRegression(), "decision_function"),
        ],
        ids=lambda e: getattr(e, "__name__", type(e).__name__),
    )
    def test_classes(self, n_classes, passthrough, estimator, method):
        X, y = samples(n_classes=n_classes)
        X = X.astype(float)
        params = {
            "cv": list(StratifiedKFold(4, shuffle=True, random_state=0).split(X, y)),
            "final_estimator": LogisticRegression(max_iter=1000),
            "passthrough": passthrough,
            "stack_method": method,
        }
        ours = ModalityStackingClassifier(estimator, **params).fit(X, y)
        theirs = StackingClassifier(by_columns(estimator, X), **params).fit(X, y)
        found, expected = ours.predict_proba(X), theirs.predict_proba(X)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
        found, expected = ours.decision_function(X), theirs.decision_function(X)
        np.testing.assert_allclose(found, expected, atol=1e-5)

    @pytest.mark.parametrize("passthrough", [False, True])
    def test_numbers(self, passthrough):
        X, y = numbers()
        X = X.astype(float)
        params = {
            "cv": list(KFold(4).split(X, y)),
            "final_estimator": LinearRegression(),
            "passthrough": passthrough,
        }
        ours = ModalityStackingRegressor(Ridge(), **params).fit(X, y)
        theirs = StackingRegressor(by_columns(Ridge(), X), **params).fit(X, y)
        np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-8)

    def test_classes_of_two_as_predicted(self):
        X, y = samples(n_classes=2)
        cv = list(StratifiedKFold(4, shuffle=True, random_state=0).split(X, y))
        final = GaussianNB()
        params = {"cv": cv, "final_estimator": final}
        ours = ModalityStackingClassifier(
            LinearSVC(), **params, stack_method="predict"
        ).fit(X, y)
        theirs = StackingClassifier(
            by_columns(LinearSVC(), X), **params, stack_method="predict"
        ).fit(X, y == ours.classes_[1])
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X))


class TestDefaults:
    @pytest.mark.parametrize("n_classes", [2, 3])
    @pytest.mark.parametrize("gaps", [False, True])
    def test_log_odds_and_marks(self, n_classes, gaps):
        X, y = samples(n_classes=n_classes, gaps=gaps)
        X = X.astype(float)  # in float32, 1 - p loses digits where p is near 1
        cv = list(StratifiedKFold(4, shuffle=True, random_state=0).split(X, y))
        stack = ModalityStackingClassifier(GaussianNB(), cv=cv).fit(X, y)
        p = out_of_fold(GaussianNB(), X, y, cv, "predict_proba")  # (n, M, K)
        gone = np.isnan(p[:, :, 0])
        p = np.where(gone[:, :, None], np.unique(y, return_counts=True)[1] / 150, p)
        p = np.clip(p, 1e-6, 1 - 1e-6)
        if n_classes == 2:
            features = np.log(p[:, :, 1] / p[:, :, 0])
        else:
            logs = np.log(p)
            features = (logs - logs.mean(axis=2, keepdims=True)).reshape(150, -1)
        features = np.hstack([features, gone]) if gaps else features
        final = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        expected = final.fit(features, y)[-1]
        found = stack.final_estimator_[-1]
        np.testing.assert_allclose(found.coef_, expected.coef_, atol=1e-3)
        np.testing.assert_allclose(found.intercept_, expected.intercept_, atol=1e-3)

    def test_numbers_of_any_unit(self):
        X, y = numbers(gaps=True)
        small, large = (
            ModalityStackingRegressor(cv=list(KFold(4).split(X))).fit(X, unit * y)
            for unit in (1e-4, 1e4)
        )
        np.testing.assert_allclose(small.predict(X) * 1e8, large.predict(X), rtol=1e-4)
        assert large.score(X, 1e4 * y) > 0.6

    def test_several_outputs(self):
        X, y = numbers()
        both = np.stack([y, X["image__1"]], axis=1)
        stack = ModalityStackingRegressor(random_state=0).fit(X, both)
        assert stack.predict(X).shape == (150, 2)
        assert stack.score(X, both) > 0.7

    @pytest.mark.parametrize("gaps", [False, True])
    def test_x_passed_on_with_its_gaps(self, gaps):
        X, y = samples(gaps=gaps)
        stack = ModalityStackingClassifier(passthrough=True, random_state=0).fit(X, y)
        assert stack.final_estimator_.n_features_in_ == 9 + 9 + 3 * gaps
        assert stack.score(X, y) > 0.6

    def test_methods_by_what_estimators_have(self):
        X, y = samples()
        stack = ModalityStackingClassifier(
            estimators={"image": LinearSVC(), "noise": NearestCentroid()},
            random_state=0,
        ).fit(X, y)
        assert stack.stack_method_["text"] == "predict_proba"
        assert stack.stack_method_["image"] == "decision_function"
        assert stack.modality_scores_["image"] > stack.modality_scores_["noise"]

    def test_probabilities_only_where_the_final_estimator_has_them(self):
        X, y = samples()
        stack = ModalityStackingClassifier(final_estimator=LinearSVC())
        assert not hasattr(stack, "predict_proba")
        stack.fit(X, y)
        assert not hasattr(stack, "predict_proba")
        assert stack.decision_function(X).shape == (150, 3)
