"""What losses by epoch say, against courses made by hand."""

import itertools

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline

from skmultimodal import multimodal_pipeline
from skmultimodal.datasets import make_multimodal_classification
from skmultimodal.heads import FusionClassifier, FusionRegressor, FusionTransformer
from skmultimodal.inspection import training_curve


@pytest.fixture(scope="module")
def rows():
    """Training rows, a few, and others to validate on."""
    X, y = make_multimodal_classification(240, random_state=0)
    return X[:80], y[:80], X[80:], y[80:]


@pytest.fixture(scope="module")
def overfitted(rows):
    X, y, X_val, y_val = rows
    head = FusionClassifier(dropout=0.0, max_epochs=40, random_state=0)
    return head.fit(X, y, X_val=X_val, y_val=y_val)


@pytest.fixture(scope="module")
def auto():
    """Signs that have to agree, which no linear model sees."""
    X, y = make_multimodal_classification(
        240, synergistic=0.9, redundant=0.1, unique=0, random_state=0
    )
    head = FusionClassifier("auto", max_epochs=6, random_state=0)
    return head.set_params(early_stopping=True, validation_fraction=0.3).fit(X, y)


def trained(valid, train=None, **params):
    """A head that looks as if it had been trained with these losses."""
    n = len(valid)
    train = np.linspace(1, 0.1, n) if train is None else train
    head = FusionClassifier(**params)
    head.module_ = None
    best = itertools.accumulate(valid, min)
    head.history_ = [
        {"epoch": k + 1, "train_loss": t, "lr": 0.1, "valid_loss": v}
        | {"valid_loss_best": v == b and v not in valid[:k]}
        for k, (t, v, b) in enumerate(zip(train, valid, best))
    ]
    return head


FALLS = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5]
RISES = [1.0, 0.7, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75]


class TestTable:
    def test_rows_are_the_history(self, overfitted):
        curve = training_curve(overfitted)
        assert curve["epoch"].tolist() == list(range(1, 41))
        for column in ("train_loss", "valid_loss", "lr"):
            expected = [epoch[column] for epoch in overfitted.history_]
            assert curve[column].tolist() == expected

    @pytest.mark.parametrize("average", [None, "ema"])
    def test_early_stopping_keeps_the_epoch_with_the_lowest_loss(self, rows, average):
        X, y, X_val, y_val = rows
        head = FusionClassifier(
            dropout=0.0,
            max_epochs=40,
            early_stopping=True,
            average=average,
            random_state=0,
        )
        head.fit(X, y, X_val=X_val, y_val=y_val)
        curve = training_curve(head)
        (kept,) = curve.index[curve["kept"]]
        # the weights that the head has are those that gave the loss of that epoch
        proba = head.predict_proba(X_val)[np.arange(len(y_val)), y_val]
        loss = curve["valid_loss"]
        assert -np.log(proba).mean() == pytest.approx(loss[kept], rel=1e-4)
        assert loss[kept] == loss.min() < loss.iloc[-1]

    def test_without_early_stopping_the_last_epoch_is_kept(self, overfitted):
        curve = training_curve(overfitted)
        assert curve.index[curve["kept"]].tolist() == [39]
        assert curve["valid_loss"].idxmin() < 39

    def test_after_a_warm_start_the_best_of_the_last_training_is_kept(self, rows):
        X, y, X_val, y_val = rows
        head = FusionClassifier(
            dropout=0.0,
            max_epochs=25,
            early_stopping=True,
            n_iter_no_change=3,
            warm_start=True,
            random_state=0,
        )
        n_first = head.fit(X, y, X_val=X_val, y_val=y_val).n_iter_
        head.fit(X, y, X_val=X_val, y_val=y_val)
        curve = training_curve(head)
        (kept,) = curve.index[curve["kept"]]
        assert curve["epoch"].tolist() == list(range(1, head.n_iter_ + 1))
        assert kept == curve["valid_loss"][n_first:].idxmin()

    def test_partial_fit_goes_on_from_what_was_kept(self, rows):
        X, y, X_val, y_val = rows
        head = FusionClassifier(early_stopping=True, max_epochs=5, random_state=0)
        head.fit(X, y, X_val=X_val, y_val=y_val).partial_fit(X, y)
        curve = training_curve(head)
        assert curve["kept"].tolist() == [False] * 5 + [True]
        assert np.isnan(curve["valid_loss"].iloc[-1])


