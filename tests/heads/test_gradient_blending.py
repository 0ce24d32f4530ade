"""Losses weighed by what they gain on held-out rows and overfit."""

import copy

import numpy as np
import pytest
import torch

from skmultimodal import pack
from skmultimodal.heads import FusionClassifier
from skmultimodal.heads import _balance as balance
from skmultimodal.heads._balance import (
    blending_weights,
)

from ._modality_losses import (
    own_losses,
)


@pytest.fixture
def data(make_data):
    X, signal = make_data()
    X.iloc[:20, :3] = np.nan
    X.iloc[15:30, 3:] = np.nan
    return X, (signal > 0).astype(int)


def test_blending_weights():
    """w ∝ G / O²: G the gain on held-out rows, O the growth of the gap."""
    train_before = torch.tensor([1.0, 1.0, 1.0])
    valid_before = torch.tensor([1.1, 1.0, 1.0])
    train_now = torch.tensor([0.2, 0.5, 0.7])
    valid_now = torch.tensor([0.7, 0.8, 0.9])
    gain = np.array([0.4, 0.2, 0.1])
    gap = np.array([0.4, 0.3, 0.2])  # 0.5 - 0.1, 0.3 - 0, 0.2 - 0
    expected = gain / gap**2
    found = blending_weights(train_before, valid_before, train_now, valid_now)
    np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-5)


def test_an_output_that_gains_nothing_keeps_a_thousandth():
    before = torch.ones(3)
    now = torch.tensor([0.5, 1.2, 0.6])
    found = blending_weights(before, before, now - 0.2, now)
    assert found.sum() == pytest.approx(1)
    assert float(found[1]) == pytest.approx(0.001, rel=0.01)


def test_an_output_that_does_not_overfit_does_not_take_all():
    before = torch.ones(2)
    found = blending_weights(
        before, before, torch.tensor([0.5, 0.3]), torch.tensor([0.5, 0.5])
    )
    assert 0.5 < found[0] < 0.99


def test_where_nothing_gains_all_weigh_alike():
    before, worse = torch.ones(4), torch.full((4,), 1.5)
    np.testing.assert_allclose(blending_weights(before, before, before, worse), 0.25)


def test_blending_holds_rows_out(data, quick):
    X, y = data
    params = quick(modality_balance="gradient_blending", max_epochs=6)
    head = FusionClassifier(validation_fraction=0.25, **params).fit(X, y)
    assert all("valid_loss" in epoch for epoch in head.history_)
    assert head.n_iter_ == 6  # without stopping early


def test_blending_weighs_on_the_rows_that_are_given(data, quick, monkeypatch):
    X, y = data
    sizes = []
    measure = balance._all_losses

    def record(trainer, rows):
        sizes.append(len(rows))
        return measure(trainer, rows)

    monkeypatch.setattr(balance, "_all_losses", record)
    params = quick(modality_balance="gradient_blending", max_epochs=10)
    head = FusionClassifier(**params).fit(
        X[:120], y[:120], X_val=X[120:], y_val=y[120:]
    )
    # at the start, and after each of five spans of two epochs
    assert sizes == [120, 40] * 6
    proba = head.predict_proba(X[120:])[np.arange(40), y[120:]]
    expected = -np.log(proba).mean()
    assert head.history_[-1]["valid_loss"] == pytest.approx(expected, rel=1e-4)


def test_the_losses_that_are_measured(data, quick, monkeypatch):
    """The joint loss, and each modality's over the rows that have it."""
    X, y = data
    measured = []
    measure = balance._all_losses

    def record(trainer, rows):
        net = copy.deepcopy(trainer.module_).eval()
        with torch.no_grad():
            out = net(rows.x, rows.present)
        measured.append((measure(trainer, rows).numpy(), out, rows.y.numpy()))
        return torch.from_numpy(measured[-1][0])

    monkeypatch.setattr(balance, "_all_losses", record)
    params = quick(modality_balance="gradient_blending", max_epochs=2)
    FusionClassifier(**params).fit(X, y, X_val=X[:50], y_val=y[:50])
    for found, out, target in measured:
        own = own_losses({m: z.numpy() for m, z in out.per_modality.items()}, target)
        here = np.stack([p.any(1).numpy() for p in out.present.values()], axis=1)
        joint = own_losses({"joint": out.output.numpy()}, target).mean()
        expected = [joint, *(own[here[:, m], m].mean() for m in range(2))]
        np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_blending_favours_what_generalises(quick, monkeypatch):
    """A modality of pure noise gains nothing on held-out rows."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=200)
    good = rng.normal(size=(200, 3)) + 2 * y[:, None]
    X = pack({"good": good, "noise": rng.normal(size=(200, 100))})
    found = []
    weigh = balance.blending_weights

    def record(*losses):
        found.append(weigh(*losses))
        return found[-1]

    monkeypatch.setattr(balance, "blending_weights", record)
    params = quick(modality_balance="gradient_blending", block_scale="equal")
    FusionClassifier(**params).fit(X[:120], y[:120], X_val=X[120:], y_val=y[120:])
    assert len(found) == 5
    for _, good, noise in found:
        assert good > 3 * noise


def test_blending_sets_the_weights_itself(data, quick):
    params = quick(modality_balance="gradient_blending", aux_loss_weight=0.1)
    with pytest.raises(ValueError, match=r"aux_loss_weight=0\.1 has no place beside"):
        FusionClassifier(**params).fit(*data)


def test_blending_needs_rows_held_out(data, quick):
    X, y = data
    head = FusionClassifier(modality_balance="gradient_blending", **quick())
    with pytest.raises(ValueError, match=r"partial_fit holds none out\. Use fit, or"):
        head.partial_fit(X, y, classes=[0, 1])
