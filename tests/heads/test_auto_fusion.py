"""fusion="auto": what it chooses, what it tells, and that its folds are honest."""

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from scipy.optimize import minimize
from scipy.special import expit, log_softmax
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split

from skmultimodal import pack
from skmultimodal.heads import FusionClassifier, FusionRegressor, FusionTransformer
from skmultimodal.heads.auto._cost import relative_cost
from skmultimodal.heads.auto._pool import Target, fit_pool
from skmultimodal.heads.auto._probes import _discriminants, _ridges
from skmultimodal.heads.auto._short_list import DEEP, Budget
from skmultimodal.sampling import ModalitySampler

QUICK = {"max_epochs": 8, "embed_dim": 8, "hidden_layer_sizes": (16,)}


def classifier(**params):
    return FusionClassifier("auto", **{**QUICK, "random_state": 0, **params})


def regressor(**params):
    return FusionRegressor("auto", **{**QUICK, "random_state": 0, **params})


@pytest.fixture(scope="module")
def views():
    """Halves of digits, and ten columns of noise; a third of the rows lack a half."""
    pictures, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    pictures, y = pictures[:600], y[:600]
    upper, lower = pictures[:, :32].copy(), pictures[:, 32:].copy()
    lower[::3] = np.nan
    X = pack({"upper": upper, "lower": lower, "noise": rng.normal(size=(600, 10))})
    return train_test_split(X, y, random_state=0)


@pytest.fixture(scope="module")
def fitted(views):
    X, _, y, _ = views
    return classifier().fit(X, y)


def noise(n=200, seed=0):
    rng = np.random.default_rng(seed)
    blocks = {"a": rng.normal(size=(n, 5)), "b": rng.normal(size=(n, 4))}
    return pack(blocks), rng.integers(2, size=n)


class TestReport:
    def test_tells_what_was_tried(self, fitted):
        report = fitted.fusion_report_
        assert list(report) == ["level", "loss", "se", "weight", "folds", "seconds"]
        for name in ("upper alone, linear", "lower alone, linear", "all, linear"):
            assert name in report.index
        assert {"all alone, linear", "concat", "gated", "stacking"} <= set(report.index)
        assert set(report["level"]) == {"single", "feature", "decision"}
        assert report["weight"].sum() == pytest.approx(1)
        assert (report["weight"] >= 0).all()
        assert report.loc["concat", "seconds"] > 0
        assert report.attrs["chosen"] in report.index
        assert report.attrs["chosen"] in report.attrs["summary"]

    def test_history_names_candidate_and_fold(self, fitted):
        assert isinstance(fitted.history_, list)
        assert {"candidate", "fold", "epoch", "train_loss"} <= set(fitted.history_[0])
        assert fitted.n_iter_ == len(fitted.history_)

    def test_losses_are_those_of_rows_that_were_not_trained_on(self, views):
        """Of noise, no candidate knows more than the shares of the classes."""
        X, y = noise()
        report = classifier(max_epochs=30).fit(X, y).fusion_report_
        entropy = log_loss(y, np.full(len(y), y.mean()))
        # a candidate's one weight may come out by chance, and it costs
        assert (report["loss"] > entropy - 0.02).all()

    def test_progress(self, capsys):
        X, y = noise(80)
        classifier(verbose=1, max_epochs=1).fit(X, y)
        printed = capsys.readouterr().out
        assert "a alone, linear: loss" in printed


