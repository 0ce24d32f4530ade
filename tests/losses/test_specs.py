"""Losses by name, as objects, searched, and of a user's own."""

import gc
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skmultimodal import multimodal_pipeline, pack
from skmultimodal.heads import FusionClassifier, FusionRegressor
from skmultimodal.losses import (
    ClassBalancedLoss,
    CrossEntropyLoss,
    FocalLoss,
    HuberLoss,
    LDAMLoss,
    LogitAdjustedLoss,
    Loss,
    SquaredErrorLoss,
)
from skmultimodal.losses._base import known_losses, make_loss
from skmultimodal.nn._losses import CrossEntropy

QUICK = {"embed_dim": 8, "hidden_layer_sizes": (), "max_epochs": 2, "batch_size": 32}
QUICK |= {"random_state": 0, "device": "cpu"}


def data(n=90, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    left, right = rng.normal(size=(2, n, 2)) + y[:, None]
    return pack({"left": left, "right": right}), y


def ours(task):
    """Without what another test or page has defined."""
    known = known_losses(task).items()
    return {n: cls for n, cls in known if cls.__module__.startswith("skmultimodal.")}


def test_names():
    assert ours("classification") == {
        "class_balanced": ClassBalancedLoss,
        "cross_entropy": CrossEntropyLoss,
        "focal": FocalLoss,
        "ldam": LDAMLoss,
        "logit_adjusted": LogitAdjustedLoss,
    }
    assert "ldam" not in ours("multilabel")
    assert ours("regression") == {
        "huber": HuberLoss,
        "squared_error": SquaredErrorLoss,
    }
    assert make_loss("focal") == FocalLoss()


def test_are_compared_hashed_printed_and_copied():
    one = FocalLoss(gamma=1.0)
    assert one == FocalLoss(1.0) != FocalLoss(2.0)
    assert len({one, FocalLoss(1.0), FocalLoss(2.0), LDAMLoss()}) == 3
    assert repr(clone(one)) == "FocalLoss(gamma=1.0)"
    assert pickle.loads(pickle.dumps(one)) == one
    assert make_loss(one) is not one


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        ("focus", r"loss='focus' is not known.*'focal'.*FocalLoss\(\)"),
        (
            FocalLoss,
            r"is a class; give an instance, FocalLoss\(\), or its name 'focal'",
        ),
        (FocalLoss(gamma=-1), "'gamma' parameter of FocalLoss"),
        (ClassBalancedLoss(beta=1), "'beta' parameter of ClassBalancedLoss"),
        ("huber", r"'huber' is for regression, and y holds classes.*'focal'"),
        (7, "loss"),
    ],
)
def test_what_is_no_loss_is_refused(loss, said):
    X, y = data()
    with pytest.raises(ValueError, match=said):
        FusionClassifier(loss=loss, **QUICK).fit(X, y)


def test_what_is_not_for_such_targets_is_refused():
    X, y = data()
    with pytest.raises(ValueError, match=r"is for classification or multilabel.*huber"):
        FusionRegressor(loss="focal", **QUICK).fit(X, y)
    with pytest.raises(ValueError, match=r"'ldam' is for classification, and y is m"):
        FusionClassifier(loss="ldam", **QUICK).fit(X, np.eye(3, dtype=int)[y])


def test_parameters_are_searched():
    X, y = data()
    search = GridSearchCV(
        FusionClassifier(loss=FocalLoss(), **QUICK),
        [
            {"loss__gamma": [0.0, 1.0]},
            {"loss": ["cross_entropy", "ldam"]},
            {"loss": [ClassBalancedLoss()], "loss__beta": [0.5, 0.9]},
        ],
        cv=2,
        error_score="raise",
        scoring="neg_log_loss",
    ).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 6
    assert scores[0] == pytest.approx(scores[2], rel=1e-3)  # γ = 0 is cross entropy
    assert len(set(scores.round(6))) >= 4


def test_a_pipeline_turns_a_name_into_what_can_be_searched():
    model = multimodal_pipeline("classifier", fusion="concat", loss="focal")
    assert model.get_params()["head__loss__gamma"] == 2.0
    model = multimodal_pipeline("regressor", loss=HuberLoss(0.5))
    assert model.get_params()["head__loss__delta"] == 0.5


@pytest.fixture
def own_loss():
    """A loss of a user's own."""

    class Tempered(CrossEntropy):
        def per_sample(self, output, y):
            return super().per_sample(output / 2, y)

        def mean(self, output, y):
            return self.per_sample(output, y).mean()

    class TemperedLoss(Loss):
        tasks = ("classification",)

        def build(self, task, counts=None, smoothing=0.0, n_epochs=None):
            assert task == "classification"
            assert counts.tolist() == [30, 30, 30]
            return Tempered(smoothing)

    yield TemperedLoss
    gc.collect()


def test_a_loss_of_ones_own_is_found_by_its_name(own_loss):
    X, _ = data()
    y = np.arange(90) % 3
    head = FusionClassifier(loss="tempered", **QUICK).fit(X, y)
    again = FusionClassifier(loss=own_loss(), **QUICK).fit(X, y)
    plain = FusionClassifier(**QUICK).fit(X, y)
    np.testing.assert_array_equal(head.predict_proba(X), again.predict_proba(X))
    assert not np.array_equal(head.predict_proba(X), plain.predict_proba(X))
    assert torch.isfinite(torch.tensor(head.history_[-1]["train_loss"]))
