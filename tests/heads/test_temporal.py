"""Heads with temporal encoders: order, padding, searching, travelling."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from skmultimodal import multimodal_pipeline, pack
from skmultimodal.heads import FusionClassifier, FusionRegressor
from skmultimodal.heads._inputs import BlockInputs
from skmultimodal.nn import TEMPORAL

every_kind = pytest.mark.parametrize("temporal", TEMPORAL)


def which_came_first(n=500, seed=0):
    """Two events in sequences of 4 to 8 steps; y says which one was first."""
    rng = np.random.default_rng(seed)
    steps = 0.3 * rng.normal(size=(n, 8, 3))
    y = rng.integers(2, size=n)
    for k, length in enumerate(rng.integers(4, 9, size=n)):
        first, second = np.sort(rng.choice(length, 2, replace=False))
        steps[k, first, 1 - y[k]] += 3
        steps[k, second, y[k]] += 3
        steps[k, length:] = np.nan
    return pack({"events": steps}), y


@pytest.fixture
def data(make_data):
    X, signal = make_data()
    X.iloc[5:25, 7:] = np.nan  # the last step
    X.iloc[15:20, 3:] = np.nan
    X.iloc[30:40, 5:7] = np.nan  # a step between others
    return X, (signal > 0).astype(int)


@pytest.mark.parametrize("temporal", ["lstm", "gru", "transformer"])
def test_learns_order(quick, temporal):
    X, y = which_came_first()
    head = FusionClassifier(temporal=temporal, **quick(embed_dim=16, max_epochs=12))
    assert head.fit(X[:350], y[:350]).score(X[350:], y[350:]) > 0.9


def test_a_mean_of_steps_knows_no_order(quick):
    X, y = which_came_first()
    head = FusionClassifier(**quick(embed_dim=16, max_epochs=12))
    assert head.fit(X[:350], y[:350]).score(X[350:], y[350:]) < 0.65


def test_attention_finds_the_step_that_tells(quick):
    """One of twelve steps is marked and holds the answer; all others are noise."""
    rng = np.random.default_rng(0)
    steps, y = rng.normal(size=(500, 12, 3)), rng.integers(2, size=500)
    rows, where = np.arange(500), rng.integers(12, size=500)
    steps[:, :, 0] = 0
    steps[rows, where, 0] = 4
    steps[rows, where, 1] = 2 * y - 1
    X = pack({"events": steps})
    found = {}
    for temporal in ("mean", "attention"):
        head = FusionClassifier(temporal=temporal, **quick(embed_dim=16, max_epochs=20))
        found[temporal] = head.fit(X[:350], y[:350]).score(X[350:], y[350:])
    assert found["attention"] > 0.9 > 0.8 > found["mean"]


@every_kind
@pytest.mark.parametrize("fusion", ["concat", "cross_attention"])
def test_a_row_alone_is_the_row_in_a_batch(data, quick, fusion, temporal):
    X, y = data
    head = FusionClassifier(fusion, temporal=temporal, **quick(max_epochs=2)).fit(X, y)
    together = head.predict_proba(X)
    for row in (0, 6, 16, 33):
        alone = head.predict_proba(X.iloc[[row]])[0]
        np.testing.assert_allclose(alone, together[row], rtol=1e-5, atol=1e-6)


@every_kind
def test_padding_teaches_nothing(data, quick, monkeypatch, temporal):
    """Whatever stands behind NaN: a net fed with noise there learns the same."""
    X, y = data
    head = FusionClassifier(temporal=temporal, **quick(max_epochs=2)).fit(X, y)
    expected = head.predict_proba(X)
    fill = BlockInputs.__call__

    def with_noise(self, x, first_row=0):
        columns, present = fill(self, x, first_row)
        gone = torch.from_numpy(np.isnan(x))
        return torch.where(gone, 1e4 * torch.randn(x.shape), columns), present

    monkeypatch.setattr(BlockInputs, "__call__", with_noise)
    again = FusionClassifier(temporal=temporal, **quick(max_epochs=2))
    again.fit(X, y)
    np.testing.assert_allclose(again.predict_proba(X), expected, atol=1e-6)


@every_kind
def test_same_seed_same_net(data, quick, temporal):
    params = quick(max_epochs=2, dropout=0.2)
    one, two = (
        FusionRegressor(temporal=temporal, **params).fit(*data) for _ in range(2)
    )
    np.testing.assert_array_equal(one.predict(data[0]), two.predict(data[0]))


@every_kind
def test_travels_and_goes_on(data, quick, temporal):
    X, y = data
    head = FusionClassifier(
        temporal=temporal, warm_start=True, **quick(max_epochs=2, dropout=0.2)
    ).fit(X, y)
    again = pickle.loads(pickle.dumps(head))
    before = head.predict_proba(X)
    np.testing.assert_array_equal(again.predict_proba(X), before)
    head.fit(X, y)
    again.fit(X, y)
    assert head.n_iter_ == again.n_iter_ == 4
    assert not np.allclose(head.predict_proba(X), before)
    np.testing.assert_allclose(again.predict_proba(X), head.predict_proba(X), atol=1e-6)


def test_is_searched(quick):
    X, y = which_came_first(300)
    head = FusionClassifier(**quick(embed_dim=16, max_epochs=12))
    search = GridSearchCV(
        Pipeline([("head", head)]), {"head__temporal": ["mean", "gru"]}, cv=2
    ).fit(X, y)
    assert search.best_params_ == {"head__temporal": "gru"}
    assert search.best_score_ > 0.9
    assert multimodal_pipeline("classifier", temporal="lstm")[-1].temporal == "lstm"


@every_kind
def test_without_a_sequence_there_is_nothing_to_do(make_data, quick, temporal):
    X, signal = make_data()
    X = X.filter(like="text")
    plain = FusionRegressor(**quick(max_epochs=2)).fit(X, signal)
    asked = FusionRegressor(temporal=temporal, **quick(max_epochs=2)).fit(X, signal)
    np.testing.assert_array_equal(asked.predict(X), plain.predict(X))


def test_unknown(data, quick):
    with pytest.raises(ValueError, match=r"The 'temporal' parameter of FusionClass"):
        FusionClassifier(temporal="rnn", **quick()).fit(*data)