class TestEstimators:
    def test_pipelines_and_searches(self, rows, overfitted):
        X, y, *_ = rows
        expected = training_curve(overfitted).attrs["summary"]
        pipeline = Pipeline([("inner", make_pipeline("passthrough", overfitted))])
        assert training_curve(pipeline).attrs["summary"] == expected
        search = GridSearchCV(
            make_pipeline(FusionClassifier(max_epochs=2)),
            {"fusionclassifier__lr": [1e-3, 1e-2]},
            cv=2,
        )
        assert len(training_curve(search.fit(X, y))) == 2

    def test_a_pipeline_from_raw_rows(self, rows):
        X, y, *_ = rows
        raw = X.iloc[:, :3].rename(columns=lambda name: name.replace("__", "_"))
        model = multimodal_pipeline("classifier", fusion="gated", max_epochs=3)
        assert len(training_curve(model.fit(raw, y))) == 3

    def test_regressors_and_transformers(self, rows):
        X, y, *_ = rows
        stopping = {"max_epochs": 3, "early_stopping": True, "random_state": 0}
        for head in (
            FusionRegressor(**stopping).fit(X, y + 0.5),
            FusionTransformer(cv=None, **stopping).fit(X, y),
            FusionTransformer(objective="contrastive", **stopping).fit(X),
        ):
            curve = training_curve(head)
            assert curve.shape == (3, 6)
            assert curve["valid_loss"].notna().all()

    def test_what_ends_in_no_head(self, rows):
        X, y, *_ = rows
        fuse = FusionTransformer(max_epochs=1, cv=2, random_state=0)
        model = make_pipeline(fuse, LogisticRegression()).fit(X, y)
        with pytest.raises(TypeError, match=r"Pipeline.*ends in LogisticRegression"):
            training_curve(model)
        assert len(training_curve(model[0])) == 1
        with pytest.raises(TypeError, match="LogisticRegression has no history"):
            training_curve(LogisticRegression())

    def test_not_fitted(self):
        with pytest.raises(NotFittedError):
            training_curve(FusionClassifier())


class TestAuto:
    def test_the_net_with_the_largest_share_is_shown(self, auto):
        nets = {epoch["candidate"] for epoch in auto.history_}
        shares = auto.fusion_report_["weight"]
        curve = training_curve(auto)
        assert curve.attrs["candidate"] == shares[shares.index.isin(nets)].idxmax()
        assert curve["fold"].unique().tolist() == [0, 1, 2, 3]
        assert curve.groupby("fold")["kept"].sum().tolist() == [1, 1, 1, 1]
        name = curve.attrs["candidate"]
        assert curve.attrs["summary"].startswith(f"{name}: ")
        assert "4 nets, one a fold" in curve.attrs["summary"]

    def test_a_net_that_was_not_taken_can_be_named(self, auto):
        taken = training_curve(auto).attrs["candidate"]
        name = next(e["candidate"] for e in auto.history_ if e["candidate"] != taken)
        curve = training_curve(auto, candidate=name)
        expected = [e["train_loss"] for e in auto.history_ if e["candidate"] == name]
        assert curve["train_loss"].tolist() == expected
        with pytest.raises(ValueError, match=r"'film' is no net.*'concat'"):
            training_curve(auto, candidate="film")

    def test_linear_models_have_no_epochs(self, auto):
        report = auto.fusion_report_
        linear = FusionClassifier("auto")
        linear.history_, linear._auto = auto.history_, auto._auto
        linear.fusion_report_ = report.assign(weight=0.0)
        with pytest.raises(ValueError, match=r"linear models alone.*candidate="):
            training_curve(linear)
        assert len(training_curve(linear, candidate="concat"))

    def test_other_heads_have_no_candidates(self, overfitted):
        with pytest.raises(ValueError, match=r"candidate='concat'.*Leave it out"):
            training_curve(overfitted, candidate="concat")

    def test_most_of_the_nets_decide(self):
        head = FusionClassifier("auto")
        head._auto = None
        head.history_ = [
            {"candidate": "concat", "fold": fold, **epoch}
            for fold, valid in enumerate([RISES, FALLS, RISES])
            for epoch in trained(valid).history_
        ]
        shares = {"weight": [1.0]}
        head.fusion_report_ = training_curve(trained(FALLS)).iloc[:1].assign(**shares)
        head.fusion_report_.index = ["concat"]
        attrs = training_curve(head).attrs
        assert attrs["overfits"] is True
        assert attrs["summary"].startswith(
            "concat: 2 of 3 nets, one a fold, overfit. Fold 0: Validation loss was "
            "lowest at epoch 3 of 8 (0.5)"
        )

    def test_the_net_of_all_rows_is_the_one(self):
        """Where one fold has decided: what it had trained predicts no more."""
        head = FusionClassifier("auto")
        head._auto = None
        head.history_ = [
            {"candidate": "mmtm", "fold": fold, **epoch}
            for fold, valid in ((0, RISES), (None, FALLS))
            for epoch in trained(valid).history_
        ]
        head.fusion_report_ = training_curve(trained(FALLS)).iloc[:1].assign(weight=1.0)
        head.fusion_report_.index = ["mmtm"]
        curve = training_curve(head)
        assert curve["valid_loss"].tolist() == FALLS
        assert curve["fold"].tolist() == [0] * len(FALLS)
        assert curve.attrs["summary"].startswith("mmtm: Validation loss was lowest")


