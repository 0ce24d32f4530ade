"""The one-liner: from a raw table to predictions."""

import io

import numpy as np
import pandas as pd
import polars as pl
import pytest
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import Pipeline as SamplingPipeline
from PIL import Image
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skmultimodal import multimodal_pipeline
from skmultimodal._folds import draw_folds
from skmultimodal.compose import ModalityTransformer
from skmultimodal.encoders import ImageEncoder, TextEncoder
from skmultimodal.fusion import (
    BottleneckFusion,
    CrossAttentionFusion,
    GatedFusion,
    NeuralFusion,
)
from skmultimodal.fusion._base import known_fusions
from skmultimodal.heads import FusionClassifier, FusionRegressor
from skmultimodal.heads.auto import _search
from skmultimodal.sampling import ModalityAugmenter, ModalitySampler, WordDropout

N = 120


def signs(y, rng):
    """Pictures that are red or blue, as everything a picture may come as."""
    cells = []
    for i, label in enumerate(y):
        array = rng.integers(0, 90, (12, 10, 3), dtype=np.uint8)
        array[:, :, 0 if label else 2] += 150
        picture = Image.fromarray(array)
        if i % 3 == 0:
            cells.append(array)
        elif i % 3 == 1:
            cells.append(picture)
        else:
            file = io.BytesIO()
            picture.save(file, "PNG")
            cells.append(file.getvalue())
    return cells


@pytest.fixture(scope="module")
def y():
    return np.random.default_rng(0).integers(0, 2, N)


@pytest.fixture(scope="module")
def X(y):
    """Every kind of column, each with gaps; and one that says nothing."""
    rng = np.random.default_rng(1)
    words = ["roof", "door", "garden", "street", "window", "kitchen", "stairs"]
    table = pd.DataFrame(
        {
            "area": rng.normal(size=N) + 0.7 * y,
            "rooms": pd.array(rng.integers(1, 6, N), dtype="Int64"),
            "listed": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(rng.integers(0, 500, N), unit="D"),
            "kind": pd.Categorical(rng.choice(["flat", "house", "boat"], N)),
            "city": rng.choice(["Lyon", "Lima", "Oslo"], N),
            "note": [
                f"the {' and the '.join(rng.choice(words, 3))} are "
                f"{'lovely' if label else 'dreadful'} today"
                for label in y
            ],
            "photo": pd.Series(signs(y, rng), dtype=object),
            "vector": pd.Series(
                [list(map(float, rng.normal(size=3) + label)) for label in y]
            ),
        }
    )
    for k, column in enumerate(table.columns):
        table[column] = table[column].mask((np.arange(N) + 2 * k) % 11 == 0)
    table.loc[5] = None  # one row that has nothing at all
    table.index = [f"id{i}" for i in range(N)]
    return table


QUICK = {"max_epochs": 12, "random_state": 0}


