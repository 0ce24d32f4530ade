"""Classes in, classes out: targets, weights and what is refused."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.metrics import recall_score

from skmultimodal import pack
from skmultimodal.fusion import BottleneckFusion
from skmultimodal.heads import FusionClassifier


class TestTargets:
    def test_binary(self, make_data, quick):
        X, signal = make_data(300)
        y = (signal > 0).astype(int)
        head = FusionClassifier(**quick()).fit(X[:200], y[:200])
        assert list(head.classes_) == [0, 1]
        proba = head.predict_proba(X[200:])
        assert proba.shape == (100, 2)
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
        found = head.predict(X[200:])
        np.testing.assert_array_equal(found, proba.argmax(axis=1))
        assert (found == y[200:]).mean() > 0.85

    @pytest.mark.parametrize(
        "labels",
        [
            ["low", "mid", "top"],
            [-5, 0, 1000],
        ],
    )
    def test_multiclass_with_any_labels(self, make_data, quick, labels):
        X, signal = make_data(300)
        y = np.array(labels)[np.digitize(signal, [-0.6, 0.6])]
        head = FusionClassifier(**quick()).fit(X[:200], y[:200])
        assert list(head.classes_) == sorted(labels)
        assert head.predict(X).dtype == y.dtype
        assert head.predict_proba(X).shape == (300, 3)
        assert head.score(X[200:], y[200:]) > 0.7

    @pytest.mark.parametrize(
        "convert",
        [
            list,
            pd.Series,
            lambda y: pd.Series(y, dtype="category"),
            lambda y: pd.Series(y, dtype="string"),
            lambda y: y.astype(object),
            lambda y: y.astype(np.dtypes.StringDType()),
        ],
    )
    def test_containers_of_strings(self, make_data, quick, convert):
        X, signal = make_data()
        y = np.where(signal > 0, "up", "down")
        expected = FusionClassifier(**quick()).fit(X, y).predict(X)
        found = FusionClassifier(**quick()).fit(X, convert(y)).predict(X)
        np.testing.assert_array_equal(found.astype(str), expected)

    @pytest.mark.parametrize("dtype", [bool, "boolean", "Int64", np.int8, float])
    def test_dtypes_of_two_classes(self, make_data, quick, dtype):
        X, signal = make_data()
        y = pd.Series(signal > 0).astype(dtype)
        head = FusionClassifier(**quick(max_epochs=2)).fit(X, y)
        assert set(head.predict(X)) <= {0, 1}

    def test_a_column_is_taken_with_a_warning(self, make_data, quick):
        X, signal = make_data()
        y = (signal > 0)[:, None]
        with pytest.warns(match="column-vector y was passed"):
            head = FusionClassifier(**quick(max_epochs=1)).fit(X, y)
        assert head.predict(X).shape == (160,)

    @pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array, pd.DataFrame])
    def test_multilabel(self, make_data, quick, convert):
        X, signal = make_data(300)
        y = np.column_stack([signal > 0, X["text__0"] > 0, signal > 1.5]).astype(int)
        head = FusionClassifier(**quick(max_epochs=20)).fit(X[:200], convert(y[:200]))
        proba = head.predict_proba(X[200:])
        assert proba.shape == (100, 3)
        assert (np.abs(proba.sum(axis=1) - 1) > 0.01).any()  # labels are independent
        found = head.predict(X[200:])
        np.testing.assert_array_equal(found, proba > 0.5)
        assert (found == y[200:]).mean(axis=0).min() > 0.8
        assert list(head.classes_) == [0, 1, 2]

    def test_fits_anew_on_another_kind_of_target(self, make_data, quick):
        X, signal = make_data()
        head = FusionClassifier(**quick(max_epochs=1))
        head.fit(X, np.digitize(signal, [-1, 1]))
        head.fit(X, np.column_stack([signal > 0, signal > 1]).astype(int))
        assert head.predict(X).shape == (160, 2)
        assert head.fit(X, signal > 0).predict_proba(X).shape == (160, 2)


class TestRefused:
    def fit(self, X, y, **params):
        return FusionClassifier(max_epochs=1, **params).fit(X, y)

    @pytest.mark.parametrize(
        "y",
        [
            [0, 1, np.nan, np.nan] * 5,
            ["a", "b", None, None] * 5,
            pd.array([0, 1, None, None] * 5, dtype="Int64"),
            pd.Series(["a", "b", None, None] * 5, dtype="category"),
        ],
    )
    def test_missing_labels(self, make_data, y):
        X, _ = make_data(20)
        with pytest.raises(
            ValueError,
            match=r"y contains NaN in 10 rows, first in row 2.*Drop the rows",
        ):
            self.fit(X, y)

    def test_infinite_labels(self, make_data):
        with pytest.raises(ValueError, match="y contains infinity, first in row 1"):
            self.fit(make_data(4)[0], [0, np.inf, 1, 0])

    def test_one_class(self, make_data):
        with pytest.raises(
            ValueError, match=r"at least 2 classes, y has one class: 'a' in all 20 rows"
        ):
            self.fit(make_data(20)[0], ["a"] * 20)

    def test_numbers_are_for_the_regressor(self, make_data):
        X, signal = make_data(20)
        with pytest.raises(ValueError, match=r"Unknown label type.*FusionRegressor"):
            self.fit(X, signal)

    def test_indicators_of_other_values(self, make_data):
        y = np.random.default_rng(0).choice([-1, 1], (20, 2))
        with pytest.raises(
            ValueError, match=r"2 columns.*other than 0 and 1: \[-1, 1\]"
        ):
            self.fit(make_data(20)[0], y)

    def test_no_target(self, make_data):
        with pytest.raises(ValueError, match="the target y is None"):
            self.fit(make_data(20)[0], None)

    def test_other_lengths(self, make_data):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            self.fit(make_data(20)[0], [0, 1] * 9)

    def test_no_rows(self, make_data):
        with pytest.raises(ValueError, match=r"0 sample"):
            self.fit(make_data(20)[0].iloc[:0], [])
        head = self.fit(make_data(20)[0], [0, 1] * 10)
        with pytest.raises(ValueError, match=r"0 sample"):
            head.predict(make_data(20)[0].iloc[:0])


def confusing(n=900, rare=0.06, seed=0):
    """A rare class that lies half inside the common one."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < rare).astype(int)
    X = pack(
        {
            "a": rng.normal(size=(n, 2)) + 0.9 * y[:, None],
            "b": rng.normal(size=(n, 2)) + 0.9 * y[:, None],
        }
    )
    return X, y


