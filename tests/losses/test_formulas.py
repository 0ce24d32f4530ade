"""Losses against their formulas, row by row in NumPy."""

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax, softmax

from skmultimodal.losses import (
    ClassBalancedLoss,
    CrossEntropyLoss,
    FocalLoss,
    HuberLoss,
    LDAMLoss,
    LogitAdjustedLoss,
    SquaredErrorLoss,
)

COUNTS = np.array([50.0, 8.0, 2.0])
LABEL_COUNTS = np.array([[50.0, 30.0], [10.0, 30.0]])  # without, with


@pytest.fixture
def classes():
    rng = np.random.default_rng(0)
    return rng.normal(size=(20, 3)) * 2, rng.integers(3, size=20)


@pytest.fixture
def labels():
    rng = np.random.default_rng(1)
    return rng.normal(size=(20, 2)) * 2, rng.integers(2, size=(20, 2)).astype(float)


def of_rows(loss, output, y):
    y = torch.from_numpy(y)
    y = y.float() if y.is_floating_point() else y
    return loss.per_sample(torch.from_numpy(output).float(), y).numpy()


def check(found, expected):
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-5)


def own(values, y):
    return np.array([row[k] for row, k in zip(values, y)])


class TestClasses:
    def test_cross_entropy(self, classes):
        z, y = classes
        loss = CrossEntropyLoss().build("classification")
        check(of_rows(loss, z, y), -own(log_softmax(z, axis=1), y))

    @pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
    def test_focal(self, classes, gamma):
        z, y = classes
        p = own(softmax(z, axis=1), y)
        loss = FocalLoss(gamma).build("classification")
        check(of_rows(loss, z, y), -((1 - p) ** gamma) * np.log(p))

    def test_logit_adjusted(self, classes):
        z, y = classes
        prior = COUNTS / COUNTS.sum()
        loss = LogitAdjustedLoss(tau=0.7).build("classification", COUNTS)
        adjusted = np.exp(z) * prior**0.7
        check(
            of_rows(loss, z, y),
            -np.log(own(adjusted / adjusted.sum(axis=1, keepdims=True), y)),
        )

    def test_class_balanced(self, classes):
        z, y = classes
        beta = 0.9
        effective = [sum(beta**k for k in range(int(n))) for n in COUNTS]
        weight = 1 / np.array(effective)
        weight /= (COUNTS * weight).sum() / COUNTS.sum()
        p = own(softmax(z, axis=1), y)
        loss = ClassBalancedLoss(beta).build("classification", COUNTS)
        check(of_rows(loss, z, y), -weight[y] * np.log(p))
        loss = ClassBalancedLoss(beta, gamma=1.5).build("classification", COUNTS)
        check(of_rows(loss, z, y), -weight[y] * (1 - p) ** 1.5 * np.log(p))

    def test_class_balanced_lies_between_no_and_inverse_weights(self):
        none = ClassBalancedLoss(beta=0).build("classification", COUNTS).weights
        check(none.numpy(), np.ones(3))
        full = ClassBalancedLoss(beta=1 - 1e-9).build("classification", COUNTS).weights
        check(full.numpy(), COUNTS.sum() / (3 * COUNTS))

    def test_margins(self, classes):
        z, y = classes
        margin = COUNTS**-0.25
        margin *= 0.5 / margin.max()
        beta = 0.99
        weight = (1 - beta) / (1 - beta**COUNTS)
        weight /= (COUNTS * weight).sum() / COUNTS.sum()
        moved = z.copy()
        for i, k in enumerate(y):
            moved[i, k] -= 30 * margin[k]
        expected = -own(log_softmax(moved, axis=1), y)
        built = LDAMLoss(beta=beta).build("classification", COUNTS, n_epochs=10)
        for number, weighted in [(0, False), (4, False), (5, True), (9, True)]:
            built.start_epoch(number)
            factor = weight[y] if weighted else 1
            check(of_rows(built, z, y), expected * factor)
        built.start_epoch(0)  # validation is measured alike in all epochs
        check(of_rows(built.eval(), z, y), expected * weight[y])

    @pytest.mark.parametrize(("share", "weighs"), [(0, True), (1, False)])
    def test_margins_with_weights_always_or_never(self, classes, share, weighs):
        z, y = classes
        loss = LDAMLoss(reweight_after=share).build("classification", COUNTS)
        plain = LDAMLoss(reweight_after=1).build("classification", COUNTS)
        for number in (0, 50):
            loss.start_epoch(number)
            same = np.allclose(of_rows(loss, z, y), of_rows(plain, z, y))
            assert same == (not weighs)
        assert np.allclose(of_rows(loss.eval(), z, y), of_rows(plain, z, y)) == (
            not weighs
        )

    @pytest.mark.parametrize(
        "loss",
        [CrossEntropyLoss(), FocalLoss(), LogitAdjustedLoss(), ClassBalancedLoss(0.9)],
        ids=str,
    )
    def test_smoothing_gives_a_share_to_every_class(self, classes, loss):
        z, y = classes
        plain = loss.build("classification", COUNTS)
        smooth = loss.build("classification", COUNTS, 0.3)
        every = [of_rows(plain, z, np.full(len(y), k)) for k in range(3)]
        expected = 0.7 * of_rows(plain, z, y) + 0.3 * np.mean(every, axis=0)
        check(of_rows(smooth, z, y), expected)
        output = torch.from_numpy(z).float()
        check(smooth(output, torch.from_numpy(y), None).item(), expected.mean())
        check(of_rows(smooth.eval(), z, y), of_rows(plain, z, y))

    def test_a_class_without_rows_breaks_nothing(self, classes):
        z, y = classes
        counts = np.array([50.0, 8.0, 0.0])
        for loss in (LogitAdjustedLoss(), ClassBalancedLoss(), LDAMLoss()):
            built = loss.build("classification", counts, 0.1, n_epochs=1)
            assert np.isfinite(of_rows(built, z, y)).all()