class TestChoice:
    def test_is_not_hurt_by_noise(self):
        rng = np.random.default_rng(0)
        y = rng.integers(2, size=400)
        signal = rng.normal(size=(400, 3)) + y[:, None]
        X = pack({"signal": signal, "noise": rng.normal(size=(400, 200))})
        alone = X.filter(like="signal__")
        one = classifier().fit(alone[:200], y[:200]).score(alone[200:], y[200:])
        two = classifier().fit(X[:200], y[:200]).score(X[200:], y[200:])
        assert one > 0.8
        assert two > one - 0.03

    def test_finds_what_only_a_fusion_tells(self):
        rng = np.random.default_rng(0)
        signs = rng.choice([-1.0, 1.0], (2, 400))
        left, right = (signs + rng.normal(scale=0.2, size=(2, 400)))[:, :, None]
        X, y = pack({"left": left, "right": right}), signs[0] == signs[1]
        model = FusionClassifier("auto", max_epochs=30, random_state=0)
        assert model.fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.95
        report = model.fusion_report_
        assert report.loc["left alone, linear", "loss"] > 0.6

    def test_is_as_good_as_one_fusion(self, views, fitted):
        X, X_test, y, y_test = views
        concat = FusionClassifier(**QUICK, random_state=0).fit(X, y)
        assert fitted.score(X_test, y_test) > concat.score(X_test, y_test) - 0.02

    def test_one_modality(self, views):
        X, X_test, y, y_test = views
        upper = X.filter(like="upper__")
        model = classifier().fit(upper, y)
        assert {"upper alone, linear", "concat"} <= set(model.fusion_report_.index)
        assert model.score(X_test.filter(like="upper__"), y_test) > 0.7

    def test_regression(self):
        rng = np.random.default_rng(0)
        a, b = rng.normal(size=(300, 4)), rng.normal(size=(300, 3))
        y = 1e6 + 1e3 * (a[:, 0] - 2 * b[:, 1]) + rng.normal(scale=100, size=300)
        X = pack({"a": a, "b": b})
        model = regressor().fit(X[:200], y[:200])
        assert model.score(X[200:], y[200:]) > 0.95
        two = regressor().fit(X[:200], np.stack([y, -y], axis=1)[:200])
        assert two.predict(X[200:]).shape == (100, 2)

    def test_multilabel(self):
        rng = np.random.default_rng(0)
        a, b = rng.normal(size=(300, 4)), rng.normal(size=(300, 3))
        y = np.stack([a[:, 0] > 0, b[:, 0] > 0], axis=1).astype(int)
        X = pack({"a": a, "b": b})
        model = classifier().fit(X[:200], y[:200])
        assert (model.predict(X[200:]) == y[200:]).mean() > 0.9
        assert model.predict_proba(X[200:]).shape == (100, 2)


@pytest.fixture(scope="module")
def many():
    """So many rows that one fold decides; y is whether two signs agree."""
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], (2, 4000))
    left, right = (signs + rng.normal(scale=0.3, size=(2, 4000)))[:, :, None]
    return pack({"left": left, "right": right}), (signs[0] == signs[1]).astype(int)


@pytest.fixture(scope="module")
def decided(many):
    X, y = many
    return classifier(max_epochs=3).fit(X[:3600], y[:3600])


class TestManyRows:
    def test_one_fold_decides(self, decided):
        report = decided.fusion_report_
        assert (report["folds"] == 1).all()
        assert set(DEEP) & set(report.index)
        best = report["loss"].idxmin()
        assert best in (report.attrs["chosen"], "stacking")

    def test_what_is_kept_is_trained_on_all_rows(self, many, decided):
        X, y = many
        history = pd.DataFrame(decided.history_)
        kept = set(history[history["fold"].isna()]["candidate"])
        assert kept
        nets = [c for c in decided._auto.candidates if c.fusion != "linear"]
        assert {c.name for c in nets} == kept
        assert all(len(c.predictors) == 1 for c in nets)
        assert decided.score(X[3600:], y[3600:]) > 0.95

    def test_a_seed_repeats_it(self, many, decided):
        X, y = many
        again = classifier(max_epochs=3).fit(X[:3600], y[:3600])
        first, second = (m.predict_proba(X[3600:]) for m in (decided, again))
        np.testing.assert_array_equal(first, second)

    def test_groups_are_not_parted(self, many):
        """Who it is tells y; in a fold of strangers it does not."""
        rng = np.random.default_rng(0)
        group = np.repeat(np.arange(100), 36)
        who, y = rng.normal(size=(100, 6))[group], rng.integers(2, size=100)[group]
        X = pack({"a": who + 0.1 * rng.normal(size=who.shape), "b": who[:, ::-1]})
        report = classifier(max_epochs=3).fit(X, y, groups=group).fusion_report_
        assert (report["folds"] == 1).all()
        assert report["loss"].min() > 0.6

    def test_regression(self):
        rng = np.random.default_rng(0)
        a, b = rng.normal(size=(3600, 2)), rng.normal(size=(3600, 2))
        y = a[:, 0] * b[:, 0]
        model = regressor(max_epochs=10).fit(pack({"a": a, "b": b})[:3300], y[:3300])
        assert (model.fusion_report_["folds"] == 1).all()
        assert model.score(pack({"a": a, "b": b})[3300:], y[3300:]) > 0.7


