"""Controls against overfitting: sums by hand, what they promise, what they go with."""

import functools
import pickle

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax, softmax
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from skmultimodal import pack
from skmultimodal.fusion._base import known_fusions
from skmultimodal.heads import FusionClassifier, FusionRegressor
from skmultimodal.heads._joint_loss import joint_loss
from skmultimodal.heads._network import NetworkOutput
from skmultimodal.heads._rows import Rows
from skmultimodal.losses import FocalLoss
from skmultimodal.nn._losses import BinaryCrossEntropy, CrossEntropy, SquaredError
from skmultimodal.nn._mixup import Mixed

SMALL = {"embed_dim": 16, "hidden_layer_sizes": (64,), "dropout": 0.0}
SMALL |= {"batch_size": 16, "max_epochs": 40, "device": "cpu"}
QUICK = SMALL | {"embed_dim": 8, "max_epochs": 2, "random_state": 0}


def noisy(n, seed=0):
    """Little signal, much else, and a tenth of the labels wrong."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    left, right = rng.normal(size=(2, n, 12))
    left[:, 0] += y
    right[:, 0] -= y
    return pack({"left": left, "right": right}), np.where(rng.random(n) < 0.1, 1 - y, y)


def noisy_numbers(n, seed=0):
    rng = np.random.default_rng(seed)
    left, right = rng.normal(size=(2, n, 12))
    y = left[:, 0] + right[:, 0] + rng.normal(size=n)
    return pack({"left": left, "right": right}), y


def noisy_labels(n, seed=0):
    X, y = noisy(n, seed)
    return X, np.c_[y, (X["right__0"] + np.random.default_rng(seed).normal(size=n)) > 0]


def loss_of(head, X, y):
    if isinstance(head, FusionRegressor):
        return np.square(y - head.predict(X)).mean()
    p = head.predict_proba(X)
    if y.ndim == 1:
        return log_loss(y, p)
    return -np.log(np.where(y == 1, p, 1 - p).clip(1e-9)).mean()


DRAWN = {
    "classes": (noisy, FusionClassifier),
    "labels": (noisy_labels, FusionClassifier),
    "numbers": (noisy_numbers, FusionRegressor),
}


@functools.cache
def losses(kind, seed, **params):
    """On the training rows, and on new ones."""
    draw, cls = DRAWN[kind]
    X, y = draw(80, seed)
    head = cls(random_state=seed, **SMALL).set_params(**params).fit(X, y)
    return loss_of(head, X, y), loss_of(head, *draw(2000, 100 + seed))


# --- promises -------------------------------------------------------------------------


@pytest.mark.parametrize("params", [{"mixup": 1.0}, {"n_members": 16}], ids=str)
@pytest.mark.parametrize("kind", DRAWN)
def test_the_gap_between_training_and_new_rows_narrows(kind, params):
    plain = np.array([losses(kind, seed) for seed in range(4)])
    treated = np.array([losses(kind, seed, **params) for seed in range(4)])
    gap, treated_gap = np.diff(plain), np.diff(treated)  # (4, 1)
    assert (treated_gap < gap).all()
    assert treated_gap.mean() < 0.9 * gap.mean()
    assert treated[:, 1].mean() < plain[:, 1].mean()


def test_together_they_do_more_than_alone():
    gaps = {}
    for params in ({"mixup": 1.0}, {"n_members": 8}, {"mixup": 1.0, "n_members": 8}):
        found = [losses("classes", seed, **params) for seed in range(3)]
        gaps[len(params), *params] = np.mean([new - train for train, new in found])
    assert gaps.pop((2, "mixup", "n_members")) < min(gaps.values())


def test_one_wild_row_does_less_where_gradients_are_cut():
    for seed in range(3):
        X, y = noisy_numbers(200, seed)
        wild = y.copy()
        wild[0] = 300
        new, truth = noisy_numbers(1000, 100 + seed)
        errors = {}
        for norm in (None, 0.2):
            head = FusionRegressor(max_grad_norm=norm, random_state=seed, **SMALL)
            errors[norm] = np.median(np.abs(head.fit(X, wild).predict(new) - truth))
        assert errors[0.2] < 0.9 * errors[None]


# --- sums by hand ---------------------------------------------------------------------


class Gradients(Callback):
    """Notes the length of the gradient that the optimiser will see."""

    def __init__(self):
        self.lengths = []

    def on_grad_computed(self, net, named_parameters, **kwargs):
        squares = [p.grad.square().sum() for _, p in named_parameters]
        self.lengths.append(float(sum(squares)) ** 0.5)


def test_no_gradient_is_longer_than_asked_for():
    X, y = noisy(80)
    lengths = {}
    head = FusionClassifier(callbacks=[Gradients()], **QUICK)
    lengths[None] = np.array(head.fit(X, y).callbacks_[0].lengths)
    middle = float(np.median(lengths[None]))
    head.set_params(max_grad_norm=middle)
    lengths[middle] = np.array(head.fit(X, y).callbacks_[0].lengths)
    assert lengths[None].min() < middle < lengths[None].max()
    assert lengths[middle].max() == pytest.approx(middle, rel=1e-4)
    assert lengths[middle].min() < 0.99 * middle  # a short one stays as it is


def rows_of(y, weight):
    n = len(y)
    w = None if weight is None else torch.tensor(weight, dtype=torch.float32)
    return Rows(torch.zeros(n, 1), torch.ones(n, 1).bool(), torch.tensor(y), w)


def by_hand(criterion, output, y):
    """Loss of one row."""
    if isinstance(criterion, CrossEntropy):
        return -log_softmax(output)[y]
    if isinstance(criterion, BinaryCrossEntropy):
        return -np.log(np.where(y == 1, expit(output), expit(-output))).mean()
    return np.square(output - y).mean()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("mixes", [False, True])
@pytest.mark.parametrize("n_members", [None, 3])
@pytest.mark.parametrize("loss", [CrossEntropy, BinaryCrossEntropy, SquaredError])
def test_loss_of_members_and_mixed_rows(loss, n_members, mixes, weighted):
    rng = np.random.default_rng(0)
    n, k = 6, 2
    y = rng.integers(k, size=n)
    if loss is not CrossEntropy:
        y = rng.integers(2, size=(n, k)).astype(np.float32)
    shape = (n, k) if n_members is None else (n, n_members, k)
    output = rng.normal(size=shape)
    weight = rng.random(n) if weighted else None
    partner, share = rng.permutation(n), rng.random(n)
    mixed = Mixed(torch.tensor(partner), torch.tensor(share)) if mixes else None
    criterion = loss()
    found = joint_loss(
        NetworkOutput(torch.tensor(output).float(), mixed=mixed),
        rows_of(y, weight),
        criterion,
    )
    w = np.ones(n) if weight is None else weight
    total = []
    for i in range(n):
        for one in output[i].reshape(-1, k):
            own = w[i] * by_hand(criterion, one, y[i])
            if mixes:
                j = partner[i]
                other = w[j] * by_hand(criterion, one, y[j])
                own = share[i] * own + (1 - share[i]) * other
            total.append(own)
    assert found.item() == pytest.approx(np.mean(total), rel=1e-5)


def test_mixed_losses_have_the_slope_of_mixed_numbers():
    """The mixup of the regression literature: y is mixed as x is."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=(5, 1)).astype(np.float32)
    partner, share = torch.tensor([1, 2, 3, 4, 0]), torch.rand(5)
    output = torch.randn(5, 1, requires_grad=True)
    out = NetworkOutput(output, mixed=Mixed(partner, share))
    joint_loss(out, rows_of(y, None), SquaredError()).backward()
    between = share[:, None] * torch.tensor(y)
    between = between + (1 - share[:, None]) * torch.tensor(y)[partner]
    expected = 2 * (output.detach() - between) / 5
    np.testing.assert_allclose(output.grad, expected, rtol=1e-4, atol=1e-6)


