"""Nets that train in one stack end up as they would one by one."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_rel
from sklearn.base import clone
from sklearn.model_selection import KFold
from skorch.callbacks import Callback
from torch import nn

from skmultimodal import pack
from skmultimodal.fusion import ConcatFusion, FusionModule, FusionOutput, NeuralFusion
from skmultimodal.fusion._base import known_fusions
from skmultimodal.heads import FusionClassifier, FusionRegressor, FusionTransformer
from skmultimodal.heads._rows import Rows
from skmultimodal.heads._training import train_network
from skmultimodal.heads.stacked import Fit, _fit_together, _groups, fit_together
from skmultimodal.heads.stacked._step import make_step
from skmultimodal.heads.stacked._train import StackTrainer
from skmultimodal.losses import CrossEntropyLoss, LDAMLoss
from skmultimodal.nn import TEMPORAL


@pytest.fixture(autouse=True)
def always_repaid(monkeypatch):
    """Stacks of the few small nets here, which would be quicker alone."""
    monkeypatch.setattr(_groups, "_REPAID", 0)


def make_rows(n=90, n_classes=3, seed=0, absent=True):
    rng = np.random.default_rng(seed)
    y = rng.integers(n_classes, size=n)
    text = rng.normal(size=(n, 6)) + y[:, None]
    series = rng.normal(size=(n, 3, 2)) - 0.5 * y[:, None, None]
    if absent:
        text[: n // 6] = np.nan
        series[n // 4 : n // 3, 1:] = np.nan
    return pack({"text": text, "series": series}), y


def head(cls=FusionClassifier, **params):
    small = {
        "embed_dim": 8,
        "hidden_layer_sizes": (8,),
        "max_epochs": 4,
        "batch_size": 16,
        "dropout": 0.0,
        "random_state": 0,
        "device": "cpu",
    }
    return cls(**{**small, **params})


def fit_both(heads, rows, params=None):
    """Heads fitted one by one, and what fit_together makes of them."""
    params = params or {}
    alone = [clone(h).fit(*r, **params) for h, r in zip(heads, rows)]
    kept = {id(r): k for k, r in enumerate(rows)}
    fits = [Fit(clone(h), *r, params, kept[id(r)]) for h, r in zip(heads, rows)]
    return alone, fit_together(fits)


def assert_equal(alone, outcomes, X, stacked=True, atol=2e-4):
    for one, outcome in zip(alone, outcomes):
        if outcome.error is not None:
            raise outcome.error
        assert (outcome.stack is not None) == stacked, outcome.alone
        assert (outcome.alone is None) == stacked
        many = outcome.head
        assert many.n_iter_ == one.n_iter_
        assert many.batch_size_ == one.batch_size_
        for mine, its in zip(many.history_, one.history_):
            assert set(mine) == set(its)
            assert mine["epoch"] == its["epoch"]
            for name in ("train_loss", "valid_loss", "lr"):
                np.testing.assert_allclose(
                    mine.get(name, 0), its.get(name, 0), rtol=1e-3, atol=1e-5
                )
            assert mine.get("valid_loss_best") == its.get("valid_loss_best")
        predict = getattr(one, "predict_proba", one.predict)
        again = getattr(many, "predict_proba", many.predict)
        np.testing.assert_allclose(again(X), predict(X), atol=atol)


def test_rates_decays_epochs_and_seeds_may_differ():
    rows = make_rows()
    grid = [
        {"lr": 1e-3},
        {"lr": 1e-2, "weight_decay": 0.5},
        {"max_epochs": 2},
        {"lr_schedule": "constant", "max_epochs": 6},
        {"random_state": 1},
        {"random_state": 2},
        {"max_grad_norm": 0.05},
        {"average": "ema"},
        {"average": "swa"},
    ]
    alone, outcomes = fit_both([head(**g) for g in grid], [rows] * len(grid))
    assert_equal(alone, outcomes, rows[0])
    assert len({outcome.stack for outcome in outcomes}) <= 2


def test_nets_may_ask_for_more_rows_at_once_than_there_are():
    rows = make_rows(40, absent=False)
    heads = [head(random_state=k) for k in range(6)]
    assert_equal(*fit_both(heads, [rows] * 6), rows[0])
    rows = make_rows(80, absent=False)
    stopping = {"early_stopping": True, "n_iter_no_change": 1, "max_epochs": 12}
    heads = [head(lr=lr, **stopping) for lr in (1e-3, 0.01, 0.1, 0.3, 0.5)]
    alone, outcomes = fit_both(heads, [rows] * 5)
    assert len({one.n_iter_ for one in alone}) > 1
    assert_equal(alone, outcomes, rows[0])


def test_each_stops_early_by_itself_with_its_best_weights():
    rows = make_rows(n=120)
    grid = [
        {"lr": lr, "n_iter_no_change": n, "max_epochs": 25}
        for lr in (0.3, 0.02, 1e-3)
        for n in (1, 3)
    ]
    heads = [head(early_stopping=True, **g) for g in grid]
    alone, outcomes = fit_both(heads, [rows] * len(grid))
    assert len({one.n_iter_ for one in alone}) > 2  # they do stop at different times
    assert_equal(alone, outcomes, rows[0])


def test_early_stopping_sees_averaged_weights():
    rows = make_rows(n=120)
    heads = [head(early_stopping=True, average=a, lr=0.02) for a in ("ema", "swa")]
    alone, outcomes = fit_both(heads * 2, [rows] * 4)
    assert_equal(alone, outcomes, rows[0])


@pytest.mark.parametrize("n", [90, 97])  # 97: folds of unequal size
def test_folds_train_together(n):
    X, y = make_rows(n=n)
    rows = [(X.iloc[train], y[train]) for train, _ in KFold(5).split(X)]
    alone, outcomes = fit_both([head()] * 5, rows)
    assert_equal(alone, outcomes, X)
    assert {outcome.stack for outcome in outcomes} == {0}


def test_a_net_without_a_last_batch_waits_for_the_others():
    X, y = make_rows(n=81)
    rows = [(X.iloc[:80], y[:80]), (X, y), (X.iloc[:64], y[:64])]  # 5, 6, 4 batches
    alone, outcomes = fit_both([head()] * 3, rows)
    assert_equal(alone, outcomes, X)


def test_weights_of_rows_and_classes():
    X, y = make_rows()
    rows = X, y
    weight = np.random.default_rng(0).uniform(0.2, 2, len(y))
    weight[:7] = 0
    heads = [
        head(class_weight=w, lr=lr)
        for w in (None, "balanced", {0: 5.0, 1: 1.0, 2: 1.0})
        for lr in (1e-2, 1e-3)
    ]
    alone, outcomes = fit_both(heads, [rows] * 6, {"sample_weight": weight})
    assert_equal(alone, outcomes, X)


def test_some_with_weights_and_some_without():
    X, y = make_rows()
    heads = [head(class_weight=w) for w in (None, "balanced")]
    alone, outcomes = fit_both(heads, [(X, y)] * 2)
    assert_equal(alone, outcomes, X)
    assert outcomes[0].stack == outcomes[1].stack


def test_balanced_batches():
    X, y = make_rows()
    rows = X.iloc[y < 2], y[y < 2]
    heads = [head(batch_sampler="balanced", lr=lr) for lr in (1e-2, 1e-3)]
    alone, outcomes = fit_both(heads, [rows] * 2)
    assert_equal(alone, outcomes, X)


@pytest.mark.parametrize(
    "loss",
    ["focal", "logit_adjusted", "class_balanced", "ldam", LDAMLoss(reweight_after=0)],
)
def test_losses(loss):
    rows = make_rows()
    heads = [head(loss=loss, lr=lr) for lr in (1e-2, 1e-3)]
    alone, outcomes = fit_both(heads, [rows] * 2)
    assert_equal(alone, outcomes, rows[0])


def test_losses_of_modalities_may_weigh_differently():
    rows = make_rows()
    heads = [head(aux_loss_weight=w) for w in (0.1, 0.5, 1.0)]
    alone, outcomes = fit_both(heads, [rows] * 3)
    assert_equal(alone, outcomes, rows[0])
    assert {outcome.stack for outcome in outcomes} == {0}


def test_multilabel_and_numbers():
    X, y = make_rows()
    labels = np.stack([y == 0, y > 0], axis=1).astype(int)
    numbers = np.stack([y * 3.0 + 1, -y], axis=1)
    for cls, target in (FusionClassifier, labels), (FusionRegressor, numbers):
        heads = [head(cls, lr=lr) for lr in (1e-2, 1e-3)]
        alone, outcomes = fit_both(heads, [(X, target)] * 2)
        assert_equal(alone, outcomes, X, atol=2e-3)


OURS = [
    k for k, f in known_fusions().items() if f.__module__.startswith("skmultimodal")
]


@pytest.mark.parametrize("fusion", OURS)
def test_every_fusion(fusion):
    rows = make_rows()
    heads = [head(fusion=fusion, lr=lr, n_members=1) for lr in (1e-2, 1e-3)]
    alone, outcomes = fit_both(heads, [rows] * 2)
    if fusion == "embrace":  # draws channels at random
        assert outcomes[0].stack == outcomes[1].stack == 0
    else:
        assert_equal(alone, outcomes, rows[0], atol=2e-3)


@pytest.mark.parametrize("temporal", [t for t in TEMPORAL if t not in ("lstm", "gru")])
def test_temporal_encoders(temporal):
    rows = make_rows()
    heads = [head(temporal=temporal, lr=lr) for lr in (1e-2, 1e-3)]
    alone, outcomes = fit_both(heads, [rows] * 2)
    assert_equal(alone, outcomes, rows[0])


def test_members_of_an_implicit_ensemble():
    rows = make_rows()
    heads = [head(n_members=4, lr=lr) for lr in (1e-2, 1e-3)]
    alone, outcomes = fit_both(heads, [rows] * 2)
    assert_equal(alone, outcomes, rows[0])


def test_other_shapes_are_other_stacks():
    rows = make_rows()
    heads = [head(embed_dim=d, lr=lr) for d in (8, 16) for lr in (1e-2, 1e-3)]
    alone, outcomes = fit_both(heads, [rows] * 4)
    assert_equal(alone, outcomes, rows[0])
    assert [outcome.stack for outcome in outcomes] == [0, 0, 1, 1]


def test_all_shapes_differ():
    rows = make_rows()
    heads = [head(embed_dim=d) for d in (4, 8, 16)]
    alone, outcomes = fit_both(heads, [rows] * 3)
    assert_equal(alone, outcomes, rows[0], stacked=False, atol=1e-6)
    assert {outcome.alone for outcome in outcomes} == {"no other net has its shape"}


def test_few_steps_do_not_repay_a_stack(monkeypatch):
    monkeypatch.undo()
    X, y = make_rows(n=30)
    fits = [Fit(head(lr=lr, max_epochs=3), X, y, data=0) for lr in (1e-2, 1e-3)]
    for outcome in fit_together(fits):
        assert outcome.alone == "too few steps of its shape to repay a stack"
    fits = [Fit(head(lr=lr, max_epochs=90), X, y, data=0) for lr in (1e-2, 1e-3)]
    assert {outcome.stack for outcome in fit_together(fits)} == {0}


def test_rows_that_nets_share_are_sent_to_the_device_once(monkeypatch):
    sent, to = [], Rows.to
    monkeypatch.setattr(Rows, "to", lambda self, d: sent.append(self) or to(self, d))
    rows = make_rows()
    fit_together([Fit(head(lr=lr), *rows, data=0) for lr in np.logspace(-3, -2, 5)])
    assert len(sent) == 1


def test_wide_nets_are_not_stacked_on_a_cpu():
    rows = make_rows()
    for width, why in [(8, None), (1200, "nets so wide do not repay a stack")]:
        wide = {"hidden_layer_sizes": (width, width), "device": "cpu"}
        heads = [head(lr=lr, **wide) for lr in np.logspace(-3, -2, 5)]
        outcomes = fit_together([Fit(h, *rows, data=0) for h in heads])
        assert {outcome.alone for outcome in outcomes} == {why}
        assert len({outcome.stack for outcome in outcomes}) == 1


def test_max_models_of_one_says_so():
    fits = [Fit(head(lr=lr), *make_rows(), data=0) for lr in np.logspace(-3, -2, 5)]
    outcomes = fit_together(fits, max_models=1)
    assert {outcome.alone for outcome in outcomes} == {"max_models=1"}


def test_max_models_cuts_stacks():
    rows = make_rows()
    fits = [Fit(head(lr=lr), *rows, data=0) for lr in np.logspace(-3, -2, 7)]
    outcomes = fit_together(fits, max_models=3)
    assert [outcome.stack for outcome in outcomes] == [0, 0, 0, 1, 1, 2, 2]


def test_the_same_losses_in_double_precision():
    X, y = make_rows()
    jobs = []
    for lr in (1e-2, 3e-3, 1e-3):
        job = head(lr=lr, max_epochs=20)._prepare(X, y)
        fine = replace(job.rows, x=job.rows.x.double())
        jobs.append(replace(job, rows=jobs[0].rows if jobs else fine))
    torch.set_default_dtype(torch.float64)
    try:
        alone = [train_network(job) for job in jobs]
        steps = []
        for job in jobs:
            torch.manual_seed(job.settings.seed)
            steps.append(make_step(job))
        together = StackTrainer(jobs, steps).train()
    finally:
        torch.set_default_dtype(torch.float32)
    for one, many in zip(alone, together):
        mine = [epoch["train_loss"] for epoch in many.history]
        its = [epoch["train_loss"] for epoch in one.history]
        np.testing.assert_allclose(mine, its, atol=1e-9, rtol=0)


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_grids_at_random(data):
    seed = data.draw(st.integers(0, 3))
    X, y = make_rows(n=data.draw(st.integers(40, 75)), seed=seed)
    folds = [train for train, _ in KFold(2).split(X)]
    names = {
        "lr": st.sampled_from([1e-3, 5e-3, 2e-2]),
        "weight_decay": st.sampled_from([0.0, 0.1]),
        "max_epochs": st.integers(1, 4),
        "embed_dim": st.sampled_from([4, 8]),
        "average": st.sampled_from([None, "ema"]),
        "early_stopping": st.booleans(),
        "class_weight": st.sampled_from([None, "balanced"]),
        "max_grad_norm": st.sampled_from([None, 0.1]),
        "fusion": st.sampled_from(["concat", "gated", "low_rank_tensor"]),
        "random_state": st.integers(0, 1),
        "label_smoothing": st.sampled_from([0.0, 0.1]),
    }
    grid = data.draw(
        st.lists(st.fixed_dictionaries({}, optional=names), min_size=1, max_size=5)
    )
    heads = [head(**g) for g in grid for _ in folds]
    rows = [(X.iloc[train], y[train]) for train in folds] * len(grid)
    alone, outcomes = fit_both(heads, rows)
    for one, outcome in zip(alone, outcomes):
        assert outcome.error is None
        np.testing.assert_allclose(
            outcome.head.predict_proba(X), one.predict_proba(X), atol=5e-3
        )


@pytest.mark.parametrize(
    "noise",
    [
        {"dropout": 0.3, "modality_dropout": 0.2, "mixup": 0.3},
        {"fusion": "embrace"},  # draws channels
    ],
)
def test_dropout_and_noise_give_the_same_distribution(noise):
    X, y = make_rows(n=120)
    test, y_test = make_rows(n=300, seed=1)
    heads = [head(**noise, random_state=seed) for seed in range(20)]
    alone, outcomes = fit_both(heads, [(X, y)] * 20)
    assert len({outcome.stack for outcome in outcomes}) == 1
    each = [one.score(test, y_test) for one in alone]
    together = [outcome.head.score(test, y_test) for outcome in outcomes]
    assert ttest_rel(each, together).pvalue > 0.01
    losses = [one.history_[-1]["train_loss"] for one in alone]
    theirs = [outcome.head.history_[-1]["train_loss"] for outcome in outcomes]
    assert ttest_rel(losses, theirs).pvalue > 0.01


def test_nets_of_a_stack_have_dropout_of_their_own():
    rows = make_rows()
    fits = [Fit(head(dropout=rate), *rows, data=0) for rate in (0.5, 0.5, 0.0)]
    same, again, none = [outcome.head for outcome in fit_together(fits)]
    losses = [h.history_[-1]["train_loss"] for h in (same, again, none)]
    assert losses[0] != losses[1]
    assert losses[2] < min(losses[:2])
    alone = head().fit(*rows)
    np.testing.assert_allclose(losses[2], alone.history_[-1]["train_loss"], rtol=1e-3)


def test_global_random_state_is_left_alone():
    rows = make_rows()
    state = torch.get_rng_state()
    fit_together([Fit(head(dropout=0.2, lr=lr), *rows, data=0) for lr in (0.01, 0.1)])
    assert torch.equal(state, torch.get_rng_state())


# What goes alone, and says why -----------------------------------------------------


class OwnLoss(CrossEntropyLoss):
    def build(self, *args, **kwargs):
        module = super().build(*args, **kwargs)
        return type("Mine", (type(module),), {"__module__": "mine"})()


class NormedFusion(NeuralFusion):
    def build(self, modalities, embed_dim, dropout):
        return _Normed(len(modalities) * embed_dim)


class _Normed(FusionModule):
    def __init__(self, d_out):
        super().__init__()
        self.d_out = d_out
        self.norm = nn.BatchNorm1d(d_out)

    def forward(self, tokens, present):
        return FusionOutput(
            self.norm(torch.cat([z.mean(1) for z in tokens.values()], 1))
        )


class TwoWayFusion(ConcatFusion):
    def build(self, modalities, embed_dim, dropout):
        module = super().build(modalities, embed_dim, dropout)
        forward = module.forward

        def branching(tokens, present):
            if next(iter(tokens.values())).sum() > 0:
                return forward(tokens, present)
            return forward(tokens, present)

        module.forward = branching
        return module


class TorchDropoutFusion(ConcatFusion):
    def build(self, modalities, embed_dim, dropout):
        module = super().build(modalities, embed_dim, dropout)
        module.drop = nn.Dropout(dropout)
        return module


class Subclass(FusionClassifier):
    def fit(self, X, y, **params):
        return super().fit(X, y, **params)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda: head(callbacks=[Callback()]), "callbacks watch"),
        (lambda: head(max_time=100.0), "max_time=100.0"),
        (lambda: head(modality_balance="ogm_ge"), "GradientModulation"),
        (lambda: head(fusion="auto", max_epochs=1), "fusion='auto'"),
        (lambda: head(warm_start=True), "warm_start=True"),
        (lambda: head(loss=OwnLoss()), "Mine is a loss of your own"),
        (lambda: head(fusion=NormedFusion()), "BatchNorm1d takes statistics"),
        (lambda: head(fusion=TwoWayFusion()), "torch cannot map over it"),
        (lambda: head(fusion=TorchDropoutFusion()), "Dropout of torch keeps its rate"),
        (lambda: head(temporal="lstm"), "torch cannot map over LSTM"),
        (lambda: head(Subclass), "Subclass has a fit of its own"),
        (lambda: head(FusionTransformer), "FusionTransformer is neither"),
    ],
)
def test_what_cannot_be_stacked_is_fitted_all_the_same(made, why):
    rows = make_rows()
    heads = [made().set_params(lr=lr) for lr in (1e-2, 1e-3)]
    outcomes = fit_together([Fit(h, *rows, data=0) for h in heads])
    for h, outcome in zip(heads, outcomes):
        assert outcome.error is None
        assert outcome.stack is None
        assert why in outcome.alone
        one = clone(h).fit(*rows)
        predict = "predict_proba" if hasattr(one, "predict_proba") else "transform"
        np.testing.assert_array_equal(
            getattr(outcome.head, predict)(rows[0]), getattr(one, predict)(rows[0])
        )


def test_one_that_fails_stops_no_other():
    X, y = make_rows()
    heads = [
        head(),
        head(lr=-1.0),
        head(fusion="no such fusion"),
        head(fusion="evidential", mixup=0.5),
        head(lr=1e-2),
    ]
    outcomes = fit_together([Fit(h, X, y, data=0) for h in heads])
    failed = [outcome.error for outcome in outcomes]
    assert [type(error).__name__ for error in failed] == [
        "NoneType",
        "InvalidParameterError",
        "ValueError",
        "ValueError",
        "NoneType",
    ]
    assert outcomes[0].stack == outcomes[4].stack == 0
    assert outcomes[1].head is None


def test_rows_that_cannot_be_read_are_an_error_of_each():
    X, y = make_rows()
    fits = [Fit(head(lr=lr), X, np.zeros(len(y), int), data=0) for lr in (0.1, 0.01)]
    for outcome in fit_together(fits):
        assert "at least 2 classes" in str(outcome.error)


def test_memory_that_runs_out_halves_the_stack(monkeypatch):
    class Small(_fit_together.StackTrainer):
        def __init__(self, jobs, steps, paused):
            if len(jobs) > 2:
                raise MemoryError("out of memory")
            super().__init__(jobs, steps, paused)

    monkeypatch.setattr(_fit_together, "StackTrainer", Small)
    rows = make_rows()
    heads = [head(lr=lr) for lr in (1e-2, 5e-3, 2e-3, 1e-3)]
    alone, outcomes = fit_both(heads, [rows] * 4)
    assert_equal(alone, outcomes, rows[0])
    assert [outcome.stack for outcome in outcomes] == [0, 0, 1, 1]


# Pausing ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [{}, {"average": "ema"}, {"average": "swa"}, {"early_stopping": True, "lr": 0.03}],
)
def test_a_pause_changes_nothing(params):
    X, y = make_rows(n=120)
    heads = [head(max_epochs=9, weight_decay=w, **params) for w in (0.0, 0.1)]
    alone = [clone(h).fit(X, y) for h in heads]
    paused = [None] * 2
    for until in (2, 5, 9):
        fits = [
            Fit(clone(h), X, y, data=0, until=until, paused=before)
            for h, before in zip(heads, paused)
        ]
        outcomes = fit_together(fits)
        assert all(outcome.error is None for outcome in outcomes)
        paused = [outcome.paused for outcome in outcomes]
        if until < 9:
            assert [outcome.head.n_iter_ for outcome in outcomes] == [until] * 2
    assert paused == [None, None]
    assert_equal(alone, outcomes, X)


def test_what_cannot_be_stacked_stops_too():
    X, y = make_rows()
    slow = head(temporal="lstm", max_epochs=6)
    (outcome,) = fit_together([Fit(clone(slow), X, y, until=2)])
    whole = clone(slow).fit(X, y)
    assert outcome.head.n_iter_ == 2
    its = [epoch["train_loss"] for epoch in whole.history_[:2]]
    mine = [epoch["train_loss"] for epoch in outcome.head.history_]
    assert mine == its
    assert outcome.paused is None


def test_labels_of_rows_travel_to_every_head():
    X, y = make_rows()
    y = pd.Series(y).map({0: "a", 1: "b", 2: "c"}).to_numpy()
    fits = [Fit(head(lr=lr), X, y, data=0) for lr in (1e-2, 1e-3)]
    for outcome in fit_together(fits):
        assert outcome.head.classes_.tolist() == ["a", "b", "c"]
        assert list(outcome.head.feature_names_in_) == list(X.columns)
        assert set(outcome.head.predict(X)) <= {"a", "b", "c"}
