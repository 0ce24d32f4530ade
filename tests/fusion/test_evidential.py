"""Evidence and Dempster's rule: formulas, uncertainty, what can be learned."""

import numpy as np
import pytest
import torch
from scipy.special import digamma, gammaln
from scipy.stats import dirichlet
from sklearn.datasets import load_digits

from skmultimodal import pack
from skmultimodal.fusion import EvidentialFusion
from skmultimodal.fusion.decision_level._evidential import (
    EvidentialLoss,
    combine_evidence,
    kl_from_uniform,
)
from skmultimodal.heads import FusionClassifier, FusionRegressor


def head(fusion, **kwargs):
    params = {"embed_dim": 16, "lr": 1e-2, "dropout": 0.0, "max_epochs": 15}
    params |= {"batch_size": 32, "random_state": 0, "device": "cpu"}
    return FusionClassifier(fusion, **(params | kwargs))


def three_classes(n=240, seed=0, spread=0.7):
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    centres = np.random.default_rng(5).normal(size=(2, 3, 4)) * 2
    text, image = centres[:, y] + spread * rng.normal(size=(2, n, 4))
    return {"text": text, "image": image}, y


@pytest.fixture(scope="module")
def fitted():
    blocks, y = three_classes()
    return head(EvidentialFusion()).fit(pack(blocks), y)


# --- formulas -------------------------------------------------------------------------


def opinion(evidence):
    """Beliefs and uncertainty of one view: b_k = e_k / S, u = K / S."""
    total = evidence.sum() + len(evidence)
    return evidence / total, len(evidence) / total


def dempster(one, other):
    """Two opinions combined, sum by sum, as equation 4 of the paper has it."""
    (b1, u1), (b2, u2) = one, other
    k = len(b1)
    conflict = sum(b1[i] * b2[j] for i in range(k) for j in range(k) if i != j)
    beliefs = [
        (b1[i] * b2[i] + b1[i] * u2 + b2[i] * u1) / (1 - conflict) for i in range(k)
    ]
    return np.array(beliefs), u1 * u2 / (1 - conflict)


@pytest.mark.parametrize("n_views", [1, 2, 3])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_dempsters_rule(n_views, n_classes):
    rng = np.random.default_rng(n_views)
    views = rng.exponential(3, size=(n_views, 4, n_classes))
    views[0, 0] = 0  # without any evidence
    log_alpha = combine_evidence([torch.tensor(v) for v in views]).numpy()
    alpha = np.exp(log_alpha)
    for row in range(4):
        expected = opinion(views[0, row])
        for view in views[1:, row]:
            expected = dempster(expected, opinion(view))
        beliefs, uncertainty = expected
        total = alpha[row].sum()
        np.testing.assert_allclose((alpha[row] - 1) / total, beliefs, atol=1e-12)
        assert n_classes / total == pytest.approx(uncertainty)
        assert beliefs.sum() + uncertainty == pytest.approx(1)


def test_the_order_of_views_does_not_matter():
    views = list(torch.rand(3, 5, 4, generator=torch.Generator().manual_seed(0)) * 9)
    torch.testing.assert_close(combine_evidence(views), combine_evidence(views[::-1]))


def test_much_evidence_of_many_views_is_finite():
    """The product of 40 views' evidence exceeds any float32."""
    views = [torch.full((2, 3), 1e3)] * 40
    log_alpha = combine_evidence(views)
    expected = 40 * np.log1p(1e3 / 3) + np.log(3)
    np.testing.assert_allclose(log_alpha, expected, rtol=1e-5)
    loss = EvidentialLoss(40, 0.1, 10)
    assert loss(log_alpha, torch.tensor([0, 1]), None).isfinite()


