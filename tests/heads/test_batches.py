"""Balanced batches: what comes how often, in which order, and what it is good for."""

import functools
import pickle
import time

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import recall_score
from skorch.callbacks import Callback

from skmultimodal import pack
from skmultimodal.heads import FusionClassifier
from skmultimodal.heads._batches import BalancedOrder
from skmultimodal.heads._rows import Batches, Rows

SMALL = {"embed_dim": 8, "hidden_layer_sizes": (16,), "max_epochs": 15}
SMALL |= {"batch_size": 30, "device": "cpu"}


def three_classes(n=300, seed=0):
    """Of 85, 10 and 5 % of the rows."""
    rng = np.random.default_rng(seed)
    y = rng.choice(3, n, p=[0.85, 0.1, 0.05])
    centres = np.array([[0, 0, 0], [1.2, 0, 0], [0, 1.2, 0]])
    left, right = rng.normal(size=(2, n, 3)) + centres[y]
    return pack({"left": left, "right": right}), y


def orders(y, n_epochs=3, seed=0):
    order = BalancedOrder(torch.as_tensor(y))
    generator = torch.Generator().manual_seed(seed)
    return [order(generator).numpy() for _ in range(n_epochs)]


class Batch(Callback):
    """Notes the targets of each batch."""

    def __init__(self):
        self.seen = []

    def on_batch_begin(self, net, batch, training, **kwargs):
        if training:
            self.seen.append(batch.y.numpy().copy())


class TestOrder:
    @pytest.mark.parametrize("n", [1, 7, 300, 301])
    def test_an_epoch_has_as_many_rows(self, n):
        _, y = three_classes(n)
        for order in orders(y):
            assert len(order) == n
            assert order.min() >= 0
            assert order.max() < n

    def test_each_class_comes_equally_often_in_every_part(self):
        _, y = three_classes(301)
        for order in orders(y):
            for start in range(0, 300, 3):
                assert sorted(y[order[start : start + 3]]) == [0, 1, 2]

    def test_all_rows_of_a_class_come_before_one_comes_again(self):
        _, y = three_classes(300)
        for order in orders(y):
            for k in range(3):
                n_rows = (y == k).sum()
                drawn = order[y[order] == k]
                for start in range(0, len(drawn), n_rows):
                    part = drawn[start : start + n_rows]
                    assert len(set(part)) == len(part)

    def test_every_epoch_is_another_and_a_seed_says_which(self):
        _, y = three_classes(300)
        one, other = orders(y), orders(y)
        assert not np.array_equal(one[0], one[1])
        np.testing.assert_array_equal(one, other)
        assert not np.array_equal(one, orders(y, seed=1))

    def test_common_rows_all_get_their_turn(self):
        y = np.r_[np.zeros(95, int), np.ones(5, int)]
        assert set(np.concatenate(orders(y, 20))) == set(range(100))

    def test_a_single_row_among_very_many_leaves_the_others_in_disorder(self):
        y = np.zeros(200_000, dtype=int)
        y[0] = 1
        for labels in (y, 1 - y):  # the single row in the first and in the last class
            order = orders(labels, 1)[0]
            common = order[labels[order] == labels[1]]
            assert len(set(common)) == len(common) == 100_000
            assert abs(np.corrcoef(common, np.arange(100_000))[0, 1]) < 0.02

    def test_of_labels_each_and_none_is_drawn_equally_often(self):
        y = np.zeros((600, 3), dtype=np.float32)
        y[:200, 0] = 1
        y[:30, 1] = 1
        y[590:595, 2] = 1
        none = ~y.any(axis=1)
        for order in orders(y):
            share = [y[order, 1].mean(), y[order, 2].mean(), none[order].mean()]
            assert share[1:] == [0.25, 0.25]  # in no other group
            assert 0.25 <= share[0] <= 0.35  # with label 0 too, which is drawn as such
            assert 0.45 <= y[order, 0].mean() <= 0.5

    def test_a_label_that_nobody_has_or_all_have(self):
        y = np.zeros((20, 2), dtype=np.float32)
        y[:, 0] = 1
        assert sorted(orders(y, 1)[0]) == list(range(20))


