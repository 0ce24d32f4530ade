"""Samplers over mixed, gappy and wide rows, and what the index then tells."""

import pickle
import time
import warnings

import imblearn.over_sampling as over
import imblearn.under_sampling as under
import numpy as np
import pandas as pd
import polars as pl
import pytest
from imblearn import FunctionSampler
from imblearn.combine import SMOTEENN, SMOTETomek
from imblearn.pipeline import Pipeline, make_pipeline
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from skmultimodal import pack
from skmultimodal._provenance import Synthetic, align_sample_weight, origins
from skmultimodal._splits import draw_validation
from skmultimodal.sampling import ModalitySampler
from skmultimodal.sampling._tracing import TwistedCubic

MAKERS = [
    over.SMOTE(random_state=0),
    over.BorderlineSMOTE(random_state=0),
    over.SVMSMOTE(random_state=0),
    over.KMeansSMOTE(
        random_state=0, kmeans_estimator=3, cluster_balance_threshold=0.05
    ),
    over.ADASYN(random_state=0),
    SMOTEENN(random_state=0),
    SMOTETomek(random_state=0),
]
SELECTORS = [
    over.RandomOverSampler(random_state=0),
    under.RandomUnderSampler(random_state=0),
    under.NearMiss(),
    under.TomekLinks(),
    under.EditedNearestNeighbours(),
    under.AllKNN(),
    under.OneSidedSelection(random_state=0),
    under.NeighbourhoodCleaningRule(),
    under.InstanceHardnessThreshold(random_state=0),
]


def name_of(sampler):
    return type(sampler).__name__