class TestHonesty:
    def test_synthetic_rows_do_not_tell_of_their_parents(self):
        X, y = noise(150)
        y[:] = 0
        y[:30] = 1
        model = make_pipeline(
            ModalitySampler(SMOTE(random_state=0)), classifier(max_epochs=30)
        ).fit(X, y)
        report = model[-1].fusion_report_
        # the original rows are tested, and a fifth of them are of the rare class
        whole = report[report["folds"] == 4]
        assert (whole["loss"] > log_loss(y, np.full(150, 0.2)) - 0.01).all()

    def test_groups_are_not_parted(self):
        rng = np.random.default_rng(0)
        group = np.repeat(np.arange(40), 6)
        y = rng.integers(2, size=40)[group]  # known by who it is, not by anything else
        who = rng.normal(size=(40, 6))[group]
        X = pack({"a": who + 0.1 * rng.normal(size=who.shape), "b": who[:, ::-1]})
        model = classifier(max_epochs=30, embed_dim=32, hidden_layer_sizes=(64,))
        apart = model.fit(X, y).fusion_report_["loss"]
        assert apart["stacking"] < 0.5
        whole = model.fit(X, y, groups=group).fusion_report_["loss"]
        assert whole["stacking"] > 0.65

    def test_rows_without_weight_take_no_part(self, views):
        X, X_test, y, _ = views
        weight = np.ones(len(X))
        weight[::2] = 0
        some = classifier().fit(X, y, weight).predict_proba(X_test)
        none = classifier().fit(X[1::2], y[1::2]).predict_proba(X_test)
        np.testing.assert_allclose(some, none, atol=1e-6)

    def test_a_seed_repeats_it(self, views, fitted):
        X, X_test, y, _ = views
        again = classifier().fit(X, y)
        first, second = (m.predict_proba(X_test) for m in (fitted, again))
        np.testing.assert_array_equal(first, second)

    def test_probabilities_sum_to_one(self, views, fitted):
        p = fitted.predict_proba(views[1])
        np.testing.assert_allclose(p.sum(axis=1), 1)


class TestAbsence:
    def test_a_row_without_anything_gets_the_shares_of_the_classes(self, views, fitted):
        X, _, y, _ = views
        share = np.bincount(y) / len(y)
        nothing = X[:3] * np.nan
        p = fitted.predict_proba(nothing)
        np.testing.assert_allclose(p, np.tile(share, (3, 1)), atol=1e-6)

    def test_one_modality_is_enough_to_predict(self, views, fitted):
        _, X, _, y = views
        bare = X.copy()
        bare.loc[:, ~bare.columns.str.startswith("upper__")] = np.nan
        assert fitted.score(bare, y) > 0.6

    def test_rows_do_not_depend_on_each_other(self, views, fitted):
        X = views[1]
        whole = fitted.predict_proba(X)
        order = np.random.default_rng(0).permutation(len(X))
        shuffled = fitted.predict_proba(X.iloc[order])
        np.testing.assert_allclose(shuffled, whole[order], atol=1e-6)
        one = fitted.predict_proba(X.iloc[4:5])
        np.testing.assert_allclose(one[0], whole[4], atol=1e-5)

    def test_nets_that_hide_modalities_are_tried(self, views, fitted):
        """Where rows lack modalities, and the head does not hide them anyway."""
        label = "gated, modality_dropout=0.5"
        assert label in fitted.fusion_report_.index
        X, _, y, _ = views
        hiding = classifier(max_epochs=1, modality_dropout=0.3).fit(X, y)
        assert label not in hiding.fusion_report_.index
        X, y = noise(100)
        whole = classifier(max_epochs=1).fit(X, y)
        assert label not in whole.fusion_report_.index

    def test_a_modality_that_no_row_has(self, views):
        X, X_test, y, _ = views
        X = X.assign(**{c: np.float32(np.nan) for c in X.filter(like="noise__")})
        with pytest.warns(UserWarning, match="lacks the modality 'noise'"):
            model = classifier(max_epochs=1).fit(X, y)
        assert np.isfinite(model.predict_proba(X_test)).all()