def test_members_predict_by_the_mean_of_their_probabilities():
    X, y = noisy(60)
    head = FusionClassifier(n_members=3, **QUICK).fit(X, y)
    net = head.module_
    x, present = head._inputs(X.to_numpy())
    with torch.no_grad():
        net.output.train()  # gives the outputs of all
        each = net(x, present).output.numpy()
        net.output.eval()
    assert each.shape == (60, 3, 2)
    expected = softmax(each, axis=2).mean(axis=1)
    np.testing.assert_allclose(head.predict_proba(X), expected, rtol=1e-4)


def test_validation_is_of_what_members_say_together():
    X, y = noisy(80)
    new, truth = noisy(50, 1)
    head = FusionClassifier(n_members=4, mixup=0.5, **QUICK)
    head.fit(X, y, X_val=new, y_val=truth)
    expected = log_loss(truth, head.predict_proba(new))
    assert head.history_[-1]["valid_loss"] == pytest.approx(expected, rel=1e-4)


def test_rows_without_weight_are_mixed_with_none():
    X, y = noisy(100)
    keep = np.arange(100) < 60
    weight = keep.astype(float)
    head = FusionClassifier(mixup=1.0, n_members=2, **QUICK)
    found = head.fit(X, y, sample_weight=weight).predict_proba(X)
    X.iloc[60:] = 100.0
    again = head.fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(again.predict_proba(X)[:60], found[:60])


