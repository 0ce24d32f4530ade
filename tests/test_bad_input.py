"""Bad input, met end to end: the message says where it is and what to do."""

import pickle
import re

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from skorch.callbacks import Callback

from skmultimodal import multimodal_pipeline, pack
from skmultimodal.compose import ModalityTransformer
from skmultimodal.encoders import ImageEncoder, TabularEncoder, TextEncoder
from skmultimodal.heads import FusionClassifier, FusionRegressor

N = 40
Y = np.arange(N) % 2


@pytest.fixture
def X(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for i in range(N):
        array = rng.integers(0, 255, (10, 10, 3), dtype=np.uint8)
        Image.fromarray(array).save(tmp_path / f"{i}.png")
        paths.append(str(tmp_path / f"{i}.png"))
    frame = {
        "age": rng.normal(size=N),
        "note": [
            f"a {'good' if k else 'bad'} day, number {i}" for i, k in enumerate(Y)
        ],
        "photo": paths,
    }
    return pd.DataFrame(frame, index=[f"id{i}" for i in range(N)])


def pipeline(on_error="raise", **params):
    photo = ImageEncoder(on_error=on_error)
    return multimodal_pipeline(
        "classifier",
        modalities={"photo": photo},
        **{"max_epochs": 1, "random_state": 0, **params},
    )


def encoded():
    rng = np.random.default_rng(0)
    return pack({"text": rng.normal(size=(N, 3)), "image": rng.normal(size=(N, 4))})


def spoil(kind, path):
    """Make one picture unreadable; what its cell holds afterwards."""
    if kind == "no picture":
        path.write_text("this is not a picture")
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:120])
    if kind == "absent":
        path.unlink()
    return str(path)


class TestPictures:
    @pytest.mark.parametrize("kind", ["no picture", "truncated", "absent"])
    @pytest.mark.parametrize("when", ["fit", "predict"])
    def test_named_with_modality_column_row_and_remedy(self, X, tmp_path, kind, when):
        model = pipeline()
        if when == "predict":
            model.fit(X, Y)
        spoil(kind, tmp_path / "7.png")
        with pytest.raises((ValueError, OSError)) as caught:
            (model.fit(X, Y) if when == "fit" else model.predict(X))
        for word in ("'photo'", "'id7'", "7.png", "on_error"):
            assert word in str(caught.value)

    @pytest.mark.parametrize("kind", ["no picture", "truncated", "absent"])
    def test_may_count_as_missing(self, X, tmp_path, kind):
        spoil(kind, tmp_path / "7.png")
        quiet = pipeline("missing").fit(X, Y)
        Z = quiet[:-1].transform(X)
        gone = Z.filter(like="photo__").isna().all(axis=1)
        assert gone.to_numpy().nonzero()[0].tolist() == [7]
        assert np.isfinite(quiet.predict_proba(X)).all()
        with pytest.warns(UserWarning, match=r"'id7'.*7\.png"):
            pipeline("warn").fit(X, Y)


class TestColumns:
    def test_missing_at_predict(self, X):
        model = pipeline().fit(X, Y)
        with pytest.raises(ValueError, match=r"modality 'photo'.*is not all in X"):
            model.predict(X.drop(columns="photo"))

    def test_renamed_at_predict(self, X):
        model = pipeline().fit(X, Y)
        with pytest.raises(ValueError, match="Was 'note' renamed to 'notes'"):
            model.predict(X.rename(columns={"note": "notes"}))

    def test_missing_or_renamed_in_front_of_a_head(self):
        Z = encoded()
        head = FusionClassifier(max_epochs=1).fit(Z, Y)
        with pytest.raises(ValueError, match="text__1"):
            head.predict(Z.drop(columns="text__1"))
        with pytest.raises(ValueError, match="text__1"):
            head.predict(Z.rename(columns={"text__1": "text__one"}))

    def test_a_hole_in_the_grid_of_a_sequence(self):
        Z = pack({"audio": np.zeros((N, 3, 2)), "text": np.zeros((N, 2))})
        with pytest.raises(ValueError, match=r"'audio'.*hole.*'audio__t1__0'.*Keep or"):
            FusionClassifier().fit(Z.drop(columns="audio__t1__0"), Y)

    @pytest.mark.parametrize(
        ("modalities", "message"),
        [
            ({"text": slice(0, 3)}, r"column 'image__0'.* in none.*drop the columns"),
            ({"a": slice(0, 4), "b": slice(3, 7)}, r"'image__0' in more than one"),
            ({"a": slice(0, 3), "b": [3, 4, 5, 9]}, r"column 9, but X has 7"),
            ({"a": [], "b": slice(0, 7)}, r"selects no column"),
            ({"a__b": slice(0, 7)}, r"cannot name a modality"),
        ],
    )
    def test_modalities_that_do_not_cover_the_columns(self, modalities, message):
        with pytest.raises(ValueError, match=message):
            FusionClassifier(modalities=modalities).fit(encoded(), Y)

    def test_raw_columns_in_front_of_a_head(self, X):
        with pytest.raises(ValueError, match=r"'note'.*Put a ModalityTransformer"):
            FusionClassifier().fit(X, Y)


