"""Voting and stacking among other estimators: what they take, and what they refuse."""

import joblib
import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import make_pipeline as make_sampling_pipeline
from scipy.special import expit, logit
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    cross_val_score,
    cross_validate,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from skmultimodal import pack
from skmultimodal._provenance import origins
from skmultimodal.compose import ModalitySelector
from skmultimodal.fusion import (
    ModalityStackingClassifier,
    ModalityStackingRegressor,
    ModalityVotingClassifier,
    ModalityVotingRegressor,
)
from skmultimodal.heads import FusionClassifier
from skmultimodal.sampling import ModalitySampler

from ._decision_level import WIDTHS, Watcher, columns, numbers, samples

CLASSIFIERS = [ModalityVotingClassifier, ModalityStackingClassifier]
REGRESSORS = [ModalityVotingRegressor, ModalityStackingRegressor]
classifiers = pytest.mark.parametrize("kind", CLASSIFIERS)
every = pytest.mark.parametrize("kind", [*CLASSIFIERS, *REGRESSORS])


@pytest.fixture(autouse=True)
def _forget():
    Watcher.log.clear()


class TestEstimators:
    @classifiers
    @pytest.mark.parametrize(
        "estimator",
        [
            None,
            HistGradientBoostingClassifier(max_iter=5),
            GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=2),
            FusionClassifier(max_epochs=15),
        ],
        ids=lambda e: type(e).__name__,
    )
    def test_any_classifier(self, kind, estimator):
        X, y = samples(gaps=True)
        model = kind(estimator, cv=2, random_state=0).fit(X, y)
        assert model.score(X, y) > 0.6
        np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)

    @every
    def test_one_for_each_modality(self, kind):
        X, y = samples(n_classes=2)
        y = (y == "one").astype(float)
        nets = {"text": Watcher("text"), "noise": "drop", "image": None}
        model = kind(Watcher("other"), estimators=nets, cv=2).fit(X, y)
        assert list(model.estimators_) == ["text", "image"]
        assert model.estimators_["text"].name == "text"
        assert hasattr(model.estimators_["image"], "steps")  # None is the default
        assert not hasattr(nets["text"], "classes_")

    @classifiers
    def test_the_default_sums_up_the_steps_that_are_there(self, kind):
        rng = np.random.default_rng(0)
        audio = rng.normal(size=(40, 5, 2)).astype(np.float32)
        audio[:10, 3:] = np.nan
        audio[10:15, 0] = np.nan
        audio[0] = np.nan
        X, y = pack({"audio": audio}), np.arange(40) % 2
        model = kind().fit(X, y)
        found = model.estimators_["audio"][0].transform(X.iloc[1:])
        expected = np.hstack(
            [np.nanmean(audio[1:], axis=1), np.nanstd(audio[1:], axis=1)]
        )
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
        assert np.isfinite(model.predict_proba(X)).all()

    @every
    def test_arrays_with_named_slices(self, kind):
        X, y = samples(n_classes=2)
        y = (y == "one").astype(int)
        where = {"text": slice(0, 4), "image": [4, 5, 6], "noise": slice(7, 9)}
        nameless = kind(cv=3, modalities=where, random_state=0).fit(X.to_numpy(), y)
        named = kind(cv=3, random_state=0).fit(X, y)
        np.testing.assert_allclose(
            nameless.predict(X.to_numpy()), named.predict(X), rtol=1e-4
        )

    @every
    def test_polars(self, kind):
        pl = pytest.importorskip("polars")
        X, y = samples(n_classes=2, gaps=True)
        y = (y == "one").astype(int)
        model = kind(random_state=0).fit(X, y)
        again = kind(random_state=0).fit(pl.from_pandas(X), y)
        np.testing.assert_allclose(again.predict(pl.from_pandas(X)), model.predict(X))

    @every
    def test_a_seed_reaches_folds_and_estimators(self, kind):
        X, y = samples(n_classes=2)
        y = (y == "one").astype(int)
        forest = RandomForestClassifier(3)
        one, two = (kind(forest, random_state=3).fit(X, y) for _ in range(2))
        np.testing.assert_array_equal(one.predict(X), two.predict(X))
        assert one.estimators_["text"].random_state is not None
        seeds = {e.random_state for e in one.estimators_.values()}
        assert len(seeds) == 3
        own = kind(RandomForestClassifier(3, random_state=7)).fit(X, y)
        assert own.estimators_["text"].random_state == 7

    def test_jobs(self):
        X, y = samples(gaps=True)
        with joblib.parallel_config("threading"):
            one, two = (
                ModalityStackingClassifier(cv=2, n_jobs=k, random_state=0).fit(X, y)
                for k in (None, 2)
            )
        np.testing.assert_allclose(one.predict_proba(X), two.predict_proba(X))


