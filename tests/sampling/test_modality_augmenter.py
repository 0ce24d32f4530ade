"""Copies of raw rows: which, how many, what becomes of their cells, what they tell."""

import pickle
import warnings
from collections import Counter

import numpy as np
import pandas as pd
import polars as pl
import pytest
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import Pipeline
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier

from skmultimodal import multimodal_pipeline, pack
from skmultimodal._folds import draw_folds
from skmultimodal._provenance import origins
from skmultimodal._recipes import Recipe
from skmultimodal._splits import draw_validation
from skmultimodal.compose import ModalityTransformer
from skmultimodal.encoders import (
    EmbeddingStore,
    ImageEncoder,
    SeriesEncoder,
    TextEncoder,
)
from skmultimodal.encoders.decoding._image import Decoder
from skmultimodal.sampling import (
    Colour,
    Crop,
    Flip,
    FrameDropping,
    Gain,
    Jitter,
    ModalityAugmenter,
    ModalitySampler,
    WordDropout,
    WordSwap,
)

from ._augmentable import rows, save_photos, save_voices, sentence

MEDIA = ["photo", "voice", "trace", "clip"]


def target(n=30):
    return np.arange(n) % 2


def louder(array, rng):
    return 2 * array


def shout(text, rng):
    return text.upper()


class Witness(ClassifierMixin, BaseEstimator):
    """Keeps what reached it."""

    def fit(self, X, y):
        self.X_, self.y_, self.classes_ = X, y, np.unique(y)
        return self

    def predict(self, X):
        self.seen_ = X
        return np.repeat(self.classes_[:1], len(X))


class TestRows:
    def test_originals_come_first_and_copies_behind(self):
        X, y = rows(), target()
        augmenter = ModalityAugmenter(n_copies=2, random_state=0)
        X_new, y_new = augmenter.fit_resample(X, y)
        pd.testing.assert_frame_equal(X_new.iloc[:30], X)
        assert list(X_new.index) == list(X.index) * 3
        np.testing.assert_array_equal(augmenter.sample_indices_, np.tile(range(30), 3))
        np.testing.assert_array_equal(y_new, np.tile(y, 3))

    def test_media_become_recipes_and_texts_texts(self):
        X_new, _ = ModalityAugmenter(random_state=0).fit_resample(rows(), target())
        copies = X_new.iloc[30:]
        kinds = {"photo": "image", "voice": "audio", "trace": "series", "clip": "video"}
        for column, kind in kinds.items():
            for copy, original in zip(copies[column], rows()[column]):
                assert type(copy) is Recipe
                assert copy.kind == kind
                np.testing.assert_equal(copy.source, original)
        assert X_new["note"].dtype == rows()["note"].dtype
        assert all(isinstance(text, str) for text in copies["note"])
        changed = copies["note"].to_numpy() != rows()["note"].to_numpy()
        assert 10 < changed.sum() < 30
        np.testing.assert_array_equal(copies["age"], rows()["age"])

    def test_the_cells_of_x_are_not_touched(self):
        X, before = rows(), pickle.dumps(rows())
        ModalityAugmenter(random_state=0).fit_resample(X, target())
        assert pickle.dumps(X.to_dict()) == pickle.dumps(pickle.loads(before).to_dict())

    def test_the_same_seed_gives_the_same_rows(self):
        X, y = rows(), target()
        first, _ = ModalityAugmenter(random_state=3).fit_resample(X, y)
        again, _ = ModalityAugmenter(random_state=3).fit_resample(X, y)
        pd.testing.assert_frame_equal(first, again)
        other, _ = ModalityAugmenter(random_state=4).fit_resample(X, y)
        assert not first["note"].equals(other["note"])
        assert all(a != b for a, b in zip(first["photo"][30:], other["photo"][30:]))

    def test_no_seed_draws_afresh_and_leaves_the_global_state(self):
        before = pickle.dumps(np.random.get_state())  # noqa: NPY002
        drawn = [ModalityAugmenter().fit_resample(rows(), target())[0] for _ in "ab"]
        assert not drawn[0]["note"].equals(drawn[1]["note"])
        assert pickle.dumps(np.random.get_state()) == before  # noqa: NPY002

    def test_two_copies_of_a_row_differ(self):
        X_new, _ = ModalityAugmenter(n_copies=3, random_state=0).fit_resample(
            rows(), target()
        )
        for column in MEDIA:
            assert len(set(X_new[column].iloc[30:])) == 90

    def test_a_row_has_the_same_copies_in_every_fold(self):
        X, y = rows(), target()
        whole, _ = ModalityAugmenter(n_copies=2, random_state=0).fit_resample(X, y)
        part = X.iloc[7:20]
        X_new, _ = ModalityAugmenter(n_copies=1, random_state=0).fit_resample(
            part, y[7:20]
        )
        pd.testing.assert_frame_equal(X_new.iloc[13:], whole.iloc[37:50])

    def test_missing_cells_stay_missing(self):
        X = rows()
        for k, column in enumerate(["note", *MEDIA]):
            X.loc[X.index[k::6], column] = None
        X_new, _ = ModalityAugmenter(random_state=0).fit_resample(X, target())
        pd.testing.assert_frame_equal(
            X_new.iloc[30:].isna(), X.isna(), check_index_type=False
        )

    def test_a_column_that_all_rows_lack(self):
        X = rows().assign(photo=None)
        for key in ("photo", "image"):
            X_new, _ = ModalityAugmenter({key: None}).fit_resample(X, target())
            assert X_new["photo"].isna().all()

    def test_weights_come_back_third(self):
        X, y = rows(), target()
        w = pd.Series(np.arange(30.0), index=X.index)
        X_new, _, w_new = ModalityAugmenter().fit_resample(X, y, sample_weight=w)
        assert w_new.index.equals(X_new.index)
        assert w_new.tolist() == [*range(30), *range(30)]

    def test_no_copies(self):
        X, y = rows(), target()
        X_new, y_new = ModalityAugmenter(n_copies=0).fit_resample(X, y)
        pd.testing.assert_frame_equal(X_new, X)
        np.testing.assert_array_equal(y_new, y)