class TestUse:
    def test_travels(self, views, fitted):
        X = views[1]
        again = pickle.loads(pickle.dumps(fitted))
        np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
        pd.testing.assert_frame_equal(again.fusion_report_, fitted.fusion_report_)
        assert not hasattr(clone(fitted), "fusion_report_")

    def test_is_searched_like_any_fusion(self):
        X, y = noise(90)
        grid = {"fusion": ["auto", "concat"]}
        search = GridSearchCV(classifier(max_epochs=1), grid, cv=2).fit(X, y)
        assert len(search.cv_results_["params"]) == 2

    def test_a_fit_replaces_it(self, views):
        X, X_test, y, _ = views
        model = classifier(max_epochs=1).fit(X, y).set_params(fusion="concat")
        one = model.fit(X, y).predict_proba(X_test)
        plain = FusionClassifier(**{**QUICK, "max_epochs": 1}, random_state=0)
        np.testing.assert_array_equal(one, plain.fit(X, y).predict_proba(X_test))
        assert not hasattr(model, "fusion_report_")
        assert not hasattr(model.set_params(fusion="auto").fit(X, y), "module_")

    def test_arrays_with_named_columns(self, views):
        X, X_test, y, y_test = views
        parts = {"upper": slice(0, 32), "lower": slice(32, 64)}
        model = classifier(modalities=parts).fit(X.to_numpy()[:, :64], y)
        assert "upper alone, linear" in model.fusion_report_.index
        assert model.score(X_test.to_numpy()[:, :64], y_test) > 0.7

    def test_validation_rows_stop_the_nets(self, views):
        X, X_test, y, y_test = views
        model = classifier(early_stopping=True).fit(X, y, X_val=X_test, y_val=y_test)
        assert "valid_loss" in model.history_[0]

    def test_class_weight(self):
        rng = np.random.default_rng(0)
        y = (np.arange(400) % 10 == 0).astype(int)
        a = rng.normal(size=(400, 3)) + y[:, None]
        X = pack({"a": a, "b": rng.normal(size=(400, 2))})
        plain, balanced = (
            classifier(class_weight=w).fit(X, y).predict(X).mean()
            for w in (None, "balanced")
        )
        assert plain < 0.1
        assert balanced > 0.15

    def test_few_rows(self):
        X, _ = noise(5)
        model = classifier(max_epochs=2).fit(X[:2], ["p", "q"])
        assert model.predict(X).shape == (5,)
        assert "without a trial" in model.fusion_report_.attrs["summary"]

    def test_a_class_of_one_row_costs_no_folds(self):
        X, y = noise(120)
        y[0] = 2
        model = classifier(max_epochs=2).fit(X, y)
        assert model.fusion_report_["folds"].max() == 4
        assert model.predict_proba(X).shape == (120, 3)


class TestRefusals:
    def test_partial_fit(self):
        X, y = noise(40)
        with pytest.raises(ValueError, match="fusion='auto' chooses on folds"):
            classifier().partial_fit(X, y, classes=[0, 1])
        with pytest.raises(ValueError, match="fusion='auto' chooses on folds"):
            regressor().partial_fit(X, y)

    def test_warm_start(self):
        X, y = noise(40)
        with pytest.raises(ValueError, match="chooses anew in each fit"):
            classifier(warm_start=True).fit(X, y)

    def test_a_transformer_predicts_nothing_to_choose_by(self):
        X, y = noise(40)
        with pytest.raises(ValueError, match="is for FusionClassifier"):
            FusionTransformer("auto").fit(X, y)

    def test_a_failed_fit_leaves_the_old_one(self, views, fitted):
        X, X_test, _, _ = views
        model = pickle.loads(pickle.dumps(fitted))
        with pytest.raises(ValueError, match="one class"):
            model.fit(X, np.zeros(len(X), dtype=int))
        np.testing.assert_array_equal(model.predict(X_test), fitted.predict(X_test))


# --- the parts, against other ways to compute them ------------------------------------


@pytest.fixture(scope="module")
def recipe(views):
    X, _, y, _ = views
    return FusionClassifier(**QUICK, random_state=0).fit(X, y)._recipe