class TestHead:
    def test_batches_are_balanced(self):
        X, y = three_classes()
        spy = Batch()
        head = FusionClassifier(
            batch_sampler="balanced", callbacks=[spy], random_state=0, **SMALL
        ).fit(X, y)
        seen = head.callbacks_[0].seen
        assert len(seen) == 15 * 10
        for batch in seen:
            assert np.bincount(batch).tolist() == [10, 10, 10]

    def test_rare_classes_are_found(self):
        for seed in range(3):
            X, y = three_classes(400, seed)
            new, truth = three_classes(2000, 50 + seed)
            head = FusionClassifier(random_state=seed, **SMALL)
            recall = functools.partial(recall_score, truth, average=None)
            plain = recall(head.fit(X, y).predict(new))
            head.set_params(batch_sampler="balanced").fit(X, y)
            found = recall(head.predict(new))
            assert (found[1:] > plain[1:] + 0.1).all()
            assert found.mean() > plain.mean() + 0.05

    def test_weights_of_rows_still_count(self):
        X, y = three_classes()
        head = FusionClassifier(batch_sampler="balanced", random_state=0, **SMALL)
        wrong = (y + 1) % 3
        both, doubled = np.r_[y, wrong], X.iloc[np.r_[0:300, 0:300]]
        for right, other in [(1, 0), (10, 0.1)]:
            weight = np.repeat([right, other], 300)
            head.fit(doubled, both, sample_weight=weight)
            assert head.score(X, y) > 0.6
            assert head.score(X, wrong) < 0.3

    def test_of_labels(self):
        rng = np.random.default_rng(0)
        y = (rng.random((400, 2)) < [0.05, 0.5]).astype(int)
        left = rng.normal(size=(400, 3)) + 1.5 * y[:, :1]
        X = pack({"left": left, "right": rng.normal(size=(400, 3)) + y[:, 1:]})
        head = FusionClassifier(random_state=0, **SMALL)
        plain = head.fit(X, y).predict_proba(X)[:, 0].mean()
        head.set_params(batch_sampler="balanced").fit(X, y)
        assert head.predict_proba(X)[:, 0].mean() > 2 * plain

    def test_goes_on_and_travels(self):
        X, y = three_classes(90)
        head = FusionClassifier(
            batch_sampler="balanced", early_stopping=True, warm_start=True, **SMALL
        ).set_params(random_state=0, max_epochs=2, loss="focal")
        head.fit(X, y).fit(X, y).partial_fit(X[:45], y[:45])
        assert head.n_iter_ == 5
        again = pickle.loads(pickle.dumps(head))
        np.testing.assert_array_equal(again.predict_proba(X), head.predict_proba(X))
        again = clone(head).fit(X, y).fit(X, y).partial_fit(X[:45], y[:45])
        np.testing.assert_array_equal(again.predict_proba(X), head.predict_proba(X))

    def test_is_refused_where_folds_weigh_rows_as_they_come(self):
        X, y = three_classes(60)
        head = FusionClassifier("auto", batch_sampler="balanced", **SMALL)
        with pytest.raises(ValueError, match=r"auto.*batch_sampler.*class_weight"):
            head.fit(X, y)


def fastest(run):
    times = []
    for _ in range(5):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def test_the_order_costs_less_than_a_twentieth_of_an_epoch():
    """Of an epoch of one hidden layer without any fusion: less than any head takes."""
    n = 20_000
    y = (torch.arange(n) < 200).long()
    rows = Rows(torch.randn(n, 500), torch.ones(n, 2).bool(), y, None)
    generator = torch.Generator().manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(500, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2)
    )

    def epoch():
        for batch in Batches(rows, 128, generator):
            torch.nn.functional.cross_entropy(net(batch.x), batch.y).backward()

    order = BalancedOrder(y)
    assert fastest(lambda: order(generator)) < 0.05 * fastest(epoch)