class TestContainers:
    def texts(self):
        rng = np.random.default_rng(0)
        return [sentence(rng) for _ in range(12)]

    def test_polars(self):
        X = pl.DataFrame({"note": self.texts(), "n": range(12)})
        X_new, _ = ModalityAugmenter(random_state=0).fit_resample(X, target(12))
        assert X_new.index.tolist() == [*range(12)] * 2
        assert X_new["note"].iloc[:12].tolist() == self.texts()
        assert X_new["note"].iloc[12:].tolist() != self.texts()

    def test_arrays_and_lists(self):
        X = np.array([self.texts(), list(range(12))], dtype=object).T
        X_new, _ = ModalityAugmenter({0: WordSwap(1)}).fit_resample(X, target(12))
        assert X_new.dtype == object
        assert X_new[12:, 1].tolist() == list(range(12))
        for before, after in zip(X[:, 0], X_new[12:, 0]):
            assert before != after
            assert sorted(before.split()) == sorted(after.split())
        again, y = ModalityAugmenter({0: WordSwap(1)}).fit_resample(
            X.tolist(), target(12).tolist()
        )
        assert isinstance(again, list)
        assert isinstance(y, list)
        assert again[12][1] == 0
        assert len(again) == len(y) == 24

    def test_labels_that_repeat_have_copies_of_their_own(self):
        X = pd.concat([rows(), rows()])
        X_new, _ = ModalityAugmenter({"photo": None}, random_state=0).fit_resample(
            X, target(60)
        )
        assert len(set(X_new["photo"].iloc[60:])) == 60

    def test_a_multi_index(self):
        X = rows(12).set_index(
            pd.MultiIndex.from_product([["a", "b"], range(6)], names=["site", "day"])
        )
        X_new, _ = ModalityAugmenter().fit_resample(X, target(12))
        assert X_new.index.names == ["site", "day"]
        assert X_new.index[12:].tolist() == X.index.tolist()

    def test_categories_and_other_columns_keep_their_dtype(self):
        X = rows().assign(
            kind=pd.Categorical(["a", "b", "c"] * 10),
            when=pd.date_range("2024-01-01", periods=30),
        )
        X_new, _ = ModalityAugmenter().fit_resample(X, target())
        assert X_new.dtypes.equals(X.dtypes)

    def test_several_in_a_cell(self):
        X = rows(12)
        photos = list(X["photo"])
        X["photo"] = [[a, None, b] for a, b in zip(photos, photos[::-1])]
        X["note"] = [[("user", text), ("bot", text)] for text in X["note"]]
        clips = np.empty(12, dtype=object)
        clips[:] = [list(clip) for clip in X["clip"]]  # frames one by one: one video
        X["clip"] = clips
        augmenter = ModalityAugmenter({"photo": None, "note": shout, "clip": "video"})
        X_new, _ = augmenter.fit_resample(X, target(12))
        copy = X_new.iloc[12]
        assert [type(part) for part in copy["photo"]] == [Recipe, type(None), Recipe]
        assert copy["photo"][0].steps != copy["photo"][2].steps
        assert [role for role, _ in copy["note"]] == ["user", "bot"]
        assert copy["note"][0][1] == X["note"].iloc[0][0][1].upper()
        X["note"] = [("first", "second")] * 12  # two texts, and no turn
        X_new, _ = ModalityAugmenter({"note": shout}).fit_resample(X, target(12))
        assert X_new["note"].iloc[-1] == ("FIRST", "SECOND")
        assert type(copy["clip"]) is Recipe