@pytest.mark.parametrize("k", [2, 3, 10])
def test_divergence_from_the_uniform_distribution(k):
    alpha = np.random.default_rng(0).exponential(3, size=(6, k)) + 1
    alpha[0] = 1
    total = alpha.sum(axis=1)
    expected = gammaln(total) - gammaln(alpha).sum(axis=1) - gammaln(k)
    expected += ((alpha - 1) * (digamma(alpha) - digamma(total)[:, None])).sum(axis=1)
    found = kl_from_uniform(torch.tensor(alpha)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert (found[1:] > 0).all()


def test_divergence_is_a_mean_of_log_densities():
    """By drawing: E[log Dir(p; α) - log Dir(p; 1)] over p ~ Dir(α)."""
    alpha = np.array([4.0, 1.5, 2.0])
    p = np.random.default_rng(0).dirichlet(alpha, size=100_000).T
    gap = dirichlet.logpdf(p, alpha) - dirichlet.logpdf(p, np.ones(3))
    error = gap.std() / np.sqrt(gap.size)
    found = float(kl_from_uniform(torch.tensor(alpha)[None]))
    assert abs(found - gap.mean()) < 4 * error


@pytest.mark.parametrize(
    ("epoch", "training", "weight"),
    [(0, True, 0.0), (4, True, 0.2), (10, True, 0.5), (30, True, 0.5), (0, False, 0.5)],
)
def test_the_loss(epoch, training, weight):
    """ψ(S) - ψ(α_y) + λ KL; λ grows in training, and is whole on validation rows."""
    rng = np.random.default_rng(0)
    alpha, y = rng.exponential(4, size=(7, 4)) + 1, rng.integers(4, size=7)
    expected = digamma(alpha.sum(axis=1)) - digamma(alpha[np.arange(7), y])
    misled = alpha.copy()
    misled[np.arange(7), y] = 1
    expected += weight * kl_from_uniform(torch.tensor(misled)).numpy()
    loss = EvidentialLoss(2, kl_weight=0.5, annealing_epochs=10).train(training)
    loss.start_epoch(epoch)
    output, labels = torch.tensor(np.log(alpha)), torch.tensor(y)
    found = loss.per_sample(output, labels)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    half = torch.tensor(rng.random(7))
    assert float(loss(output, labels, half)) == pytest.approx(
        (expected * half.numpy()).mean(), rel=1e-5
    )


def test_the_expected_cross_entropy_is_a_mean_over_drawn_probabilities():
    alpha = np.array([3.0, 1.2, 2.0])
    drawn = -np.log(np.random.default_rng(0).dirichlet(alpha, size=100_000)[:, 1])
    loss = EvidentialLoss(1, kl_weight=0.0, annealing_epochs=1)
    found = float(loss.per_sample(torch.tensor(np.log(alpha))[None], torch.tensor([1])))
    assert abs(found - drawn.mean()) < 4 * drawn.std() / np.sqrt(drawn.size)


def test_validation_losses_are_those_of_the_whole_loss():
    """The loss that stops a training early does not change as it goes on."""
    blocks, y = three_classes()
    X = pack(blocks)
    made = head(EvidentialFusion(kl_weight=1.0, annealing_epochs=100), max_epochs=1)
    made.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    x, present = made._inputs(X[200:].to_numpy())
    with torch.no_grad():
        alpha = made.module_(x, present).output.double().exp().numpy()
    rows = np.arange(40), y[200:]
    expected = digamma(alpha.sum(axis=1)) - digamma(alpha[rows])
    alpha[rows] = 1
    expected += kl_from_uniform(torch.tensor(alpha)).numpy()
    found = made.history_[0]["valid_loss"]
    assert found == pytest.approx(expected.mean(), rel=1e-4)


# --- opinions -------------------------------------------------------------------------


def opinions(fitted, X):
    """log α of each modality and of all."""
    x, present = fitted._inputs(X.to_numpy())
    with torch.no_grad():
        out = fitted.module_(x, present)
    return {m: z.numpy() for m, z in out.per_modality.items()}, out.output.numpy()


def test_an_absent_modality_has_no_opinion():
    """What is left is the other's, to the last digit, where no joint view is asked."""
    blocks, y = three_classes()
    made = head(EvidentialFusion(joint_view=False), max_epochs=3)
    made.fit(pack(blocks), y)
    X = pack({**blocks, "image": blocks["image"] * np.nan})
    each, combined = opinions(made, X)
    assert (each["image"] == 0).all()
    np.testing.assert_allclose(combined, each["text"], rtol=1e-6, atol=1e-6)


def test_probabilities_and_uncertainty_come_from_one_distribution(fitted):
    X = pack(three_classes(seed=1)[0])
    _, log_alpha = opinions(fitted, X)
    alpha = np.exp(log_alpha.astype(float))
    total = alpha.sum(axis=1)
    proba, unsure = fitted.predict_proba(X), fitted.predict_uncertainty(X)
    np.testing.assert_allclose(proba, alpha / total[:, None], rtol=1e-5)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    np.testing.assert_allclose(unsure, 3 / total, rtol=1e-5)
    assert ((unsure > 0) & (unsure <= 1)).all()


def test_nothing_is_known_of_a_row_without_anything(fitted):
    X = pack(three_classes(4)[0]) * np.nan
    np.testing.assert_array_equal(fitted.predict_uncertainty(X), 1)
    np.testing.assert_allclose(fitted.predict_proba(X), 1 / 3)


def test_uncertain_where_modalities_are_absent(fitted):
    blocks, _ = three_classes(300, seed=1)
    whole = fitted.predict_uncertainty(pack(blocks))
    for gone in blocks:
        X = pack({**blocks, gone: blocks[gone] * np.nan})
        assert fitted.predict_uncertainty(X).mean() > 1.5 * whole.mean()


def test_uncertain_where_it_is_wrong():
    """The classes overlap: wrong rows are the more uncertain ones."""
    blocks, y = three_classes(spread=2.0)
    made = head(EvidentialFusion()).fit(pack(blocks), y)
    blocks, y = three_classes(400, seed=1, spread=2.0)
    unsure = made.predict_uncertainty(pack(blocks))
    wrong = made.predict(pack(blocks)) != y
    assert 20 < wrong.sum() < 200
    assert unsure[wrong].mean() > 1.3 * unsure[~wrong].mean()


def test_modalities_that_disagree_are_less_certain(fitted):
    """Text of one class, picture of another."""
    blocks, y = three_classes(300, seed=1)
    agree = fitted.predict_uncertainty(pack(blocks)).mean()
    order = np.concatenate([np.flatnonzero(y == k) for k in (1, 2, 0)])
    first = np.concatenate([np.flatnonzero(y == k) for k in (0, 1, 2)])
    n = min(len(order), len(first))
    differ = y[first[:n]] != y[order[:n]]
    X = pack(
        {
            "text": blocks["text"][first[:n]][differ],
            "image": blocks["image"][order[:n]][differ],
        }
    )
    assert len(X) > 200
    assert fitted.predict_uncertainty(X).mean() > 1.5 * agree


def test_uncertain_of_what_looks_like_nothing_it_has_seen():
    """Digits in two halves, and the same pixels in disorder."""
    pixels, y = load_digits(return_X_y=True)
    halves = {"left": pixels[:800, :32], "right": pixels[:800, 32:]}
    X = pack(halves)
    rng = np.random.default_rng(0)
    mixed = pack({m: rng.permuted(z, axis=1) for m, z in halves.items()})
    made = head("evidential", embed_dim=32).fit(X[:500], y[:500])
    unsure, of_mixed = (made.predict_uncertainty(part[500:]) for part in (X, mixed))
    assert made.score(X[500:], y[500:800]) > 0.75
    assert of_mixed.mean() > 1.5 * unsure.mean()


# --- parameters -----------------------------------------------------------------------


def test_what_no_modality_tells_alone_needs_the_joint_view():
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], (2, 400))
    left, right = (signs + rng.normal(scale=0.2, size=(2, 400)))[:, :, None]
    X = pack({"left": left, "right": right})
    y = (signs[0] == signs[1]).astype(int)
    scores = {
        joint: head(EvidentialFusion(joint_view=joint))
        .fit(X[:300], y[:300])
        .score(X[300:], y[300:])
        for joint in (True, False)
    }
    assert scores[True] > 0.95
    assert scores[False] < 0.7


