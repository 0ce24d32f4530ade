"""Averaged weights against those that a callback has seen."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import log_loss
from skorch.callbacks import Callback

from skmultimodal import pack
from skmultimodal.heads import FusionClassifier, FusionRegressor, FusionTransformer

SMALL = {"embed_dim": 8, "hidden_layer_sizes": (16,), "dropout": 0.0, "max_epochs": 8}
SMALL |= {"batch_size": 20, "random_state": 0, "device": "cpu"}


def noisy(n, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    left, right = rng.normal(size=(2, n, 10))
    left[:, 0] += y
    right[:, 0] -= y
    return pack({"left": left, "right": right}), np.where(rng.random(n) < 0.1, 1 - y, y)


class Watch(Callback):
    """Keeps the weights after every step and after every epoch."""

    def __init__(self):
        self.steps, self.epochs = [], []

    def weights(self, net):
        flat = [p.detach().double().flatten() for p in net.module_.parameters()]
        return torch.cat(flat).numpy()

    def on_batch_end(self, net, training, **kwargs):
        if training:
            self.steps.append(self.weights(net))

    def on_epoch_end(self, net, **kwargs):
        self.epochs.append(self.weights(net))


def flat(head):
    return torch.cat([p.detach().flatten() for p in head.module_.parameters()]).numpy()


def watched(average, **params):
    X, y = noisy(100)
    head = FusionClassifier(average=average, callbacks=[Watch()], **SMALL | params)
    return head.fit(X, y), head.callbacks_[0]


def test_ema_is_over_the_steps():
    head, seen = watched("ema")
    assert len(seen.steps) == 40
    mean = seen.steps[0]
    for t, weights in enumerate(seen.steps[1:], start=1):
        decay = min(1 - 1 / 4, (1 + t) / (10 + t))  # a tenth of forty steps is four
        mean = decay * mean + (1 - decay) * weights
    np.testing.assert_allclose(flat(head), mean, atol=1e-5)
    assert np.abs(flat(head) - seen.steps[-1]).max() > 1e-4


def test_swa_is_over_the_last_quarter_of_the_epochs():
    head, seen = watched("swa")
    np.testing.assert_allclose(flat(head), np.mean(seen.epochs[6:], 0), atol=1e-5)
    rates = [epoch["lr"] for epoch in head.history_]
    assert rates[6] == rates[7] > 0.1 * head.lr  # there it no longer falls
    plain, _ = watched(None)
    assert plain.history_[7]["lr"] < 0.01 * head.lr


def test_training_itself_does_not_change():
    _, plain = watched(None)
    _, seen = watched("ema")
    np.testing.assert_allclose(seen.steps[-1], plain.steps[-1])


@pytest.mark.parametrize("average", ["ema", "swa"])
class TestBoth:
    def test_noise_of_a_high_rate_is_averaged_out(self, average):
        for seed in range(3):
            X, y = noisy(300, seed)
            new, truth = noisy(2000, 100 + seed)
            losses = {}
            for name in (None, average):
                head = FusionClassifier(average=name, lr=0.02, lr_schedule="constant")
                head.set_params(**SMALL | {"max_epochs": 15, "random_state": seed})
                losses[name] = log_loss(truth, head.fit(X, y).predict_proba(new))
            assert losses[average] < 0.95 * losses[None]

    def test_validation_is_of_the_averaged_weights(self, average):
        X, y = noisy(100)
        new, truth = noisy(200, 1)
        head = FusionClassifier(average=average, **SMALL)
        head.fit(X, y, X_val=new, y_val=truth)
        found = log_loss(truth, head.predict_proba(new))
        assert head.history_[-1]["valid_loss"] == pytest.approx(found, rel=1e-4)

    def test_the_best_of_the_averaged_weights_are_kept(self, average):
        X, y = noisy(120)
        new, truth = noisy(300, 1)
        head = FusionClassifier(average=average, early_stopping=True, **SMALL)
        head.set_params(max_epochs=30, n_iter_no_change=30, lr=0.02)
        head.fit(X, y, X_val=new, y_val=truth)
        best = min(epoch["valid_loss"] for epoch in head.history_)
        found = log_loss(truth, head.predict_proba(new))
        assert found == pytest.approx(best, rel=1e-4)
        assert best < head.history_[-1]["valid_loss"]

    def test_parts_of_y_are_refused(self, average):
        X, y = noisy(40)
        with pytest.raises(ValueError, match=rf"average='{average}'.*partial_fit"):
            FusionClassifier(average=average, **SMALL).partial_fit(X, y, classes=[0, 1])

    @pytest.mark.parametrize(
        "head",
        [
            FusionClassifier(warm_start=True, modality_balance="ogm_ge"),
            FusionRegressor(warm_start=True, modality_balance="gradient_blending"),
            FusionTransformer(objective="reconstruction", warm_start=True),
        ],
        ids=lambda head: type(head).__name__,
    )
    def test_every_head_goes_on(self, average, head):
        X, y = noisy(80)
        head = clone(head).set_params(average=average, **SMALL | {"max_epochs": 2})
        head.fit(X, y).fit(X, y)
        assert head.n_iter_ == 4
        assert np.isfinite(flat(head)).all()
        assert np.isfinite([epoch["train_loss"] for epoch in head.history_]).all()

    def test_a_training_that_ends_early_has_weights(self, average):
        X, y = noisy(80)
        head = FusionClassifier(average=average, max_time=1e-6, **SMALL).fit(X, y)
        assert head.n_iter_ == 1
        assert np.isfinite(head.predict_proba(X)).all()