class TestWhichRows:
    @pytest.mark.parametrize(
        ("strategy", "expected"),
        [
            (None, [40, 16, 4]),
            ("all", [40, 16, 4]),
            ("not majority", [20, 20, 20]),
            ("auto", [20, 20, 20]),
            ("minority", [20, 8, 20]),
            ({2: 15, 1: 9}, [20, 9, 15]),
            (lambda y: {1: 10}, [20, 10, 2]),
        ],
    )
    def test_strategies(self, strategy, expected):
        X, y = rows(), np.repeat([0, 1, 2], [20, 8, 2])
        augmenter = ModalityAugmenter(sampling_strategy=strategy, random_state=0)
        X_new, y_new = augmenter.fit_resample(X, y)
        assert np.bincount(y_new).tolist() == expected
        np.testing.assert_array_equal(y_new, y[augmenter.sample_indices_])
        copied = augmenter.sample_indices_[30:]
        assert all(type(cell) is Recipe for cell in X_new["photo"].iloc[30:])
        # no row of a class is copied again before the others
        for label in np.unique(y[copied]):
            times = np.bincount(copied, minlength=30)[y == label]
            assert times.max() - times.min() <= 1

    def test_a_share(self):
        y = np.repeat(["no", "yes"], [24, 6])
        _, y_new = ModalityAugmenter(sampling_strategy=0.5).fit_resample(rows(), y)
        assert Counter(y_new) == {"no": 24, "yes": 12}

    def test_copies_of_one_row_differ_however_many(self):
        y = np.repeat([0, 1], [29, 1])
        augmenter = ModalityAugmenter(sampling_strategy="auto", random_state=0)
        X_new, _ = augmenter.fit_resample(rows(), y)
        assert len(set(X_new["photo"].iloc[30:])) == 28
        assert augmenter.sampling_strategy_ == {1: 28}

    @pytest.mark.parametrize(
        "y",
        [
            np.linspace(0, 1, 30),
            np.arange(30),
            np.tile([[1, 1, 0], [0, 1, 1]], (15, 1)),
            pd.DataFrame({"a": np.arange(30.0), "b": 1}),
            pd.Series(["one"] * 30),
        ],
        ids=["regression", "counts", "multilabel", "outputs", "one class"],
    )
    def test_any_target_where_all_rows_are_copied(self, y):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            _, y_new = ModalityAugmenter().fit_resample(rows(), y)
        assert type(y_new) is type(y)
        np.testing.assert_array_equal(y_new, np.concatenate([y, y]))

    @pytest.mark.parametrize(
        ("y", "said"),
        [
            (
                np.linspace(0, 1, 30),
                r"a regression target has none\. Leave samp",
            ),
            (
                np.tile([[1, 1], [0, 1]], (15, 1)),
                r"no one class to balance\. Leave s",
            ),
            (np.zeros(30, dtype=int), "more than 1 class"),
        ],
    )
    def test_targets_without_classes_to_balance(self, y, said):
        augmenter = ModalityAugmenter(sampling_strategy="not majority")
        with pytest.raises(ValueError, match=said):
            augmenter.fit_resample(rows(), y)

    @pytest.mark.parametrize("method", ["fit", "fit_resample"])
    def test_unknown_classes(self, method):
        augmenter = ModalityAugmenter(sampling_strategy={"yes": 30, "maybe": 40})
        y = np.repeat(["no", "yes"], 15)
        with pytest.raises(
            ValueError, match=r"names 'maybe', which y does not .* are 'no', 'yes'\."
        ):
            getattr(augmenter, method)(rows(), y)


