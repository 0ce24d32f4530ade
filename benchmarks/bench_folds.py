"""Does fusion beat the best single modality? Sets without a split, cross-validated.

``multimodal_pipeline`` with ``fusion="concat"`` and with "auto", its default, repeated
folds (by group where the set has groups), each modality alone and all together on the
same folds. The difference to the best single modality stands with its 95 % interval,
corrected for folds that share training rows (Nadeau and Bengio, "Inference for the
generalization error", Machine Learning 52, 2003). A store keeps what the encoders gave,
so that a fold encodes nothing again.

fight_video: 200 clips of about two seconds, 38 % of them without sound; its own 60 test
clips rank nothing. emoji: picture and name of 1,900 emoji, nine categories, from the
npm package `emoji-datasource-twitter` (``npm install emoji-datasource-twitter``),
looked for in ``node_modules`` here or in the folder that EMOJI_DATASOURCE names; the
set is left out where it is absent.

    python benchmarks/bench_folds.py [--sets fight_video emoji] [--repeats 5]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _real_data import _column, load_raw
from _tables import keep, machine, table
from scipy import stats
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline

from skmultimodal import multimodal_pipeline, unpack
from skmultimodal.compose import ModalitySelector

FUSIONS = ("concat", "auto")
HEAD = "fusionclassifier"  # as make_pipeline names it
HERE = Path(__file__).resolve().parent
EMOJI = os.environ.get("EMOJI_DATASOURCE", "node_modules/emoji-datasource-twitter")


@dataclass
class Folds:
    """A set, and how it is cut: (repeat) -> splitter."""

    X: pd.DataFrame
    y: np.ndarray
    splitter: Callable[[int], Any]
    groups: np.ndarray | None
    note: str


def fight_video() -> Folds:
    raw = load_raw("fight_video")
    clips, waves = raw["modalities"]["mp4"], raw["modalities"]["audio"]
    X = pd.DataFrame({"video": _column(clips)})
    X["audio"] = _column(w if w is None else (raw["sample_rate"], w) for w in waves)
    return Folds(
        X,
        raw["y"],
        lambda repeat: StratifiedGroupKFold(5, shuffle=True, random_state=repeat),
        raw["groups"],
        "target 0.70 (a report, not a gate)",
    )


def emoji() -> Folds | None:
    folder = HERE.parent / EMOJI
    if not (folder / "emoji.json").exists():
        return None
    found = json.loads((folder / "emoji.json").read_text())
    found = [e for e in found if e["has_img_twitter"] and e["category"] != "Component"]
    pictures = [str(folder / "img" / "twitter" / "64" / e["image"]) for e in found]
    X = pd.DataFrame({"picture": pictures, "name": [e["name"].lower() for e in found]})
    return Folds(
        X,
        np.array([e["category"] for e in found]),
        lambda repeat: StratifiedKFold(3, shuffle=True, random_state=repeat),
        None,
        "target: fused above both",
    )


SETS: dict[str, Callable[[], Folds | None]] = {
    "fight_video": fight_video,
    "emoji": emoji,
}
MODALITIES = {"name": "text", "picture": "image", "video": "video", "audio": "audio"}


def interval(differences: np.ndarray, n_test: float, n_train: float) -> float:
    """Half of the corrected 95 % interval of the mean difference."""
    n = len(differences)
    variance = differences.var(ddof=1) * (1 / n + n_test / n_train)
    return float(stats.t.ppf(0.975, n - 1) * np.sqrt(variance))


def evaluate(name: str, data: Folds, repeats: int, store: str) -> list[list[str]]:
    kinds = {c: MODALITIES[c] for c in data.X}
    model = multimodal_pipeline(
        "classifier", fusion="concat", modalities=kinds, store=store, random_state=0
    )
    scores: dict[str, list[float]] = {}
    sizes = []
    start = time.perf_counter()
    for repeat in range(repeats):
        folds = data.splitter(repeat).split(data.X, data.y, data.groups)
        for train, test in folds:
            sizes.append((len(test), len(train)))
            encode = clone(model[:-1])
            seen = encode.fit_transform(data.X.iloc[train], data.y[train])
            new = encode.transform(data.X.iloc[test])
            names = list(unpack(seen.iloc[:1]))
            for kept, fusion in [
                *(([m], "concat") for m in names),
                *((names, fusion) for fusion in FUSIONS),
            ]:
                head = clone(model[-1]).set_params(random_state=repeat, fusion=fusion)
                fitted = make_pipeline(ModalitySelector(kept), head)
                given = None if data.groups is None else data.groups[train]
                fitted.fit(seen, data.y[train], **{f"{HEAD}__groups": given})
                label = f"all, {fusion}" if kept is names else f"{kept[0]} alone"
                scores.setdefault(label, []).append(fitted.score(new, data.y[test]))
    took = time.perf_counter() - start
    means = {label: np.mean(values) for label, values in scores.items()}
    alone = [label for label in means if not label.startswith("all, ")]
    best = max(alone, key=lambda label: means[label])
    rows = []
    for label, values in scores.items():
        by_repeat = np.reshape(values, (repeats, -1)).mean(axis=1)
        spread = by_repeat.std(ddof=1) if repeats > 1 else 0.0
        row = [name, label, f"{means[label]:.4f}", f"{spread:.4f}", "", ""]
        if label not in alone:
            gain = np.array(values) - np.array(scores[best])
            half = interval(gain, *np.mean(sizes, axis=0))
            low, high = gain.mean() - half, gain.mean() + half
            row[4] = f"{gain.mean():+.4f} [{low:+.4f}, {high:+.4f}] to {best}"
            row[5] = data.note
        rows.append(row)
        print("  " + "  ".join(row), flush=True)
    print(f"  {len(data.y)} rows, {len(sizes)} folds, {took:.0f} s", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as store:
        for name in options.sets:
            print(name, flush=True)
            data = SETS[name]()
            if data is None:
                print(f"  left out: nothing at {EMOJI} (EMOJI_DATASOURCE)")
                continue
            rows += evaluate(name, data, options.repeats, store)
    header = ["set", "method", "accuracy", "sd of repeats"]
    header += ["fused − best single [95 %]", "target"]
    text = f"{table(header, rows)}\n\n{options.repeats} repeats. {machine()}"
    print("\n" + text)
    if options.sets == list(SETS):
        keep("folds.md", text)


if __name__ == "__main__":
    main()
