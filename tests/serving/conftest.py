"""A pipeline that sees a colour, knows a side, and was told a name."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.pipeline import Pipeline

from skmultimodal.compose import ModalityTransformer
from skmultimodal.encoders import (
    DialogueHistoryEncoder,
    ImageEncoder,
    TabularEncoder,
)
from skmultimodal.heads import FusionGenerator

COLORS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def picture(color):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), COLORS[color]).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def pictures():
    return {color: picture(color) for color in COLORS}


@pytest.fixture(scope="session")
def model(pictures):
    rng = np.random.default_rng(0)
    colors, sides = rng.choice(list(COLORS), 240), rng.choice(["left", "right"], 240)
    names = rng.choice(["ann", "bob", "cleo"], 240)
    asks = rng.choice(["which colour", "which name", "which side"], 240)
    talk = [
        [("user", f"call it {name}"), ("model", "ok"), ("user", ask)]
        for name, ask in zip(names, asks)
    ]
    X = pd.DataFrame({"side": sides})
    X["image"] = pd.Series([pictures[c] for c in colors], dtype=object)
    X["talk"] = pd.Series(talk, dtype=object)
    opening = np.arange(0, 240, 5)  # some are only told the name
    for row in opening:
        X.at[row, "talk"] = talk[row][:1]
    y = np.select(
        [asks == "which colour", asks == "which name"], [colors, names], sides
    )
    y = y.astype(object)
    y[opening] = "ok"
    encode = ModalityTransformer(
        [
            ("side", TabularEncoder(), ["side"]),
            ("image", ImageEncoder(n_components=2, random_state=0), ["image"]),
            ("talk", DialogueHistoryEncoder(), "talk"),
        ]
    )
    head = FusionGenerator(max_epochs=40, dropout=0.0, random_state=0)
    return Pipeline([("encode", encode), ("head", head)]).fit(X, y)