class TestColumns:
    def operations(self, augmentations, X=None):
        X = rows() if X is None else X
        return ModalityAugmenter(augmentations).fit(X, target(len(X))).augmentations_

    def test_by_default_all_text_and_media(self):
        found = self.operations(None)
        assert list(found) == ["note", *MEDIA]
        names = {k: [op.name for op in found[k]] for k in found}
        assert names == {
            "note": ["dropout", "swap"],
            "photo": ["flip", "crop", "colour"],
            "voice": ["time_mask", "band_stop", "gain", "shift"],
            "trace": ["jitter", "scaling", "warping"],
            "clip": ["frame_dropping", "flip"],
        }

    def test_by_the_name_of_the_column(self):
        found = self.operations(
            {
                "photo": "crop",
                "note": [WordDropout(0.3), "swap"],
                "voice": Gain(3),
                "clip": [FrameDropping(0.1), "crop", louder],
            }
        )
        assert found == {
            "note": (WordDropout(0.3), WordSwap()),
            "photo": (Crop(),),
            "voice": (Gain(3),),
            "clip": (FrameDropping(0.1), Crop(), louder),
        }

    def test_by_the_name_that_auto_gives(self):
        X = rows().rename(columns={"photo": "My photo (1)"})
        chosen = ModalityTransformer().fit(X).modalities_
        assert "My_photo_1" in chosen
        assert list(self.operations({"My_photo_1": "flip"}, X)) == ["My photo (1)"]

    def test_by_kind(self):
        X = rows().assign(second=rows(seed=1)["photo"])
        assert list(self.operations({"image": "flip"}, X)) == ["photo", "second"]
        # a name says more than a kind
        found = self.operations({"image": "flip", "second": "crop"}, X)
        assert found == {"photo": (Flip(),), "second": (Crop(),)}

    def test_a_column_may_be_called_like_a_kind(self):
        X = rows().rename(columns={"trace": "image"})
        assert list(self.operations({"image": "jitter"}, X)) == ["image"]

    def test_an_empty_list_does_nothing(self):
        assert self.operations({"photo": []}) == {}

    def test_short_strings_are_texts_where_one_says_so(self):
        X = rows().assign(title=["red", "old boat", "sea"] * 10)
        assert "title" not in self.operations(None, X)
        for value in ("text", "swap", WordSwap(), shout):
            assert "title" in self.operations({"title": value}, X)
        with pytest.raises(
            ValueError, match=r"If they are texts, say {'title': 'text'}"
        ):
            self.operations({"title": "default"}, X)

    def test_categories_may_be_texts_too(self):
        X = rows().assign(title=pd.Categorical(["red hat", "old boat", "sea"] * 10))
        X_new, _ = ModalityAugmenter({"title": shout}).fit_resample(X, target())
        assert X_new["title"].iloc[31] == "OLD BOAT"

    def waves(self):
        """Arrays that may be series or pictures."""
        cells = np.empty(20, dtype=object)
        cells[:] = [
            np.random.default_rng(k).normal(size=(30, 12)).cumsum(axis=0)
            for k in range(20)
        ]
        return pd.DataFrame({"wave": cells})

    def test_what_cells_do_not_say_is_warned_about(self):
        X = self.waves()
        with pytest.warns(UserWarning, match=r"'wave' holds .*for series.*'image'"):
            self.operations({"wave": "default"}, X)
        for value in ("series", "jitter", [Jitter(0.1), "warping"]):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                assert "wave" in self.operations({"wave": value}, X)
        augmenter = ModalityAugmenter({"wave": ["flip", Colour()]})
        X_new, _ = augmenter.fit_resample(X, target(20))
        assert X_new["wave"].iloc[-1].kind == "image"

    @pytest.mark.parametrize(
        "cells",
        [
            [[1.0, None, 3.0, k] for k in range(10)],
            [np.arange(3.0) + k for k in range(10)],
            [np.full((25, 8), k, dtype=np.uint8) for k in range(10)],
        ],
        ids=["short lists", "short arrays", "grids of bytes"],
    )
    def test_arrays_are_series_where_one_says_so(self, cells):
        held = np.empty(10, dtype=object)
        held[:] = cells
        X = pd.DataFrame({"wave": held})
        augmenter = ModalityAugmenter({"wave": "series"}, random_state=0)
        X_new, _ = augmenter.fit_resample(X, target(10))
        assert X_new["wave"].iloc[-1].kind == "series"
        encoded = SeriesEncoder().fit(X_new["wave"]).transform(X_new["wave"])
        assert encoded.shape[0] == 20

    def test_short_vectors_are_embeddings_where_nobody_does(self):
        vectors = np.empty(10, dtype=object)
        vectors[:] = [np.arange(3.0) + k for k in range(10)]
        X = pd.DataFrame({"vector": vectors})
        assert self.operations(None, X) == {}
        assert self.operations({"vector": "jitter"}, X) == {"vector": (Jitter(),)}
        for value in ("default", louder):
            with pytest.raises(
                ValueError, match=r"If they are series, say {'vector': 'series'}; else"
            ):
                self.operations({"vector": value}, X)
        with pytest.raises(ValueError, match="which is 'series' or 'audio'"):
            self.operations({"vector": "image"}, X)

    @pytest.mark.parametrize("key", ["video", "fotos", 17])
    def test_columns_that_are_not_there(self, key):
        X = rows().drop(columns="clip")
        with pytest.raises(
            ValueError, match=rf"X has no column or modality {key!r}.*'photo' \(image\)"
        ):
            self.operations({key: "default"}, X)

    @pytest.mark.parametrize(
        ("column", "value", "said"),
        [
            (
                "photo",
                "jitter",
                r"'jitter' is no augmentation of image.*'flip', 'c",
            ),
            ("photo", ["flip", Gain()], r"'gain' is no augmentation of image"),
            ("note", ["swap", "mixup"], r"'mixup' is no aug.* text.*'dropout', 'swap'"),
            ("clip", "dropout", r"no augmentation of video.*'frame_dropping', 'flip'"),
            ("voice", Flip(), r"'flip' is no augmentation of audio"),
            ("trace", Jitter, r"the class Jitter \(give an instance\)"),
            ("photo", "series", r"column 'photo' holds uint8 arrays.*is 'image'"),
            ("photo", 3, r"3 is no augmentation of image"),
            (
                "age",
                "default",
                r"column 'age' holds numbers \(tabular\).*Leave t",
            ),
            ("age", "jitter", r"column 'age' holds numbers"),
        ],
    )
    def test_augmentations_that_do_not_fit(self, column, value, said):
        with pytest.raises(ValueError, match=said):
            self.operations({column: value})

    def test_a_function_that_gives_no_text(self):
        def translate(text, rng):
            return None if "boat" in text else text

        X = rows()
        X["note"] = ["a red house by the sea today"] * 7 + ["a boat"] + ["a hill"] * 22
        said = r"column 'note', row 7 \(label 'row7'\): the augmentation translate of"
        with pytest.raises(ValueError, match=rf"{said} text gave NoneType, expected s"):
            ModalityAugmenter({"note": translate}).fit_resample(X, target())

    def test_two_columns_of_one_name(self):
        X = pd.concat([rows()[["note"]]] * 2, axis=1)
        with pytest.raises(ValueError, match="more than one column 'note'"):
            ModalityAugmenter().fit_resample(X, target())

    def test_records(self):
        with pytest.raises(TypeError, match=r"X is a dict\. Give pd\.DataFrame\(X\)"):
            ModalityAugmenter().fit_resample({"note": ["a", "b"]}, [0, 1])

    def test_nothing_to_augment(self):
        X = rows()[["age"]]
        X_new, _ = ModalityAugmenter().fit_resample(X, target())
        assert len(X_new) == 60
        array, _ = ModalityAugmenter().fit_resample(X.to_numpy(), target())
        assert array.dtype == X["age"].dtype

    @pytest.mark.parametrize(
        "params", [{"n_copies": -1}, {"augmentations": ["flip"]}, {"n_copies": 1.5}]
    )
    def test_parameters(self, params):
        with pytest.raises(ValueError, match="parameter of ModalityAugmenter must be"):
            ModalityAugmenter(**params).fit(rows(), target())

    def test_clone_and_search_parameters(self):
        augmenter = ModalityAugmenter({"photo": Crop(0.5)}, n_copies=2, random_state=0)
        assert clone(augmenter).get_params() == augmenter.get_params()