class TestLabels:
    def test_cross_entropy(self, labels):
        z, y = labels
        p = np.where(y == 1, expit(z), expit(-z))
        loss = CrossEntropyLoss().build("multilabel")
        check(of_rows(loss, z, y), -np.log(p).mean(axis=1))

    @pytest.mark.parametrize("gamma", [0.0, 2.0])
    def test_focal(self, labels, gamma):
        z, y = labels
        p = np.where(y == 1, expit(z), expit(-z))
        loss = FocalLoss(gamma).build("multilabel")
        check(of_rows(loss, z, y), -((1 - p) ** gamma * np.log(p)).mean(axis=1))

    def test_logit_adjusted(self, labels):
        z, y = labels
        odds = LABEL_COUNTS[1] / LABEL_COUNTS[0]
        p = np.exp(z) * odds / (1 + np.exp(z) * odds)
        loss = LogitAdjustedLoss().build("multilabel", LABEL_COUNTS)
        expected = -np.log(np.where(y == 1, p, 1 - p)).mean(axis=1)
        check(of_rows(loss, z, y), expected)

    def test_class_balanced(self, labels):
        z, y = labels
        beta, n = 0.95, LABEL_COUNTS
        weight = (1 - beta) / (1 - beta**n)
        weight /= (n * weight).sum(axis=0) / n.sum(axis=0)
        p = np.where(y == 1, expit(z), expit(-z))
        own_weight = np.where(y == 1, weight[1], weight[0])
        loss = ClassBalancedLoss(beta).build("multilabel", n)
        check(of_rows(loss, z, y), -(own_weight * np.log(p)).mean(axis=1))

    @pytest.mark.parametrize(
        "loss", [CrossEntropyLoss(), FocalLoss(), LogitAdjustedLoss()], ids=str
    )
    def test_smoothing_moves_zeros_and_ones_inwards(self, labels, loss):
        z, y = labels
        plain = loss.build("multilabel", LABEL_COUNTS)
        smooth = loss.build("multilabel", LABEL_COUNTS, 0.2)
        other = []  # each label changed by itself
        for k in range(2):
            turned = y.copy()
            turned[:, k] = 1 - y[:, k]
            other.append(of_rows(plain, z, turned) - of_rows(plain, z, y))
        expected = of_rows(plain, z, y) + 0.1 * np.sum(other, axis=0)
        check(of_rows(smooth, z, y), expected)
        check(of_rows(smooth.eval(), z, y), of_rows(plain, z, y))


class TestNumbers:
    def test_squared_error(self):
        f, y = np.array([[0.0, 2.0]]), np.array([[1.0, -1.0]])
        assert of_rows(SquaredErrorLoss().build("regression"), f, y) == (1 + 9) / 2

    def test_huber(self):
        f, y = np.zeros((4, 1)), np.array([[0.2], [-1.0], [3.0], [-10.0]])
        loss = HuberLoss(delta=1.5).build("regression")
        expected = [0.04, 1.0, 1.5 * (2 * 3.0 - 1.5), 1.5 * (2 * 10 - 1.5)]
        check(of_rows(loss, f, y), expected)


@pytest.mark.parametrize(
    "loss", [FocalLoss(0.5), LogitAdjustedLoss(), ClassBalancedLoss(), LDAMLoss()]
)
def test_rows_that_are_surely_right_or_wrong_have_a_slope(loss):
    output = torch.tensor([[90.0, -90.0, 0.0], [-90.0, 90.0, 0.0]], requires_grad=True)
    built = loss.build("classification", COUNTS, n_epochs=1)
    built(output, torch.tensor([0, 0]), None).backward()
    assert torch.isfinite(output.grad).all()
    assert output.grad[1].abs().max() > 0.1


@pytest.mark.parametrize("name", ["classification", "multilabel"])
def test_weights_of_rows_multiply(name, classes, labels):
    z, y = classes if name == "classification" else labels
    counts = COUNTS if name == "classification" else LABEL_COUNTS
    y = torch.from_numpy(y)
    y = y.float() if y.is_floating_point() else y
    output = torch.from_numpy(z).float()
    weight = torch.rand(len(z), generator=torch.Generator().manual_seed(0))
    for loss in (CrossEntropyLoss(), FocalLoss(), ClassBalancedLoss()):
        built = loss.build(name, counts, 0.1)
        each = built.per_sample(output, y)
        check(built(output, y, weight).item(), (each * weight).mean().item())
