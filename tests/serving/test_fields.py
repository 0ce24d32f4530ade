"""What a page asks for, and what its answers become."""

import base64
import datetime

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from skmultimodal.compose import ModalityTransformer
from skmultimodal.encoders import (
    AudioEncoder,
    DialogueHistoryEncoder,
    ImageEncoder,
    PrecomputedEncoder,
    TabularEncoder,
    TextEncoder,
    VideoEncoder,
)
from skmultimodal.serving._fields import BadRequest, Field, Fields


@pytest.fixture(scope="module")
def fields():
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (8, 8, 3), dtype=np.uint8) for _ in range(20)]
    X = pd.DataFrame(
        {
            "age": np.arange(20.0),
            "side": ["left", "right"] * 10,
            "town": [f"town {k}" for k in range(20)],
            "seen": pd.date_range("2026-01-01", periods=20).astype(str),
            "nothing": [None] * 20,
            "image": pd.Series(pictures, dtype=object),
            "note": ["a note", "another one"] * 10,
            "vector": pd.Series([[0.5, k / 20] for k in range(20)], dtype=object),
            "talk": pd.Series([[("user", "hello")]] * 20, dtype=object),
        }
    )
    table = TabularEncoder(cardinality_threshold=5)
    encode = ModalityTransformer(
        [
            ("vector", PrecomputedEncoder(), "vector"),
            ("image", ImageEncoder(n_components=2), ["image"]),
            ("table", table, ["age", "side", "town", "seen", "nothing"]),
            ("note", TextEncoder(n_components=2), "note"),
            ("talk", DialogueHistoryEncoder(), "talk"),
        ]
    )
    return Fields.of(encode.fit(X), "talk")


def test_columns_are_asked_for_in_the_order_of_fit(fields):
    assert [(f.name, f.kind) for f in fields.asked] == [
        ("age", "number"),
        ("side", "choice"),
        ("town", "text"),
        ("seen", "date"),
        ("image", "image"),
        ("note", "text"),
    ]
    assert fields.asked[1].choices == ["left", "right"]
    assert fields.left_out == ["nothing", "vector"]


def test_cells_are_what_encoders_take(fields):
    picture = {"base64": base64.b64encode(b"content").decode()}
    sent = {"age": 3, "side": "left", "image": picture, "note": "", "town": None}
    assert fields.cells(sent) == {
        "age": 3,
        "side": "left",
        "image": b"content",
        "note": None,
        "town": None,
    }


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"image": "/etc/passwd"}, "'image': no content of a file"),
        ({"image": {"path": "/etc/passwd"}}, "'image': no content of a file"),
        ({"image": {"base64": "a?b"}}, "'image': no content of a file"),
        ({"image": {"base64": 3}}, "'image': no content of a file"),
        ({"age": "old"}, "'age': 'old' is no number"),
        ({"age": True}, "'age': True is no number"),
        ({"age": float("nan")}, "'age': nan is no number"),
        ({"age": 10**400}, "'age': 10{59} is no number"),
        ({"seen": "yesterday"}, "'seen': 'yesterday' is no date"),
        ({"seen": 3}, "'seen': 3 is no date"),
        ({"image": {"base64": ""}}, "'image': the file is empty"),
        ({"note": 3}, "'note': 3 is no text"),
        ({"side": ["left"]}, "'side': \\['left'\\] is no choice"),
        ({"talk": "hello"}, "'talk' is not asked for; there is \\['age'"),
        ({"vector": [1, 2]}, "'vector' is not asked for"),
        (["left"], "cells must be an object"),
    ],
)
def test_odd_cells_are_named(fields, sent, message):
    with pytest.raises(BadRequest, match=message):
        fields.cells(sent)


def test_a_field_that_is_left_empty_is_missing():
    for kind in ("image", "audio", "video", "number", "date", "choice", "text"):
        assert Field("x", kind).cell("") is None
        assert Field("x", kind).cell(None) is None


TALK = DialogueHistoryEncoder()


