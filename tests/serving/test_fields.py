"""What a page asks for, and what its answers become."""

import base64

import numpy as np
import pandas as pd
import pytest

from skmultimodal.compose import ModalityTransformer
from skmultimodal.encoders import (
    DialogueHistoryEncoder,
    ImageEncoder,
    PrecomputedEncoder,
    TabularEncoder,
    TextEncoder,
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