class TestShape:
    def test_steps(self):
        model = multimodal_pipeline("classifier")
        assert type(model) is Pipeline
        assert list(model.named_steps) == ["encode", "head"]
        assert isinstance(model["encode"], ModalityTransformer)
        assert model["encode"].transformers == "auto"
        assert type(model["head"]) is FusionClassifier
        assert is_classifier(model)
        assert not is_regressor(model)

    def test_regressor(self):
        model = multimodal_pipeline("regressor")
        assert type(model["head"]) is FusionRegressor
        assert is_regressor(model)

    @pytest.mark.parametrize(
        "name", ["concat", "gated", "bottleneck", "cross_attention"]
    )
    def test_the_name_of_a_fusion_becomes_its_specification(self, name):
        head = multimodal_pipeline("classifier", fusion=name)["head"]
        assert type(head.fusion) is known_fusions()[name]
        assert isinstance(head.fusion, NeuralFusion)

    def test_a_specification_is_copied(self):
        fusion = BottleneckFusion(n_tokens=3)
        model = multimodal_pipeline("classifier", fusion=fusion)
        model.set_params(head__fusion__n_tokens=5)
        assert fusion.n_tokens == 3

    def test_parameters_of_a_named_fusion_are_searched(self, X, y):
        model = multimodal_pipeline(
            "classifier", fusion="cross_attention", max_epochs=1, random_state=0
        )
        assert "head__fusion__n_heads" in model.get_params()
        grid = {"head__fusion__n_heads": [1, 2]}
        search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
        assert len(search.cv_results_["params"]) == 2
        n_heads = search.best_estimator_["head"].fusion.n_heads
        assert n_heads == search.best_params_["head__fusion__n_heads"]

    @pytest.mark.parametrize(
        "sampler", [SMOTE(), RandomOverSampler(), ModalitySampler(SMOTE())]
    )
    def test_a_sampler_is_wrapped_once(self, sampler):
        model = multimodal_pipeline("classifier", sampler=sampler)
        assert type(model) is SamplingPipeline
        assert list(model.named_steps) == ["encode", "sample", "head"]
        assert type(model["sample"]) is ModalitySampler
        assert not isinstance(model["sample"].sampler, ModalitySampler)

    @pytest.mark.parametrize("sampler", [None, SMOTE()])
    def test_an_augmenter_stands_before_the_encoders(self, sampler):
        augmenter = ModalityAugmenter({"image": "flip"}, random_state=3)
        for task in ("classifier", "regressor"):
            model = multimodal_pipeline(task, augmenter=augmenter, sampler=sampler)
            assert type(model) is SamplingPipeline
            names = ["augment", "encode", *["sample"][: sampler is not None], "head"]
            assert list(model.named_steps) == names
            assert model["augment"] is augmenter

    def test_parameters_go_where_they_belong(self, tmp_path):
        model = multimodal_pipeline(
            "classifier",
            memory=str(tmp_path),
            n_jobs=2,
            lr=0.1,
            hidden_layer_sizes=(8, 8),
            class_weight="balanced",
        )
        assert model.memory == str(tmp_path)
        assert model["encode"].n_jobs == 2
        assert model["head"].lr == 0.1
        assert model["head"].hidden_layer_sizes == (8, 8)
        assert model["head"].class_weight == "balanced"

    def test_clone(self):
        model = multimodal_pipeline("classifier", sampler=SMOTE(), lr=0.1)
        assert repr(clone(model)) == repr(model)

    def test_a_sampler_without_a_seed_takes_the_one_of_the_head(self, X, y):
        sampler = SMOTE(k_neighbors=2)
        model = multimodal_pipeline("classifier", sampler=sampler, **QUICK)
        assert model["sample"].sampler.random_state == 0
        assert sampler.random_state is None
        one, two = (clone(model).fit(X, y).predict_proba(X) for _ in range(2))
        np.testing.assert_array_equal(one, two)
        kept = multimodal_pipeline("classifier", sampler=SMOTE(random_state=3), **QUICK)
        assert kept["sample"].sampler.random_state == 3

    def test_an_augmenter_without_a_seed_takes_the_one_of_the_head(self, X, y):
        augmenter = ModalityAugmenter({"note": WordDropout(0.4)})
        model = multimodal_pipeline("classifier", augmenter=augmenter, **QUICK)
        assert model["augment"].random_state == 0
        assert augmenter.random_state is None
        model.set_params(head__fusion="concat", head__max_epochs=2)
        one, two = (clone(model).fit(X, y).predict_proba(X) for _ in range(2))
        np.testing.assert_array_equal(one, two)
        model.set_params(augment__random_state=1)
        assert not np.array_equal(clone(model).fit(X, y).predict_proba(X), one)


class TestAugmenter:
    def test_is_the_pipeline_that_one_would_write(self, X, y):
        augmenter = ModalityAugmenter(n_copies=2, random_state=0)
        params = {"fusion": "concat", "early_stopping": True, **QUICK}
        plain = multimodal_pipeline("classifier", **params)
        by_hand = SamplingPipeline([("augment", augmenter), *plain.steps])
        model = multimodal_pipeline("classifier", augmenter=augmenter, **params)
        found = [m.fit(X, y).predict_proba(X) for m in (model, by_hand)]
        np.testing.assert_array_equal(*found)
        assert len(found[0]) == N  # rows are added in fit alone
        assert not np.allclose(found[0], plain.fit(X, y).predict_proba(X), atol=1e-3)

    def test_any_target(self, X, y):
        augmenter = ModalityAugmenter(random_state=0)
        price = multimodal_pipeline(
            "regressor", augmenter=augmenter, fusion="concat", **QUICK
        )
        assert price.fit(X, 1e5 + 2e4 * y).score(X, 1e5 + 2e4 * y) > 0.5
        labels = multimodal_pipeline(
            "classifier", augmenter=augmenter, fusion="concat", **QUICK
        )
        y = np.column_stack([y, 1 - y])
        assert labels.fit(X, y).predict(X).shape == (N, 2)

    def test_fusion_auto_tests_on_no_copy(self, X, y, monkeypatch):
        drawn = []

        def draw(*args, index, **params):
            folds = draw_folds(*args, index=index, **params)
            drawn.append((index, folds))
            return folds

        monkeypatch.setattr(_search, "draw_folds", draw)
        augmenter = ModalityAugmenter({"note": None}, n_copies=2, random_state=0)
        multimodal_pipeline(
            "classifier",
            augmenter=augmenter,
            modalities=[("note", TextEncoder(n_components=4, random_state=0), "note")],
            max_epochs=1,
            random_state=0,
        ).fit(X, y)
        assert drawn
        for index, folds in drawn:
            assert len(index) == 3 * N
            for train, test in folds:
                assert (test < N).all()
                assert not set(index[train]) & set(index[test])

    def test_copies_are_searched(self, X, y, tmp_path):
        model = multimodal_pipeline(
            "classifier",
            augmenter=ModalityAugmenter({"note": "dropout"}),
            sampler=RandomOverSampler(),
            memory=str(tmp_path),
            fusion="concat",
            max_epochs=1,
            random_state=0,
        )
        search = GridSearchCV(
            model,
            [{"augment__n_copies": [0, 2]}, {"augment": ["passthrough"]}],
            cv=2,
            error_score="raise",
        ).fit(X, y)
        scores = search.cv_results_["mean_test_score"]
        assert scores[0] == scores[2]  # no copies, and no augmenter


