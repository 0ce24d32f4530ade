"""
Videos: what is seen, and what moves
====================================

A camera looks down on the belt of a parcel office. A table knows the weight of each
parcel. Will it arrive late? Parcels with a red label are checked by hand, which is seen
in any one frame; parcels that go back instead of forth wait for a day, which is seen in
no frame alone; and heavy ones wait for the lift.
"""

# %%
# The clips
# ---------
#
# We draw them, so that we know what each part can tell. A cell is a video file, its
# bytes, or, as here, an array of frames.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline

from skmultimodal.compose import ModalitySelector, ModalityTransformer
from skmultimodal.encoders import TabularEncoder, VideoEncoder
from skmultimodal.heads import FusionClassifier

rng = np.random.default_rng(0)
LABELS = {"red": (214, 60, 50), "blue": (60, 110, 200)}
SIZE, FRAMES = 48, 16


def clip(forth, label):
    """A parcel on a belt, seen from above, in bad light."""
    floor = np.full((SIZE, SIZE, 3), rng.integers(70, 110), dtype=float)
    floor[14:36] = rng.integers(40, 60)
    h, w = rng.integers(11, 17), rng.integers(11, 18)
    y, x = rng.integers(16, 34 - h), rng.integers(-4, SIZE)
    speed = rng.uniform(1.2, 2.2) * (1 if forth else -1)
    cardboard = np.array([181, 143, 98]) + rng.integers(-25, 25)
    strip = []
    for k in range(FRAMES):
        frame = floor.copy()
        place = np.round(x + speed * k + np.arange(w)).astype(int) % SIZE
        frame[y : y + h, place] = cardboard
        frame[y + 3 : y + 8, place[3:9]] = LABELS[label]
        strip.append(frame + rng.normal(scale=9, size=frame.shape))
    return np.stack(strip).clip(0, 255).astype(np.uint8)


n = 240
weight = rng.lognormal(1.2, 0.6, n).round(1)
label = rng.choice(["red", "blue"], n)
forth = rng.random(n) < 0.5
chance = 3.2 * ~forth + 3.2 * (label == "red") + 2 * (np.log(weight) - 1.2) - 3.2
y = np.where(rng.logistic(size=n) < 1.6 * chance, "late", "in time")
X = pd.DataFrame({"weight": weight, "belt": [clip(*row) for row in zip(forth, label)]})
X.loc[rng.random(n) < 0.1, "belt"] = None  # the camera was off

# %%
# One pipeline
# ------------
#
# ``VideoEncoder`` describes some frames as pictures, and what moves between frames.
# With ``features=`` it does one of the two only. The store keeps what was described:
# folds and candidates of a search share it, so that no clip is described twice in the
# same way.

folder = tempfile.TemporaryDirectory()
pipeline = Pipeline(
    [
        (
            "encode",
            ModalityTransformer(
                [
                    ("table", TabularEncoder(), ["weight"]),
                    ("belt", VideoEncoder(store=Path(folder.name, "store")), "belt"),
                ]
            ),
        ),
        ("select", ModalitySelector(["table", "belt"])),
        ("head", FusionClassifier(max_epochs=15, random_state=0)),
    ]
)
pipeline

# %%
# The search
# ----------

names = {
    "the table alone": (["table"], "motion"),
    "frames alone": (["belt"], "appearance"),
    "motion alone": (["belt"], "motion"),
    "frames and motion": (["belt"], "both"),
    "all, fused": (["table", "belt"], "both"),
}
search = GridSearchCV(
    pipeline,
    [
        {"select__modalities": [modalities], "encode__belt__features": [features]}
        for modalities, features in names.values()
    ],
    scoring="roc_auc",
    cv=StratifiedKFold(4, shuffle=True, random_state=0),
).fit(X, y)
folder.cleanup()
folds = np.array([search.cv_results_[f"split{k}_test_score"] for k in range(4)])
auc = pd.DataFrame({"mean": folds.mean(0), "sd": folds.std(0, ddof=1)}, list(names))
auc.round(3)

# %%
# Any frame shows the label, none shows where the parcel goes. Only all together tell
# what there is to know.

figure = plt.figure(figsize=(10, 4.4), layout="constrained")
strips, scores = figure.subfigures(1, 2, width_ratios=[1.15, 1])
seen = X["belt"].notna().to_numpy()
shown = [
    np.flatnonzero(seen & (forth == way) & (label == colour))[0]
    for colour in LABELS
    for way in (True, False)
]
times = np.linspace(0, FRAMES - 1, 5).astype(int)
for axes_row, row in zip(strips.subplots(4, 5), shown):
    for axes, k in zip(axes_row, times):
        axes.imshow(X["belt"].iloc[row][k])
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    late = y[row] == "late"
    axes_row[0].set_ylabel(
        f"{weight[row]} kg\n{y[row]}",
        fontsize=9,
        color="tab:red" if late else "tab:green",
        rotation=0,
        ha="right",
        va="center",
    )
strips.suptitle("Four parcels, time from left to right", fontsize=11)
axes = scores.subplots()
places = np.arange(len(names))[::-1]
for place, name, points in zip(places, names, folds.T):
    colour = "tab:blue" if "fused" in name else "tab:gray"
    axes.plot(points, [place] * 4, "o", color=colour, alpha=0.45, ms=6)
    axes.plot(points.mean(), place, "|", color=colour, ms=20, mew=2.5)
axes.set_yticks(places, names)
axes.set(xlim=(0.5, 1), ylim=(-0.6, len(names) - 0.4))
axes.set_xlabel("ROC AUC (dots: folds; bar: mean)")
axes.set_title("Will it be late?", loc="left")
axes.spines[["top", "right"]].set_visible(False)
axes.grid(axis="x", color="0.92")
plt.show()