class TestValues:
    def test_infinite_numbers_in_a_raw_table(self, X):
        X.loc["id3", "age"] = np.inf
        with pytest.raises(ValueError, match=r"'age'.*'id3'.*Replace"):
            pipeline().fit(X, Y)

    @pytest.mark.parametrize("value", [np.inf, -np.inf])
    def test_infinite_numbers_in_an_encoded_frame(self, value):
        Z = encoded()
        Z.loc[5, "image__2"] = value
        message = r"row 5, column 'image__2' \(modality 'image'\).*Replace"
        with pytest.raises(ValueError, match=message):
            FusionClassifier(max_epochs=1).fit(Z, Y)
        head = FusionClassifier(max_epochs=1).fit(encoded(), Y)
        with pytest.raises(ValueError, match=message):
            head.predict(Z)

    def test_no_rows(self, X):
        message = r"no rows|0 rows|0 sample"
        with pytest.raises(ValueError, match=message):
            pipeline().fit(X.iloc[:0], Y[:0])
        with pytest.raises(ValueError, match=message):
            FusionClassifier().fit(encoded().iloc[:0], Y[:0])

    def test_a_cell_that_is_no_text(self, X):
        X["note"] = X["note"].astype(object)
        X.at["id9", "note"] = {"not": "a text"}
        encode = ModalityTransformer([("words", TextEncoder(), ["note"])])
        with pytest.raises((TypeError, ValueError)) as caught:
            encode.fit(X)
        for word in ("'words'", "'note'", "'id9'"):
            assert word in str(caught.value)


class TestTargets:
    def test_missing(self, X):
        y = Y.astype(float)
        y[[4, 9]] = np.nan
        with pytest.raises(ValueError, match=r"NaN in 2 rows, first in row 4\. Drop"):
            pipeline().fit(X, y)
        with pytest.raises(ValueError, match="NaN"):
            FusionRegressor().fit(encoded(), y)
        words = np.where(Y, "yes", None)
        with pytest.raises(ValueError, match="NaN in 20 rows, first in row 0"):
            pipeline().fit(X, words)

    def test_infinite(self):
        y = Y.astype(float)
        y[4] = np.inf
        with pytest.raises(ValueError, match="infinity, first in row 4"):
            FusionClassifier().fit(encoded(), y)
        with pytest.raises(ValueError, match="infinity"):
            FusionRegressor().fit(encoded(), y)

    def test_one_class(self, X):
        with pytest.raises(ValueError, match=r"at least 2 classes.*'a'.*all 40 rows"):
            pipeline().fit(X, ["a"] * N)

    def test_labels_not_seen_before(self):
        head = FusionClassifier(max_epochs=1)
        head.partial_fit(encoded(), Y, classes=[0, 1])
        with pytest.raises(
            ValueError, match=r"has not seen: \[.*7.*\].*give all labels"
        ):
            head.partial_fit(encoded(), np.where(Y, 7, 0))

    def test_another_number_of_rows(self, X):
        X.loc["id3", "note"] = None
        with pytest.raises(ValueError, match=r"inconsistent.*\[40, 39\]"):
            pipeline().fit(X, Y[:-1])


