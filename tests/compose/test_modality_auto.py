"""ModalityTransformer("auto"): cells decide, and it can be overruled."""

import io
import pickle
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from PIL import Image
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline

from skmultimodal._layout import layout_from_names
from skmultimodal.compose import ModalityTransformer, make_modality_transformer
from skmultimodal.encoders import ImageEncoder, TabularEncoder, TextEncoder

N = 12
SENTENCES = [
    "what is the colour of the shape?",
    "is there a blue circle in it?",
    "the soup was cold and the waiter rude",
    "we will certainly come back again",
]
COUNTRIES = ["France", "United States of America", "Trinidad and Tobago", "Peru"]


def picture(k=0):
    rng = np.random.default_rng(k)
    return rng.integers(0, 256, size=(8, 8, 3), dtype=np.uint8)


def encoded(kind):
    file = io.BytesIO()
    Image.fromarray(picture()).save(file, format=kind)
    return file.getvalue()


@pytest.fixture
def X():
    return pd.DataFrame(
        {
            "age": np.arange(N, dtype=float),
            "member": [True, False] * (N // 2),
            "since": pd.date_range("2024-01-01", periods=N),
            "country": COUNTRIES * (N // 4),
            "review (long)": SENTENCES * (N // 4),
            "photo": [picture(k) for k in range(N)],
            "vector": [[0.5, float(k)] for k in range(N)],
            "clip__0": np.ones(N),
            "clip__1": np.arange(N),
        },
        index=[f"row {k}" for k in range(N)],
    )


def kind_of(cells, **params):
    X = pd.DataFrame({"c": pd.Series(cells, dtype=params.pop("dtype", None))})
    encode = make_modality_transformer(X, **params)
    kinds = {
        TabularEncoder: "tabular",
        TextEncoder: "text",
        ImageEncoder: "image",
    }
    [(_, encoder, _)] = encode.transformers
    if isinstance(encoder, str):
        return encoder
    return kinds.get(type(encoder), type(encoder).__name__)


def test_chooses_and_reports(X):
    encode = ModalityTransformer()
    Z = encode.fit_transform(X)
    kinds = {name: m.kind for name, m in encode.modalities_.items()}
    assert kinds == {
        "tabular": "tabular",
        "review_long": "text",
        "photo": "image",
        "vector": "precomputed",
        "clip": "precomputed",
    }
    record = encode.modalities_["tabular"]
    assert record.columns == ["age", "member", "since", "country"]
    assert "dates: since" in record.reason
    assert "words a cell" in encode.modalities_["review_long"].reason
    assert layout_from_names(Z.columns).names == list(kinds)
    assert list(Z.filter(like="clip").columns) == ["clip__0", "clip__1"]
    assert Z.index.equals(X.index)
    assert not Z.isna().any(axis=None)


def test_the_parameter_stays_auto(X):
    encode = ModalityTransformer("auto").fit(X)
    assert encode.transformers == "auto"
    assert not hasattr(clone(encode), "modalities_")
    again = pickle.loads(pickle.dumps(encode))
    pd.testing.assert_frame_equal(again.transform(X), encode.transform(X))
    assert repr(encode) == "ModalityTransformer()"


def test_verbose_says_what_was_chosen(X, capsys):
    ModalityTransformer(verbose=True).fit(X[["age", "country"]])
    assert "[ModalityTransformer] tabular is tabular: num" in capsys.readouterr().out


def test_row_alone_is_row_in_batch_and_columns_are_put_right(X):
    encode = ModalityTransformer()
    Z = encode.fit_transform(X)
    pd.testing.assert_frame_equal(encode.transform(X[X.columns[::-1]]), Z)
    for k in (0, 5):
        alone = encode.transform(X.iloc[[k]])
        pd.testing.assert_frame_equal(alone, Z.iloc[[k]], rtol=1e-4, atol=1e-5)


def test_absent_cells_become_nan(X):
    X = X.astype({"photo": object, "vector": object})
    X.iat[2, X.columns.get_loc("review (long)")] = None
    X.iat[3, X.columns.get_loc("photo")] = None
    X.iat[4, X.columns.get_loc("vector")] = []
    X["member"] = X["member"].astype(object)
    for column in ["age", "member", "since", "country"]:
        X.iat[5, X.columns.get_loc(column)] = None
    Z = ModalityTransformer().fit_transform(X)
    for modality, row in [
        ("review_long", 2),
        ("photo", 3),
        ("vector", 4),
        ("tabular", 5),
    ]:
        absent = Z.filter(regex=f"^{modality}__").isna().all(axis=1)
        assert np.flatnonzero(absent).tolist() == [row]


def test_every_modality_may_be_missing_at_transform(X):
    encode = ModalityTransformer().fit(X)
    for column in ["review (long)", "photo", "vector"]:
        Z = encode.transform(X.assign(**{column: None}))
        name = {"review (long)": "review_long"}.get(column, column)
        assert Z.filter(regex=f"^{name}__").isna().all(axis=None)


def test_html_picture_before_and_after_fit(X):
    encode = ModalityTransformer()
    assert "ModalityTransformer" in encode._repr_html_()
    html = encode.fit(X)._repr_html_()
    assert "TextEncoder" in html
    assert "review_long" in html
    encode = ModalityTransformer(modalities={"age": "drop"}, remainder="passthrough")
    assert "dropped" in encode.fit(X)._repr_html_()


def test_polars_and_two_workers(X):
    plain = X.drop(columns=["photo"])
    expected = ModalityTransformer().fit_transform(plain).reset_index(drop=True)
    P = pl.DataFrame({c: plain[c].to_list() for c in plain})
    encode = ModalityTransformer(n_jobs=2).set_output(transform="polars")
    Z = encode.fit_transform(P)
    assert Z.columns == list(expected.columns)
    np.testing.assert_allclose(Z.to_numpy(), expected.to_numpy(), atol=0.01)


def test_arrays_are_tabular_by_position():
    A = np.random.default_rng(0).normal(size=(10, 3))
    encode = ModalityTransformer().fit(A)
    assert encode.modalities_["tabular"].columns == [0, 1, 2]
    objects = np.array([[1, s] for s in SENTENCES], dtype=object)
    encode = ModalityTransformer().fit(objects)
    assert {n: m.columns for n, m in encode.modalities_.items()} == {
        "tabular": [0],
        "text_1": [1],
    }


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([1, 2, 3], "tabular"),
        ([1, None, "x"], "tabular"),
        (["12 May 2020", "1 June 2021", "3 July 2022"], "tabular"),
        (COUNTRIES, "tabular"),
        ([1, 2.5, None], "tabular"),
        (["Braund, Mr. Owen Harris", "Heikkinen, Miss. Laina Maria"], "tabular"),
        (["I do not know at all", "yes", "I agree very much"] * 30, "tabular"),
        ([Path("a b"), None][1:] + ["x"], "tabular"),
        (SENTENCES, "text"),
        (SENTENCES + ["see fig1.png"], "text"),
        ([s.replace(" ", "") + ".png" for s in "abc"] + SENTENCES, "text"),
        ([SENTENCES[:2], SENTENCES[2:], None], "text"),
        ([*SENTENCES, ["a", "b"]], "text"),
        (["这是一个很好的电影我非常喜欢", "非常糟糕的服务态度不好"], "text"),
        (["a/1.png", "b/2.JPG", None], "image"),
        ([PurePosixPath("a/1.webp")], "image"),
        ([["1.png", "2.png"], ["3.png"]], "image"),
        ([encoded("PNG"), encoded("JPEG"), encoded("WEBP"), encoded("GIF")], "image"),
        ([encoded("TIFF"), encoded("BMP")], "image"),
        ([Image.fromarray(picture())], "image"),
        ([picture(), picture()[..., 0], "a.png"], "image"),
        ([picture().astype(np.uint16)[..., 0]], "image"),
        ([[picture(), picture()]], "image"),
        ([np.zeros(4), None, np.ones(4)], "PrecomputedEncoder"),
        ([[1, 2], (3, 4)], "PrecomputedEncoder"),
        ([[1.0, None], [None, 2.0]], "PrecomputedEncoder"),
    ],
)
def test_kinds_of_cells(cells, kind):
    assert kind_of(cells, dtype=object) == kind


@pytest.mark.parametrize(
    ("cells", "seen"),
    [
        (["https://x.org/a.png"], "addresses of media on the web"),
        ([b"abcdefgh"], "bytes of an unknown format"),
        ([{"a": 1}], "objects of type dict"),
        ([picture(), "some words"], "cells of several kinds (1 image, 1 string)"),
        ([PurePosixPath("a.xyz")], "paths of no known kind"),
        ([[1.0, "a"]], "lists that mix number, string"),
        ([np.array(["a", "b"])], "arrays of type"),
    ],
)
def test_what_has_no_encoder_is_named(cells, seen):
    column = np.empty(len(cells), dtype=object)
    column[:] = cells if not isinstance(cells[0], np.ndarray) else None
    for k, cell in enumerate(cells):
        column[k] = cell
    X = pd.DataFrame({"ok": range(len(cells)), "recording": column})
    with pytest.raises(ValueError, match="Column 'recording' holds") as caught:
        ModalityTransformer().fit(X)
    assert seen in str(caught.value)
    assert "modalities={'recording': MyEncoder()}" in str(caught.value)
    assert "'drop'" in str(caught.value)


def test_a_column_missing_in_all_rows_is_dropped_with_a_warning(X):
    X = X.drop(columns=["photo"]).assign(notes=None)
    with pytest.warns(UserWarning, match="'notes' is dropped: all 12 cells"):
        encode = ModalityTransformer().fit(X)
    assert encode.modalities_["dropped"].columns == ["notes"]
    assert encode.transform(X.drop(columns="notes")).shape[0] == N


def test_every_column_is_overruled(X):
    words = TfidfVectorizer()
    encode = ModalityTransformer(
        modalities={
            "age": "drop",
            "country": "text",
            "review (long)": words,
            "clip__0": "tabular",
            "clip__1": "precomputed",
            "member": "precomputed",
            "photo": "image",
            "vector": make_pipeline(Unlist(), TruncatedSVD(1)),
        },
        remainder="passthrough",
    )
    Z = encode.fit_transform(X)
    assert {n: (m.kind, m.columns) for n, m in encode.modalities_.items()} == {
        "dropped": ("drop", ["age"]),
        "precomputed": ("precomputed", ["member"]),
        "tabular": ("tabular", ["since", "clip__0"]),
        "country": ("text", ["country"]),
        "review_long": ("TfidfVectorizer", ["review (long)"]),
        "photo": ("image", ["photo"]),
        "vector": ("Pipeline", ["vector"]),
        "clip": ("precomputed", ["clip__1"]),
    }
    assert not hasattr(words, "vocabulary_")
    assert "dropped" not in layout_from_names(Z.columns).names
    assert "remainder" not in layout_from_names(Z.columns).names


class Recorder(TransformerMixin, BaseEstimator):
    """Remembers the weights that reached it."""

    def fit(self, X, y=None, sample_weight=None):
        self.weight_ = list(sample_weight)
        return self

    def transform(self, X):
        return np.asarray(X, float)


class Unlist(TransformerMixin, BaseEstimator):
    """Lists in one column to an array."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return np.stack([np.asarray(c) for c in X.iloc[:, 0]])


@pytest.mark.parametrize(
    ("modalities", "message"),
    [
        ({"years": "text"}, "no column 'years'. Its columns are \\['age'"),
        (
            {"age": "sound"},
            "unknown kind 'sound'. Known are 'tabular', 'text', 'image'",
        ),
        ({"age": TfidfVectorizer}, "an encoder \\(an instance"),
        ({"age": 3}, "expected one of"),
    ],
)
def test_bad_modalities(X, modalities, message):
    with pytest.raises(ValueError, match=message):
        ModalityTransformer(modalities=modalities).fit(X)
    with pytest.raises(ValueError, match=message):
        make_modality_transformer(X, modalities=modalities)


def test_names_of_columns_become_names_of_modalities():
    X = pd.DataFrame(
        dict.fromkeys(["remainder", "tabular", "a b", "a.b", "価格", "x__y"], SENTENCES)
    ).assign(n=1)
    encode = ModalityTransformer().fit(X)
    assert list(encode.modalities_) == [
        "remainder_text",
        "tabular_text",
        "a_b",
        "a_b_2",
        "text",
        "x_y",
        "tabular",
    ]
    unnamed = X.set_axis(range(7), axis=1)
    assert next(iter(ModalityTransformer().fit(unnamed).modalities_)) == "text_0"
    with pytest.raises(ValueError, match="more than one column 'n'"):
        ModalityTransformer().fit(X.rename(columns={"a b": "n"}))


def test_one_prefixed_column_alone_is_no_block():
    X = pd.DataFrame(
        {"clip__0": [1.0, 2.0], "seq__t0__a": [1.0, 2], "a__b": ["u", "v"]}
    )
    assert list(ModalityTransformer().fit(X).modalities_) == ["tabular"]


def test_what_is_seen_depends_on_no_chance(X):
    big = pd.concat([X.drop(columns="photo")] * 300, ignore_index=True)
    first = ModalityTransformer().fit(big).modalities_
    assert first == ModalityTransformer().fit(big).modalities_


def test_nested_parameters_come_with_an_explicit_list(X):
    encode = ModalityTransformer()
    with pytest.raises(ValueError, match="make_modality_transformer"):
        encode.set_params(review_long__max_features=3)
    assert encode.set_params(n_jobs=1).n_jobs == 1
    X = X.drop(columns="photo")
    listed = make_modality_transformer(X, modalities={"vector": "drop"}, n_jobs=1)
    assert "review_long" in listed.get_params()
    encode.set_params(modalities={"vector": "drop"})
    pd.testing.assert_frame_equal(
        listed.fit_transform(X), encode.fit_transform(X), atol=0.01
    )
    assert not hasattr(listed, "modalities_")


def test_auto_chooses_anew_and_a_failed_fit_keeps_the_last_choice(X):
    encode = ModalityTransformer().fit(X[["age", "country"]])
    chosen = encode.modalities_
    Z = encode.transform(X)
    with pytest.raises(ValueError, match="addresses"):
        encode.fit(X.assign(age="https://x.org/a.wav"))
    assert encode.modalities_ == chosen
    assert encode.transformers == "auto"
    pd.testing.assert_frame_equal(encode.transform(X), Z)
    encode.set_params(transformers=[("n", "passthrough", ["age"])]).fit(X)
    assert not hasattr(encode, "modalities_")


def test_routes_metadata_to_given_encoders(X):
    X = X[["age", "country"]].assign(age=[None, *range(1, N)])
    with sklearn.config_context(enable_metadata_routing=True):
        asks = Recorder().set_fit_request(sample_weight=True)
        encode = ModalityTransformer(modalities={"age": asks})
        model = Pipeline([("encode", encode), ("end", "passthrough")])
        model.fit(X, sample_weight=np.arange(N))
        assert model[0]["age"].weight_ == list(range(1, N))
        assert "age" in str(encode.get_metadata_routing())
        model.transform(X)


def test_searches_and_no_sparse_data(X):
    from scipy import sparse
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = Pipeline(
        [("encode", ModalityTransformer()), ("head", HistGradientBoostingClassifier())]
    )
    grid = {"encode__modalities": [None, {"review (long)": "drop"}]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise")
    search.fit(X[["age", "review (long)"]], [0, 1] * (N // 2))
    assert len(search.cv_results_["params"]) == 2
    with pytest.raises(TypeError, match="Sparse data"):
        ModalityTransformer().fit(sparse.eye_array(3).tocsr())


def test_complex_numbers_are_refused():
    with pytest.raises(ValueError, match="Complex data not supported: column 'z'"):
        ModalityTransformer().fit(pd.DataFrame({"z": [1 + 2j, 3]}))


def test_easy_vqa(real_data):
    data = real_data("easy_vqa")
    text = data["modalities"]["text"][:300]
    bank, which = data["image_bank"], data["modalities"]["image"][:300]
    X = pd.DataFrame({"question": text, "picture": [bank[k] for k in which]})
    encode = make_modality_transformer(X)
    assert [(name, type(e)) for name, e, _ in encode.transformers] == [
        ("question", TextEncoder),
        ("picture", ImageEncoder),
    ]


def test_petfinder(real_data):
    X = real_data("petfinder")["modalities"]["tabular"]
    text = real_data("petfinder")["modalities"]["text"]
    encode = make_modality_transformer(X.assign(Description=text))
    assert {name: len(columns) for name, _, columns in encode.transformers} == {
        "tabular": X.shape[1],
        "Description": 1,
    }


def test_houses(real_data):
    modalities = real_data("houses")["modalities"]
    X = modalities["tabular"].assign(
        frontal=list(modalities["frontal"]), kitchen=list(modalities["kitchen"])
    )
    encode = ModalityTransformer()
    Z = encode.fit_transform(X.head(20))
    assert list(encode.modalities_) == ["tabular", "frontal", "kitchen"]
    assert np.isfinite(Z.to_numpy()).all()