def labels():
    """Three labels; text knows the first, image the second, nothing the third."""
    X, _ = samples(200)
    y = np.stack([X["text__0"] + X["text__1"] > 0, X["image__0"] > 0], axis=1)
    third = np.random.default_rng(1).random((200, 1)) > 0.5
    return X, np.hstack([y, third]).astype(int)


class TestLabels:
    @pytest.mark.parametrize("voting", ["soft", "log"])
    def test_label_by_label_where_a_classifier_knows_no_other_way(self, voting):
        X, y = labels()
        vote = ModalityVotingClassifier(GaussianNB(), weights="uniform", voting=voting)
        vote.fit(X, y)
        said = np.zeros((3, *y.shape))
        for m, name in enumerate(WIDTHS):
            part = X[columns(X, name)]
            for k in range(3):
                fitted = GaussianNB().fit(part, y[:, k])
                said[m, :, k] = fitted.predict_proba(part)[:, 1]
        expected = said.mean(axis=0)
        if voting == "log":
            expected = expit(logit(np.clip(said, 1e-6, 1 - 1e-6)).mean(axis=0))
        np.testing.assert_allclose(vote.predict_proba(X), expected, rtol=1e-4)
        np.testing.assert_array_equal(vote.predict(X), expected > 0.5)

    @classifiers
    @pytest.mark.parametrize(
        "estimator",
        [None, RandomForestClassifier(20, max_depth=4), KNeighborsClassifier()],
        ids=lambda e: type(e).__name__,
    )
    def test_both_modalities_are_needed(self, kind, estimator):
        X, y = labels()
        model = kind(estimator, random_state=0).fit(X[:150], y[:150])
        right = (model.predict(X[150:]) == y[150:]).mean(axis=0)
        assert (right[:2] > 0.75).all()
        np.testing.assert_array_equal(model.classes_, [0, 1, 2])
        assert model.predict_proba(X).shape == y.shape

    @classifiers
    def test_a_label_that_no_row_has(self, kind):
        X, y = labels()
        y[:, 2] = 0
        model = kind(random_state=0).fit(X, y)
        assert (model.predict_proba(X)[:, 2] < 0.01).all()

    def test_decisions(self):
        X, y = labels()
        stack = ModalityStackingClassifier(LinearSVC(), cv=3, random_state=0).fit(X, y)
        assert set(stack.stack_method_.values()) == {"decision_function"}
        assert stack.modality_scores_["noise"] < 0.3
        assert (stack.predict(X) == y).mean(axis=0)[:2].min() > 0.8


