"""The real data sets as raw frames, as a user would have them."""

from __future__ import annotations

import csv
import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skmultimodal import pack

_DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data"
DATA = Path(os.environ.get("SKMULTIMODAL_DATA", _DEFAULT))


@dataclass
class Task:
    """A raw frame, its target, the given split, and how it is scored."""

    name: str
    X: pd.DataFrame
    y: np.ndarray
    train: np.ndarray
    metric: str
    bar: float
    kind: str = "classifier"
    groups: np.ndarray | None = None
    head_params: dict[str, Any] = field(default_factory=dict)
    modalities: dict[str, str] | None = None

    def rows(self, train: bool) -> tuple[pd.DataFrame, np.ndarray]:
        index = np.flatnonzero(self.train == train)
        return self.X.iloc[index], self.y[index]


def load_raw(name: str, **options: Any) -> dict[str, Any]:
    path = DATA / "load_data.py"
    if not path.exists():
        sys.exit(f"No real data under {DATA}; set SKMULTIMODAL_DATA to their folder.")
    spec = importlib.util.spec_from_file_location("load_data", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.load(name, **options)


def anchors(name: str, metric: str) -> list[tuple[str, float]]:
    """What peers reach on the test part, best first."""
    with open(DATA / "anchors.csv", newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["set"] == name]
    found = [(r["method"], float(r["score"])) for r in rows if r["metric"] == metric]
    return sorted(found, key=lambda item: -item[1])


def _column(values: Any) -> pd.Series:
    return pd.Series(list(values), dtype=object)


def _easy_vqa() -> Task:
    raw = load_raw("easy_vqa")
    bank = list(raw["image_bank"])
    X = pd.DataFrame({"question": raw["modalities"]["text"]})
    X["image"] = _column(bank[k] for k in raw["modalities"]["image"])
    return Task(
        "easy_vqa",
        X,
        raw["y"],
        raw["split"] == "train",
        "accuracy",
        0.98,
        groups=raw["groups"],
    )


def _leaf() -> Task:
    raw = load_raw("leaf")
    views = dict(raw["modalities"])
    pictures = views.pop("image")
    X = pack(views)
    X.insert(0, "image", _column(pictures))
    return Task("leaf", X, raw["y"], raw["split"] == "train", "accuracy", 0.985)


def _mfeat() -> Task:
    raw = load_raw("mfeat")
    X = pack(raw["modalities"])
    return Task("mfeat", X, raw["y"], raw["split"] == "train", "accuracy", 0.99)


def _petfinder() -> Task:
    raw = load_raw("petfinder")
    X = raw["modalities"]["tabular"].copy()
    codes = ["Type", "Breed1", "Breed2", "Gender", "Color1", "Color2", "Color3"]
    codes += ["MaturitySize", "FurLength", "Vaccinated", "Dewormed", "Sterilized"]
    codes += ["Health", "State"]
    X[codes] = X[codes].astype("category")
    X["text"] = raw["modalities"]["text"]
    return Task(
        "petfinder",
        X,
        raw["y"],
        raw["split"] == "train",
        "macro_f1",
        0.28,
        groups=raw["groups"],
        head_params={"class_weight": "balanced"},
    )


def _houses() -> Task:
    raw = load_raw("houses")
    X = raw["modalities"]["tabular"].copy()
    for view in ("frontal", "kitchen", "bedroom", "bathroom"):
        X[view] = _column(raw["modalities"][view])
    train = raw["split"] == "train"
    return Task("houses", X, np.log(raw["y"]), train, "r2_log", 0.84, kind="regressor")


def _av_digits_noisy() -> Task:
    raw = load_raw("av_digits", noisy_images=True)
    rate = raw["sample_rate"]
    X = pd.DataFrame({"image": _column(raw["modalities"]["image"])})
    X["audio"] = _column((rate, wave) for wave in raw["modalities"]["audio"])
    train = raw["split"] == "train"
    return Task("av_digits_noisy", X, raw["y"], train, "accuracy", 0.985)


def _basic_motions() -> Task:
    raw = load_raw("basic_motions")
    # (channel, time) there, (time, channel) here
    X = pd.DataFrame(
        {m: _column(c.T for c in cells) for m, cells in raw["modalities"].items()}
    )
    train = raw["split"] == "train"
    kinds = dict.fromkeys(raw["modalities"], "series")
    return Task("basic_motions", X, raw["y"], train, "accuracy", 0.99, modalities=kinds)


def _mmmo() -> Task:
    raw = load_raw("mmmo")
    blocks = {}
    for name, steps in raw["modalities"].items():
        blocks[name] = steps.astype(np.float32)
        blocks[name][(steps == 0).all(axis=2)] = np.nan  # padding
    X = pack(blocks)
    return Task("mmmo", X, raw["y"], raw["split"] == "train", "accuracy", 0.80)


TASKS: dict[str, Callable[[], Task]] = {
    "easy_vqa": _easy_vqa,
    "leaf": _leaf,
    "mfeat": _mfeat,
    "petfinder": _petfinder,
    "houses": _houses,
    "av_digits_noisy": _av_digits_noisy,
    "basic_motions": _basic_motions,
    "mmmo": _mmmo,
}