class TestWords:
    def test_validation_loss_that_rises_while_training_loss_falls(self):
        train = [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]
        attrs = training_curve(trained(RISES, train)).attrs
        assert attrs["overfits"] is True
        # the end is the mean of the last three: 0.7 and 0.4
        assert attrs["summary"].startswith(
            "Validation loss was lowest at epoch 3 of 8 (0.5) and then rose by 40 %, "
            "while training loss fell by 50 %: the model overfits, and its last epoch "
            "is kept."
        )
        attrs = training_curve(trained(RISES, train, early_stopping=True)).attrs
        assert attrs["overfits"] is True
        assert attrs["summary"].endswith("Early stopping has restored epoch 3.")

    def test_both_rise(self):
        attrs = training_curve(trained(RISES, RISES)).attrs
        assert attrs["overfits"] is False
        assert "no overfitting; try a lower lr" in attrs["summary"]

    def test_still_falling(self):
        attrs = training_curve(trained(FALLS, FALLS)).attrs
        assert attrs["overfits"] is False
        assert attrs["summary"].endswith("still fell: more epochs may help.")

    def test_level(self):
        level = [1.0, 0.7, 0.52, 0.5, 0.505, 0.5, 0.505, 0.5]
        attrs = training_curve(trained(level, level)).attrs
        assert attrs["overfits"] is False
        assert attrs["summary"].endswith(
            "not risen beyond jitter since: no overfitting."
        )

    def test_a_wide_gap_is_named(self):
        level = [1.0, 0.7, 0.52, 0.5, 0.505, 0.5, 0.505, 0.5]
        train = [1.0, 0.5, 0.2, 0.1, 0.02, 0.02, 0.02, 0.02]
        attrs = training_curve(trained(level, train)).attrs
        assert attrs["overfits"] is False
        said = attrs["summary"]
        assert "not risen beyond jitter since, but training loss ends far" in said
        assert "at 0.02: the model knows its training rows much better" in said

    def test_no_validation_loss(self, rows):
        X, y, *_ = rows
        attrs = training_curve(FusionClassifier(max_epochs=5).fit(X, y)).attrs
        assert attrs["overfits"] is None
        assert "cannot be told without a validation loss" in attrs["summary"]
        assert "early_stopping=True" in attrs["summary"]

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_a_training_that_diverged(self, bad):
        attrs = training_curve(trained([1.0, bad, bad], [1.0, bad, bad])).attrs
        assert attrs["overfits"] is None
        assert "diverged; try a lower lr" in attrs["summary"]

    def test_losses_below_zero_have_no_shares(self):
        valid, train = np.array(RISES) - 1, np.linspace(0, -2, 8)
        said = training_curve(trained(valid.tolist(), train)).attrs["summary"]
        assert "(-0.5) and then rose from -0.5 to -0.3" in said
        assert "%" not in said

    def test_a_curve_with_jitter_alone_is_seldom_called_overfitted(self):
        rng = np.random.default_rng(0)
        smooth = 0.4 + 0.6 * np.exp(-np.arange(30) / 4)
        called = [
            training_curve(
                trained((smooth + 0.02 * rng.normal(size=30)).tolist())
            ).attrs["overfits"]
            for _ in range(60)
        ]
        assert np.mean(called) < 0.1

    def test_a_rise_with_jitter_is_seen(self):
        rng = np.random.default_rng(0)
        valid = np.abs(np.arange(30) - 6) / 60 + 0.4 + 0.02 * rng.normal(size=30)
        assert training_curve(trained(valid.tolist())).attrs["overfits"] is True
