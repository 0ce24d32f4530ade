"""What losses do to a head: what they promise, with everything else a head can do."""

import functools
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score, recall_score
from sklearn.utils import get_tags

from skmultimodal import pack
from skmultimodal.heads import FusionClassifier, FusionTransformer
from skmultimodal.losses import ClassBalancedLoss, LDAMLoss, LogitAdjustedLoss

SMALL = {"embed_dim": 8, "hidden_layer_sizes": (16,), "max_epochs": 20}
SMALL |= {"batch_size": 32, "device": "cpu"}
LOSSES = ["focal", "logit_adjusted", "ldam", "class_balanced"]


def rare(n, seed, share=0.06):
    """Two overlapping classes, one of them rare."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < share).astype(int)
    left, right = rng.normal(size=(2, n, 3)) + 1.2 * y[:, None] * np.array([1, 0, 0])
    return pack({"left": left, "right": right}), np.array(["common", "rare"])[y]


def rare_labels(n, seed):
    rng = np.random.default_rng(seed)
    y = (rng.random((n, 2)) < [0.06, 0.4]).astype(int)
    left = rng.normal(size=(n, 3)) + 1.5 * y[:, :1]
    right = rng.normal(size=(n, 3)) + 1.5 * y[:, 1:]
    return pack({"left": left, "right": right}), y


@functools.cache
def trained(draw, seed, **params):
    return FusionClassifier(random_state=seed, **SMALL, **params).fit(*draw(400, seed))


def over_seeds(draw, measure, **params):
    """A measure of three heads on new rows: (3,)"""
    found = [
        measure(trained(draw, seed, **params), *draw(2000, 100 + seed))
        for seed in range(3)
    ]
    return np.array(found)


def rare_recall(head, X, y):
    return recall_score(y, head.predict(X), pos_label="rare")


def balanced(head, X, y):
    return balanced_accuracy_score(y, head.predict(X))


def first_label_recall(head, X, y):
    return recall_score(y[:, 0], head.predict(X)[:, 0])


def confidence(head, X, y):
    p = head.predict_proba(X)
    p = p if p.shape[1] == 2 and y.ndim == 1 else np.stack([p, 1 - p])
    return p.max(axis=1 if y.ndim == 1 else 0).mean()


@pytest.mark.parametrize(
    "params",
    [
        {"loss": "logit_adjusted"},
        {"loss": "ldam"},
        {"loss": "class_balanced"},
        {"class_weight": "balanced"},
    ],
    ids=str,
)
def test_more_of_the_rare_class_is_found(params):
    plain = over_seeds(rare, rare_recall)
    treated = over_seeds(rare, rare_recall, **params)
    assert (treated > plain + 0.2).all()
    gain = over_seeds(rare, balanced, **params) - over_seeds(rare, balanced)
    assert (gain > 0.08).all()


@pytest.mark.parametrize("loss", ["logit_adjusted", "class_balanced"])
def test_more_of_the_rare_label_is_found(loss):
    plain = over_seeds(rare_labels, first_label_recall)
    treated = over_seeds(rare_labels, first_label_recall, loss=loss)
    assert (treated > plain + 0.15).all()


@pytest.mark.parametrize("draw", [rare, rare_labels])
@pytest.mark.parametrize("params", [{"loss": "focal"}, {"label_smoothing": 0.2}])
def test_probabilities_become_less_extreme(draw, params):
    plain = over_seeds(draw, confidence)
    assert (over_seeds(draw, confidence, **params) < plain - 0.04).all()


def test_margins_hold_rare_rows_of_the_training_further_off():
    """Without weights: what is separable is separated more widely for rare rows."""
    rng = np.random.default_rng(0)
    y = (np.arange(200) < 10).astype(int)
    x = rng.normal(scale=0.3, size=(200, 2)) + 2 * y[:, None]
    X = pack({"left": x[:, :1], "right": x[:, 1:]})
    distances = []
    for margin in (0.0, 0.5):
        loss = LDAMLoss(max_margin=margin, reweight_after=1)
        head = FusionClassifier(loss=loss, random_state=0, **SMALL)
        scores = head.set_params(dropout=0.0).fit(X, y)._outputs(X)
        distances.append((scores[:10, 1] - scores[:10, 0]).mean())
        assert abs(scores).max() <= 30
    assert distances[1] > distances[0] + 3


def test_adjusted_probabilities_are_those_of_classes_equally_common():
    """With the shares put back they are calibrated for the rows as they come."""
    X, y = rare(3000, 0, share=0.1)
    head = FusionClassifier(loss="logit_adjusted", random_state=0, **SMALL).fit(X, y)
    X, y = rare(3000, 1, share=0.1)
    p = head.predict_proba(X)
    assert p[:, 1].mean() > 0.2
    back = p * [0.9, 0.1]
    back /= back.sum(axis=1, keepdims=True)
    assert back[:, 1].mean() == pytest.approx((y == "rare").mean(), abs=0.03)


class TestCounts:
    def loss(self, head):
        return head._make_loss(n_epochs=1)

    def test_are_of_rows_by_their_weight(self):
        X, y = rare(200, 0, share=0.3)
        weight = np.random.default_rng(0).random(200)
        weight[:50] = 0
        head = FusionClassifier(loss=LogitAdjustedLoss(), random_state=0, **SMALL)
        head.fit(X, y, sample_weight=weight)
        share = [weight[y == label].sum() for label in ("common", "rare")]
        share = np.array(share) / weight.sum()
        np.testing.assert_allclose(
            self.loss(head).shift.numpy(), np.log(share), rtol=1e-4
        )

    def test_are_of_training_rows(self):
        X, y = rare(200, 0)
        held_out = np.arange(200) >= 150
        head = FusionClassifier(loss="logit_adjusted", random_state=0, **SMALL)
        split = [(np.flatnonzero(~held_out), np.flatnonzero(held_out))]
        head.set_params(early_stopping=True, validation_split=split).fit(X, y)
        share = (y[~held_out] == "rare").mean()
        assert self.loss(head).shift[1] == pytest.approx(np.log(share), rel=1e-4)

    def test_are_not_of_class_weights(self):
        X, y = rare(200, 0)
        head = FusionClassifier(loss="logit_adjusted", random_state=0, **SMALL)
        shifts = [
            self.loss(head.set_params(class_weight=w).fit(X, y)).shift
            for w in (None, "balanced")
        ]
        assert shifts[0].equal(shifts[1])

    def test_of_calls_of_partial_fit_add_up(self):
        X, y = rare(400, 0)
        labels = ["common", "rare"]
        whole = FusionClassifier(loss="class_balanced", random_state=0, **SMALL)
        parts = clone(whole).partial_fit(X[:150], y[:150], classes=labels)
        parts.partial_fit(X[150:], y[150:])
        weights = self.loss(whole.fit(X, y)).weights
        np.testing.assert_allclose(self.loss(parts).weights, weights, rtol=1e-5)

    def test_of_labels(self):
        X, y = rare_labels(200, 0)
        head = FusionClassifier(loss="logit_adjusted", random_state=0, **SMALL)
        odds = y.mean(axis=0) / (1 - y.mean(axis=0))
        np.testing.assert_allclose(
            self.loss(head.fit(X, y)).shift, np.log(odds), rtol=1e-4
        )


@pytest.mark.parametrize("loss", LOSSES)
class TestEveryLoss:
    def test_goes_on_and_travels(self, loss):
        X, y = rare(160, 0)
        head = FusionClassifier(
            loss=loss, early_stopping=True, warm_start=True, random_state=0, **SMALL
        )
        head.set_params(max_epochs=2, modality_dropout=0.2, aux_loss_weight=0.3)
        head.fit(X, y).fit(X, y, sample_weight=np.linspace(0, 1, 160))
        assert head.n_iter_ == 4
        assert np.isfinite([epoch["valid_loss"] for epoch in head.history_]).all()
        again = pickle.loads(pickle.dumps(head))
        np.testing.assert_array_equal(again.predict_proba(X), head.predict_proba(X))
        again = clone(head).fit(X, y).fit(X, y, sample_weight=np.linspace(0, 1, 160))
        np.testing.assert_array_equal(again.predict_proba(X), head.predict_proba(X))

    def test_is_another_loss(self, loss):
        X, y = rare(160, 0)
        plain = FusionClassifier(random_state=0, **SMALL).fit(X, y)
        head = FusionClassifier(loss=loss, random_state=0, **SMALL).fit(X, y)
        assert not np.allclose(head.predict_proba(X), plain.predict_proba(X), atol=1e-3)

    def test_scikit_learn_is_told_of_which_targets(self, loss):
        X, _ = rare(60, 0)
        head = FusionClassifier(loss=loss, **SMALL | {"max_epochs": 1})
        takes = get_tags(head).classifier_tags.multi_label
        assert takes is (loss != "ldam")
        labels = np.tile([[1, 1], [0, 1], [0, 0]], (20, 1))
        if takes:
            assert head.fit(X, labels).predict(X).shape == (60, 2)
        else:
            with pytest.raises(ValueError, match="y is multilabel"):
                head.fit(X, labels)

    @pytest.mark.parametrize("balance", ["ogm_ge", "gradient_blending"])
    def test_goes_with_balanced_modalities(self, loss, balance):
        X, y = rare(160, 0)
        head = FusionClassifier(loss=loss, modality_balance=balance, random_state=0)
        head.set_params(**SMALL | {"max_epochs": 3}).fit(X, y)
        assert np.isfinite(head.predict_proba(X)).all()

    def test_is_refused_where_a_fusion_has_its_own(self, loss):
        X, y = rare(60, 0)
        with pytest.raises(ValueError, match=rf"EvidentialFusion brings.*'{loss}'"):
            FusionClassifier("evidential", loss=loss, **SMALL).fit(X, y)

    def test_is_refused_where_folds_decide_by_log_loss(self, loss):
        X, y = rare(60, 0)
        with pytest.raises(ValueError, match=rf"auto.*log loss.*'{loss}'.*class_weig"):
            FusionClassifier("auto", loss=loss, **SMALL).fit(X, y)


def test_smoothing_is_refused_where_a_fusion_has_its_own_loss():
    X, y = rare(60, 0)
    with pytest.raises(ValueError, match=r"EvidentialFusion brings.*label_smoothing=0"):
        FusionClassifier("evidential", label_smoothing=0.1, **SMALL).fit(X, y)


def test_late_weights_need_to_know_when_it_is_late():
    X, y = rare(100, 0)
    head = FusionClassifier(loss="ldam", **SMALL)
    with pytest.raises(ValueError, match="partial_fit does not know how many"):
        head.partial_fit(X, y, classes=["common", "rare"])
    head.set_params(loss=LDAMLoss(reweight_after=0))
    head.partial_fit(X, y, classes=["common", "rare"]).partial_fit(X, y)
    assert head.n_iter_ == 2


@pytest.mark.parametrize(("first", "then"), [("ldam", "focal"), ("focal", "ldam")])
def test_a_net_goes_on_with_a_loss_that_suits_its_last_layer(first, then):
    X, y = rare(60, 0)
    head = FusionClassifier(loss=first, warm_start=True, random_state=0, **SMALL)
    head.set_params(max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="last layer does not suit the new loss"):
        head.set_params(loss=then).fit(X, y)
    assert head.set_params(warm_start=False).fit(X, y).n_iter_ == 1
    head.set_params(loss="focal", warm_start=True).set_params(warm_start=False).fit(
        X, y
    )
    head.set_params(loss="class_balanced", warm_start=True).fit(X, y)
    assert head.n_iter_ == 2


def test_a_representation_is_learned_as_before():
    X, y = rare(80, 0)
    found = FusionTransformer(cv=2, random_state=0, **SMALL).fit_transform(X, y)
    assert np.isfinite(found).all(axis=None)
    made = FusionTransformer(loss="cross_entropy", cv=2, random_state=0, **SMALL)
    np.testing.assert_array_equal(made.fit_transform(X, y), found)


def test_weights_of_classes_and_of_the_loss_multiply():
    X, y = rare(200, 0)
    loss = ClassBalancedLoss(beta=0)
    head = FusionClassifier(class_weight="balanced", random_state=0, **SMALL)
    plain = head.fit(X, y).predict_proba(X)
    found = head.set_params(loss=loss).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(found, plain, atol=1e-3)  # β = 0 weighs nothing