class TestMetadata:
    @every
    def test_groups_are_never_parted(self, kind):
        X, y = samples(n_classes=2)
        y = (y == "one").astype(int)
        groups = pd.Series(np.arange(len(y)) % 10, index=X.index)
        kind(estimators={"text": Watcher("text")}, random_state=0).fit(
            X, y, groups=groups
        )
        fits = [seen for what, name, seen in Watcher.log if what == "fit"]
        asks = [seen for what, name, seen in Watcher.log if what == "ask"]
        assert len(fits) == 6
        for train, test in zip(fits[1:], asks, strict=False):
            assert not set(groups[train.index]) & set(groups[test.index])

    @every
    def test_weights_and_groups_reach_the_estimators_cut_alike(self, kind):
        X, y = samples(n_classes=2, gaps=True)
        y = (y == "one").astype(int)
        weight, groups = np.arange(150) / 150, np.arange(150) // 3
        model = kind(make_pipeline(StandardScaler(), Watcher()), cv=3)
        model.fit(X, y, weight, groups=groups)
        here = X[columns(X, "image")].notna().all(axis=1).to_numpy() & (weight > 0)
        watcher = model.estimators_["image"][-1]
        np.testing.assert_array_equal(watcher.weight_, weight[here])
        np.testing.assert_array_equal(watcher.groups_, groups[here])
        scaler = model.estimators_["image"][0]  # it takes weights as well
        mean = np.average(X.loc[here, "image__0"], weights=weight[here])
        assert scaler.mean_[0] == pytest.approx(mean, rel=1e-5)

    @every
    def test_weights_stand_for_repetition(self, kind):
        X, y = samples(n_classes=2, gaps=True)
        y = (y == "one").astype(int)
        rng = np.random.default_rng(0)
        X, weight = X.reset_index(drop=True), rng.integers(0, 4, len(y))
        cv = [(np.arange(0, 75), np.arange(75, 150))]
        cv.append(cv[0][::-1])
        times = np.repeat(np.arange(150), weight)
        cut = int(weight[:75].sum())
        again = [(np.arange(cut), np.arange(cut, len(times)))]
        again.append(again[0][::-1])
        estimator = LogisticRegression() if kind in CLASSIFIERS else Ridge()
        params = {"estimator": estimator}
        if "final_estimator" in kind().get_params():
            params["final_estimator"] = clone(estimator)
        weighted = kind(**params, cv=cv).fit(X, y, weight)
        repeated = kind(**params, cv=again)
        repeated.fit(X.iloc[times].reset_index(drop=True), y[times])
        method = "predict_proba" if kind in CLASSIFIERS else "predict"
        found, expected = (getattr(m, method)(X) for m in (weighted, repeated))
        np.testing.assert_allclose(found, expected, atol=2e-3)

    def test_routing(self):
        X, y = samples()
        groups = np.arange(len(y)) % 8
        with config_context(enable_metadata_routing=True):
            inner = LogisticRegression().set_fit_request(sample_weight=True)
            inner.set_score_request(sample_weight=True)
            search = GridSearchCV(inner, {"C": [0.1, 1]}, cv=GroupKFold(2))
            vote = ModalityVotingClassifier(search, cv=GroupKFold(2))
            vote.set_fit_request(sample_weight=True, groups=True)
            model = make_pipeline(ModalitySelector(["text", "image"]), vote)
            model.fit(X, y, sample_weight=np.ones(len(y)), groups=groups)
        assert model.score(X, y) > 0.6

    def test_groups_reach_a_search_without_routing(self):
        X, y = samples()
        search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=GroupKFold(2))
        vote = ModalityVotingClassifier(search, cv=2).fit(X, y, groups=np.arange(150))
        assert vote.estimators_["text"].best_params_

    @every
    def test_an_estimator_without_weights(self, kind):
        X, y = samples(n_classes=2)
        model = kind(estimators={"image": KNeighborsClassifier()})
        message = "KNeighborsClassifier for the modality 'image' takes no sample_weight"
        with pytest.raises(TypeError, match=message):
            model.fit(X, (y == "one").astype(int), sample_weight=np.ones(150))


class TestProvenance:
    """Labels of pure noise: who is tested on relatives of training rows sees 0.9."""

    @staticmethod
    def noise(sampler):
        rng = np.random.default_rng(0)
        blocks = {"text": rng.normal(size=(500, 8)), "image": rng.normal(size=(500, 6))}
        y = (rng.random(500) < 0.2).astype(int)
        X = pack(blocks, index=[f"row{i}" for i in range(500)])
        return ModalitySampler(sampler(random_state=0)).fit_resample(X, y)

    @classifiers
    @pytest.mark.parametrize("sampler", [SMOTE, RandomOverSampler])
    def test_noise_behind_a_sampler_is_at_chance(self, kind, sampler):
        X, y = self.noise(sampler)
        nearest = KNeighborsClassifier(1)
        naive = cross_val_score(nearest, X[columns(X, "text")], y, cv=5)
        assert naive.mean() > 0.75
        model = kind(
            nearest,
            **(
                {}
                if kind is ModalityVotingClassifier
                else {"final_estimator": Watcher("final")}
            ),
            random_state=0,
        ).fit(X, y)
        # one nearest neighbour among balanced rows is right on about half of them
        assert max(model.modality_scores_.values()) < 0.7

    def test_a_stack_learns_from_original_rows_and_keeps_the_balance(self):
        X, y = self.noise(SMOTE)
        stack = ModalityStackingClassifier(
            KNeighborsClassifier(1), final_estimator=Watcher(), random_state=0
        ).fit(X, y)
        final = stack.final_estimator_
        original = origins(X.index).original
        np.testing.assert_array_equal(final.y_, y[original])
        weight = [final.weight_[final.y_ == k].sum() for k in (0, 1)]
        np.testing.assert_allclose(weight, np.bincount(y))
        first = final.X_[:, 0].round()  # what the text says, out of fold
        assert balanced_accuracy_score(final.y_, first) < 0.58
        assert len(stack.estimators_["text"].classes_) == 2
        assert stack.estimators_["text"].n_samples_fit_ == len(y)