# --- what they go with ----------------------------------------------------------------

_TASKS = {
    "classes": "classification",
    "labels": "multilabel",
    "numbers": "regression",
}
FUSIONS = [
    (name, kind)
    for name, cls in known_fusions().items()
    for kind, task in _TASKS.items()
    if task in cls.tasks and name != "evidential"
]

ALL = {
    "mixup": 0.5,
    "n_members": 3,
    "average": "ema",
    "max_grad_norm": 1.0,
    "early_stopping": True,
    "modality_dropout": 0.2,
    "warm_start": True,
}


@pytest.mark.parametrize(("name", "kind"), FUSIONS)
def test_every_fusion_takes_all_of_them(name, kind):
    draw, cls = DRAWN[kind]
    X, y = draw(60)
    X.iloc[:10, :12] = np.nan
    if cls is FusionClassifier:
        treat = {"loss": "class_balanced", "batch_sampler": "balanced"}
        treat |= {"label_smoothing": 0.1}
    else:
        treat = {"loss": "huber", "target_weight": "inverse"}
    head = cls(name, **(QUICK | ALL | treat))
    weight = np.linspace(0, 2, 60)
    head.fit(X, y, sample_weight=weight).fit(X, y, sample_weight=weight)
    found = head.predict(X)
    assert np.isfinite(np.asarray(found, dtype=float)).all()
    again = pickle.loads(pickle.dumps(head))
    np.testing.assert_array_equal(again.predict(X), found)


@pytest.mark.parametrize("given", [{"mixup": 0.5}, {"n_members": 2}], ids=str)
def test_a_fusion_with_outputs_of_its_own_takes_no(given):
    X, y = noisy(40)
    said = rf"EvidentialFusion has outputs of its own.*{next(iter(given))}"
    with pytest.raises(ValueError, match=said):
        FusionClassifier("evidential", **QUICK, **given).fit(X, y)


def test_a_fusion_with_outputs_of_its_own_takes_the_rest():
    X, y = noisy(40)
    head = FusionClassifier("evidential", average="ema", max_grad_norm=1.0, **QUICK)
    head.set_params(batch_sampler="balanced", class_weight="balanced").fit(X, y)
    assert np.isfinite(head.predict_proba(X)).all()


@pytest.mark.parametrize("balance", [None, "ogm_ge", "gradient_blending"])
def test_modalities_are_balanced_beside_them(balance):
    X, y = noisy(80)
    head = FusionClassifier(modality_balance=balance, mixup=0.5, n_members=2, **QUICK)
    head.set_params(aux_loss_weight=0.0 if balance == "gradient_blending" else 0.5)
    assert np.isfinite(head.fit(X, y).predict_proba(X)).all()


def test_parts_of_y_are_learned_with_members_and_mixed_rows():
    X, y = noisy(80)
    head = FusionClassifier(mixup=0.5, n_members=2, max_grad_norm=1.0, **QUICK)
    head.partial_fit(X[:40], y[:40], classes=[0, 1]).partial_fit(X[40:], y[40:])
    again = clone(head).partial_fit(X[:40], y[:40], classes=[0, 1])
    again.partial_fit(X[40:], y[40:])
    np.testing.assert_array_equal(head.predict_proba(X), again.predict_proba(X))
    assert head.n_iter_ == 2


def test_margins_have_members():
    X, y = noisy(80)
    head = FusionClassifier(loss="ldam", n_members=3, mixup=0.5, **QUICK).fit(X, y)
    assert np.abs(head._outputs(X)).max() <= 60
    assert head.score(X, y) > 0.5


def test_folds_choose_among_nets_that_have_them():
    X, y = noisy(80)
    head = FusionClassifier("auto", mixup=0.5, n_members=2, average="ema", **QUICK)
    head.set_params(label_smoothing=0.1, max_grad_norm=1.0).fit(X, y)
    assert np.isfinite(head.predict_proba(X)).all()


def test_are_searched():
    X, y = noisy(60)
    search = GridSearchCV(
        FusionClassifier(loss=FocalLoss(), **QUICK | {"max_epochs": 12}),
        {
            "mixup": [0.0, 1.0],
            "n_members": [1, 2],
            "average": [None, "ema"],
            "max_grad_norm": [None, 0.01],
            "loss__gamma": [1.0],
        },
        cv=2,
        scoring="neg_log_loss",
        error_score="raise",
    ).fit(X, y)
    assert len(set(search.cv_results_["mean_test_score"])) == 16