class TestCost:
    """What a net takes, counted."""

    def test_order_of_fusions(self, recipe):
        names = ("concat", "gated", "mmtm", "cross_attention")
        costs = [relative_cost(recipe, name, 64) for name in names]
        assert costs[0] == 1
        assert costs == sorted(costs)
        assert costs[-1] > 3

    def test_the_same_each_time_and_no_draw_from_outside(self, recipe):
        torch.manual_seed(0)
        before = torch.random.get_rng_state()
        assert relative_cost(recipe, "mmtm", 64) == relative_cost(recipe, "mmtm", 64)
        assert torch.equal(before, torch.random.get_rng_state())

    def test_budget(self):
        """Two modalities: seven trainings, one of them for the probes."""
        budget = Budget(2, share=0.75, later=2.25, fusions=[1.0])
        # 0.75 (1 + c) + 2.25 c <= 6
        assert budget.allows(1.74)
        assert not budget.allows(1.76)
        budget.alone.append(1.0)  # 0.75 (1 + 1 + 1) + 2.25 (1 + 1) > 6
        assert not budget.allows(1.0)
        # 0.75 (1 + 1 + c) + 2.25 (c + 1) <= 7
        more = replace(budget, n_modalities=3)
        assert more.allows(1.08)
        assert not more.allows(1.09)

    def test_a_modality_alone_goes_on_where_there_is_time(self):
        """Four folds of few rows: eight fits, in a budget of 6.5, 7.5 and 8.5."""
        two, three, four = (
            Budget(n, 0.75, 2.25, fusions=[1.0], alone=[1.0]) for n in (2, 3, 4)
        )
        assert [b.keeps_alone for b in (two, three, four)] == [False, False, True]
        assert replace(two, alone=[0.6]).keeps_alone
        assert not replace(two, alone=[0.65]).keeps_alone
        # one fold of three quarters, then all rows: 3.5
        assert replace(two, later=1.0).keeps_alone


@pytest.mark.parametrize("width", [6, 90])  # fewer and more columns than rows
def test_probes_of_numbers_are_ridge_regressions(width):
    rng = np.random.default_rng(0)
    y, weight = rng.normal(size=(40, 2)), rng.uniform(0.5, 2, 40)
    x = rng.normal(size=(40, width)) + 3
    found = next(iter(_ridges(x, y, weight, np.array([0.1]))))
    centred = (x - np.average(x, axis=0, weights=weight)) * np.sqrt(weight)[:, None]
    gram = centred.T @ centred if width < 40 else centred @ centred.T
    alpha = 0.1 * np.maximum(np.linalg.eigvalsh(gram), 0).mean()
    expected = Ridge(alpha=alpha).fit(x, y, sample_weight=weight).predict(x)
    expected -= np.average(y, axis=0, weights=weight)
    np.testing.assert_allclose(found(x), expected, atol=1e-5)


@pytest.mark.parametrize("width", [6, 90])
def test_probes_of_classes_are_linear_discriminants(width):
    """The log-odds of a Gaussian a class, of one covariance, beyond the shares."""
    rng = np.random.default_rng(0)
    classes = np.arange(60) % 3
    x = rng.normal(size=(60, width)) + classes[:, None] * rng.normal(size=width)
    found = _discriminants(x, np.eye(3)[classes], np.ones(60), np.array([0.5]))[0](x)
    centres = np.stack([x[classes == k].mean(axis=0) for k in range(3)])
    within = (x - centres[classes]).T @ (x - centres[classes]) / 60
    spread = np.linalg.eigvalsh(within)[::-1]
    shrunk = within + 0.5 * spread[:60].mean() * np.eye(width)
    expected = np.stack(
        [
            -0.5 * ((x - c) * np.linalg.solve(shrunk, (x - c).T).T).sum(1)
            for c in centres
        ],
        axis=1,
    )
    expected -= expected.mean(axis=1, keepdims=True)
    found = found - found.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_pool_minimises_its_loss(task):
    rng = np.random.default_rng(0)
    n, k = 300, 3
    latent = rng.normal(size=(n, k))
    scores = np.stack([latent + s * rng.normal(size=(n, k)) for s in (1, 2, 1)])
    scores[2] = rng.normal(size=(n, k))  # says nothing
    scores[0, :50] = 0  # absent
    if task == "classification":
        values = np.eye(k)[latent.argmax(axis=1)]
    elif task == "multilabel":
        values = (latent > 0).astype(float)
    else:
        values = latent
    weight = rng.uniform(0.5, 2, n)
    target = Target(task, values, weight)
    share = np.average(values, axis=0, weights=weight)

    def loss(w):
        eta = np.tensordot(w, scores, axes=1)
        if task == "classification":
            each = -(values * log_softmax(np.log(share) + eta, axis=1)).sum(axis=1)
        elif task == "multilabel":
            p = expit(np.log(share / (1 - share)) + eta)
            each = -np.log(np.where(values == 1, p, 1 - p)).mean(axis=1)
        else:
            each = ((share + eta - values) ** 2).mean(axis=1)
        return np.average(each, weights=weight)

    best = minimize(loss, np.full(3, 0.1), bounds=[(0, None)] * 3, method="SLSQP")
    found = fit_pool(scores, target)
    assert loss(found) < best.fun + 2e-3
    np.testing.assert_allclose(found, best.x, atol=0.05)
    assert found[2] < 0.1
    assert found[0] > found[1] > 0