class TestErrors:
    @pytest.mark.parametrize(
        ("given", "told"),
        [
            (ModalityAugmenter, "the class ModalityAugmenter"),
            ({"image": "flip"}, r"{'image': 'flip'}"),
            ("image", "'image'"),
            (RandomOverSampler(), r"RandomOverSampler\(\)"),
        ],
    )
    def test_what_is_no_augmenter(self, given, told):
        with pytest.raises(TypeError, match=rf"augmenter is {told}; expected a Modal"):
            multimodal_pipeline("classifier", augmenter=given)

    def test_an_augmenter_for_what_is_not_there(self, X, y):
        augmenter = ModalityAugmenter({"audio": "gain"})
        model = multimodal_pipeline("classifier", augmenter=augmenter, **QUICK)
        with pytest.raises(ValueError, match="X has no column or modality 'audio'"):
            model.fit(X, y)

    def test_an_augmenter_that_takes_arrays_for_something_else(self):
        held = np.empty(20, dtype=object)
        held[:] = list(np.random.default_rng(0).random((20, 8, 8)))  # or pictures
        X, y = pd.DataFrame({"scan": held}), np.arange(20) % 2
        told = {"modalities": {"scan": "series"}, "fusion": "concat", **QUICK}
        model = multimodal_pipeline("classifier", augmenter=ModalityAugmenter(), **told)
        with (
            pytest.warns(UserWarning, match="'scan'.* augmented as such"),
            pytest.raises(
                ValueError, match=r"augmented as image.*in the augmenter, {column: 'se"
            ),
        ):
            model.fit(X, y)
        model.set_params(augment__augmentations={"scan": "series"}).fit(X, y)
        assert model.predict(X).shape == (20,)

    def test_unknown_task(self):
        with pytest.raises(ValueError, match=r"task='cluster'.*'classifier', 'regre"):
            multimodal_pipeline("cluster")

    def test_unknown_fusion_names_the_known_ones(self):
        with pytest.raises(ValueError, match=r"fusion='magic' is not known.*'gated'"):
            multimodal_pipeline("classifier", fusion="magic")

    def test_a_class_of_fusions(self):
        with pytest.raises(ValueError, match=r"give an instance, GatedFusion\(\)"):
            multimodal_pipeline("classifier", fusion=GatedFusion)

    def test_parameters_of_a_fusion_are_checked_at_once(self):
        with pytest.raises(ValueError, match="'n_tokens' parameter of Bottleneck"):
            multimodal_pipeline("classifier", fusion=BottleneckFusion(n_tokens=0))

    def test_unknown_parameter_of_the_head(self):
        with pytest.raises(TypeError, match="learning_rate"):
            multimodal_pipeline("classifier", learning_rate=0.1)

    def test_a_parameter_of_the_other_head(self):
        with pytest.raises(TypeError, match="class_weight"):
            multimodal_pipeline("regressor", class_weight="balanced")

    def test_a_sampler_for_a_regression(self, X, y):
        model = multimodal_pipeline("regressor", sampler=SMOTE(), **QUICK)
        with pytest.raises(ValueError, match="ModalitySampler balances classes"):
            model.fit(X, y + 0.5)

    def test_modalities_of_a_column_that_is_not_there(self, X, y):
        model = multimodal_pipeline("classifier", modalities={"colour": "text"})
        with pytest.raises(ValueError, match="colour"):
            model.fit(X, y)

    def test_a_list_that_leaves_nothing(self, X, y):
        model = multimodal_pipeline("classifier", modalities=[], **QUICK)
        with pytest.raises(ValueError, match="no encoder gave it any columns"):
            model.fit(X, y)

    def test_a_table_that_is_missing_as_a_whole(self, X, y):
        model = multimodal_pipeline("classifier", **QUICK)
        with (
            pytest.warns(UserWarning, match="all 120 cells are missing"),
            pytest.raises(ValueError, match="missing in all rows"),
        ):
            model.fit(X.mask(np.ones(X.shape, dtype=bool)), y)

    def test_a_column_missing_at_predict(self, X, y):
        model = multimodal_pipeline("classifier", max_epochs=1).fit(X, y)
        with pytest.raises(ValueError, match=r"note.*is not all in X"):
            model.predict(X.drop(columns="note"))

    def test_no_rows(self, X, y):
        model = multimodal_pipeline("classifier", **QUICK)
        with pytest.raises(ValueError, match=r"0 row|no rows|0 sample"):
            model.fit(X.iloc[:0], y[:0])

    def test_one_class(self, X, y):
        model = multimodal_pipeline("classifier", **QUICK)
        with pytest.raises(ValueError, match="one class"):
            model.fit(X, np.zeros(N))


