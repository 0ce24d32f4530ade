"""The weights of a vote, and who votes on a row."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize, nnls
from scipy.special import softmax
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC

from skmultimodal import pack
from skmultimodal.fusion import (
    ModalityStackingClassifier,
    ModalityStackingRegressor,
    ModalityVotingClassifier,
    ModalityVotingRegressor,
)

from ._decision_level import WIDTHS, Watcher, columns, numbers, out_of_fold, samples

EVERY = [
    ModalityVotingClassifier,
    ModalityStackingClassifier,
    ModalityVotingRegressor,
    ModalityStackingRegressor,
]


def pooled(answers, weights):
    share = np.asarray(weights)[None, :, None] * ~np.isnan(answers)
    return np.nansum(share * answers, axis=1) / share.sum(axis=1)


def multiplied(answers, weights, prior):
    """The logarithmic pool, as a product of powers."""
    ratio = np.nan_to_num(answers / prior, nan=1.0)
    product = prior * np.prod(ratio ** np.asarray(weights)[:, None], axis=1)
    return product / product.sum(axis=1, keepdims=True)


def search(loss, as_weights):
    """Weights of least loss by a search without slopes, on three modalities."""
    found = minimize(
        lambda free: loss(as_weights(free)),
        [0, 0, 0],
        method="Nelder-Mead",
        options={"xatol": 1e-6, "fatol": 1e-12, "maxiter": 2000},
    )
    return as_weights(found.x)


@pytest.fixture(autouse=True)
def _forget():
    Watcher.log.clear()


class TestVotingWeights:
    @pytest.mark.parametrize("gaps", [False, True])
    @pytest.mark.parametrize("voting", ["log", "soft"])
    def test_least_log_loss(self, gaps, voting):
        X, y = samples(gaps=gaps)
        cv = list(StratifiedKFold(4, shuffle=True, random_state=0).split(X, y))
        vote = ModalityVotingClassifier(GaussianNB(), cv=cv, voting=voting).fit(X, y)
        answers = out_of_fold(GaussianNB(), X, y, cv, "predict_proba")
        answers = np.clip(answers, 1e-6, 1)
        truth = np.searchsorted(vote.classes_, y)
        prior = np.bincount(truth) / len(y)

        def linear(weights):
            right = pooled(answers, weights)[np.arange(len(y)), truth]
            return -np.log(right).mean()

        def logarithmic(weights):
            said = multiplied(answers, weights, prior)[np.arange(len(y)), truth]
            return -np.log(said).sum() + weights @ weights / 2

        found = list(vote.weights_.values())
        if voting == "soft":
            np.testing.assert_allclose(found, search(linear, softmax), atol=2e-3)
            assert sum(found) == pytest.approx(1)
        else:
            np.testing.assert_allclose(found, search(logarithmic, np.exp), atol=2e-3)
        for name, answer in zip(WIDTHS, answers.transpose(1, 0, 2), strict=True):
            here = ~np.isnan(answer[:, 0])
            right = answer[here].argmax(axis=1) == truth[here]
            assert vote.modality_scores_[name] == pytest.approx(right.mean())

    def test_least_squared_error(self):
        X, y = numbers()
        cv = list(KFold(4).split(X))
        vote = ModalityVotingRegressor(Ridge(), cv=cv).fit(X, y)
        answers = out_of_fold(Ridge(), X, y, cv, "predict")[:, :, 0]
        # one heavy row says that the weights add up to one
        expected, _ = nnls(
            np.vstack([answers, np.full((1, 3), 1e5)]), np.append(y, 1e5)
        )
        found = list(vote.weights_.values())
        np.testing.assert_allclose(found, expected, atol=2e-3)
        r2 = 1 - ((y - answers[:, 0]) ** 2).sum() / ((y - y.mean()) ** 2).sum()
        assert vote.modality_scores_["text"] == pytest.approx(r2, rel=1e-5)

    def test_least_squared_error_with_gaps_and_weights_and_two_outputs(self):
        X, y = numbers(gaps=True)
        both = np.stack([y, 1000 * X["image__1"]], axis=1)  # units do not matter
        weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
        cv = list(KFold(3).split(X))
        vote = ModalityVotingRegressor(Ridge(), cv=cv)
        vote.fit(X, both, sample_weight=weight)

        answers = np.full((len(y), 3, 2), np.nan)
        for m, name in enumerate(WIDTHS):
            here = X[columns(X, name)].notna().all(axis=1).to_numpy()
            part = X[columns(X, name)]
            for train, test in cv:
                rows = train[here[train]]
                ridge = Ridge().fit(part.iloc[rows], both[rows], weight[rows])
                asked = test[here[test]]
                answers[asked, m] = ridge.predict(part.iloc[asked])

        def loss(weights):
            error = (pooled(answers, weights) - both) / both.std(axis=0)
            return np.average((error**2).sum(axis=1), weights=weight)

        found = list(vote.weights_.values())
        np.testing.assert_allclose(found, search(loss, softmax), atol=2e-3)
        assert vote.predict(X).shape == (150, 2)

    def test_hard_votes_by_the_squared_error_of_their_shares(self):
        X, y = samples()
        cv = list(StratifiedKFold(4, shuffle=True, random_state=0).split(X, y))
        vote = ModalityVotingClassifier(GaussianNB(), cv=cv, voting="hard").fit(X, y)
        answers = out_of_fold(GaussianNB(), X, y, cv, "predict_proba")
        votes = np.eye(3)[answers.argmax(axis=2)]
        truth = np.eye(3)[np.searchsorted(vote.classes_, y)]

        def loss(weights):
            return ((pooled(votes, weights) - truth) ** 2).sum(axis=1).mean()

        found = list(vote.weights_.values())
        np.testing.assert_allclose(found, search(loss, softmax), atol=5e-3)
        assert not hasattr(vote, "predict_proba")
        assert vote.score(X, y) > 0.6

    @pytest.mark.parametrize("voting", ["log", "soft"])
    def test_given_weights(self, voting):
        X, y = samples()
        given = {"text": 6, "image": 2, "noise": 0}
        vote = ModalityVotingClassifier(GaussianNB(), weights=given, voting=voting)
        vote.fit(X, y)
        assert vote.weights_ == {"text": 0.75, "image": 0.25, "noise": 0}
        text, image = (
            GaussianNB().fit(X[columns(X, name)], y).predict_proba(X[columns(X, name)])
            for name in ("text", "image")
        )
        expected = 0.75 * text + 0.25 * image
        if voting == "log":
            expected = text**0.75 * image**0.25  # the geometric mean
            expected /= expected.sum(axis=1, keepdims=True)
        found = vote.predict_proba(X)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(
            vote.predict(X), vote.classes_[expected.argmax(axis=1)]
        )
        # in float64, though X is float32
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)
        assert not hasattr(vote, "modality_scores_")

    @pytest.mark.parametrize("voting", ["log", "soft", "hard"])
    def test_noise_weighs_little(self, voting):
        X, y = samples(1500)
        nearest = KNeighborsClassifier(15)
        vote = ModalityVotingClassifier(nearest, voting=voting, random_state=0)
        weights = vote.fit(X, y).weights_
        assert 3 * weights["noise"] < min(weights["text"], weights["image"])

    def test_independent_modalities_count_in_full_and_copies_do_not(self):
        """Three views of one normal variable, of which two are the same."""
        rng = np.random.default_rng(0)
        y = rng.integers(2, size=4000)
        views = rng.normal(size=(2, 4000, 1)) + y[:, None]
        X = pack({"one": views[0], "two": views[1], "two_again": views[1]})
        vote = ModalityVotingClassifier(GaussianNB(), random_state=0).fit(X, y)
        one, two, again = vote.weights_.values()
        assert one == pytest.approx(1, abs=0.15)
        assert two + again == pytest.approx(1, abs=0.15)
        assert two == pytest.approx(again, abs=1e-3)

    def test_without_learned_weights_each_estimator_is_fitted_once(self):
        X, y = samples()
        vote = ModalityVotingClassifier(Watcher(), weights="uniform").fit(X, y)
        assert len(Watcher.log) == 3
        assert set(vote.weights_.values()) == {1 / 3}


class TestAbsentModalities:
    @pytest.mark.parametrize("kind", EVERY)
    def test_estimators_see_their_columns_of_rows_that_have_them(self, kind):
        X, y = samples(n_classes=2, gaps=True)
        y = (y == "one").astype(int)
        model = kind(estimators={name: Watcher(name) for name in WIDTHS}, cv=3)
        model.fit(X, y)
        for name, fitted in model.estimators_.items():
            here = X[columns(X, name)].notna().all(axis=1)
            pd.testing.assert_frame_equal(fitted.X_, X.loc[here, columns(X, name)])
            np.testing.assert_array_equal(fitted.y_, y[here])
        for _, name, seen in Watcher.log:
            if name:
                assert list(seen.columns) == columns(X, name)
                assert seen.notna().all(axis=None)

    @pytest.mark.parametrize("voting", ["log", "soft"])
    @pytest.mark.parametrize("weights", ["loss", "uniform"])
    def test_an_absent_modality_drops_out_of_the_vote(self, voting, weights):
        X, y = samples(gaps=True)
        vote = ModalityVotingClassifier(
            GaussianNB(), voting=voting, weights=weights, random_state=0
        ).fit(X, y)
        assert vote.weights_["text"] < 1  # alone it gets the whole vote
        X = X.iloc[100:].copy()
        X[[*columns(X, "image"), *columns(X, "noise")]] = np.nan
        alone = vote.estimators_["text"].predict_proba(X[columns(X, "text")])
        np.testing.assert_allclose(vote.predict_proba(X), alone, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("weighted", [False, True])
    def test_a_row_without_any_gets_the_shares_of_the_classes(self, weighted):
        X, y = samples(gaps=True)
        weight = np.where(y == "one", 3.0, 1.0) if weighted else np.ones(len(y))
        vote = ModalityVotingClassifier(GaussianNB()).fit(X, y, weight)
        shares = [weight[y == c].sum() / weight.sum() for c in vote.classes_]
        found = vote.predict_proba(X.iloc[:2] * np.nan)
        np.testing.assert_allclose(found, [shares, shares])

    def test_a_row_without_any_gets_the_mean(self):
        X, y = numbers()
        vote = ModalityVotingRegressor().fit(X, y)
        np.testing.assert_allclose(vote.predict(X.iloc[:1] * np.nan), y.mean())

    def test_a_modality_of_no_weight_answers_where_nothing_else_is(self):
        X, y = samples()
        X[columns(X, "text")] += 20.0 * (y == "one")[:, None]
        X[columns(X, "text")] += 40.0 * (y == "two")[:, None]
        vote = ModalityVotingClassifier(voting="soft").fit(X, y)
        assert vote.weights_["text"] > 0.99
        X[columns(X, "text")] = np.nan
        assert vote.score(X, y) > 0.5

    def test_what_a_stack_is_fitted_on(self):
        X, y = samples(gaps=True)
        cv = list(StratifiedKFold(4, shuffle=True, random_state=0).split(X, y))
        stack = ModalityStackingClassifier(
            GaussianNB(), final_estimator=Watcher(), cv=cv, passthrough=True
        ).fit(X, y)
        answers = out_of_fold(GaussianNB(), X, y, cv, "predict_proba")
        gone = np.isnan(answers[:, :, 0])
        shares = np.unique(y, return_counts=True)[1] / len(y)
        filled = np.where(gone[:, :, None], shares, answers).reshape(len(y), -1)
        expected = np.hstack([filled, gone, X])
        np.testing.assert_allclose(stack.final_estimator_.X_, expected, rtol=1e-6)

    def test_classes_that_a_modality_has_not_seen(self):
        X, y = samples()
        X.loc[y == "two", columns(X, "image")] = np.nan
        vote = ModalityVotingClassifier(GaussianNB(), weights="uniform").fit(X, y)
        assert len(vote.estimators_["image"].classes_) == 2
        ModalityStackingClassifier(LinearSVC(), random_state=0).fit(X, y)
        X = X[X[columns(X, "image")].notna().all(axis=1)]
        X[[*columns(X, "text"), *columns(X, "noise")]] = np.nan
        found = vote.predict_proba(X)
        known = vote.estimators_["image"].predict_proba(X[columns(X, "image")])
        share = (y == "two").mean()  # the image can say nothing of this class
        np.testing.assert_allclose(found[:, 2], share, rtol=1e-5)
        np.testing.assert_allclose(found[:, :2], known * (1 - share), rtol=1e-4)

    def test_a_modality_of_one_class_is_left_out(self):
        X, y = samples()
        X.loc[y != "two", columns(X, "image")] = np.nan
        with pytest.warns(UserWarning, match="'image' are of one class"):
            vote = ModalityVotingClassifier().fit(X, y)
        assert list(vote.weights_) == ["text", "noise"]
