"""Losses of single modalities, and what all ways of balancing them share."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit, log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from skmultimodal.heads import FusionClassifier, FusionRegressor, FusionTransformer
from skmultimodal.heads._balance import (
    Balance,
    modality_losses,
)
from skmultimodal.nn._losses import BinaryCrossEntropy, CrossEntropy, SquaredError

from ._modality_losses import (
    a_batch,
    loud_and_quiet,
    outputs,
    own_losses,
    rows_of,
    streams,
)

every_balance = pytest.mark.parametrize(
    "params",
    [
        {"aux_loss_weight": 0.5},
        {"modality_balance": "ogm_ge"},
        {"modality_balance": "ogm_ge", "aux_loss_weight": 0.5},
        {"modality_balance": "gradient_blending", "validation_fraction": 0.25},
    ],
    ids=["aux", "ogm_ge", "ogm_ge and aux", "blending"],
)


@pytest.fixture
def data(make_data):
    X, signal = make_data()
    X.iloc[:20, :3] = np.nan
    X.iloc[15:30, 3:] = np.nan
    return X, (signal > 0).astype(int)


# --- aux_loss_weight ------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_the_mean_loss_of_what_is_present_is_added(weighted):
    logits, present, y = a_batch(3)
    weight = np.random.default_rng(1).random(9) if weighted else np.ones(9)
    here = np.stack(list(present.values()), axis=1)
    total = (own_losses(logits, y) * weight[:, None])[here].sum()
    expected = 0.7 + 0.4 * total / here.sum()
    found = Balance(0.4).loss(
        torch.tensor(0.7),
        outputs(logits, present),
        rows_of(y, weight if weighted else None),
        CrossEntropy(),
    )
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_each_modality_has_an_output_of_its_own(data, quick):
    X, y = data
    head = FusionClassifier(aux_loss_weight=0.3, **quick(max_epochs=2)).fit(X, y)
    x, present = head._inputs(X.to_numpy())
    with torch.no_grad():
        out = head.module_(x, present)
    assert {m: z.shape for m, z in out.per_modality.items()} == {
        "text": (160, 2),
        "audio": (160, 2),
    }
    for m, z in streams(head, X).items():
        layer = head.module_.auxiliary[m]
        expected = z @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
        np.testing.assert_allclose(out.per_modality[m], expected, rtol=1e-4, atol=1e-5)
    gone = {m: ~p.any(1).numpy() for m, p in out.present.items()}
    assert gone["text"].nonzero()[0].tolist() == list(range(20))
    assert gone["audio"].nonzero()[0].tolist() == list(range(15, 30))


def test_the_loss_of_a_training_step(data, quick):
    """One step over all rows; its loss is that of the net before it."""
    X, y = data
    params = quick(max_epochs=1, batch_size=160, aux_loss_weight=0.3)
    start = FusionClassifier(**params | {"lr": 1e-30}).fit(X, y)
    x, present = start._inputs(X.to_numpy())
    with torch.no_grad():
        out = start.module_(x, present)
    joint = -log_softmax(out.output.numpy(), axis=1)[np.arange(160), y].mean()
    own = own_losses({m: z.numpy() for m, z in out.per_modality.items()}, y)
    here = np.stack([p.any(1).numpy() for p in out.present.values()], axis=1)
    expected = joint + 0.3 * own[here].mean()
    assert start.history_[0]["train_loss"] == pytest.approx(expected, rel=1e-5)
    # while the validation loss is that of the prediction alone
    start.fit(X, y, X_val=X, y_val=y)
    assert start.history_[0]["valid_loss"] == pytest.approx(joint, rel=1e-5)


def test_without_a_weight_there_is_no_second_output(data, quick):
    head = FusionClassifier(**quick(max_epochs=1)).fit(*data)
    assert head.module_.auxiliary is None


@pytest.mark.parametrize(
    "params", [{"aux_loss_weight": 2.0}, {"modality_balance": "gradient_blending"}]
)
def test_a_neglected_modality_learns(quick, params):
    """Its own stream tells y of new rows better than without the second loss."""
    X, y = loud_and_quiet()
    new, new_y = loud_and_quiet(600, seed=1)
    gain = 0.0
    for seed in (0, 1):
        for more, sign in ((params, 1), ({}, -1)):
            common = quick(max_epochs=20, embed_dim=3, random_state=seed)
            head = FusionClassifier(block_scale="equal", **common, **more).fit(X, y)
            probe = LogisticRegression().fit(streams(head, X)["quiet"], y)
            gain += sign * probe.score(streams(head, new)["quiet"], new_y) / 2
    assert gain > 0.03


def test_the_losses_of_other_targets():
    rng = np.random.default_rng(0)
    y, z = rng.normal(size=(2, 5, 2))
    out = outputs({"m": z}, {"m": np.ones(5, dtype=bool)})
    squared, _ = modality_losses(out, rows_of(y), SquaredError())
    np.testing.assert_allclose(squared[:, 0], ((y - z) ** 2).mean(axis=1))
    labels = (y > 0).astype(float)
    binary, here = modality_losses(out, rows_of(labels), BinaryCrossEntropy())
    p = expit(z)
    expected = -(labels * np.log(p) + (1 - labels) * np.log(1 - p)).mean(axis=1)
    np.testing.assert_allclose(binary[:, 0], expected)
    assert here.all()


# --- all of them ----------------------------------------------------------------------


@every_balance
def test_learns_the_same_from_the_same_seed(data, quick, params):
    X, y = data
    one, two, other = (
        FusionClassifier(**quick(max_epochs=3, random_state=seed, **params)).fit(X, y)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    assert not np.allclose(one.predict_proba(X), other.predict_proba(X))


@every_balance
def test_scores_and_travels(make_data, quick, params):
    X, signal = make_data(300)
    y = (signal > 0).astype(int)
    head = FusionClassifier("gated", **quick(max_epochs=12, **params))
    head.fit(X[:200], y[:200])
    assert head.score(X[200:], y[200:]) > 0.85
    again = pickle.loads(pickle.dumps(head))
    np.testing.assert_array_equal(again.predict_proba(X), head.predict_proba(X))


@every_balance
def test_goes_on_from_the_previous_fit(data, quick, params):
    X, y = data
    head = FusionClassifier(warm_start=True, **quick(max_epochs=4, **params)).fit(X, y)
    first = head.history_[0]["train_loss"]
    assert head.fit(X, y).n_iter_ == 8
    assert head.history_[4]["train_loss"] < first


@every_balance
def test_rows_of_no_weight_take_no_part(data, quick, params):
    X, y = data
    weight = pd.Series((np.arange(160) >= 40).astype(float), index=X.index)
    X_val, y_val = X[:40], y[:40]
    made = FusionClassifier(**quick(max_epochs=3, **params))
    one = made.fit(X, y, weight, X_val=X_val, y_val=y_val).predict_proba(X)
    other = made.fit(X[40:], y[40:], X_val=X_val, y_val=y_val).predict_proba(X)
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@every_balance
def test_stops_early(data, quick, params):
    params = {"validation_fraction": 0.25, **params}
    head = FusionClassifier(
        early_stopping=True,
        n_iter_no_change=2,
        **quick(max_epochs=60, lr=0.05, **params),
    ).fit(*data)
    assert head.n_iter_ < 60
    losses = [epoch["valid_loss"] for epoch in head.history_]
    assert min(losses) < min(losses[-2:])


@every_balance
def test_a_modality_that_every_row_lacks(make_data, quick, params):
    X, signal = make_data()
    X.iloc[:, :3] = np.nan
    y = (signal > 0).astype(int)
    head = FusionClassifier(**quick(max_epochs=10, **params))
    with pytest.warns(UserWarning, match="Every row lacks the modality 'text'"):
        head.fit(X, y)
    assert np.isfinite(head.predict_proba(X)).all()
    assert head.score(X, y) > 0.6


@every_balance
def test_behind_a_representation(data, quick, params):
    made = FusionTransformer(cv=2, **quick(max_epochs=2, **params))
    assert np.isfinite(made.fit_transform(*data)).all(axis=None)


def test_searched(data, quick):
    choices = [None, "ogm_ge", "gradient_blending"]
    search = GridSearchCV(
        FusionClassifier(**quick(max_epochs=6)), {"modality_balance": choices}, cv=2
    ).fit(*data)
    assert search.best_params_["modality_balance"] in choices
    assert (search.cv_results_["mean_test_score"] > 0.6).all()


@pytest.mark.parametrize("target", ["numbers", "two numbers", "labels"])
def test_other_targets(make_data, quick, target):
    X, signal = make_data()
    both = np.stack([signal, -signal], axis=1)
    y = {"numbers": signal, "two numbers": both, "labels": (both > 0).astype(int)}
    kind = FusionClassifier if target == "labels" else FusionRegressor
    for name in ("ogm_ge", "gradient_blending"):
        head = kind(modality_balance=name, **quick(max_epochs=12))
        assert head.fit(X, y[target]).score(X, y[target]) > 0.6
