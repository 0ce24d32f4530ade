"""Numbers in any unit, one or many."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score

from skmultimodal.heads import FusionRegressor


@pytest.mark.parametrize(("scale", "shift"), [(1, 0), (2e6, 5e6), (1e-7, -3e-7)])
def test_one_output_in_any_unit(make_data, quick, scale, shift):
    X, signal = make_data(300)
    y = shift + scale * signal
    head = FusionRegressor(**quick(max_epochs=20)).fit(X[:200], y[:200])
    found = head.predict(X[200:])
    assert found.shape == (100,)
    assert found.dtype == np.float64
    assert r2_score(y[200:], found) > 0.8
    # the loss is that of standardised targets, whatever the unit
    assert head.history_[0]["train_loss"] < 3


def test_the_unit_changes_nothing_but_the_unit(make_data, quick):
    X, signal = make_data()
    one = FusionRegressor(**quick()).fit(X, signal).predict(X)
    two = FusionRegressor(**quick()).fit(X, 1e6 * signal + 4e6).predict(X)
    np.testing.assert_allclose((two - 4e6) / 1e6, one, atol=1e-3)


def test_many_outputs_of_many_sizes(make_data, quick):
    X, signal = make_data(300)
    y = np.column_stack([1e6 * signal, 0.01 * X["text__1"], np.full(300, 7.0)])
    head = FusionRegressor(**quick(max_epochs=30)).fit(X[:200], y[:200])
    found = head.predict(X[200:])
    assert found.shape == (100, 3)
    scores = r2_score(y[200:, :2], found[:, :2], multioutput="raw_values")
    assert scores.min() > 0.7
    np.testing.assert_allclose(found[:, 2], 7.0, atol=1.0)  # a constant


@pytest.mark.parametrize("convert", [list, pd.Series, lambda y: y.astype(np.float32)])
def test_containers(make_data, quick, convert):
    X, signal = make_data()
    expected = FusionRegressor(**quick()).fit(X, signal).predict(X)
    found = FusionRegressor(**quick()).fit(X, convert(signal)).predict(X)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_one_column_stays_a_column(make_data, quick):
    X, signal = make_data()
    head = FusionRegressor(**quick(max_epochs=1))
    assert head.fit(X, signal[:, None]).predict(X).shape == (160, 1)
    assert head.fit(X, signal).predict(X).shape == (160,)


def test_validation_targets_of_another_shape(make_data, quick):
    X, signal = make_data()
    head = FusionRegressor(**quick(max_epochs=1))
    head.fit(X, signal, X_val=X, y_val=signal[:, None])
    assert head.predict(X).shape == (160,)


def test_the_target_is_scaled_by_the_training_rows(make_data, quick):
    X, signal = make_data()
    y = 10 + signal
    y[:40] = 1e6  # validated on, not learned
    split = [(np.arange(40, 160), np.arange(40))]
    head = FusionRegressor(early_stopping=True, validation_split=split, **quick())
    head.fit(X, y)
    assert np.abs(head.predict(X) - 10).max() < 20


def test_rows_of_no_weight_do_not_scale_the_target(make_data, quick):
    X, signal = make_data()
    y, weight = signal.copy(), np.ones(160)
    y[100:], weight[100:] = 1e9, 0
    expected = FusionRegressor(**quick()).fit(X[:100], y[:100]).predict(X)
    found = FusionRegressor(**quick()).fit(X, y, sample_weight=weight).predict(X)
    np.testing.assert_array_equal(found, expected)


def test_weights_pull(make_data, quick):
    X, signal = make_data(100)
    twice = pd.concat([X, X], ignore_index=True)
    y = np.concatenate([signal + 5, signal - 5])
    heavy = np.repeat([9.0, 1.0], 100)
    up = FusionRegressor(**quick()).fit(twice, y, sample_weight=heavy).predict(X)
    down = (
        FusionRegressor(**quick()).fit(twice, y, sample_weight=heavy[::-1]).predict(X)
    )
    # the weighted mean of +5 and -5 is ±4
    assert up.mean() == pytest.approx(4 + signal.mean(), abs=1)
    assert down.mean() == pytest.approx(-4 + signal.mean(), abs=1)


def test_partial_fit_learns_and_keeps_the_scale(make_data, quick):
    X, signal = make_data(300)
    y = 1e5 * signal
    head = FusionRegressor(**quick())
    for _ in range(12):
        for start in (0, 100):
            head.partial_fit(X[start : start + 100], y[start : start + 100])
    assert r2_score(y[200:], head.predict(X[200:])) > 0.7
    with pytest.raises(ValueError, match=r"y has 2 outputs, but .* fitted on 1"):
        head.partial_fit(X, np.column_stack([y, y]))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1.0, np.nan] * 10, "NaN in 10 rows, first in row 1. Drop"),
        ([1.0, None] * 10, "NaN in 10 rows, first in row 1. Drop"),
        ([1.0, np.inf] * 10, "infinity"),
        ([0.0, 1e200] * 10, "1e.200: its variance is beyond .* Divide y"),
        (["a", "b"] * 10, "not numbers: .*'a'.*FusionClassifier takes classes"),
        (pd.date_range("2024", periods=20), "datetime64.* takes numbers"),
        (None, "the target y is None"),
        ([1.0] * 19, "inconsistent numbers of samples"),
    ],
)
def test_wrong_targets(make_data, y, message):
    with pytest.raises(ValueError, match=message):
        FusionRegressor(max_epochs=1).fit(make_data(20)[0], y)


def test_a_constant_target(make_data, quick):
    X, _ = make_data()
    head = FusionRegressor(**quick(max_epochs=20)).fit(X, np.full(160, 3e6))
    np.testing.assert_allclose(head.predict(X), 3e6, rtol=1e-5)