def asked_of(entries, X, **params):
    """Name and kind of each field, and what is left out."""
    X = X.assign(talk=pd.Series([[("user", "hello")]] * len(X), dtype=object))
    encode = ModalityTransformer([*entries, ("talk", TALK, "talk")], **params)
    fields = Fields.of(encode.fit(X), "talk")
    return {field.name: field.kind for field in fields.asked}, fields.left_out


@pytest.mark.parametrize("written", ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y %H:%M"])
def test_dates_however_fit_had_them_written(written):
    days = pd.date_range("2026-01-01", periods=60)
    X = pd.DataFrame({"seen": days.strftime(written)})
    encoder = TabularEncoder().fit(X)
    assert encoder.column_kinds_ == {"seen": "date"}
    cell = Field("seen", "date").cell("2026-02-04")
    assert cell == datetime.date(2026, 2, 4)
    found = encoder.transform(pd.DataFrame({"seen": [cell]}))
    at = X.index[days == "2026-02-04"]
    np.testing.assert_array_equal(found, encoder.transform(X.loc[at]))


def test_a_column_of_several_encoders_is_asked_for_by_what_serves_all():
    X = pd.DataFrame({"note": ["good", "bad"] * 10})
    text = ("a", TextEncoder(n_components=1), "note")
    table = ("b", TabularEncoder(), ["note"])
    for entries in ([text, table], [table, text]):
        assert asked_of(entries, X) == ({"note": "text"}, [])


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_a_film_that_is_heard_and_seen_is_asked_for_as_a_film(order, monkeypatch):
    encoders = [AudioEncoder(), VideoEncoder()]
    monkeypatch.setattr(
        "skmultimodal.serving._fields.encoders_of",
        lambda _: [(encoders[k], ["clip"]) for k in order],
    )
    encode = ModalityTransformer()
    encode.feature_names_in_, encode.n_features_in_ = ["clip", "talk"], 2
    fields = Fields.of(encode, "talk")
    assert [(f.name, f.kind) for f in fields.asked] == [("clip", "video")]


def test_a_text_that_another_encoder_would_open_as_a_file_is_not_asked_for(tmp_path):
    rng = np.random.default_rng(0)
    paths = [str(tmp_path / f"{k}.png") for k in range(4)]
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(path)
    X = pd.DataFrame({"photo": paths * 5})
    image = ("image", ImageEncoder(n_components=2), "photo")
    table = ("table", TabularEncoder(), ["photo"])
    for entries in ([image, table], [table, image]):
        assert asked_of(entries, X) == ({}, ["photo"])


def test_what_no_encoder_reads_is_not_missed():
    X = pd.DataFrame({"n": np.arange(20.0), "id": np.arange(20), "key": ["k"] * 20})
    entries = [("n", TabularEncoder(), ["n"]), ("id", "drop", ["id"])]
    assert asked_of(entries, X) == ({"n": "number"}, [])


@pytest.mark.parametrize(
    "columns", ["n", 0, np.int64(0), [0], [-2], slice(0, 1), np.array([True, False])]
)
def test_however_the_columns_of_an_encoder_are_given(columns):
    X = pd.DataFrame({"n": np.arange(20.0)})
    found = asked_of([("n", TabularEncoder(), columns)], X)
    assert found == ({"n": "number"}, [])


def test_columns_without_names_are_asked_for_by_their_position():
    talk = pd.Series([[("user", "hello")]] * 20, dtype=object)
    X = pd.DataFrame({0: ["left", "right"] * 10, 1: np.arange(20.0), 2: talk})
    entries = [("table", TabularEncoder(), [0, 1]), ("talk", TALK, 2)]
    for raw in (X, X.to_numpy(), X.set_axis([5, 6, 7], axis=1)):
        fields = Fields.of(ModalityTransformer(entries).fit(raw), 2)
        assert [(f.name, f.kind) for f in fields.asked] == [
            ("0", "choice"),
            ("1", "number"),
        ]
        assert fields.cells({"0": "left", "1": 3}) == {"0": "left", "1": 3}