def encoded(n=240, gaps=0.0, seed=0):
    """A frame of two modalities, one of them a sequence, and three classes."""
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1, 2], [n * 2 // 3, n // 4, n - n * 2 // 3 - n // 4])
    y = rng.permutation(y)
    text = rng.standard_normal((n, 5)) + y[:, None]
    audio = rng.standard_normal((n, 4, 2)) * 100
    text[rng.random(n) < gaps] = np.nan
    for row in np.flatnonzero(rng.random(n) < gaps):
        audio[row, rng.integers(0, 4) :] = np.nan
    labels = [f"row{i}" for i in rng.permutation(n)]
    return pack({"text": text, "audio": audio}, index=labels), y


def raw(n=60):
    rng = np.random.default_rng(0)
    cells = np.empty(n, dtype=object)
    for i in range(n):
        cells[i] = np.full((2, 2), i)
    frame = pd.DataFrame(
        {
            "note": [None if i % 7 == 0 else f"note {i}" for i in range(n)],
            "picture": [f"{i}.png" for i in range(n)],
            "array": cells,
            "price": np.where(np.arange(n) % 5 == 0, np.nan, np.arange(n) * 1.5),
            "kind": pd.Categorical(["a", "b", "c"] * (n // 3)),
            "when": pd.date_range("2024", periods=n),
            "count": np.arange(n, dtype=np.int8),
        },
        index=pd.Index([f"id{i}" for i in range(n)], name="id"),
    )
    return frame, pd.Series(
        rng.permutation(["yes"] * 10 + ["no"] * (n - 10)), frame.index
    )


class TestParameters:
    def test_nested_parameters(self):
        sampler = ModalitySampler(over.SMOTE(k_neighbors=3))
        assert sampler.get_params()["sampler__k_neighbors"] == 3
        other = clone(sampler).set_params(sampler__k_neighbors=2)
        assert (sampler.sampler.k_neighbors, other.sampler.k_neighbors) == (3, 2)

    def test_the_sampler_given_is_not_touched(self):
        inner = over.SMOTE(random_state=0)
        ModalitySampler(inner).fit_resample(*encoded())
        assert not hasattr(inner, "sampling_strategy_")

    def test_fit_tells_the_plan(self):
        X, y = raw()
        sampler = ModalitySampler(over.RandomOverSampler()).fit(X, y)
        assert sampler.sampling_strategy_ == {"yes": 40}
        assert list(sampler.get_feature_names_out()) == list(X.columns)

    def test_a_failed_resampling_leaves_the_state(self):
        sampler = ModalitySampler(over.SMOTE(random_state=0))
        sampler.fit_resample(*encoded())
        rows = sampler.sample_indices_
        with pytest.raises(ValueError, match="measures distances"):
            sampler.fit_resample(*raw())
        assert sampler.sample_indices_ is rows

    def test_pickle(self):
        sampler = ModalitySampler(over.SMOTE(random_state=0))
        X, _ = sampler.fit_resample(*encoded())
        again, _ = pickle.loads(pickle.dumps(sampler)).fit_resample(*encoded())
        pd.testing.assert_frame_equal(X, again)


class TestSelectedRows:
    @pytest.mark.parametrize("sampler", [None, *SELECTORS[:2]])
    def test_raw_cells_and_labels_survive(self, sampler):
        X, y = raw()
        wrapped = ModalitySampler(sampler)
        X_new, y_new = wrapped.fit_resample(X, y)
        rows = wrapped.sample_indices_
        pd.testing.assert_frame_equal(X_new, X.iloc[rows])
        pd.testing.assert_series_equal(y_new, y.iloc[rows])
        assert X_new["array"].iloc[-1] is X["array"].iloc[rows[-1]]
        assert y_new.value_counts().nunique() == 1

    @pytest.mark.parametrize("sampler", SELECTORS, ids=name_of)
    def test_encoded_rows_are_taken(self, sampler):
        X, y = encoded(gaps=0.2)
        wrapped = ModalitySampler(sampler)
        X_new, y_new = wrapped.fit_resample(X, y)
        pd.testing.assert_frame_equal(X_new, X.iloc[wrapped.sample_indices_])
        np.testing.assert_array_equal(y_new, y[wrapped.sample_indices_])

    @pytest.mark.parametrize("sampler", SELECTORS[2:], ids=name_of)
    def test_the_same_rows_as_the_stock_sampler_on_scaled_features(self, sampler):
        X, y = encoded()
        widths = np.where(X.columns.str.startswith("text"), 5, 8)
        scaled = StandardScaler().fit_transform(X.astype(float)) / np.sqrt(widths)
        stock = clone(sampler)
        stock.fit_resample(scaled, y)
        wrapped = ModalitySampler(sampler)
        wrapped.fit_resample(X, y)
        np.testing.assert_array_equal(wrapped.sample_indices_, stock.sample_indices_)

    def test_polars_comes_out_as_pandas(self):
        X = pl.DataFrame({"note": ["a", None, "c"], "n": [1, 2, 3]})
        X_new, y_new = ModalitySampler().fit_resample(X, pl.Series("y", [0, 0, 1]))
        assert X_new.index.tolist() == [0, 1, 2, 2]
        assert X_new["note"].isna().tolist() == [False, True, False, False]
        assert y_new.tolist() == [0, 0, 1, 1]

    def test_lists_stay_lists(self):
        X_new, y_new = ModalitySampler().fit_resample(
            [["a", 1], ["b", 2], ["c", 3]], [0, 0, 1]
        )
        assert X_new == [["a", 1], ["b", 2], ["c", 3], ["c", 3]]
        assert y_new == [0, 0, 1, 1]

    def test_object_arrays(self):
        X = np.array([["a", None], ["b", 2.5], ["c", "d"]], dtype=object)
        X_new, _ = ModalitySampler().fit_resample(X, np.array([0, 0, 1]))
        assert X_new[-1].tolist() == ["c", "d"]

    def test_multi_index(self):
        X = pd.DataFrame(
            {"a": ["x", "y", "z"]},
            index=pd.MultiIndex.from_tuples([("p", 1), ("p", 2), ("q", 1)]),
        )
        X_new, _ = ModalitySampler().fit_resample(X, [0, 0, 1])
        assert X_new.index.tolist() == [("p", 1), ("p", 2), ("q", 1), ("q", 1)]

    def test_costs_little_over_taking_rows(self):
        rng = np.random.default_rng(0)
        n = 20_000
        X = pd.DataFrame(rng.standard_normal((n, 150)).astype(np.float32)).add_prefix(
            "f"
        )
        for k in range(51):
            X[f"o{k}"] = np.array(["a", "b", None, "d"], dtype=object)[
                rng.integers(0, 4, n)
            ]
        y = (rng.random(n) < 0.2).astype(int)
        wrapped = ModalitySampler(over.RandomOverSampler(random_state=0))
        wrapped.fit_resample(X, y)
        spent = {"sampler": [], "hand": []}
        for _ in range(3):
            started = time.perf_counter()
            wrapped.fit_resample(X, y)
            spent["sampler"].append(time.perf_counter() - started)
            started = time.perf_counter()
            X.iloc[wrapped.sample_indices_]
            spent["hand"].append(time.perf_counter() - started)
        assert min(spent["sampler"]) - min(spent["hand"]) < 0.05


class TestInventedRows:
    @pytest.mark.parametrize("sampler", MAKERS, ids=name_of)
    def test_lie_between_the_rows_that_the_label_names(self, sampler):
        X, y = encoded()
        wrapped = ModalitySampler(sampler)
        X_new, y_new = wrapped.fit_resample(X, y)
        assert X_new.dtypes.eq(np.float32).all()
        classes = dict(zip(X.index, y))
        made = [isinstance(label, Synthetic) for label in X_new.index]
        assert sum(made) > 20
        for k in np.flatnonzero(made):
            parents = X_new.index[k].parents
            a, b = X.loc[list(parents)].to_numpy(dtype=float)
            row = X_new.iloc[k].to_numpy(dtype=float)
            share = (row - a) @ (b - a) / ((b - a) @ (b - a))
            np.testing.assert_allclose(row, a + share * (b - a), rtol=1e-4, atol=1e-3)
            assert {classes[parent] for parent in parents} == {y_new[k]}
            assert X.index[wrapped.sample_indices_[k]] in parents
            if name_of(sampler) != "SVMSMOTE":  # which reaches beyond its rows
                assert -1e-6 < share < 1 + 1e-6
        kept = np.flatnonzero(~np.array(made))
        pd.testing.assert_frame_equal(
            X_new.iloc[kept], X.loc[list(X_new.index[kept])], check_index_type=False
        )

    def test_equal_to_stock_smote_on_scaled_features(self):
        X, y = encoded()
        widths = np.where(X.columns.str.startswith("text"), 5, 8)
        scaler = StandardScaler()
        scaled = scaler.fit_transform(X.astype(float)) / np.sqrt(widths)
        stock, y_stock = over.SMOTE(random_state=0).fit_resample(scaled, y)
        stock = scaler.inverse_transform(stock * np.sqrt(widths))
        X_new, y_new = ModalitySampler(over.SMOTE(random_state=0)).fit_resample(X, y)
        np.testing.assert_allclose(X_new, stock, rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(y_new, y_stock)

    def test_a_loud_modality_does_not_choose_the_neighbours(self):
        X, y = encoded()
        quiet = X.copy()
        quiet[[c for c in X if c.startswith("audio")]] *= 1e-4
        loud = ModalitySampler(over.SMOTE(random_state=0)).fit_resample(X, y)[0]
        other = ModalitySampler(over.SMOTE(random_state=0)).fit_resample(quiet, y)[0]
        assert list(loud.index) == list(other.index)

    def test_absent_modalities_come_from_the_other_parent(self):
        X, y = encoded(gaps=0.3)
        X_new, _ = ModalitySampler(over.SMOTE(random_state=0)).fit_resample(X, y)
        seen = {"one": 0, "both": 0}
        for label, row in zip(X_new.index, X_new["text__0"]):
            if isinstance(label, Synthetic):
                a, b = X["text__0"].loc[list(label.parents)]
                if np.isnan(a) and np.isnan(b):
                    assert np.isnan(row)
                    seen["both"] += 1
                elif np.isnan(a) or np.isnan(b):
                    assert row == np.nanmax([a, b])
                    seen["one"] += 1
        assert min(seen.values()) > 0

    def test_absent_modalities_can_stay_absent(self):
        X, y = encoded(gaps=0.3)
        sampler = ModalitySampler(over.SMOTE(random_state=0), missing="drop")
        X_new, _ = sampler.fit_resample(X, y)
        for label, row in zip(X_new.index, X_new["text__0"]):
            if isinstance(label, Synthetic):
                absent = X["text__0"].loc[list(label.parents)].isna().any()
                assert np.isnan(row) == absent

    def test_sequences_keep_their_steps(self):
        X, y = encoded(gaps=0.3)
        X_new, _ = ModalitySampler(over.SMOTE(random_state=0)).fit_resample(X, y)
        absent = X_new[[f"audio__t{t}__0" for t in range(4)]].isna().to_numpy()
        assert absent.any()
        np.testing.assert_array_equal(absent, np.maximum.accumulate(absent, axis=1))

    def test_one_block_stays_one_block(self):
        rng = np.random.default_rng(0)
        X = pack({"series": rng.standard_normal((2000, 16, 512))})
        y = (rng.random(2000) < 0.1).astype(int)
        for inner in (over.SMOTE(random_state=0), None):
            X_new, _ = ModalitySampler(inner).fit_resample(X, y)
            assert np.shares_memory(X_new.to_numpy(), X_new.iloc[:, -1].to_numpy())
            assert X_new.dtypes.eq(np.float32).all()

    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
    def test_arrays_keep_their_dtype(self, dtype):
        X, y = encoded()
        X_new, _ = ModalitySampler(over.SMOTE(random_state=0)).fit_resample(
            X.to_numpy().astype(dtype), y
        )
        assert isinstance(X_new, np.ndarray)
        assert X_new.dtype == dtype

    def test_arrays_of_objects_with_gaps(self):
        X, y = encoded()
        gappy = pd.DataFrame(X.to_numpy(), dtype="Float64").mask(X.to_numpy() > 2)
        X_new, _ = ModalitySampler(over.SMOTE(random_state=0)).fit_resample(
            gappy.to_numpy(dtype=object), y
        )
        expected, _ = ModalitySampler(over.SMOTE(random_state=0)).fit_resample(
            gappy.to_numpy(dtype=float, na_value=np.nan), y
        )
        assert X_new.dtype == object
        found = np.where(pd.isna(X_new), np.nan, X_new).astype(float)
        np.testing.assert_allclose(found, expected)

    @pytest.mark.parametrize("container", [pd.DataFrame, sparse.csr_array])
    def test_classes_as_indicators(self, container):
        X, y = encoded()
        one_hot = container(np.eye(3, dtype=int)[y])
        _, y_new = ModalitySampler(over.SMOTE(random_state=0)).fit_resample(X, one_hot)
        _, expected = ModalitySampler(over.SMOTE(random_state=0)).fit_resample(X, y)
        assert isinstance(y_new, container)
        dense = y_new.toarray() if sparse.issparse(y_new) else y_new.to_numpy()
        np.testing.assert_array_equal(dense, np.eye(3, dtype=int)[expected])

    def test_a_pipeline_of_samplers(self):
        X, y = encoded()
        inner = make_pipeline(
            over.SMOTE(sampling_strategy={2: 100, 1: 100}, random_state=0),
            under.RandomUnderSampler(random_state=0),
        )
        sampler = ModalitySampler(inner)
        assert sampler.fit(X, y).sampling_strategy_ is None
        X_new, y_new = sampler.fit_resample(X, y)
        assert np.bincount(y_new).tolist() == [100] * 3
        classes = dict(zip(X.index, y))
        for family, label in zip(origins(X_new.index), y_new):
            assert {classes[parent] for parent in family} == {label}

    def test_sparse(self):
        X, y = encoded()
        X_new, _ = ModalitySampler(over.SMOTE(random_state=0)).fit_resample(
            sparse.csr_array(X.to_numpy()), y
        )
        assert isinstance(X_new, sparse.csr_array)

    def test_columns_of_several_types(self):
        X, y = encoded()
        X = X[["text__0", "text__1"]].assign(
            count=np.arange(len(X)),
            flag=np.arange(len(X)) % 2 == 0,
            some=pd.array([None, 3] * (len(X) // 2), dtype="Int64"),
            wide=np.arange(len(X), dtype=np.float64),
        )
        X_new, _ = ModalitySampler(over.SMOTE(random_state=0)).fit_resample(X, y)
        assert X_new.dtypes.equals(X.dtypes)
        assert list(X_new.columns) == list(X.columns)
        assert set(X_new["some"].dropna()) == {3}

    def test_rows_that_repeat(self):
        X, y = encoded(120)
        X = pd.concat([X, X], ignore_index=True)
        X_new, y_new = ModalitySampler(over.SMOTE(random_state=0)).fit_resample(
            X, np.concatenate([y, y])
        )
        assert np.bincount(y_new).tolist() == [160] * 3
        assert len(X_new) == 480


class TestTracing:
    @pytest.mark.parametrize("n", [2, 3, 10, 20_000, 300_000])
    def test_parents_and_shares_are_found(self, n):
        rng = np.random.default_rng(1)
        cubic = TwistedCubic(n)
        m = 20_000
        a = rng.integers(0, n, m)
        b = (a + rng.integers(1, n, m)) % n
        share = rng.random(m) * rng.choice([1, 1e-4], m)
        codes = cubic.codes[a] + share[:, None] * (cubic.codes[b] - cubic.codes[a])
        parents, found = cubic.trace(codes)
        assert found.all()
        near, far = np.where(share > 0.5, [b, a], [a, b])
        np.testing.assert_array_equal(parents.first, near)
        np.testing.assert_array_equal(parents.second, far)
        np.testing.assert_allclose(
            parents.share, np.minimum(share, 1 - share), atol=1e-9
        )

    def test_plain_rows(self):
        cubic = TwistedCubic(1000)
        parents, found = cubic.trace(cubic.codes[::-1])
        assert found.all()
        assert not parents.made.any()
        np.testing.assert_array_equal(parents.first, np.arange(1000)[::-1])

    def test_mixtures_of_three_are_not_found(self):
        cubic = TwistedCubic(1000)
        three = (cubic.codes[:300] + cubic.codes[300:600] + cubic.codes[600:900]) / 3
        assert not cubic.trace(three)[1].any()


class TestErrors:
    def test_few_rows_of_a_class(self):
        X, y = encoded()
        y = np.where(np.arange(len(y)) < 4, "rare", "common")
        with pytest.raises(
            ValueError,
            match=r"Class 'rare' has 4 rows.*SMOTE looks for 5 neighbours.*"
            r"k_neighbors=5.*RandomOverSampler",
        ):
            ModalitySampler(over.SMOTE()).fit_resample(X, y)

    def test_few_rows_for_adasyn(self):
        X, y = encoded()
        y = (np.arange(len(y)) < 4).astype(int)
        with pytest.raises(ValueError, match=r"Class 1 has 4 rows.*n_neighbors=5"):
            ModalitySampler(over.ADASYN()).fit_resample(X, y)

    @pytest.mark.parametrize(
        ("sampler", "who", "asked", "random"),
        [
            (over.KMeansSMOTE(), "Class 'rare' has 4 rows", "k_neighbors=2", "Over"),
            (SMOTEENN(), "Class 'rare' has 4 rows", "k_neighbors=5", "Over"),
            (
                over.BorderlineSMOTE(m_neighbors=500),
                "X has 240 rows",
                "m_neighbors=500",
                "Over",
            ),
            (
                under.EditedNearestNeighbours(n_neighbors=500),
                "X has 240 rows",
                "n_neighbors=500",
                "Under",
            ),
            (
                under.NearMiss(n_neighbors=50),
                "Class 'rare' has 4 rows",
                "n_neighbors=50",
                "Under",
            ),
            (
                under.NearMiss(version=3, n_neighbors_ver3=300),
                "Class 'common' has 236 rows",
                "n_neighbors_ver3=300",
                "Under",
            ),
        ],
        ids=lambda value: name_of(value) if hasattr(value, "fit") else None,
    )
    def test_who_has_too_few_and_what_to_set(self, sampler, who, asked, random):
        X, y = encoded()
        y = np.where(np.arange(len(y)) < 4, "rare", "common")
        with pytest.raises(ValueError, match=rf"{who}.*{asked}.*Random{random}Sampler"):
            ModalitySampler(sampler).fit_resample(X, y)

    @pytest.mark.parametrize("column", ["note", "picture", "array", "kind", "when"])
    def test_columns_that_are_no_numbers(self, column):
        X, y = raw()
        with pytest.raises(
            ValueError, match=rf"SMOTE measures.*'{column}'.*behind the encoders"
        ):
            ModalitySampler(over.SMOTE()).fit_resample(X[["price", column]], y)

    def test_infinite_values(self):
        X, y = encoded()
        X.iloc[3, 2] = np.inf
        with pytest.raises(ValueError, match="column 'text__2', row 3"):
            ModalitySampler(over.SMOTE()).fit_resample(X, y)

    def test_multilabel(self):
        X, _ = raw()
        y = np.tile([[1, 1], [0, 1]], (30, 1))
        with pytest.raises(ValueError, match="no one class to balance"):
            ModalitySampler().fit_resample(X, y)

    @pytest.mark.parametrize(
        "y",
        [
            [[1, 1], [0, 1]] * 30,
            [["a"], ["a", "b"]] * 30,
            pd.DataFrame(np.tile([[1, 1], [0, 1]], (30, 1))),
            sparse.csr_array(np.tile([[1, 1], [0, 1]], (30, 1))),
            np.array([["a", "b"]] * 60),
        ],
        ids=["nested", "ragged", "frame", "sparse", "outputs"],
    )
    @pytest.mark.parametrize("inner", [None, over.SMOTE()])
    def test_several_labels_in_any_container(self, y, inner):
        X, _ = raw()
        with pytest.raises(ValueError, match=r"no one class to balance\. Leave the s"):
            ModalitySampler(inner).fit_resample(X[["count"]], y)

    def test_rows_without_any_label(self):
        X, _ = raw()
        y = np.tile([[1, 0], [0, 0], [0, 1]], (20, 1))
        with pytest.raises(ValueError, match=r"no label in row 1\..*no one class"):
            ModalitySampler().fit_resample(X, y)

    @pytest.mark.parametrize(
        "y",
        [
            np.array([0, 1, 1, np.nan] * 15),
            pd.Series(["a", "b", "b", None] * 15),
            pd.Series([1, 0, 0, None] * 15, dtype="Int64"),
        ],
        ids=["floats", "strings", "nullable"],
    )
    def test_missing_targets(self, y):
        X, _ = raw()
        with pytest.raises(ValueError, match="NaN in 15 rows, first in row 3"):
            ModalitySampler().fit_resample(X, y)

    @pytest.mark.parametrize(
        ("y", "held"),
        [(np.array([0, "a"] * 30, dtype=object), "int, str"), ([{"a"}] * 60, "set")],
    )
    def test_labels_that_are_no_classes(self, y, held):
        X, _ = raw()
        with pytest.raises(ValueError, match=f"y holds {held}.*Convert y, or leave"):
            ModalitySampler().fit_resample(X, y)

    def test_two_columns_of_one_name(self):
        X, y = encoded()
        with pytest.raises(ValueError, match="more than one column 'text__0'"):
            ModalitySampler().fit_resample(pd.concat([X, X], axis=1), y)

    @pytest.mark.parametrize("X", [{"a": [1, 2]}, [{"a": 1}, {"a": 2}]])
    def test_records(self, X):
        with pytest.raises(TypeError, match=r"ModalitySampler.*Give pd\.DataFrame"):
            ModalitySampler().fit_resample(X, [0, 1])

    def test_continuous(self):
        X, _ = raw()
        with pytest.raises(ValueError, match="a regression target has none"):
            ModalitySampler().fit_resample(X, np.linspace(0, 1, len(X)))

    def test_lengths(self):
        X, y = raw()
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            ModalitySampler().fit_resample(X, y[:-1])

    def test_no_rows(self):
        X, y = raw()
        with pytest.raises(ValueError, match="0 rows"):
            ModalitySampler().fit_resample(X.iloc[:0], y[:0])

    def test_a_class_for_an_instance(self):
        with pytest.raises(
            TypeError, match=r"give an instance: ModalitySampler\(SMOTE"
        ):
            ModalitySampler(over.SMOTE).fit_resample(*encoded())

    def test_wrapped_twice(self):
        sampler = ModalitySampler(ModalitySampler(over.SMOTE()))
        with pytest.raises(TypeError, match="give the sampler inside it"):
            sampler.fit_resample(*encoded())

    def test_array_of_text(self):
        X = np.array([["a", "b"]] * 20)
        with pytest.raises(ValueError, match=r"an array of dtype <U1.*encoders"):
            ModalitySampler(over.SMOTE()).fit_resample(X, [0, 1] * 10)

    def test_no_sampler(self):
        with pytest.raises(ValueError, match="must be an object implementing"):
            ModalitySampler(StandardScaler()).fit_resample(*encoded())

    @pytest.mark.parametrize(
        "sampler",
        [
            under.ClusterCentroids(random_state=0, voting="soft"),
            over.RandomOverSampler(random_state=0, shrinkage=0.5),
            FunctionSampler(func=lambda X, y: (X * 2, y)),
        ],
        ids=name_of,
    )
    def test_rows_without_an_origin(self, sampler):
        with pytest.raises(ValueError, match="cannot tell where they come from"):
            ModalitySampler(sampler).fit_resample(*encoded())


class TestFamilies:
    """Provenance, through everything a pipeline puts between sampler and head."""

    def resample(self, X, y, *samplers):
        for sampler in samplers:
            X, y = ModalitySampler(sampler).fit_resample(X, y)
        return X, y

    @pytest.mark.parametrize(
        "samplers",
        [
            (over.SMOTE(random_state=0),),
            (over.RandomOverSampler(random_state=0),),
            (
                over.RandomOverSampler(random_state=0),
                over.SMOTE(sampling_strategy={0: 300}),
            ),
            (
                over.SMOTE(random_state=0),
                over.SMOTE(sampling_strategy={0: 300}, random_state=1),
            ),
            (
                over.SMOTE(random_state=0),
                under.RandomUnderSampler(sampling_strategy={0: 100, 1: 90}),
            ),
            (SMOTEENN(random_state=0), over.RandomOverSampler(random_state=0)),
            (over.ADASYN(random_state=0), under.TomekLinks()),
        ],
    )
    def test_several_samplers_in_a_row(self, samplers):
        X, y = encoded()
        known = set(X.index)
        X_new, y_new = self.resample(X, y, *samplers)
        family = list(origins(X_new.index))
        assert set().union(*family) <= known
        for seed in range(3):
            train, valid = draw_validation(
                y_new, index=X_new.index, x=X_new.to_numpy(), random_state=seed
            )
            validated = set().union(*(family[i] for i in valid))
            assert not any(validated & family[i] for i in train)
            assert all(X_new.index[i] in known for i in valid)

    @pytest.mark.parametrize("sampler", [over.SMOTE(random_state=0), None])
    def test_through_a_pipeline_with_a_scaler(self, sampler):
        class Head(ClassifierMixin, BaseEstimator):
            def fit(self, X, y):
                self.X_, self.y_, self.classes_ = X, y, np.unique(y)
                return self

        X, y = encoded()
        pipeline = Pipeline(
            [
                ("sample", ModalitySampler(sampler)),
                ("scale", StandardScaler().set_output(transform="pandas")),
                ("head", Head()),
            ]
        ).fit(X, y)
        seen = pipeline["head"].X_
        family = list(origins(seen.index))
        train, valid = draw_validation(
            pipeline["head"].y_, index=seen.index, x=seen.to_numpy(), random_state=0
        )
        validated = set().union(*(family[i] for i in valid))
        assert len(train) > len(X)
        assert not any(validated & family[i] for i in train)

    def test_sample_weight_follows_by_label(self):
        X, y = encoded()
        weight = pd.Series(np.arange(len(X), dtype=float), index=X.index)
        X_new, _ = self.resample(X, y, over.SMOTE(random_state=0))
        aligned = align_sample_weight(weight, X_new.index, len(X_new))
        for label, found in zip(X_new.index, aligned):
            parents = label.parents if isinstance(label, Synthetic) else [label]
            assert found == weight.loc[list(parents)].mean()

    @pytest.mark.parametrize(
        ("sampler", "wrapped", "leaky"),
        [
            (over.SMOTE(random_state=0), 0.58, 0.8),
            (over.RandomOverSampler(random_state=0), 0.58, 0.8),
        ],
        ids=["SMOTE", "RandomOverSampler"],
    )
    def test_labels_of_pure_noise_are_not_learnt(self, sampler, wrapped, leaky):
        rng = np.random.default_rng(0)
        X = pack({"text": rng.standard_normal((1500, 12))})
        y = (rng.random(1500) < 0.1).astype(int)
        X, y = self.resample(X, y, sampler)

        def score(train, valid):
            model = KNeighborsClassifier(1).fit(X.iloc[train], y[train])
            return balanced_accuracy_score(y[valid], model.predict(X.iloc[valid]))

        order = rng.permutation(len(y))
        cut = len(y) // 5
        assert score(order[cut:], order[:cut]) > leaky
        drawn = [
            draw_validation(y, index=X.index, fraction=0.2, random_state=seed)
            for seed in range(8)
        ]
        assert np.mean([score(*parts) for parts in drawn]) < wrapped

    def test_no_warning_about_stock_samplers(self):
        X, y = self.resample(*encoded(), over.SMOTE(random_state=0))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            draw_validation(y, index=X.index, x=X.to_numpy(), random_state=0)
