"""The fused representation: its frame, and why it is out of fold."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skmultimodal import pack, unpack
from skmultimodal._provenance import Synthetic
from skmultimodal.fusion import EvidentialFusion
from skmultimodal.heads import (
    FusionClassifier,
    FusionRegressor,
    FusionTransformer,
    _transformer,
)
from skmultimodal.losses import FocalLoss

MEMORISES = {"embed_dim": 16, "max_epochs": 15, "weight_decay": 0.0}


@pytest.fixture
def data(make_data):
    X, signal = make_data(index=pd.Index([f"row{k}" for k in range(160)]))
    return X, (signal > 0).astype(int)


@pytest.fixture
def gaps(data):
    """Row 0 has no text, row 1 no audio, row 2 neither."""
    X, y = data
    X = X.copy()
    X.iloc[[0, 2], :3] = np.nan
    X.iloc[[1, 2], 3:] = np.nan
    return X, y


def noise(n=120, width=12, seed=0):
    """Two modalities and classes that have nothing to do with them."""
    rng = np.random.default_rng(seed)
    left, right = rng.normal(size=(2, n, width))
    return pack({"left": left, "right": right}), rng.integers(2, size=n)


def honest_score(Z, y):
    """What a second estimator believes that it will reach."""
    return cross_val_score(KNeighborsClassifier(5), Z, y, cv=5).mean()


@pytest.fixture
def folds(monkeypatch):
    """The folds that are drawn, as they are drawn."""
    drawn = []
    draw = _transformer.draw_folds

    def record(*args, **kwargs):
        drawn.append(draw(*args, **kwargs))
        return drawn[-1]

    monkeypatch.setattr(_transformer, "draw_folds", record)
    return drawn


class TestFrame:
    def test_fused_is_one_modality(self, data, quick):
        X, y = data
        fitted = FusionTransformer(**quick(max_epochs=1)).fit(X, y)
        Z = fitted.transform(X)
        assert list(Z.columns) == [f"fused__{k}" for k in range(16)]  # two of 8
        assert list(fitted.get_feature_names_out()) == list(Z.columns)
        assert Z.index.equals(X.index)
        assert (Z.dtypes == np.float32).all()
        assert set(unpack(Z)) == {"fused"}

    def test_width_is_that_of_the_fusion(self, data, quick):
        X, y = data
        widths = {"gated": 8, "concat": 16, "bottleneck": 24}
        for fusion, width in widths.items():
            Z = FusionTransformer(fusion, **quick(max_epochs=1)).fit(X, y).transform(X)
            assert Z.shape == (160, width), fusion

    def test_a_block_a_modality(self, gaps, quick):
        X, y = gaps
        params = quick(max_epochs=1, output="per_modality")
        for objective in ("supervised", "contrastive", "reconstruction"):
            blocks = unpack(
                FusionTransformer("bottleneck", objective=objective, **params)
                .fit(X, y)
                .transform(X)
            )
            assert {m: z.shape for m, z in blocks.items()} == {
                "text": (160, 8),
                "audio": (160, 8),
            }
            for m, without in {"text": [0, 2], "audio": [1, 2]}.items():
                gone = np.isnan(blocks[m])
                assert gone[without].all()
                assert gone.sum() == 2 * 8

    def test_output_may_be_set_after_fit(self, data, quick):
        X, y = data
        for objective in ("supervised", "contrastive", "reconstruction"):
            params = quick(objective=objective, max_epochs=1)
            one = FusionTransformer("bottleneck", **params).fit(X, y)
            other = FusionTransformer("bottleneck", output="per_modality", **params)
            expected = other.fit(X, y).transform(X)
            found = one.set_params(output="per_modality").transform(X)
            pd.testing.assert_frame_equal(found, expected)

    def test_fused_is_never_nan(self, gaps, quick):
        X, y = gaps
        for objective in ("supervised", "contrastive", "reconstruction"):
            Z = FusionTransformer(objective=objective, **quick(max_epochs=1))
            assert np.isfinite(Z.fit_transform(X, y)).all(axis=None)

    def test_containers(self, data, quick):
        X, y = data
        fitted = FusionTransformer(**quick(max_epochs=1)).fit(X, y)
        expected = fitted.transform(X)
        polars = fitted.set_output(transform="polars").transform(X)
        assert isinstance(polars, pl.DataFrame)
        assert polars.columns == list(expected.columns)
        np.testing.assert_array_equal(polars.to_numpy(), expected)
        fitted.set_output(transform="pandas")
        pd.testing.assert_frame_equal(fitted.transform(X), expected)
        modalities = {"text": slice(0, 3), "audio": slice(3, 9)}
        bare = FusionTransformer(modalities=modalities, **quick(max_epochs=1))
        Z = bare.fit(X.to_numpy(), y).transform(X.to_numpy())
        assert type(Z) is np.ndarray
        assert Z.dtype == np.float32
        assert Z.shape == (160, 16)

    def test_the_frame_of_fit_transform_is_that_of_transform(self, gaps, quick):
        X, y = gaps
        for output in ("fused", "per_modality"):
            made = FusionTransformer(output=output, cv=3, **quick(max_epochs=2))
            Z, later = made.fit_transform(X, y), made.transform(X)
            assert list(Z.columns) == list(later.columns)
            assert Z.index.equals(later.index)
            assert (Z.dtypes == np.float32).all()
            pd.testing.assert_frame_equal(Z.isna(), later.isna())

    def test_same_seed_same_representation(self, data, quick):
        X, y = data
        params = quick(max_epochs=2, dropout=0.2, cv=3)
        one, two = (FusionTransformer(**params).fit_transform(X, y) for _ in "ab")
        other = FusionTransformer(**params | {"random_state": 1}).fit_transform(X, y)
        pd.testing.assert_frame_equal(one, two)
        assert not np.allclose(one, other)

    def test_travels(self, data, quick):
        X, y = data
        for objective in ("supervised", "contrastive", "reconstruction"):
            made = FusionTransformer(objective=objective, **quick(max_epochs=1))
            fitted = clone(made).fit(X, y)
            again = pickle.loads(pickle.dumps(fitted))
            pd.testing.assert_frame_equal(again.transform(X), fitted.transform(X))
            assert not hasattr(clone(fitted), "module_")


class TestOutOfFold:
    def test_training_rows_do_not_give_their_class_away(self, quick):
        """On pure noise there is nothing to find; with cv=None a model finds it."""
        X, y = noise()
        made = FusionTransformer("bottleneck", cv=4, **quick(**MEMORISES))
        assert abs(honest_score(made.fit_transform(X, y), y) - 0.5) < 0.12
        leaks = clone(made).set_params(cv=None)
        with pytest.warns(UserWarning, match="has seen their y"):
            Z = leaks.fit_transform(X, y)
        assert honest_score(Z, y) > 0.7

    def test_cv_none_is_transform(self, data, quick):
        X, y = data
        made = FusionTransformer(cv=None, **quick(max_epochs=2))
        with pytest.warns(UserWarning, match="cv=5 for representations out of fold"):
            Z = made.fit_transform(X, y)
        pd.testing.assert_frame_equal(Z, made.transform(X))

    @pytest.mark.parametrize("output", ["fused", "per_modality"])
    @pytest.mark.parametrize("draw", [int, np.random.RandomState])
    def test_all_nets_share_one_space(self, make_data, quick, output, draw):
        """Nets that start differently too, which only an integer prevents."""
        X, signal = make_data(240)
        X.iloc[:20, :3] = np.nan
        made = FusionTransformer(
            "bottleneck",
            output=output,
            cv=2,
            **quick(random_state=draw(0), max_epochs=8),
        )
        Z = made.fit_transform(X, (signal > 0).astype(int))
        later = made.transform(X)
        alike = np.array([Z[name].corr(later[name]) for name in Z.columns])
        assert alike.min() > 0.4
        assert alike.mean() > 0.75

    def test_a_second_estimator_is_as_good_as_behind_one_net(self, make_data, quick):
        X, signal = make_data(500)
        y = (signal > 0).astype(int)
        made = FusionTransformer("bottleneck", cv=3, **quick(max_epochs=8))
        scores = {}
        for cv in (3, None):
            model = make_pipeline(
                clone(made).set_params(cv=cv), StandardScaler(), LogisticRegression()
            )
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", r"FusionTransformer\(cv=None\)")
                scores[cv] = model.fit(X[:200], y[:200]).score(X[200:], y[200:])
        assert scores[3] > 0.85
        assert scores[3] > scores[None] - 0.03

    def test_each_row_comes_from_a_net_without_it(self, data, quick, folds):
        """What a fold's net gives, moved by a ridge regression worked out here."""
        X, y = data
        made = FusionTransformer(cv=KFold(2), **quick(max_epochs=2))
        Z = made.fit_transform(X, y).to_numpy()
        seen = made.transform(X).to_numpy()
        (train, test), _ = folds[0]
        alone = clone(made).fit(X.iloc[train], y[train])
        a, b = alone.transform(X.iloc[train]).to_numpy(), seen[train]
        scale = a.std(axis=0)
        a, c = (a - a.mean(axis=0)) / scale, b - b.mean(axis=0)
        later = alone.transform(X.iloc[test]).to_numpy()
        later = (later - alone.transform(X.iloc[train]).to_numpy().mean(0)) / scale
        errors, moved = [], []
        for penalty in 10.0 ** np.arange(-3, 5):
            inverse = np.linalg.inv(a.T @ a + penalty * np.eye(a.shape[1]))
            hat = a @ inverse @ a.T + 1 / len(a)
            residual = (c - a @ inverse @ a.T @ c) / (1 - np.diag(hat))[:, None]
            errors.append((residual**2).mean())
            moved.append(later @ inverse @ a.T @ c + b.mean(axis=0))
        expected = moved[int(np.argmin(errors))]
        np.testing.assert_allclose(Z[test], expected, rtol=1e-3, atol=1e-3)

    def test_groups_are_not_parted(self, data, quick, folds):
        X, y = data
        groups = np.arange(160) // 4
        made = FusionTransformer(cv=3, **quick(max_epochs=1))
        made.fit_transform(X, y, groups=groups)
        assert len(folds[0]) == 3
        for train, test in folds[0]:
            assert not set(groups[train]) & set(groups[test])

    def test_groups_given_by_label(self, data, quick, folds):
        """As behind a sampler: a Series in another order, with labels of other rows."""
        X, y = data
        groups = pd.Series(np.arange(160) // 4, index=X.index)
        shuffled = groups.sample(frac=1, random_state=0)
        y = np.where(np.arange(160) % 10 == 0, -1, y + 1)
        made = FusionTransformer(cv=3, **quick(max_epochs=1))
        with pytest.warns(UserWarning, match="unlabelled"):
            made.fit_transform(X, y, groups=shuffled)
        group = groups.to_numpy()[y >= 0]
        for train, test in folds[0]:
            assert not set(group[train]) & set(group[test])

    def test_a_synthetic_row_and_its_parents_are_not_parted(
        self, data, quick, folds, monkeypatch
    ):
        X, y = data
        made_of = pd.DataFrame(
            (X.to_numpy()[:40] + X.to_numpy()[40:80]) / 2, columns=X.columns
        )
        made_of.index = pd.Index(
            [Synthetic([X.index[k], X.index[k + 40]]) for k in range(40)]
        )
        both = pd.concat([X, made_of.astype(np.float32)])
        target = np.concatenate([y, y[:40]])
        FusionTransformer(cv=4, **quick(max_epochs=1)).fit_transform(both, target)
        tested = np.concatenate([test for _, test in folds[0]])
        assert sorted(tested) == list(range(160))  # originals, each once
        for train, test in folds[0]:
            invented = train[train >= 160] - 160
            assert len(invented)
            assert not {*invented, *(invented + 40)} & set(test)


class TestTarget:
    def test_rows_without_a_label_are_left_out_and_represented(self, data, quick):
        X, y = data
        some = np.where(np.arange(160) % 4 == 0, -1, y + 1)
        few = some != -1
        made = FusionTransformer(cv=3, **quick(max_epochs=3))
        with pytest.warns(UserWarning, match="40 rows with y = -1 count as unlabelled"):
            Z = made.fit_transform(X, some)
        assert Z.shape == (160, 16)
        expected = clone(made).fit(X[few], some[few])
        pd.testing.assert_frame_equal(made.transform(X), expected.transform(X))
        # theirs are not out of fold: the net of all labelled rows has not seen them
        pd.testing.assert_frame_equal(Z[~few], expected.transform(X[~few]))
        assert not np.allclose(Z[few], expected.transform(X[few]))

    def test_minus_one_beside_one_other_is_a_class(self, data, quick):
        X, y = data
        one = FusionTransformer(**quick(max_epochs=2)).fit(X, 2 * y - 1)
        other = FusionTransformer(**quick(max_epochs=2)).fit(X, y)
        pd.testing.assert_frame_equal(one.transform(X), other.transform(X))

    def test_minus_one_is_a_number_to_a_regression(self, make_data, quick):
        X, signal = make_data()
        y = np.clip(np.round(signal), -2, 2).astype(int)
        made = FusionTransformer(task="regression", **quick(max_epochs=2))
        same = FusionTransformer(**quick(max_epochs=2)).fit(X, y + 0.5)  # not whole
        pd.testing.assert_frame_equal(made.fit(X, y).transform(X), same.transform(X))

    @pytest.mark.parametrize("n_targets", [1, 2])
    def test_numbers(self, make_data, quick, n_targets):
        X, signal = make_data(200)
        y = np.stack([signal, signal**2], axis=1)[:, :n_targets].squeeze()
        made = FusionTransformer("gated", cv=2, **quick(max_epochs=12))
        Z = made.fit_transform(X, y).to_numpy()
        A = np.column_stack([Z, np.ones(len(Z))])
        left = signal - A @ np.linalg.lstsq(A, signal, rcond=None)[0]
        assert 1 - left.var() / signal.var() > 0.8

    def test_several_labels(self, make_data, quick):
        X, signal = make_data()
        y = np.stack([signal > 0, signal > 1], axis=1).astype(int)
        made = FusionTransformer(cv=3, **quick(max_epochs=2))
        assert made.fit_transform(X, y).shape == (160, 16)

    def test_rows_of_no_weight_take_no_part(self, data, quick):
        X, y = data
        weight = pd.Series((np.arange(160) >= 40).astype(float), index=X.index)
        X_wild = X.copy()
        X_wild.iloc[:40] *= 1e3
        params = quick(max_epochs=2)
        one = FusionTransformer(**params).fit(X_wild, 1 - y, weight.sample(frac=1))
        other = FusionTransformer(**params).fit(X_wild[40:], 1 - y[40:])
        pd.testing.assert_frame_equal(one.transform(X), other.transform(X))

    def test_supervised_needs_a_target(self, data, quick):
        with pytest.raises(ValueError, match=r"learns from it\. Give y, or objective="):
            FusionTransformer(**quick()).fit(data[0])

    def test_auto_chooses_among_predictions(self, data, quick):
        X, y = data
        with pytest.raises(ValueError, match="for FusionClassifier and FusionRegress"):
            FusionTransformer("auto", **quick()).fit(X, y)

    def test_fusions_that_give_their_own_output(self, data, quick):
        X, y = data
        made = FusionTransformer(EvidentialFusion(), cv=3, **quick(max_epochs=2))
        assert made.fit_transform(X, y).shape == (160, 16)


class TestLosses:
    """The supervised objective trains the net of a head: with all that a head has."""

    CONTROLS = {"mixup": 0.5, "n_members": 3, "dropout": 0.2, "max_epochs": 2}

    @staticmethod
    def weights(head):
        return {name: p.numpy() for name, p in head.module_.state_dict().items()}

    def same(self, one, two):
        found, expected = self.weights(one), self.weights(two)
        assert set(found) == set(expected)
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values)

    @pytest.mark.parametrize(
        "loss", [None, "cross_entropy", "focal", "ldam", FocalLoss(0.5)]
    )
    def test_the_net_is_that_of_a_classifier(self, data, quick, loss):
        X, y = data
        y = (np.arange(160) % 8 == 0) | (y == 1)  # classes of different size
        params = quick(**self.CONTROLS)
        made = FusionTransformer(loss=loss, **params).fit(X, y)
        head = FusionClassifier(loss=loss or "cross_entropy", **params).fit(X, y)
        self.same(made, head)

    @pytest.mark.parametrize("loss", ["focal", "logit_adjusted", "class_balanced"])
    def test_of_several_labels_too(self, data, quick, loss):
        X, y = data
        labels = np.column_stack([y, np.arange(160) % 8 == 0]).astype(int)
        params = quick(loss=loss, **self.CONTROLS)
        made = FusionTransformer(**params).fit(X, labels)
        self.same(made, FusionClassifier(**params).fit(X, labels))

    @pytest.mark.parametrize("loss", [None, "squared_error", "huber"])
    def test_the_net_is_that_of_a_regressor(self, make_data, quick, loss):
        X, y = make_data()
        y = y.copy()
        y[:5] = 1e3  # which sets the scale of y, or does not
        params = quick(**self.CONTROLS)
        made = FusionTransformer(loss=loss, **params).fit(X, y)
        head = FusionRegressor(loss=loss or "squared_error", **params).fit(X, y)
        self.same(made, head)

    @pytest.mark.parametrize(
        "params", [{"loss": "focal"}, {"mixup": 1.0}, {"n_members": 2}]
    )
    def test_changes_the_representation(self, data, quick, params):
        X, y = data
        plain = FusionTransformer(cv=3, **quick(max_epochs=3)).fit_transform(X, y)
        made = FusionTransformer(cv=3, **quick(max_epochs=3, **params))
        Z = made.fit_transform(X, y)
        assert Z.shape == plain.shape
        assert not np.allclose(Z, plain, atol=1e-3)
        pd.testing.assert_frame_equal(Z, clone(made).fit_transform(X, y))
        again = pickle.loads(pickle.dumps(made))
        pd.testing.assert_frame_equal(again.transform(X), made.transform(X))

    @pytest.mark.parametrize("objective", ["contrastive", "reconstruction"])
    @pytest.mark.parametrize(
        "params", [{"loss": "focal"}, {"mixup": 0.5}, {"n_members": 2}]
    )
    def test_other_objectives_have_no_room(self, data, quick, objective, params):
        ((name, _),) = params.items()
        made = FusionTransformer(objective=objective, **quick(**params))
        with pytest.raises(
            ValueError, match=rf"'{objective}' has a loss.*leave {name}="
        ):
            made.fit(data[0])

    def test_a_loss_is_for_its_targets(self, make_data, quick):
        X, signal = make_data()
        made = FusionTransformer(loss="huber", **quick(max_epochs=1))
        with pytest.raises(ValueError, match="is for regression, and y holds classes"):
            made.fit(X, signal > 0)
        made.set_params(task="regression").fit(X, (signal > 0).astype(int))
        with pytest.raises(ValueError, match="is for classification"):
            made.set_params(loss="ldam").fit(X, signal)

    def test_fusions_with_their_own_loss(self, data, quick):
        for params in ({"loss": "focal"}, {"mixup": 0.5}):
            made = FusionTransformer(EvidentialFusion(), **quick(**params))
            with pytest.raises(ValueError, match=r"EvidentialFusion (brings|has)"):
                made.fit(*data)

    def test_a_warm_start_takes_the_loss_of_now(self, data, quick):
        X, y = data
        params = quick(max_epochs=1, warm_start=True)
        made = FusionTransformer(loss="focal", **params).fit(X, y)
        head = FusionClassifier(loss="focal", **params).fit(X, y)
        made.set_params(loss=None).fit(X, y)
        self.same(made, head.set_params(loss="cross_entropy").fit(X, y))

    def test_parameters_of_a_loss_are_searched(self, data, quick):
        X, y = data
        fuse = FusionTransformer(loss=FocalLoss(), cv=2, **quick(max_epochs=1))
        search = GridSearchCV(
            make_pipeline(fuse, LogisticRegression()),
            {"fusiontransformer__loss__gamma": [0.0, 4.0]},
            cv=2,
            error_score="raise",
        ).fit(X, y)
        assert len(search.cv_results_["params"]) == 2


def test_searched_in_a_pipeline(data, quick):
    X, y = data
    model = Pipeline(
        [
            ("fuse", FusionTransformer(cv=3, **quick(max_epochs=4))),
            ("model", LogisticRegression()),
        ]
    )
    search = GridSearchCV(
        model,
        {"fuse__objective": ["supervised", "contrastive", "reconstruction"]},
        cv=2,
    ).fit(X, y)
    scores = dict(
        zip(
            search.cv_results_["param_fuse__objective"],
            search.cv_results_["mean_test_score"],
        )
    )
    assert min(scores.values()) > 0.6  # y is linear in what all of them keep
    assert scores["supervised"] > 0.8
