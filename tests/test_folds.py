"""Folds whose training parts hold no relative of what they are tested on."""

import re
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imblearn.over_sampling import SMOTE, RandomOverSampler
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_predict,
)
from sklearn.neighbors import KNeighborsClassifier

from skmultimodal import pack
from skmultimodal._folds import draw_folds
from skmultimodal._provenance import Synthetic, label_index, near_equal, origins
from skmultimodal.sampling import ModalitySampler


def assert_no_leak(index, folds):
    family = list(origins(index))
    for train, test in folds:
        tested = set().union(*(family[i] for i in test))
        assert not any(tested & family[i] for i in train)


def rows_tested(folds):
    return np.sort(np.concatenate([test for _, test in folds]))


class TestPlainRows:
    def test_every_row_is_tested_once_and_trains_in_the_other_folds(self):
        y = np.repeat([0, 1, 2], [700, 250, 50])
        folds = draw_folds(y, random_state=0)
        assert len(folds) == 5
        np.testing.assert_array_equal(rows_tested(folds), np.arange(1000))
        for train, test in folds:
            np.testing.assert_array_equal(np.bincount(y[test]), [140, 50, 10])
            np.testing.assert_array_equal(np.union1d(train, test), np.arange(1000))
            assert len(train) + len(test) == 1000

    def test_odd_counts_differ_by_one_as_in_stratified_k_fold(self):
        y = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [23, 11, 7]))

        def counts(folds):
            return np.array([np.bincount(y[t], minlength=3) for _, t in folds])

        ours = counts(draw_folds(y, random_state=0))
        theirs = counts(StratifiedKFold(5).split(y, y))
        np.testing.assert_array_equal(np.sort(ours, axis=0), np.sort(theirs, axis=0))
        assert np.ptp(ours.sum(axis=1)) <= 1

    @pytest.mark.parametrize("dtype", [float, object, bool, "U1"])
    def test_any_target(self, dtype):
        folds = draw_folds(np.array([0, 1] * 50).astype(dtype), random_state=0)
        assert [len(test) for _, test in folds] == [20] * 5

    @pytest.mark.parametrize("y", [np.zeros((40, 3)), None])
    def test_without_classes(self, y):
        x = np.random.default_rng(0).standard_normal((40, 2))
        folds = draw_folds(y, x=x, cv=4, random_state=0)
        assert [len(test) for _, test in folds] == [10] * 4

    def test_unstratified(self):
        y = np.repeat([0, 1], 500)
        folds = draw_folds(y, stratify=False, random_state=0)
        assert len({int(y[test].sum()) for _, test in folds}) > 1

    def test_seeded_and_free_of_global_state(self):
        y = np.repeat([0, 1], 50)
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        one, two = (draw_folds(y, random_state=3)[0][1] for _ in range(2))
        draw_folds(y)
        np.testing.assert_array_equal(one, two)
        assert not np.array_equal(one, draw_folds(y, random_state=4)[0][1])
        np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002

    def test_quick_on_many_rows(self):
        y = np.random.default_rng(0).integers(0, 3, 100_000)
        started = time.perf_counter()
        draw_folds(y, groups=np.arange(100_000) // 2 % 40_000, random_state=0)
        # 0.5 s on an idle core; the bound leaves room for busy ones
        assert time.perf_counter() - started < 5


class TestGroups:
    def test_stay_together_and_as_balanced_as_scikit_learn_makes_them(self):
        rng = np.random.default_rng(0)
        groups = rng.integers(0, 60, 2000)
        y = rng.choice(3, 2000, p=[0.7, 0.2, 0.1])

        def unevenness(folds):
            counts = np.array([np.bincount(y[t], minlength=3) for _, t in folds])
            return (counts / np.bincount(y)).std(axis=0).mean()

        folds = draw_folds(y, groups=groups, random_state=0)
        for train, test in folds:
            assert not set(groups[train]) & set(groups[test])
        np.testing.assert_array_equal(rows_tested(folds), np.arange(2000))
        theirs = StratifiedGroupKFold(5).split(y, y, groups)
        assert unevenness(folds) < 2 * unevenness(theirs)

    def test_large_groups_without_classes(self):
        groups = np.repeat(np.arange(8), [50, 40, 30, 20, 10, 10, 10, 10])
        folds = draw_folds(None, index=pd.RangeIndex(180), groups=groups, cv=3)
        theirs = GroupKFold(3).split(groups, groups=groups)
        assert sorted(len(t) for _, t in folds) == sorted(len(t) for _, t in theirs)

    def test_follow_rows_by_label(self):
        index = label_index([*"pqrs", Synthetic(["p", "q"]), "q"])
        groups = pd.Series([0, 1, 1, 2], index=list("pqrs"))
        folds = draw_folds(None, index=index, groups=groups, cv=3, random_state=0)
        parts = {(tuple(train), tuple(test)) for train, test in folds}
        assert parts == {
            ((1, 2, 3, 5), (0,)),
            ((0, 3), (1, 2)),
            ((0, 1, 2, 4, 5), (3,)),
        }


class TestFewUnits:
    def test_the_rarest_class_limits_the_folds(self):
        y = np.array(["a"] * 20 + ["b"] * 3, dtype=object)
        with pytest.warns(UserWarning, match="3 folds instead of cv=5: class 'b' has"):
            folds = draw_folds(y, random_state=0)
        assert [int((y[test] == "b").sum()) for _, test in folds] == [1, 1, 1]

    def test_a_class_of_one_group_does_not(self):
        y = np.array([0] * 20 + [1] * 20)
        groups = np.where(y == 1, -1, np.arange(40))
        with pytest.warns(UserWarning, match="Class 1 has one independent unit"):
            folds = draw_folds(y, groups=groups, random_state=0)
        assert sorted(int(y[test].sum()) for _, test in folds) == [0, 0, 0, 0, 20]

    def test_few_groups(self):
        with pytest.warns(UserWarning, match="2 folds instead of cv=5: X has 2"):
            folds = draw_folds(None, index=pd.RangeIndex(4), groups=[0, 0, 1, 1])
        assert sorted(test.tolist() for _, test in folds) == [[0, 1], [2, 3]]

    def test_one_group(self):
        with pytest.raises(ValueError, match="6 original rows in 1 independent units"):
            draw_folds(np.zeros(6, int), groups=np.zeros(6))

    def test_one_label_for_all_rows(self):
        with pytest.raises(ValueError, match="1 original rows"):
            draw_folds(np.zeros(10, int), index=pd.Index([0] * 10))

    def test_few_valued_features_do_not_forbid_folds(self):
        y = np.array([0, 1] * 20)
        folds = draw_folds(y, x=np.zeros((40, 3), dtype=np.float32), random_state=0)
        assert [len(test) for _, test in folds] == [8] * 5

    @pytest.mark.parametrize("cv", [0, 1, -3])
    def test_number_of_folds(self, cv):
        with pytest.raises(ValueError, match=f"cv={cv} folds: expected at least 2"):
            draw_folds(np.zeros(4, int), cv=cv)


class TestProvenance:
    @given(
        seed=st.integers(0, 2**32 - 1),
        n=st.integers(8, 60),
        n_classes=st.integers(1, 4),
        n_groups=st.sampled_from([None, 3, 20]),
        few_values=st.booleans(),
        cv=st.sampled_from([2, 3, 5, KFold(3), TimeSeriesSplit(3)]),
    )
    def test_no_relative_is_ever_on_both_sides(
        self, seed, n, n_classes, n_groups, few_values, cv
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
        known = {"index": index, "groups": groups, "cv": cv, "random_state": 0}
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Class|Drawing")
                folds = draw_folds(y, **known)
                compared = draw_folds(y, x=x, **known)
        except ValueError as error:
            assert re.search("leaves no|cannot be drawn", str(error))  # noqa: PT017
            return
        original = np.flatnonzero(origins(index).original)
        for drawn in (folds, compared):
            assert_no_leak(index, drawn)
            assert np.isin(rows_tested(drawn), original).all()
            if isinstance(cv, int):
                np.testing.assert_array_equal(rows_tested(drawn), original)
            if groups is not None:
                for train, test in drawn:
                    assert not set(groups[train]) & set(groups[test])

    def test_near_equal_rows_go_to_one_side(self):
        rng = np.random.default_rng(0)
        x = rng.standard_normal((400, 5)).astype(np.float32)
        order = rng.permutation(550)
        x = np.concatenate([x, x[:150]])[order]
        codes = near_equal(x)
        y = np.arange(550) % 2
        for train, test in draw_folds(y, x=x, random_state=0):
            assert not set(codes[train]) & set(codes[test])

    @pytest.mark.parametrize("sampler", [SMOTE, RandomOverSampler])
    def test_labels_of_pure_noise_are_not_learnt(self, sampler):
        rng = np.random.default_rng(0)
        X = pack({"text": rng.standard_normal((1500, 12))})
        y = (rng.random(1500) < 0.1).astype(int)
        X, y = ModalitySampler(sampler(random_state=0)).fit_resample(X, y)
        model = KNeighborsClassifier(1)
        leaky = cross_val_predict(model, X, y, cv=5)
        assert balanced_accuracy_score(y, leaky) > 0.8
        folds = draw_folds(y, index=X.index, random_state=0)
        assert_no_leak(X.index, folds)
        rows = rows_tested(folds)
        assert len(rows) == 1500
        found = np.zeros(len(y), dtype=int)
        for train, test in folds:
            assert len(train) > 1500  # rows invented from training rows train too
            found[test] = model.fit(X.iloc[train], y[train]).predict(X.iloc[test])
        assert balanced_accuracy_score(y[rows], found[rows]) < 0.58

    def test_a_stock_sampler_is_warned_about(self):
        rng = np.random.default_rng(0)
        x, y = rng.standard_normal((600, 4)), (rng.random(600) < 0.15).astype(int)
        x, y = SMOTE(random_state=0).fit_resample(x, y)
        with pytest.warns(UserWarning, match=r"stock over-sampler.*ModalitySampler"):
            folds = draw_folds(y, x=x, index=pd.RangeIndex(len(y)), random_state=0)
        np.testing.assert_array_equal(rows_tested(folds), np.arange(600))


class TestSplitters:
    y = np.array([0, 1] * 10)

    @pytest.mark.parametrize("cv", [KFold(4), StratifiedKFold(4), TimeSeriesSplit(3)])
    def test_plain_rows_are_split_as_the_splitter_says(self, cv):
        folds = draw_folds(self.y, cv=cv)
        for found, expected in zip(folds, cv.split(self.y, self.y), strict=True):
            np.testing.assert_array_equal(found[0], expected[0])
            np.testing.assert_array_equal(found[1], expected[1])

    def test_ready_indices_count_all_rows_and_are_cleaned(self):
        index = label_index([0, 1, 2, 3, Synthetic([0, 1]), Synthetic([2, 3]), 3])
        cv = [([0, 1, 4, 5, 6], [2, 3, 6]), ([2, 3, 4, 5, 6], [0, 1, 4])]
        folds = draw_folds(None, index=index, cv=cv)
        assert [(a.tolist(), b.tolist()) for a, b in folds] == [
            ([0, 1, 4], [2, 3]),
            ([2, 3, 5, 6], [0, 1]),
        ]

    def test_groups_reach_the_splitter_and_hold_against_one_that_ignores_them(self):
        groups = np.repeat(np.arange(5), 4)
        folds = draw_folds(self.y, cv=GroupKFold(5), groups=groups)
        assert [len(test) for _, test in folds] == [4] * 5
        for train, test in draw_folds(self.y, cv=KFold(10), groups=groups):
            assert not set(groups[train]) & set(groups[test])

    def test_a_fold_that_trains_on_nothing(self):
        with pytest.raises(ValueError, match="no training rows in fold 1"):
            draw_folds(self.y, cv=[([0, 1], [2, 3]), ([0, 1], [0, 1])])

    def test_no_split(self):
        with pytest.raises(ValueError, match="gives no split"):
            draw_folds(self.y, cv=[])

    def test_rows_out_of_reach(self):
        with pytest.raises(ValueError, match="cv gives rows that X, of 20 rows"):
            draw_folds(self.y, cv=[(np.arange(30), np.arange(3))])