def test_the_divergence_takes_evidence_away_where_there_is_nothing_to_learn():
    blocks, _ = three_classes(300)
    y = np.random.default_rng(0).integers(3, size=300)
    params = {"max_epochs": 10, "embed_dim": 8, "dropout": 0.2}
    unsure = [
        head(EvidentialFusion(kl_weight=weight, annealing_epochs=2), **params)
        .fit(pack(blocks), y)
        .predict_uncertainty(pack(three_classes(200, seed=1)[0]))
        .mean()
        for weight in (0.0, 0.1, 1.0)
    ]
    assert unsure[0] < unsure[1] < unsure[2]
    assert unsure[2] > 1.3 * unsure[0]


def test_twelve_modalities():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=200)
    X = pack({f"m{k}": rng.normal(size=(200, 2)) + y[:, None] for k in range(12)})
    made = head(EvidentialFusion(), max_epochs=12).fit(X, y)
    assert np.isfinite([epoch["train_loss"] for epoch in made.history_]).all()
    assert made.score(X, y) > 0.9


# --- what it is not for ---------------------------------------------------------------


def test_other_fusions_have_no_uncertainty():
    blocks, y = three_classes(30)
    made = FusionClassifier("gated", max_epochs=1).fit(pack(blocks), y)
    assert not hasattr(made, "predict_uncertainty")
    with pytest.raises(AttributeError, match="no attribute 'predict_uncer") as error:
        made.predict_uncertainty(pack(blocks))
    assert "fusion=EvidentialFusion(); this head has fusion='gated'" in str(
        error.value.__cause__
    )
    assert hasattr(FusionClassifier("evidential"), "predict_uncertainty")


def test_classes_only():
    blocks, y = three_classes(30)
    X = pack(blocks)
    with pytest.raises(ValueError, match="is for classification, and y holds numbers"):
        FusionRegressor(EvidentialFusion()).fit(X, y)
    with pytest.raises(ValueError, match="is for classification, and y is multilabel"):
        FusionClassifier("evidential").fit(X, np.eye(3, dtype=int)[y])


@pytest.mark.parametrize(
    "params", [{"kl_weight": -1}, {"annealing_epochs": 0}, {"joint_view": 2}]
)
def test_parameters_that_are_not_allowed(params):
    blocks, y = three_classes(30)
    with pytest.raises(ValueError, match=f"The {next(iter(params))!r} parameter of Ev"):
        FusionClassifier(EvidentialFusion(**params)).fit(pack(blocks), y)


def test_the_wrong_evidence_term_comes_in_over_partial_fits(monkeypatch):
    told = []
    monkeypatch.setattr(
        EvidentialLoss, "start_epoch", lambda loss, number: told.append(number)
    )
    blocks, y = three_classes(30)
    head = FusionClassifier("evidential", random_state=0)
    for _ in range(3):
        head.partial_fit(pack(blocks), y, classes=np.unique(y))
    assert told == [0, 1, 2]