class TestComposition:
    @classifiers
    def test_behind_a_sampler_in_a_pipeline(self, kind):
        X, y = samples(600, gaps=True)
        kept = np.flatnonzero((y != "one") | (np.arange(600) % 5 == 0))
        X, y = X.iloc[kept], y[kept]
        sampler = ModalitySampler(SMOTE(random_state=0))
        model = make_sampling_pipeline(sampler, kind(cv=3, random_state=0))
        found = cross_validate(
            model, X, y, cv=3, scoring="balanced_accuracy", error_score="raise"
        )
        assert found["test_score"].mean() > 0.6

    @every
    def test_a_search_reaches_every_parameter(self, kind):
        X, y = samples(n_classes=2)
        y = (y == "one").astype(int)
        estimator = LogisticRegression() if kind in CLASSIFIERS else Ridge()
        name, bad = ("C", 1e-6) if kind in CLASSIFIERS else ("alpha", 1e6)
        model = kind(estimators={"text": estimator}, cv=2, random_state=0)
        grid = {
            "model__cv": [2, 3],
            f"model__estimators__text__{name}": [bad, 1.0],
            "model__estimators__image": ["drop", estimator],
        }
        pipeline = make_pipeline(ModalitySelector(["text", "image"]), model)
        pipeline.steps[1] = ("model", model)
        search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
        best = search.best_estimator_["model"]
        assert search.best_params_[f"model__estimators__text__{name}"] == 1
        assert getattr(best.estimators_["text"], name) == 1
        assert getattr(estimator, name) == 1
        assert "image" not in model.estimators

    def test_parameters_of_a_modality_that_has_no_estimator(self):
        with pytest.raises(ValueError, match=r"'estimators__audio'.*has \['text'\]"):
            ModalityVotingClassifier(estimators={"text": GaussianNB()}).set_params(
                estimators__audio__var_smoothing=1
            )

    def test_a_splitter(self):
        X, y = numbers()
        stack = ModalityStackingRegressor(Ridge(), cv=KFold(3, shuffle=True))
        assert stack.fit(X, y).score(X, y) > 0.7


class TestErrors:
    X, y = samples(n_classes=2)

    def refuse(self, model, error, match):
        with pytest.raises(error, match=match):
            model.fit(self.X, self.y)

    @classifiers
    def test_an_unknown_modality(self, kind):
        model = kind(estimators={"video": GaussianNB()})
        match = r"modality 'video', which X does not have. .*\['text', 'image', 'noise'"
        self.refuse(model, ValueError, match)

    @classifiers
    def test_no_estimator(self, kind):
        model = kind(estimators={"text": 3})
        self.refuse(model, TypeError, "'text': 3}: expected an estimator, 'drop'")

    @classifiers
    def test_everything_dropped(self, kind):
        model = kind(estimators=dict.fromkeys(WIDTHS, "drop"))
        self.refuse(model, ValueError, "has no modality to learn from")

    def test_no_probabilities(self):
        model = ModalityVotingClassifier(estimators={"image": LinearSVC()})
        match = r"LinearSVC for the modality 'image'.*CalibratedClassifierCV"
        self.refuse(model, TypeError, match)
        model = ModalityStackingClassifier(LinearSVC(), stack_method="predict_proba")
        match = "needs predict_proba, which LinearSVC for the modality 'text'"
        self.refuse(model, TypeError, match)

    @pytest.mark.parametrize(
        ("weights", "match"),
        [
            ({"video": 1}, "weights names the modality 'video'"),
            ({"text": 1, "image": 1}, "no entry for the modality 'noise'"),
            (dict.fromkeys(WIDTHS, 0), "nobody has a vote"),
            (
                {**dict.fromkeys(WIDTHS, 1), "text": -1},
                "'text': -1}: expected a number",
            ),
        ],
    )
    def test_weights(self, weights, match):
        model = ModalityVotingClassifier(weights=weights)
        self.refuse(model, ValueError, match)

    @every
    def test_a_raw_frame(self, kind):
        X = self.X.assign(text__0="a word")
        with pytest.raises(ValueError, match=r"'text__0' holds .*ModalityTransformer"):
            kind().fit(X, np.arange(150) % 2)

    @pytest.mark.parametrize("kind", REGRESSORS)
    def test_targets_that_are_no_numbers(self, kind):
        self.refuse(kind(), ValueError, "takes numbers")

    @every
    def test_one_group(self, kind):
        with pytest.raises(ValueError, match="cannot be drawn"):
            kind().fit(self.X, np.arange(150) % 2, groups=np.zeros(150))

    @every
    def test_groups_of_other_rows(self, kind):
        params = {"weights": "uniform"} if hasattr(kind(), "weights") else {}
        with pytest.raises(ValueError, match="groups has"):
            kind(**params).fit(self.X, np.arange(150) % 2, groups=np.zeros(9))