class TestPickling:
    def test_copies_of_paths_are_small(self, tmp_path):
        n = 200
        X = pd.DataFrame({"photo": [f"{tmp_path}/photos/{k:05}.jpg" for k in range(n)]})
        X_new, _ = ModalityAugmenter(n_copies=3).fit_resample(X, np.arange(n) % 2)
        assert len(pickle.dumps(X_new)) < len(pickle.dumps(X)) + 3 * n * 120

    def test_arrays_are_held_once(self):
        X = rows()[["photo", "clip"]]
        X_new, _ = ModalityAugmenter(n_copies=5).fit_resample(X, target())
        more = len(pickle.dumps(X_new)) - len(pickle.dumps(X))
        assert more < 5 * 30 * 2 * 120

    def test_functions_travel_by_name(self):
        X_new, _ = ModalityAugmenter({"voice": louder}).fit_resample(rows(), target())
        again = pickle.loads(pickle.dumps(X_new))
        (operation, _) = again["voice"].iloc[-1].steps[0]
        assert operation is louder


class Weighed(Witness):
    def fit(self, X, y, sample_weight=None):
        self.weight_ = sample_weight
        return super().fit(X, y)


@pytest.fixture
def seen(monkeypatch):
    """Pictures that were decoded."""
    cells = []
    real = Decoder.__call__

    def counting(self, cell):
        cells.append(cell)
        return real(self, cell)

    monkeypatch.setattr(Decoder, "__call__", counting)
    return cells


