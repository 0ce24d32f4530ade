"""Rows that hold more than numbers: what is measured, and what an invented row gets."""

import imblearn.over_sampling as over
import imblearn.under_sampling as under
import numpy as np
import pandas as pd
import pytest
from imblearn.combine import SMOTETomek
from imblearn.pipeline import Pipeline
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier

from skmultimodal import pack
from skmultimodal._provenance import Synthetic, align_sample_weight, origins
from skmultimodal._splits import draw_validation
from skmultimodal.heads import FusionClassifier
from skmultimodal.sampling import ModalitySampler


def mixed(n=200, seed=0):
    """Two encoded modalities, raw numbers, and cells that are no numbers."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat([0, 1], [n - n // 5, n // 5]))
    X = pack(
        {
            "text": rng.standard_normal((n, 3)) + y[:, None],
            "audio": rng.standard_normal((n, 2, 2)) * 50,
        },
        index=[f"row{i}" for i in range(n)],
    )
    photos = np.empty(n, dtype=object)
    for i in range(n):
        photos[i] = np.full((2, 2), i)
    X.insert(2, "photo", photos)
    X["path"] = [f"{i}.png" for i in range(n)]
    X["kind"] = pd.Categorical(rng.choice(["a", "b"], n))
    X["when"] = pd.date_range("2024-01-01", periods=n)
    X["age"] = rng.integers(20, 60, n)
    X["income"] = rng.standard_normal(n) * 1000
    return X, y


def made_rows(X_new):
    return [k for k, label in enumerate(X_new.index) if isinstance(label, Synthetic)]


class TestWhatIsMeasured:
    def test_only_the_named_modalities_choose_the_neighbours(self):
        X, y = mixed()
        alone = X[[c for c in X if c.startswith("text")]]
        expected, _ = ModalitySampler(over.SMOTE(random_state=0)).fit_resample(alone, y)
        found, _ = ModalitySampler(
            over.SMOTE(random_state=0), modalities=["text"]
        ).fit_resample(X, y)
        assert list(found.index) == list(expected.index)
        pd.testing.assert_frame_equal(found[alone.columns], expected)

    @pytest.mark.parametrize(
        "sampler", [under.NearMiss(), under.TomekLinks(), under.AllKNN()]
    )
    def test_also_of_samplers_that_select(self, sampler):
        X, y = mixed()
        alone = ModalitySampler(sampler)
        alone.fit_resample(X[[c for c in X if c.startswith("audio")]], y)
        among = ModalitySampler(sampler, modalities=["audio"])
        X_new, _ = among.fit_resample(X, y)
        np.testing.assert_array_equal(among.sample_indices_, alone.sample_indices_)
        pd.testing.assert_frame_equal(X_new, X.iloc[alone.sample_indices_])

    def test_raw_columns_are_named_one_by_one(self):
        X, y = mixed()
        alone, _ = ModalitySampler(over.SMOTE(random_state=0)).fit_resample(
            X[["age", "income"]], y
        )
        found, _ = ModalitySampler(
            over.SMOTE(random_state=0), modalities=["income", "age"]
        ).fit_resample(X, y)
        assert list(found.index) == list(alone.index)

    @pytest.mark.parametrize("sampler", [over.SMOTE(), over.RandomOverSampler()])
    def test_unknown_modalities(self, sampler):
        X, y = mixed()
        with pytest.raises(
            ValueError, match=r"X has no 'video'.*'text', 'x', 'audio'.*'photo'.*'age'"
        ):
            ModalitySampler(sampler, modalities=["text", "video"]).fit_resample(X, y)

    def test_no_modality(self):
        with pytest.raises(ValueError, match=r"none is named\. Its modalities are"):
            ModalitySampler(over.SMOTE(), modalities=[]).fit_resample(*mixed())

    def test_what_is_named_must_be_numbers(self):
        X, y = mixed()
        with pytest.raises(ValueError, match="'path' of X has dtype str"):
            ModalitySampler(over.SMOTE(), modalities=["path"]).fit_resample(X, y)

    def test_a_step_alone_is_no_modality(self):
        X, y = mixed()
        with pytest.raises(ValueError, match="X has no 'audio__t0__0'"):
            ModalitySampler(over.SMOTE(), modalities=["audio__t0__0"]).fit_resample(
                X, y
            )


class TestInventedRows:
    @pytest.mark.parametrize("sampler", [over.SMOTE, over.SVMSMOTE, over.ADASYN])
    def test_numbers_are_combined_and_the_rest_is_the_nearer_parents(self, sampler):
        X, y = mixed()
        wrapped = ModalitySampler(sampler(random_state=0), modalities=["text"])
        X_new, y_new = wrapped.fit_resample(X, y)
        assert X_new.dtypes.equals(X.dtypes)
        numbers = [c for c in X if c.startswith(("text", "audio")) or c == "income"]
        made = made_rows(X_new)
        assert len(made) > 50
        for k in made:
            row = X_new.iloc[k]
            a, b = (X.loc[parent] for parent in X_new.index[k].parents)
            steps = b[numbers].astype(float) - a[numbers].astype(float)
            share = (row[numbers].astype(float) - a[numbers].astype(float)) / steps
            np.testing.assert_allclose(share, share.iloc[0], rtol=2e-2, atol=2e-3)
            nearer = a if share.iloc[0] < 0.5 else b
            for column in ("photo", "path", "kind", "when"):
                assert row[column] is nearer[column] or row[column] == nearer[column]
            between = a["age"] + share.iloc[0] * (b["age"] - a["age"])
            assert abs(row["age"] - between) < 0.51
            assert nearer.name == X.index[wrapped.sample_indices_[k]]
            assert y_new[k] == 1

    @pytest.mark.parametrize("missing", ["neighbour", "drop"])
    def test_absent_cells(self, missing):
        X, y = mixed()
        rng = np.random.default_rng(1)
        gone = rng.random((len(X), 3)) < 0.4
        columns = ["photo", "path", "kind"]
        for k, column in enumerate(columns):
            X.loc[gone[:, k], column] = None
        X_new, _ = ModalitySampler(
            over.SMOTE(random_state=0), modalities=["text"], missing=missing
        ).fit_resample(X, y)
        seen = set()
        for k in made_rows(X_new):
            parents = X.loc[list(X_new.index[k].parents), columns]
            for column in columns:
                lacks = parents[column].isna()
                found = X_new[column].iloc[k]
                if missing == "neighbour" and lacks.sum() == 1:
                    (held,) = parents[column][~lacks]
                    assert found is held or found == held
                elif lacks.any():
                    assert pd.isna(found)
                seen.add(int(lacks.sum()))
        assert seen == {0, 1, 2}

    @pytest.mark.parametrize(
        "dtype",
        ["uint8", "int8", "int64", "UInt8", "Int8", "Int64", "boolean"],
    )
    def test_whole_numbers_stay_within_their_type(self, dtype):
        rng = np.random.default_rng(0)
        y = np.repeat([0, 1], [90, 30])
        side = rng.standard_normal(120) - y
        largest = 1 if dtype == "boolean" else np.iinfo(dtype.lower()).max
        smallest = 0 if dtype == "boolean" else np.iinfo(dtype.lower()).min
        few = pd.array([largest if s < -1 else smallest for s in side], dtype)
        X = pd.DataFrame({"few": few, "side": side, "up": rng.standard_normal(120)})
        # it reaches beyond the rows, by more than the type can hold
        sampler = over.SVMSMOTE(random_state=0, out_step=3.0)
        X_new, _ = ModalitySampler(sampler, modalities=["side", "up"]).fit_resample(
            X, y
        )
        assert X_new.dtypes.equals(X.dtypes)
        beyond = 0
        for k in made_rows(X_new):
            a, b = X.loc[list(X_new.index[k].parents)].to_numpy(dtype=float)
            row = X_new.iloc[k].to_numpy(dtype=float)
            share = (row[2] - a[2]) / (b[2] - a[2])
            exact = a[0] + share * (b[0] - a[0])
            off = abs(row[0] - np.clip(exact, smallest, largest))
            assert off < 0.51 + 1e-9 * largest
            beyond += not smallest <= exact <= largest
        assert beyond > 0

    def test_rows_that_are_kept_are_untouched(self):
        X, y = mixed()
        X.loc[X.index[::3], "path"] = None
        X.loc[X.index[::4], "photo"] = None
        X_new, _ = ModalitySampler(
            over.SMOTE(random_state=0), modalities=["text"], missing="drop"
        ).fit_resample(X, y)
        kept = X_new.iloc[: len(X)]
        pd.testing.assert_frame_equal(kept, X, check_index_type=False)
        assert kept["photo"].iloc[0] is None

    def test_wide_blocks_stay_blocks_beside_a_column_of_objects(self):
        rng = np.random.default_rng(0)
        X = pack({"series": rng.standard_normal((500, 16, 128))})
        X.insert(7, "path", [f"{k}.wav" for k in range(500)])
        y = (rng.random(500) < 0.1).astype(int)
        X_new, _ = ModalitySampler(
            over.SMOTE(random_state=0), modalities=["series"]
        ).fit_resample(X, y)
        assert list(X_new.columns) == list(X.columns)
        left, right = X_new.iloc[:, 0].to_numpy(), X_new.iloc[:, -1].to_numpy()
        assert left.base is right.base


class TestClassesWithoutTheModality:
    def gappy(self):
        X, y = mixed()
        X.loc[y == 1, [c for c in X if c.startswith("text")]] = np.nan
        return X, y

    @pytest.mark.parametrize("sampler", [over.SMOTE(), over.ADASYN(), SMOTETomek()])
    def test_is_an_error(self, sampler):
        with pytest.raises(
            ValueError, match="All 40 rows of class 1 lack modality 'text', which"
        ):
            ModalitySampler(sampler, modalities=["text"]).fit_resample(*self.gappy())

    def test_fit_says_it_too(self):
        with pytest.raises(ValueError, match="All 40 rows of class 1 lack"):
            ModalitySampler(over.SMOTE(), modalities=["text"]).fit(*self.gappy())

    def test_another_modality_will_do(self):
        X, y = self.gappy()
        X_new, _ = ModalitySampler(
            over.SMOTE(random_state=0), modalities=["text", "audio"]
        ).fit_resample(X, y)
        made = made_rows(X_new)
        assert len(made) == 120
        assert X_new.iloc[made]["text__0"].isna().all()
        assert X_new.iloc[made]["audio__t0__0"].notna().all()

    def test_a_class_that_is_not_resampled_may_lack_it(self):
        X, y = self.gappy()
        y = np.where(np.arange(len(y)) % 2 * (y == 0), 2, y)
        strategy = {2: int((y == 2).sum()) + 5}
        sampler = over.SMOTE(sampling_strategy=strategy, random_state=0)
        X_new, _ = ModalitySampler(sampler, modalities=["text"]).fit_resample(X, y)
        assert len(X_new) == len(X) + 5

    def test_random_samplers_need_no_modality(self):
        X, y = self.gappy()
        X_new, _ = ModalitySampler(modalities=["text"]).fit_resample(X, y)
        assert len(X_new) == 320


class TestStrategies:
    @pytest.mark.parametrize(
        ("sampler", "named"),
        [
            (over.RandomOverSampler(sampling_strategy={"yes": 90}), "'yes'"),
            (over.SMOTE(sampling_strategy={"1": 90}), "'1'"),
            (under.TomekLinks(sampling_strategy=[7]), "7"),
            (SMOTETomek(sampling_strategy={2: 90}), "2"),
        ],
    )
    def test_labels_that_y_does_not_have(self, sampler, named):
        X, y = mixed()
        X = X[["age", "income"]]
        for method in ("fit", "fit_resample"):
            with pytest.raises(
                ValueError, match=rf"names {named}, which y.*classes are 0, 1\."
            ):
                getattr(ModalitySampler(sampler), method)(X, y)

    def test_a_class_of_one_row(self):
        X, y = mixed()
        y = np.where(np.arange(len(y)) == 0, 2, y)
        with pytest.raises(
            ValueError, match=r"Class 2 has 1 row, but SMOTE.*\. Use ModalitySampler\(R"
        ):
            ModalitySampler(over.SMOTE(), modalities=["text"]).fit_resample(X, y)


class TestWeights:
    def test_come_back_third(self):
        X, y = mixed()
        weight = np.arange(len(X), dtype=float)
        sampler = ModalitySampler(over.RandomOverSampler(random_state=0))
        X_new, y_new, found = sampler.fit_resample(X, y, sample_weight=weight)
        assert len(X_new) == len(y_new) == len(found)
        np.testing.assert_array_equal(found, weight[sampler.sample_indices_])

    def test_of_an_invented_row_are_the_mean_of_its_parents(self):
        X, y = mixed()
        weight = pd.Series(np.arange(len(X)) ** 1.5, index=X.index, name="w")
        X_new, _, found = ModalitySampler(
            over.SMOTE(random_state=0), modalities=["text"]
        ).fit_resample(X, y, sample_weight=weight[::-1])
        assert found.name == "w"
        assert found.index.equals(X_new.index)
        for k in made_rows(X_new):
            parents = list(X_new.index[k].parents)
            assert found.iloc[k] == pytest.approx(weight[parents].mean())
        # as a head aligns weights of the original rows
        aligned = align_sample_weight(weight, X_new.index, len(X_new))
        np.testing.assert_allclose(found, aligned)

    def test_of_arrays_and_lists(self):
        X, y = [["a"], ["b"], ["c"]], [0, 0, 1]
        *_, found = ModalitySampler().fit_resample(X, y, sample_weight=[1, 2, 3])
        assert found.tolist() == [1, 2, 3, 3]

    def test_of_another_length(self):
        X, y = mixed()
        with pytest.raises(ValueError, match="sample_weight has 3 entries, X has 200"):
            ModalitySampler().fit_resample(X, y, sample_weight=[1, 2, 3])

    def test_a_head_in_a_pipeline_takes_a_series(self):
        X, y = mixed()
        X = X[[c for c in X if c.startswith(("text", "audio"))]]
        weight = pd.Series(np.where(y == 1, 1.0, 2.0), index=X.index)
        pipeline = Pipeline(
            [
                ("sample", ModalitySampler(over.SMOTE(random_state=0))),
                ("head", FusionClassifier(max_epochs=2, random_state=0)),
            ]
        ).fit(X, y, head__sample_weight=weight)
        assert pipeline.predict(X).shape == (200,)


class TestSeveralInARow:
    def test_no_relative_of_a_validation_row_trains(self):
        class Witness(ClassifierMixin, BaseEstimator):
            def fit(self, X, y):
                self.X_, self.y_, self.classes_ = X, y, np.unique(y)
                return self

        X, y = mixed()
        known = set(X.index)
        pipeline = Pipeline(
            [
                (
                    "copy",
                    ModalitySampler(over.RandomOverSampler(sampling_strategy={1: 80})),
                ),
                (
                    "make",
                    ModalitySampler(
                        over.SMOTE(sampling_strategy={1: 150}), modalities=["text"]
                    ),
                ),
                (
                    "again",
                    ModalitySampler(
                        over.SMOTE(sampling_strategy={0: 200}), modalities=["age"]
                    ),
                ),
                (
                    "thin",
                    ModalitySampler(
                        under.RandomUnderSampler(sampling_strategy={0: 150})
                    ),
                ),
                ("head", Witness()),
            ]
        ).fit(X, y)
        seen, y_seen = pipeline["head"].X_, pipeline["head"].y_
        assert np.bincount(y_seen).tolist() == [150, 150]
        family = list(origins(seen.index))
        assert set().union(*family) <= known
        for seed in range(5):
            train, valid = draw_validation(y_seen, index=seen.index, random_state=seed)
            validated = set().union(*(family[i] for i in valid))
            assert all(seen.index[i] in known for i in valid)
            assert not any(validated & family[i] for i in train)

    def test_pure_noise_is_no_better_than_chance(self):
        rng = np.random.default_rng(0)
        X = pack({"text": rng.standard_normal((1200, 8))})
        X["path"] = [f"{k}.png" for k in range(len(X))]
        y = (rng.random(1200) < 0.15).astype(int)
        for sampler in (
            ModalitySampler(
                over.RandomOverSampler(sampling_strategy={1: 500}, random_state=0)
            ),
            ModalitySampler(over.SMOTE(random_state=0), modalities=["text"]),
        ):
            X, y = sampler.fit_resample(X, y)
        x = X.drop(columns="path").to_numpy()

        def score(train, valid):
            model = KNeighborsClassifier(1).fit(x[train], y[train])
            return balanced_accuracy_score(y[valid], model.predict(x[valid]))

        order = rng.permutation(len(y))
        assert score(order[300:], order[:300]) > 0.8
        drawn = [draw_validation(y, index=X.index, random_state=k) for k in range(8)]
        assert np.mean([score(*parts) for parts in drawn]) < 0.56