class TestSettings:
    def test_an_unknown_fusion(self):
        message = r"'magic' is not known.*'bottleneck', 'concat'"
        with pytest.raises(ValueError, match=message):
            FusionClassifier("magic").fit(encoded(), Y)

    def test_cuda_that_is_not_there(self, X, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(ValueError, match=r"'cuda' was asked for.*device='auto'"):
            pipeline(device="cuda").fit(X, Y)
        with pytest.raises(ValueError, match="not a device"):
            pipeline(device="gpu0").fit(X, Y)

    @pytest.mark.parametrize("error", [ImportError, RuntimeError, OSError])
    def test_a_package_that_is_absent_or_broken(self, X, monkeypatch, error):
        import importlib

        real = importlib.import_module

        def broken(name, *rest):
            if name.startswith("sentence_transformers"):
                raise error("operator does not exist")
            return real(name, *rest)

        monkeypatch.setattr(importlib, "import_module", broken)
        encode = ModalityTransformer([("words", TextEncoder("a/model"), "note")])
        install = re.escape("pip install 'skmultimodal[text]'")
        with pytest.raises(ImportError, match=install):
            encode.fit(X)


class TestNothingIsLost:
    """A failed `fit` leaves what was fitted before."""

    def test_head(self):
        Z = encoded()
        head = FusionClassifier(max_epochs=2, random_state=0).fit(Z, Y)
        expected, state = head.predict_proba(Z), pickle.dumps(head)
        bad = Z.copy()
        bad.iloc[3, 3] = np.inf
        y = np.where(Y, "b", "a")
        for X_bad, y_bad, params in [
            (bad, Y, {}),
            (Z, np.zeros(N), {}),
            (Z.iloc[:, :3].add_prefix("new"), y, {"fusion": "magic"}),
            (Z.iloc[:, :3].add_prefix("new"), y, {"callbacks": [Interrupted()]}),
        ]:
            head.set_params(fusion="concat", callbacks=None).set_params(**params)
            with pytest.raises((ValueError, Interruption)):
                head.fit(X_bad, y_bad)
            np.testing.assert_array_equal(head.predict_proba(Z), expected)
        head.set_params(fusion="concat", callbacks=None)
        assert pickle.dumps(head) == state

    def test_composition(self, X, tmp_path):
        encode = ModalityTransformer(modalities={"photo": ImageEncoder()})
        expected = encode.fit_transform(X)
        chosen = encode.modalities_
        bad = X.assign(photo=str(tmp_path / "nowhere.png"), more=1)
        with pytest.raises((ValueError, OSError)):
            encode.fit(bad, Y)
        pd.testing.assert_frame_equal(encode.transform(X), expected)
        assert encode.modalities_ == chosen
        assert encode.n_features_in_ == 3


class Interruption(Exception):
    """Something that a user's callback may raise."""


class Interrupted(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise Interruption


class TestTables:
    """What is no table, or one whose columns cannot be told apart."""

    @pytest.mark.parametrize("when", ["fit", "predict"])
    def test_two_columns_of_one_name(self, X, when):
        model = pipeline()
        if when == "predict":
            model.fit(X, Y)
        X = pd.concat([X, X[["age"]]], axis=1)
        with pytest.raises(ValueError, match=r"more than one column 'age'.*Rename"):
            model.fit(X, Y) if when == "fit" else model.predict(X)

    def test_two_columns_of_one_name_in_encoders_and_heads(self, X):
        twice = pd.concat([X[["age"]]] * 2, axis=1)
        for part in (TabularEncoder(), FusionClassifier(max_epochs=1)):
            with pytest.raises(ValueError, match="more than one column 'age'"):
                part.fit(twice, Y)

    def test_records_and_lists_of_texts_are_told_to_become_a_frame(self, X):
        with pytest.raises(TypeError, match=r"a list of dicts.*pd\.DataFrame\(X\)"):
            pipeline().fit(X.to_dict("records"), Y)
        with pytest.raises(TypeError, match=r"a dict\..*pd\.DataFrame\(X\)"):
            pipeline().fit(X.to_dict("list"), Y)
        with pytest.raises(ValueError, match=r"got 1D array.*a list of str.*a column"):
            pipeline().fit(list(X["note"]), Y)