class TestInPipelines:
    ENTRIES = [
        ("note", TextEncoder(n_components=4, random_state=0), "note"),
        ("photo", ImageEncoder(n_components=4, random_state=0), "photo"),
    ]

    def pipeline(self, augmenter, head=None, **params):
        model = multimodal_pipeline(
            "classifier",
            fusion="concat",
            modalities=self.ENTRIES,
            max_epochs=3,
            random_state=0,
            **params,
        )
        steps = [("augment", augmenter), *model.steps]
        if head is not None:
            steps[-1] = ("head", head)
        return Pipeline(steps)

    def test_rows_are_added_at_fit_and_never_at_predict(self):
        X, y = rows(), target()
        pipeline = self.pipeline(ModalityAugmenter(n_copies=2), Witness()).fit(X, y)
        assert len(pipeline["head"].X_) == 90
        assert len(pipeline.predict(X)) == 30
        assert len(pipeline["head"].seen_) == 30

    def test_copies_are_encoded_otherwise_than_their_originals(self):
        X, y = rows(), target()
        augmenter = ModalityAugmenter({"photo": [Crop(0.4), Colour(0.5)]})
        seen = self.pipeline(augmenter, Witness()).fit(X, y)["head"].X_
        photo = seen.loc[:, seen.columns.str.startswith("photo__")].to_numpy()
        note = seen.loc[:, seen.columns.str.startswith("note__")].to_numpy()
        assert (np.abs(photo[30:] - photo[:30]).max(axis=1) > 1e-3).all()
        np.testing.assert_array_equal(note[30:], note[:30])

    def test_auto_sees_every_kind_as_it_is(self):
        X, y = rows(), target()
        plain = ModalityTransformer().fit(X).modalities_
        model = multimodal_pipeline(
            "classifier", fusion="concat", max_epochs=2, random_state=0
        )
        pipeline = Pipeline([("augment", ModalityAugmenter()), *model.steps]).fit(X, y)
        kinds = {name: m.kind for name, m in pipeline["encode"].modalities_.items()}
        assert kinds == {name: m.kind for name, m in plain.items()}
        assert pipeline.predict(X).shape == (30,)

    def test_files_and_a_store(self, tmp_path, seen):
        photos, voices = save_photos(tmp_path, 30), save_voices(tmp_path, 30)
        X = pd.DataFrame({"photo": photos, "voice": voices})

        def fitted(**params):
            encode = ModalityTransformer(
                [("photo", ImageEncoder(root=tmp_path), "photo")],
                store=EmbeddingStore(tmp_path / "store"),
            )
            augmenter = ModalityAugmenter({"photo": None}, random_state=0, **params)
            steps = [("augment", augmenter), ("encode", encode), ("head", Witness())]
            return Pipeline(steps).fit(X, target())["head"].X_

        first = fitted()
        assert len(seen) == 60
        pd.testing.assert_frame_equal(fitted(), first)
        assert len(seen) == 60  # all from the store
        fitted(n_copies=2)
        assert len(seen) == 90  # only the second copies are new
        assert "augmented image" in repr(seen[-1])

    def test_a_search_encodes_no_copy_twice(self, tmp_path, seen):
        X = pd.DataFrame({"photo": save_photos(tmp_path, 24)})
        X["photo"] = [str(tmp_path / name) for name in X["photo"]]
        encode = ModalityTransformer(
            [("photo", ImageEncoder(), "photo")],
            store=EmbeddingStore(tmp_path / "store"),
        )
        augmenter = ModalityAugmenter({"image": None}, random_state=0)
        search = GridSearchCV(
            Pipeline([("augment", augmenter), ("encode", encode), ("head", Witness())]),
            {"augment__n_copies": [0, 1, 2]},
            cv=3,
            error_score="raise",
        ).fit(X, target(24))
        assert len(search.cv_results_["params"]) == 3
        assert len(seen) == 24 * 3  # each picture, and two copies of it

    def test_n_copies_is_searched_with_a_head(self):
        X, y = rows(), target()
        search = GridSearchCV(
            self.pipeline(ModalityAugmenter(random_state=0), early_stopping=True),
            {
                "augment__n_copies": [0, 2],
                "augment__augmentations": [None, {"note": []}],
            },
            cv=2,
            error_score="raise",
        ).fit(X, y)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()

    def test_errors_name_modality_and_row(self):
        X, y = rows(), target()
        X.loc["row7", "photo"] = "no such picture.png"
        pipeline = self.pipeline(ModalityAugmenter({"photo": "flip"}))
        with pytest.raises(
            ValueError, match=r"'photo'.*row 7 \(label 'row7'\).*not exist"
        ):
            pipeline.fit(X, y)

    def test_inside_of_a_sampler_it_has_no_place(self):
        pipeline = multimodal_pipeline("classifier", sampler=ModalityAugmenter())
        with pytest.raises(TypeError, match="a step before the encoders"):
            pipeline.fit(rows(), target())

    def test_metadata_goes_by(self):
        X, y = rows(), target()
        weight = pd.Series(np.arange(30.0) + 1, index=X.index)
        with config_context(enable_metadata_routing=True):
            head = Weighed().set_fit_request(sample_weight=True)
            steps = [("augment", ModalityAugmenter()), ("sample", ModalitySampler())]
            pipeline = Pipeline([*steps, ("head", head)])
            pipeline.fit(X, y, sample_weight=weight)
        assert pipeline["head"].weight_.equals(weight)

    def test_before_a_sampler_and_behind_one(self):
        X, y = rows(), np.repeat([0, 1], [22, 8])
        entries = self.ENTRIES
        pipeline = Pipeline(
            [
                ("copy", ModalitySampler(RandomOverSampler(random_state=0))),
                ("augment", ModalityAugmenter(random_state=0)),
                ("again", ModalityAugmenter({"photo": "crop"}, random_state=0)),
                ("encode", ModalityTransformer(entries)),
                ("invent", ModalitySampler(SMOTE(sampling_strategy={1: 200}))),
                ("head", Witness()),
            ]
        ).fit(X, y)
        seen, y_seen = pipeline["head"].X_, pipeline["head"].y_
        assert np.bincount(y_seen).tolist() == [88, 200]
        family = list(origins(seen.index))
        assert set().union(*family) == set(X.index)
        for seed in range(3):
            train, valid = draw_validation(y_seen, index=seen.index, random_state=seed)
            validated = set().union(*(family[i] for i in valid))
            assert not any(validated & family[i] for i in train)
            assert (valid < 22 + 22).all()  # the rows there were before the augmenter

    def test_two_augmenters_with_one_seed_make_different_copies(self):
        X, y = rows(), target()
        for _ in range(2):
            X, y = ModalityAugmenter({"photo": None}, random_state=0).fit_resample(X, y)
        copies = X["photo"].iloc[30:]
        assert len(set(copies)) == 90
        assert sorted(len(cell.steps) for cell in copies) == [3] * 60 + [6] * 30


