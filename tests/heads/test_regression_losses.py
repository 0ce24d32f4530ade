"""Outliers in y, and values of y that are rare."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import GridSearchCV
from sklearn.utils import get_tags

from skmultimodal import pack
from skmultimodal.heads import FusionRegressor
from skmultimodal.heads._target_density import density_weights, robust_spread
from skmultimodal.losses import HuberLoss

SMALL = {"embed_dim": 8, "hidden_layer_sizes": (16,), "max_epochs": 15}
SMALL |= {"batch_size": 32, "device": "cpu"}


def line(n, seed):
    rng = np.random.default_rng(seed)
    left, right = rng.normal(size=(2, n, 2))
    y = 3 * left[:, 0] + 2 * right[:, 0] + 0.3 * rng.normal(size=n)
    return pack({"left": left, "right": right}), y


def skewed(n, seed):
    """Large values are rare, and are where it matters."""
    rng = np.random.default_rng(seed)
    y = rng.exponential(size=n)
    left, right = y[:, None] + 1.5 * rng.normal(size=(2, n, 2))
    return pack({"left": left, "right": right}), y


def test_outliers_pull_less_with_huber():
    for seed in range(3):
        X, y = line(300, seed)
        far = np.random.default_rng(9).random(300) < 0.05
        dirty = np.where(far, y + 200, y)
        new, truth = line(500, 50 + seed)
        errors = {}
        for loss in ("squared_error", "huber"):
            head = FusionRegressor(loss=loss, random_state=seed, **SMALL).fit(X, dirty)
            errors[loss] = np.abs(head.predict(new) - truth).mean()
        assert errors["huber"] < 0.3 * errors["squared_error"]


def test_huber_is_as_good_where_there_are_no_outliers():
    X, y = line(300, 0)
    new, truth = line(500, 50)
    head = FusionRegressor(loss="huber", random_state=0, **SMALL).fit(X, y)
    assert head.score(new, truth) > 0.9


def test_outliers_do_not_set_the_scale():
    X, y = line(400, 0)
    y[:8] = 1e6
    head = FusionRegressor(loss="huber", random_state=0, **SMALL).fit(X, y)
    assert head._target_mean == np.median(y)
    assert head._target_scale == pytest.approx(np.std(y[8:]), rel=0.15)


def test_robust_spread_of_a_normal_distribution_is_its_deviation():
    y = 7 + 3 * norm.ppf((np.arange(10_001) + 0.5) / 10_001)
    assert robust_spread(y[:, None]) == pytest.approx(3, rel=1e-3)
    mostly_zero = np.r_[np.zeros(90), np.ones(10)]
    assert robust_spread(mostly_zero[:, None]) == pytest.approx(mostly_zero.std())


@pytest.mark.parametrize("how", ["inverse", "sqrt_inverse"])
def test_weights_are_of_the_density_that_kernels_add_up_to(how):
    rng = np.random.default_rng(0)
    y = np.r_[rng.normal(size=400), rng.normal(6, 1, size=40)]
    w = rng.random(440)
    n, quartiles = len(y), np.quantile(y, (0.25, 0.75))
    width = 0.9 * min(y.std(), np.diff(quartiles)[0] / 1.349) * n**-0.2
    kernel = np.exp(-0.5 * ((y[:, None] - y) / width) ** 2)  # (n, n)
    rarity = 1 / (kernel @ w)
    expected = rarity if how == "inverse" else np.sqrt(rarity)
    found = density_weights(y, w, how)
    below = found < 0.99 * found.max()  # others are cut off
    ratio = found[below] / expected[below]
    assert below.mean() > 0.9
    assert np.quantile(ratio / np.median(ratio), (0.02, 0.98)) == pytest.approx(
        1, rel=0.15
    )
    assert found.max() <= 10.01 * np.average(expected, weights=w) * np.median(ratio)


def test_no_row_weighs_more_than_ten_times_the_mean_before_the_cut():
    y = np.r_[np.random.default_rng(0).normal(size=1000), 1e9]
    weights = density_weights(y, None, "inverse")
    assert weights[1000] == pytest.approx(weights.max(), rel=0.01)
    assert weights[1000] < 10 * weights.mean() * 1.5


@pytest.mark.parametrize("y", [np.ones(50), np.r_[np.zeros(40), np.arange(10.0)]])
def test_weights_of_ties_are_finite(y):
    weights = density_weights(y, None, "inverse")
    assert np.isfinite(weights).all()
    assert (weights > 0).all()


@pytest.mark.parametrize("how", ["inverse", "sqrt_inverse"])
def test_rare_values_are_predicted_better(how):
    for seed in range(3):
        X, y = skewed(400, seed)
        new, truth = skewed(4000, 100 + seed)
        few = truth > 2.5
        errors = {}
        for weight in (None, how):
            head = FusionRegressor(target_weight=weight, random_state=seed, **SMALL)
            error = np.abs(head.fit(X, y).predict(new) - truth)
            errors[weight] = error[few].mean()
        assert errors[how] < 0.95 * errors[None]


def test_weights_of_rows_multiply_those_of_the_target():
    X, y = skewed(200, 0)
    head = FusionRegressor(target_weight="inverse", random_state=0, **SMALL)
    w = np.random.default_rng(0).random(200)
    w[:20] = 0
    found = head.fit(X, y, sample_weight=w).predict(X)
    by_hand = clone(head).set_params(target_weight=None)
    by_hand.fit(X, y, sample_weight=w * density_weights(y, w, "inverse"))
    np.testing.assert_allclose(found, by_hand.predict(X), rtol=1e-5)
    # a row without weight is not there: its y counts for no other
    y[:20] = 1000
    again = head.fit(X, y, sample_weight=w).predict(X)
    np.testing.assert_allclose(again, found, rtol=1e-5)


def test_several_targets_have_no_density():
    X, y = skewed(60, 0)
    head = FusionRegressor(target_weight="inverse", **SMALL)
    with pytest.raises(ValueError, match="y has 2 targets"):
        head.fit(X, np.c_[y, y])
    with pytest.raises(ValueError, match="density of all of y"):
        head.partial_fit(X, y)
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        assert head.fit(X, y[:, None]).predict(X).shape == (60,)
    assert not get_tags(head).target_tags.multi_output
    assert get_tags(head.set_params(target_weight=None)).target_tags.multi_output


def test_folds_take_both():
    X, y = skewed(120, 0)
    head = FusionRegressor(
        "auto", loss="huber", target_weight="sqrt_inverse", random_state=0, **SMALL
    )
    assert head.fit(X, y).score(X, y) > 0.2


def test_are_searched():
    X, y = line(90, 0)
    search = GridSearchCV(
        FusionRegressor(loss=HuberLoss(), random_state=0, **SMALL | {"max_epochs": 2}),
        {"loss__delta": [0.1, 10.0], "target_weight": [None, "inverse"]},
        cv=2,
        error_score="raise",
    ).fit(X, y)
    assert len(set(search.cv_results_["mean_test_score"])) == 4