class TestWeights:
    @pytest.mark.parametrize("weight", ["balanced", {1: 15.0}, {0: 1.0, 1: 15.0}])
    def test_class_weight_finds_more_of_the_rare_class(self, quick, weight):
        X, y = confusing()
        X_test, y_test = confusing(seed=1)
        plain = FusionClassifier(**quick()).fit(X, y).predict(X_test)
        weighted = FusionClassifier(class_weight=weight, **quick()).fit(X, y)
        found = weighted.predict(X_test)
        assert recall_score(y_test, found) > recall_score(y_test, plain) + 0.2
        assert found.mean() > plain.mean()

    def test_class_weight_of_labels(self, make_data, quick):
        X, signal = make_data(400)
        y = np.column_stack([signal > 1.9, signal > 0]).astype(int)
        weights = [{0: 1.0, 1: 30.0}, {0: 1.0, 1: 1.0}]
        plain = FusionClassifier(**quick(max_epochs=4)).fit(X, y)
        head = FusionClassifier(class_weight=weights, **quick(max_epochs=4)).fit(X, y)
        more = head.predict_proba(X)[:, 0].mean() - plain.predict_proba(X)[:, 0].mean()
        assert more > 0.02

    def test_class_weight_is_the_sample_weight_of_the_class(self, make_data, quick):
        X, signal = make_data()
        y = np.where(signal > 0.5, "b", "a")
        weight = np.where(y == "b", 4.0, 1.0)
        one = FusionClassifier(class_weight={"a": 1, "b": 4}, **quick()).fit(X, y)
        two = FusionClassifier(**quick()).fit(X, y, sample_weight=weight)
        np.testing.assert_allclose(
            one.predict_proba(X), two.predict_proba(X), rtol=1e-5, atol=1e-6
        )

    def test_a_class_weight_that_is_none(self, make_data, quick):
        X, signal = make_data(40)
        with pytest.raises(ValueError, match="'class_weight' parameter"):
            FusionClassifier(class_weight="some", **quick()).fit(X, signal > 0)

    def test_heavy_rows_win(self, make_data, quick):
        """Two opposite labels for the same rows: the heavier is learned."""
        X, signal = make_data(100)
        y = (signal > 0).astype(int)
        twice = pd.concat([X, X], ignore_index=True)
        labels = np.concatenate([y, 1 - y])
        for heavy, truth in ((0, y), (1, 1 - y)):
            weight = np.repeat([1.0, 9.0] if heavy else [9.0, 1.0], 100)
            head = FusionClassifier(**quick()).fit(twice, labels, sample_weight=weight)
            assert head.score(X, truth) > 0.85

    def test_rows_of_no_weight_are_as_good_as_gone(self, make_data, quick):
        X, signal = make_data(100)
        y = (signal > 0).astype(int)
        weight = np.ones(100)
        weight[60:] = 0
        junk = X.copy()
        junk.iloc[60:] = 1e6
        expected = FusionClassifier(**quick()).fit(X[:60], y[:60]).predict_proba(X)
        flipped = np.where(weight > 0, y, 1 - y)
        head = FusionClassifier(**quick()).fit(junk, flipped, sample_weight=weight)
        np.testing.assert_array_equal(head.predict_proba(X), expected)

    def test_only_relations_between_weights_matter(self, make_data, quick):
        X, signal = make_data(100)
        y, weight = (signal > 0).astype(int), np.random.default_rng(0).random(100) + 0.1
        one = FusionClassifier(**quick()).fit(X, y, sample_weight=weight)
        two = FusionClassifier(**quick()).fit(X, y, sample_weight=1000 * weight)
        np.testing.assert_allclose(
            one.predict_proba(X), two.predict_proba(X), atol=1e-5
        )

    def test_a_series_is_aligned_by_label(self, make_data, quick):
        X, signal = make_data(100, index=[f"r{i}" for i in range(100)])
        y = (signal > 0).astype(int)
        weight = pd.Series(np.random.default_rng(0).random(100) + 0.1, index=X.index)
        expected = FusionClassifier(**quick()).fit(
            X, y, sample_weight=weight.to_numpy()
        )
        shuffled = FusionClassifier(**quick()).fit(
            X, y, weight.sample(frac=1, random_state=0)
        )
        np.testing.assert_array_equal(
            shuffled.predict_proba(X), expected.predict_proba(X)
        )
        # after a sampler has repeated and dropped rows
        rows = np.r_[0:70, 30:60]
        part = FusionClassifier(**quick()).fit(X.iloc[rows], y[rows], weight)
        by_hand = FusionClassifier(**quick()).fit(
            X.iloc[rows], y[rows], weight.to_numpy()[rows]
        )
        np.testing.assert_array_equal(part.predict_proba(X), by_hand.predict_proba(X))

    @pytest.mark.parametrize(
        ("weight", "message"),
        [
            (np.ones(19), r"has 19 entries, X has 20 rows.*aligned by label"),
            (np.ones((20, 2)), r"sample_weight has shape \(20, 2\)"),
            (-np.ones(20), r"finite and not negative"),
            (np.full(20, np.nan), r"finite and not negative"),
            (np.full(20, np.inf), r"finite and not negative"),
            (np.zeros(20), r"zero in every row"),
            (pd.Series(np.ones(20), index=range(5, 25)), r"label|row"),
        ],
    )
    def test_wrong_weights(self, make_data, quick, weight, message):
        X, signal = make_data(20)
        with pytest.raises(ValueError, match=message):
            FusionClassifier(**quick()).fit(X, signal > 0, sample_weight=weight)