class TestProvenance:
    def augmented(self, n=40, n_copies=3):
        X, y = rows(n), target(n)
        X_new, y_new = ModalityAugmenter(n_copies=n_copies).fit_resample(X, y)
        encoded = ModalityTransformer(TestInPipelines.ENTRIES).fit_transform(X_new)
        return encoded, y_new

    def test_early_stopping_validates_on_originals_alone(self):
        X, y = self.augmented()
        for seed in range(5):
            train, valid = draw_validation(
                y, index=X.index, x=X.to_numpy(), random_state=seed
            )
            assert (valid < 40).all()
            assert not set(X.index[valid]) & set(X.index[train])
            assert len(train) == 4 * (40 - len(valid))

    def test_folds_test_originals_once_and_train_on_no_copy_of_them(self):
        X, y = self.augmented()
        folds = draw_folds(y, index=X.index, x=X.to_numpy(), cv=4, random_state=0)
        tested = np.sort(np.concatenate([test for _, test in folds]))
        np.testing.assert_array_equal(tested, np.arange(40))
        for train, test in folds:
            assert not set(X.index[train]) & set(X.index[test])

    def test_labels_of_pure_noise_are_not_learnt(self):
        rng = np.random.default_rng(0)
        n = 400
        photos = np.empty(n, dtype=object)
        photos[:] = list(rng.integers(0, 256, (n, 8, 8, 3), dtype=np.uint8))
        X = pd.DataFrame({"photo": photos})
        y = rng.permutation(np.arange(n) % 2)
        augmenter = ModalityAugmenter(
            {"photo": [Crop(0.95, 1.0), Colour(0.1)]}, n_copies=2, random_state=0
        )
        X, y = augmenter.fit_resample(X, y)
        Z = ImageEncoder(size=16, n_components=16, random_state=0).fit_transform(
            X["photo"]
        )

        def score(train, valid):
            model = KNeighborsClassifier(1).fit(Z[train], y[train])
            return balanced_accuracy_score(y[valid], model.predict(Z[valid]))

        order = rng.permutation(len(y))
        assert score(order[300:], order[:300]) > 0.9
        drawn = [draw_validation(y, index=X.index, random_state=k) for k in range(10)]
        assert np.mean([score(*parts) for parts in drawn]) < 0.56


def test_encoded_rows_are_refused():
    X = pack({"text": np.zeros((4, 2)), "image": np.zeros((4, 3))})
    with pytest.raises(ValueError, match=r"X is encoded.*before the encoders"):
        ModalityAugmenter().fit_resample(X, [0, 1, 0, 1])