class TestARealTable:
    @pytest.mark.parametrize("fusion", ["concat", "gated", "bottleneck"])
    def test_everything_in_one_table(self, X, y, fusion):
        assert X.isna().any().all()
        model = multimodal_pipeline("classifier", fusion=fusion, **QUICK)
        model.fit(X.iloc[::2], y[::2])
        kinds = {k: m.kind for k, m in model["encode"].modalities_.items()}
        assert kinds == {
            "tabular": "tabular",
            "note": "text",
            "photo": "image",
            "vector": "precomputed",
        }
        assert model.score(X.iloc[1::2], y[1::2]) > 0.8
        proba = model.predict_proba(X)
        assert np.isfinite(proba).all()
        np.testing.assert_allclose(proba.sum(1), 1)

    def test_a_row_that_has_nothing_gets_an_answer(self, X, y):
        model = multimodal_pipeline("classifier", **QUICK).fit(X, y)
        empty = pd.DataFrame([[None] * X.shape[1]], columns=X.columns, dtype=object)
        assert np.isfinite(model.predict_proba(empty)).all()
        assert model[:-1].transform(empty).isna().all(axis=None)
        found = model.predict_proba(X.loc[["id5"]])
        np.testing.assert_allclose(model.predict_proba(empty), found, atol=1e-6)

    def test_regression(self, X, y):
        rng = np.random.default_rng(2)
        price = 1e5 + 2e4 * y + rng.normal(size=N) * 1e3
        model = multimodal_pipeline("regressor", max_epochs=40, random_state=0)
        model.fit(X.iloc[::2], price[::2])
        assert model.score(X.iloc[1::2], price[1::2]) > 0.5
        two = np.column_stack([price, -price])
        model.fit(X.iloc[::2], two[::2])
        assert model.predict(X.iloc[:3]).shape == (3, 2)

    def test_multilabel(self, X, y):
        labels = np.column_stack([y, 1 - y, np.arange(N) % 2])
        model = multimodal_pipeline("classifier", **QUICK).fit(X, labels)
        assert (model.predict(X)[:, 0] == y).mean() > 0.9
        assert set(np.unique(model.predict(X))) <= {0, 1}

    def test_labels_are_any_strings(self, X, y):
        labels = pd.Series(np.where(y == 1, "Süd", "Nord"), index=X.index)
        model = multimodal_pipeline("classifier", **QUICK).fit(X, labels)
        assert (model.predict(X) == labels).mean() > 0.9

    def test_a_seed_repeats_the_whole_pipeline(self, X, y):
        proba = [
            multimodal_pipeline(
                "classifier",
                sampler=SMOTE(random_state=0),
                max_epochs=2,
                random_state=0,
            )
            .fit(X, y)
            .predict_proba(X)
            for _ in range(2)
        ]
        np.testing.assert_array_equal(*proba)

    def test_early_stopping_by_group(self, X, y):
        model = multimodal_pipeline(
            "classifier", early_stopping=True, validation_fraction=0.3, **QUICK
        )
        model.fit(X, y, head__groups=np.arange(N) // 4)
        assert "valid_loss" in model["head"].history_[0]

    def test_polars(self, X, y):
        names = ["area", "kind", "city", "note", "vector"]
        raw = X[names].astype(object).where(X[names].notna(), None)
        frame = pl.DataFrame({name: raw[name].to_list() for name in names})
        frame = frame.with_columns(
            pl.col("kind").cast(pl.Categorical),
            pl.Series("listed", [None, *pd.date_range("2024", periods=N - 1)]),
        )
        model = multimodal_pipeline("classifier", **QUICK).fit(frame[::2], y[::2])
        kinds = {k: m.kind for k, m in model["encode"].modalities_.items()}
        assert kinds == {"tabular": "tabular", "note": "text", "vector": "precomputed"}
        assert model.score(frame[1::2], y[1::2]) > 0.8
        # and pandas rows are understood by what polars rows have taught
        same = X[names].assign(listed=frame["listed"].to_list())
        np.testing.assert_allclose(
            model.predict_proba(same), model.predict_proba(frame), atol=1e-4
        )

    def test_several_pictures_or_texts_in_a_cell(self, y):
        rng = np.random.default_rng(3)
        one, two = signs(y, rng), signs(y, rng)
        album = pd.Series([list(pair) for pair in zip(one, two)], dtype=object)
        album[0], album[1] = [], [one[1], None]
        texts = [
            [
                f"a {'lovely' if k else 'dreadful'} house it is",
                None,
                "and a long street",
            ]
            for k in y
        ]
        X = pd.DataFrame({"album": album, "texts": pd.Series(texts)})
        model = multimodal_pipeline("classifier", **QUICK).fit(X[::2], y[::2])
        kinds = {k: m.kind for k, m in model["encode"].modalities_.items()}
        assert kinds == {"album": "image", "texts": "text"}
        assert model.score(X[1::2], y[1::2]) > 0.9
        assert (
            model[:-1].transform(X.iloc[:1]).filter(like="album").isna().all(axis=None)
        )

    def test_paths_of_pictures(self, y, tmp_path):
        rng = np.random.default_rng(4)
        paths = []
        for i, label in enumerate(y[:40]):
            array = rng.integers(0, 90, (12, 10, 3), dtype=np.uint8)
            array[:, :, 0 if label else 2] += 150
            Image.fromarray(array).save(tmp_path / f"{i}.png")
            paths.append(tmp_path / f"{i}.png" if i % 2 else str(tmp_path / f"{i}.png"))
        X = pd.DataFrame({"photo": paths, "age": np.arange(40.0)})
        model = multimodal_pipeline("classifier", **QUICK).fit(X, y[:40])
        assert model["encode"].modalities_["photo"].kind == "image"
        assert model.score(X, y[:40]) > 0.9


class TestModalities:
    def test_a_dict_overrules_the_choice_column_by_column(self, X, y):
        model = multimodal_pipeline(
            "classifier",
            modalities={
                "city": "text",
                "photo": ImageEncoder(n_components=4, random_state=0),
                "vector": "drop",
            },
            **QUICK,
        ).fit(X, y)
        Z = model[:-1].transform(X)
        assert model["encode"].modalities_["city"].kind == "text"
        assert Z.filter(like="photo__").shape[1] == 4
        assert not Z.columns.str.startswith("vector").any()
        assert model["head"]._inputs.layout.names == [
            "tabular",
            "city",
            "note",
            "photo",
        ]

    def test_a_list_says_it_all(self, X, y):
        model = multimodal_pipeline(
            "classifier",
            fusion=CrossAttentionFusion(),
            modalities=[
                ("numbers", StandardScaler(), ["area"]),
                ("text", TextEncoder(n_components=4), "note"),
                ("words", TfidfVectorizer(max_features=5), "note"),
                ("vector", "passthrough", ["vector"]),
            ],
            **QUICK,
        ).fit(X, y)
        head = model["head"]
        assert head._inputs.layout.names == ["numbers", "text", "words", "vector"]
        assert model.score(X, y) > 0.9
        assert "encode__text__n_components" in model.get_params()

    def test_the_list_given_is_left_alone(self):
        entries = [("text", TextEncoder(), "note")]
        model = multimodal_pipeline("classifier", modalities=entries)
        model.set_params(encode__text="drop")
        assert isinstance(entries[0][1], TextEncoder)

    def test_fusions_agree_on_what_they_are_told(self, X, y):
        """A list, and the automatic choice spelled by hand, give one model."""
        entries = [("note", TextEncoder(random_state=0), "note")]
        one = multimodal_pipeline("classifier", modalities=entries, **QUICK)
        others = {c: "drop" for c in X.columns if c != "note"}
        two = multimodal_pipeline("classifier", modalities=others, **QUICK)
        found = [model.fit(X, y).predict_proba(X) for model in (one, two)]
        np.testing.assert_allclose(*found, atol=1e-6)
        assert two["head"].fusion == "auto"