class TestPartialFit:
    def test_learns_over_many_calls(self, make_data, quick):
        X, signal = make_data(400)
        y = np.where(signal > 0, "up", "down")
        head = FusionClassifier(**quick())
        for epoch in range(8):
            for start in range(0, 300, 100):
                part = slice(start, start + 100)
                head.partial_fit(X[part], y[part], classes=["down", "up"])
            assert head.n_iter_ == 3 * (epoch + 1)
        assert head.score(X[300:], y[300:]) > 0.8
        losses = [epoch["train_loss"] for epoch in head.history_]
        assert np.mean(losses[-3:]) < 0.7 * np.mean(losses[:3])

    def test_classes_are_needed_first_and_only_first(self, make_data, quick):
        X, signal = make_data()
        y = np.digitize(signal, [-0.6, 0.6])
        head = FusionClassifier(**quick())
        with pytest.raises(
            ValueError, match="classes must be passed on the first call"
        ):
            head.partial_fit(X, y)
        assert not hasattr(head, "classes_")
        few = y < 2
        head.partial_fit(X[few], y[few], classes=[2, 0, 1]).partial_fit(X, y)
        assert list(head.classes_) == [0, 1, 2]
        assert head.predict_proba(X).shape == (160, 3)

    def test_unknown_labels(self, make_data, quick):
        X, signal = make_data()
        y = np.where(signal > 0, "up", "down")
        head = FusionClassifier(**quick()).partial_fit(X, y, classes=["down", "up"])
        before = head.predict_proba(X)
        with pytest.raises(
            ValueError, match=r"not seen: \[.*'left'.*\]. It knows .*'down'.*first call"
        ):
            head.partial_fit(X, np.where(signal > 0, "up", "left"))
        with pytest.raises(ValueError, match="is not the same as on last call"):
            head.partial_fit(X, y, classes=["up", "left"])
        np.testing.assert_array_equal(head.predict_proba(X), before)

    def test_multilabel_needs_no_classes(self, make_data, quick):
        X, signal = make_data()
        y = np.column_stack([signal > 0, signal < 1]).astype(int)
        head = FusionClassifier(**quick()).partial_fit(X, y).partial_fit(X, y)
        assert head.predict(X).shape == (160, 2)
        with pytest.raises(
            ValueError, match=r"shape \(160, 1\)|shape \(160,\)|2 labels"
        ):
            head.partial_fit(X, y[:, 0])

    def test_goes_on_after_fit(self, make_data, quick):
        X, signal = make_data()
        y = (signal > 0).astype(int)
        head = FusionClassifier(**quick(max_epochs=3)).fit(X, y)
        head.partial_fit(X[:50], y[:50])
        assert [epoch["epoch"] for epoch in head.history_] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"fusion__n_tokens": 4}, "'concat' is a name.*fusion=BottleneckFusion"),
        ({"loss__gamma": 1.0}, "'cross_entropy' is a name.*loss=FocalLoss"),
        ({"device__index": 0}, "device='auto' has no parameters"),
    ],
)
def test_a_name_has_no_parameters(params, why):
    with pytest.raises(ValueError, match=why):
        FusionClassifier().set_params(**params)


def test_parameters_of_a_fusion_that_comes_with_them():
    head = FusionClassifier().set_params(fusion=BottleneckFusion(), fusion__n_tokens=7)
    assert head.fusion.n_tokens == 7
