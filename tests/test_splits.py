"""What is validated on has no relative in the training part."""

import re
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imblearn.over_sampling import SMOTE, RandomOverSampler
from sklearn.decomposition import PCA
from sklearn.model_selection import (
    GroupShuffleSplit,
    KFold,
    PredefinedSplit,
    ShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.neighbors import KNeighborsClassifier

from skmultimodal._provenance import Synthetic, label_index, near_equal, origins
from skmultimodal._splits import draw_validation


def noise(n=600, p=8, rare=0.15, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < rare).astype(int)
    return rng.standard_normal((n, p)).astype(np.float32), y


def assert_no_leak(index, train, valid):
    family = list(origins(index))
    validated = set().union(*(family[i] for i in valid))
    assert not any(validated & family[i] for i in train)
    assert len(np.intersect1d(train, valid)) == 0


class TestPlainRows:
    def test_parts_cover_all_rows_and_keep_the_shares(self):
        y = np.repeat([0, 1, 2], [700, 250, 50])
        train, valid = draw_validation(y, random_state=0)
        assert len(valid) == 100
        np.testing.assert_array_equal(np.bincount(y[valid]), [70, 25, 5])
        np.testing.assert_array_equal(np.union1d(train, valid), np.arange(1000))

    @pytest.mark.parametrize("dtype", [float, object, bool, "U1"])
    def test_any_target(self, dtype):
        y = np.array([0, 1] * 50).astype(dtype)
        train, valid = draw_validation(y, random_state=0)
        assert (len(train), len(valid)) == (90, 10)

    def test_many_outputs(self):
        train, valid = draw_validation(np.zeros((40, 3)), random_state=0)
        assert (len(train), len(valid)) == (36, 4)

    def test_no_target(self):
        train, valid = draw_validation(None, x=noise(50)[0], random_state=0)
        assert (len(train), len(valid)) == (45, 5)

    def test_seeded_and_free_of_global_state(self):
        y = noise()[1]
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        one, two = (draw_validation(y, random_state=3)[1] for _ in range(2))
        draw_validation(y)
        np.testing.assert_array_equal(one, two)
        assert not np.array_equal(one, draw_validation(y, random_state=4)[1])
        np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002

    def test_a_random_state_object_goes_on(self):
        y = noise()[1]
        state = np.random.RandomState(0)
        one, two = (draw_validation(y, random_state=state)[1] for _ in range(2))
        assert not np.array_equal(one, two)

    def test_every_class_keeps_a_row_to_train_on(self):
        y = np.array([0] * 30 + [1] * 2 + [2])
        for seed in range(20):
            train, _ = draw_validation(y, fraction=0.6, random_state=seed)
            assert set(y[train]) == {0, 1, 2}

    def test_unstratified(self):
        y = np.repeat([0, 1], 500)
        counts = {
            int(y[draw_validation(y, stratify=False, random_state=s)[1]].sum())
            for s in range(5)
        }
        assert len(counts) > 1


class TestGroups:
    def test_stay_together_and_balanced(self):
        rng = np.random.default_rng(0)
        groups = rng.integers(0, 120, 2000)
        y = rng.choice(3, 2000, p=[0.7, 0.2, 0.1])
        train, valid = draw_validation(y, groups=groups, random_state=0)
        assert not set(groups[train]) & set(groups[valid])
        assert 0.08 < len(valid) / 2000 < 0.12
        shares = np.bincount(y[valid]) / len(valid)
        np.testing.assert_allclose(shares, [0.7, 0.2, 0.1], atol=0.05)

    def test_rare_classes_in_large_groups_are_drawn_too(self):
        groups = np.repeat(np.arange(100), 10)
        y = np.repeat(np.arange(20), 50)
        drawn = [
            y[draw_validation(y, groups=groups, random_state=s)[1]] for s in range(30)
        ]
        assert set(np.concatenate(drawn)) == set(range(20))

    def test_strings_and_missing_groups(self):
        groups = pd.Series(["a", "b", None, "c"] * 10)
        train, valid = draw_validation(np.zeros(40, int), groups=groups, fraction=0.25)
        assert (len(train), len(valid)) == (30, 10)

    def test_follow_rows_by_label(self):
        index = label_index(["p", "q", "r", "s", Synthetic(["p", "q"]), "q"])
        groups = pd.Series([0, 1, 1, 2], index=["p", "q", "r", "s"])
        for seed in range(10):
            train, valid = draw_validation(
                np.zeros(6, int), index=index, groups=groups, random_state=seed
            )
            found = groups.reindex(index[valid])
            if 1 in found.values:
                assert set(train) <= {0, 3}
            assert_no_leak(index, train, valid)

    def test_wrong_length(self):
        with pytest.raises(ValueError, match=r"groups has shape \(3,\)"):
            draw_validation(np.zeros(4, int), groups=[1, 2, 3])

    def test_unknown_label(self):
        with pytest.raises(ValueError, match="without X's label 'q'"):
            draw_validation(
                np.zeros(2, int),
                index=pd.Index(["p", "q"]),
                groups=pd.Series([1], index=["p"]),
            )


class TestProvenance:
    def index(self, n=200, n_made=300, seed=0):
        rng = np.random.default_rng(seed)
        made = [Synthetic(rng.integers(0, n, 2).tolist()) for _ in range(n_made)]
        copies = rng.integers(0, n, 50).tolist()
        labels = list(range(n)) + made + copies
        return label_index([labels[i] for i in rng.permutation(len(labels))])

    @pytest.mark.parametrize("seed", range(5))
    def test_validation_is_original_and_without_relatives(self, seed):
        index = self.index(seed=seed)
        y = np.random.default_rng(seed).integers(0, 2, len(index))
        train, valid = draw_validation(y, index=index, random_state=seed)
        assert origins(index).original[valid].all()
        assert len(valid) == 20
        assert_no_leak(index, train, valid)
        assert len(train) > 300

    @pytest.mark.parametrize(
        "splitter",
        [
            5,
            KFold(5),
            ShuffleSplit(1, test_size=0.2, random_state=0),
            TimeSeriesSplit(3),
        ],
    )
    def test_splitters_are_cleaned(self, splitter):
        index = self.index()
        y = np.random.default_rng(0).integers(0, 2, len(index))
        train, valid = draw_validation(y, index=index, splitter=splitter)
        assert origins(index).original[valid].all()
        assert_no_leak(index, train, valid)

    def test_children_of_rows_a_splitter_leaves_out_do_not_train(self):
        index = label_index([0, 1, 2, 3, 4, 5, Synthetic([0, 5]), Synthetic([0, 1]), 5])
        train, valid = draw_validation(
            np.zeros(9, int), index=index, splitter=TimeSeriesSplit(2)
        )
        assert (train.tolist(), valid.tolist()) == ([0, 1, 7], [2, 3])

    def test_indices_count_all_rows(self):
        index = label_index([0, 1, 2, 3, Synthetic([0, 1]), Synthetic([2, 3]), 3])
        train, valid = draw_validation(
            np.zeros(7, int),
            index=index,
            splitter=(np.array([0, 1, 4, 5, 6]), np.array([2, 3, 6])),
        )
        assert (train.tolist(), valid.tolist()) == ([0, 1, 4], [2, 3])


class TestAnyRows:
    @given(
        seed=st.integers(0, 2**32 - 1),
        n=st.integers(8, 60),
        n_classes=st.integers(1, 4),
        n_groups=st.sampled_from([None, 3, 20]),
        few_values=st.booleans(),
        splitter=st.sampled_from([None, 2, ShuffleSplit(1, random_state=0)]),
    )
    def test_no_relative_is_ever_on_both_sides(
        self, seed, n, n_classes, n_groups, few_values, splitter
    ):
        rng = np.random.default_rng(seed)
        made = [Synthetic(rng.integers(0, n, 2).tolist()) for _ in range(n // 2)]
        labels = [*range(n), *made, *rng.integers(0, n, n // 3).tolist()]
        index = label_index([labels[i] for i in rng.permutation(len(labels))])
        y = rng.integers(0, n_classes, len(index))
        groups = None if n_groups is None else rng.integers(0, n_groups, len(index))
        x = rng.standard_normal((len(index), 3)).astype(np.float32)
        if few_values:
            x[: n // 3] = x[n // 3 : 2 * (n // 3)]
        try:
            with warnings.catch_warnings():
                # a class may have fewer rows than a splitter has folds
                warnings.filterwarnings("ignore", "The least populated class")
                train, valid = draw_validation(
                    y,
                    index=index,
                    x=x,
                    groups=groups,
                    splitter=splitter,
                    random_state=0,
                )
        except ValueError as error:
            assert re.search("leaves no|n_splits", str(error))  # noqa: PT017
            return
        assert origins(index).original[valid].all()
        assert_no_leak(index, train, valid)
        if groups is not None:
            assert not set(groups[train]) & set(groups[valid])
        codes = near_equal(x)
        assert not set(codes[train]) & set(codes[valid])
        if splitter is None:
            original = y[origins(index).original]
            assert set(original) <= set(y[train])


class TestSplitters:
    y = np.array([0, 1] * 10)

    @pytest.mark.parametrize(
        "splitter",
        [
            (np.arange(4, 20), np.arange(4)),
            [range(4, 20), range(4)],
            [(np.arange(4, 20), np.arange(4))],
            [(np.arange(4, 20), np.arange(4)), (np.arange(16), np.arange(16, 20))],
            (np.arange(20) >= 4, np.arange(20) < 4),
            PredefinedSplit([0] * 4 + [-1] * 16),
        ],
    )
    def test_the_first_split_is_taken(self, splitter):
        train, valid = draw_validation(self.y, splitter=splitter)
        assert (train.tolist(), valid.tolist()) == (list(range(4, 20)), [0, 1, 2, 3])

    def test_groups_reach_the_splitter(self):
        groups = np.repeat(np.arange(5), 4)
        splitter = GroupShuffleSplit(1, test_size=0.2, random_state=0)
        _, valid = draw_validation(self.y, splitter=splitter, groups=groups)
        assert len(valid) == 4
        assert len(set(groups[valid])) == 1

    def test_groups_hold_against_a_splitter_that_ignores_them(self):
        groups = np.repeat(np.arange(5), 4)
        train, valid = draw_validation(self.y, splitter=KFold(10), groups=groups)
        assert not set(groups[train]) & set(groups[valid])

    def test_rows_out_of_reach(self):
        with pytest.raises(ValueError, match="X, of 20 rows, does not have"):
            draw_validation(self.y, splitter=(np.arange(30), np.arange(3)))


class TestNearEqual:
    def test_copies_are_found_through_rounding(self):
        x = noise(1000, 30)[0]
        scores = PCA(20).fit_transform(x)
        again = PCA(20).fit(x).transform(x[:300].copy(order="F"))
        scores, again = scores / scores.std(0), again / scores.std(0)
        codes = near_equal(np.concatenate([scores, again]).astype(np.float32))
        np.testing.assert_array_equal(codes[1000:], codes[:300])
        assert len(set(codes)) == 1000

    def test_nan_is_a_value(self):
        x = np.array([[1, np.nan], [1, np.nan], [1, 0], [np.nan, 1]], dtype=np.float32)
        codes = near_equal(x)
        assert codes[0] == codes[1]
        assert len(set(codes)) == 3

    @pytest.mark.parametrize("shape", [(1, 3), (5, 0), (0, 2)])
    def test_nothing_to_compare(self, shape):
        assert len(near_equal(np.zeros(shape, dtype=np.float32))) == shape[0]

    def test_different_rows_stay_apart(self):
        x = np.random.default_rng(0).standard_normal((20_000, 2)).astype(np.float32)
        assert len(set(near_equal(x))) == 20_000

    def test_equal_rows_go_to_one_side(self):
        x, y = noise(400)
        x = np.concatenate([x, x[:150]])
        y = np.concatenate([y, y[:150]])
        order = np.random.default_rng(0).permutation(550)
        train, valid = draw_validation(y[order], x=x[order], random_state=0)
        codes = near_equal(x[order])
        assert not set(codes[train]) & set(codes[valid])

    def test_constant_features_do_not_forbid_a_split(self):
        x = np.zeros((40, 3), dtype=np.float32)
        train, valid = draw_validation(np.array([0, 1] * 20), x=x, random_state=0)
        assert (len(train), len(valid)) == (36, 4)

    def test_quick_on_a_wide_table(self):
        x = np.random.default_rng(0).standard_normal((20_000, 928)).astype(np.float32)
        y = np.arange(20_000) % 3
        started = time.perf_counter()
        draw_validation(y, x=x, index=pd.RangeIndex(20_000), random_state=0)
        # 0.05 s on an idle core; the bound leaves room for busy ones
        assert time.perf_counter() - started < 1


class TestStockSamplers:
    def test_smote_is_warned_about(self):
        x, y = SMOTE(random_state=0).fit_resample(*noise())
        with pytest.warns(UserWarning, match=r"stock over-sampler.*ModalitySampler"):
            draw_validation(y, x=x, index=pd.RangeIndex(len(y)), random_state=0)

    @pytest.mark.parametrize("classes", [3, 10])
    def test_smote_of_many_classes_is_warned_about(self, classes):
        rng = np.random.default_rng(0)
        y = rng.choice(
            classes, 1000, p=np.arange(1, classes + 1) / sum(range(classes + 1))
        )
        x, y = SMOTE(random_state=0).fit_resample(rng.standard_normal((1000, 4)), y)
        with pytest.warns(UserWarning, match="stock over-sampler"):
            _, valid = draw_validation(y, x=x, random_state=0)
        assert valid.max() < 1000

    def test_random_copies_are_recognised_without_a_warning(self):
        x, y = RandomOverSampler(random_state=0).fit_resample(*noise())
        train, valid = draw_validation(y, x=x, index=pd.RangeIndex(len(y)))
        assert valid.max() < 600
        codes = near_equal(x)
        assert not set(codes[train]) & set(codes[valid])

    @pytest.mark.parametrize(
        "y",
        [
            np.repeat([0, 1, 2], 50),
            np.repeat([0, 1], 500),
            np.tile([0, 1], 500),
            np.tile(np.repeat([0, 1, 2], 20), 4),
            np.random.default_rng(0).permutation(np.repeat([0, 1], 500)),
            np.array([0, 1] * 6 + [0] * 8 + [1] * 8),
            np.zeros(50, dtype=int),
            np.arange(60),
        ],
    )
    def test_ordinary_rows_are_not_suspected(self, y):
        if len(np.unique(y)) == len(y):
            y = np.concatenate([y, y])
        draw_validation(y, random_state=0)

    def test_scores_on_noise(self):
        """A nearest neighbour that looks clairvoyant is caught by the drawn part."""
        x, y = RandomOverSampler(random_state=0).fit_resample(*noise(1500))
        rng = np.random.default_rng(0)
        order = rng.permutation(len(y))
        half = len(y) // 5

        def recall(train, valid):
            model = KNeighborsClassifier(1).fit(x[train], y[train])
            return (model.predict(x[valid])[y[valid] == 1] == 1).mean()

        assert recall(order[half:], order[:half]) > 0.8
        parts = [
            draw_validation(y, x=x, fraction=0.2, random_state=s) for s in range(5)
        ]
        assert np.mean([recall(*part) for part in parts]) < 0.45


class TestErrors:
    def test_no_choice_left(self):
        with pytest.raises(ValueError, match="leaves no validation rows"):
            draw_validation(np.array([0, 1, 2]))

    def test_one_group(self):
        with pytest.raises(ValueError, match="1 independent units"):
            draw_validation(np.zeros(10, int), groups=np.zeros(10))

    def test_one_label_for_all_rows(self):
        with pytest.raises(ValueError, match="1 original rows"):
            draw_validation(np.zeros(10, int), index=pd.Index([0] * 10))

    def test_a_splitter_that_trains_on_nothing(self):
        with pytest.raises(ValueError, match=r"leaves no training rows"):
            draw_validation(np.zeros(4, int), splitter=([0], [0, 1, 2, 3]))

    @pytest.mark.parametrize("fraction", [0, 1, -0.5, 1.5])
    def test_fraction(self, fraction):
        with pytest.raises(ValueError, match="between 0 and 1"):
            draw_validation(np.zeros(4, int), fraction=fraction)

    def test_lengths_differ(self):
        with pytest.raises(ValueError, match="differ in their number of rows"):
            draw_validation(np.zeros(4, int), index=pd.RangeIndex(5))

    def test_nothing_given(self):
        with pytest.raises(ValueError, match="needs y"):
            draw_validation(None)
