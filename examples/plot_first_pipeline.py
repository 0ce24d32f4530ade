"""
A table with numbers, text and pictures
=======================================

A lost-property office keeps a table: what a thing is worth, how long it has been on
the shelf, what the clerk noted, and a snapshot. Will it be claimed? Some things have no
note and some no snapshot. One ``Pipeline`` reads all of it, and one ``GridSearchCV``
compares each modality alone with four ways to fuse them.
"""

# %%
# The table
# ---------
#
# We make it up, so that we know what each modality can tell: worth and weeks tell a
# little; a note may mention a name or an address; bright things are missed sooner than
# dull ones. A picture is a cell like any other.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFilter
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline

from skmultimodal.compose import ModalitySelector, ModalityTransformer
from skmultimodal.encoders import ImageEncoder, TabularEncoder, TextEncoder
from skmultimodal.heads import FusionClassifier

rng = np.random.default_rng(0)
BRIGHT = ["#e6194b", "#f58231", "#ffd11a", "#3cb44b"]
DULL = ["#4a4a4a", "#6b5b4b", "#5b6470", "#8a8a80"]
THINGS = ["umbrella", "bag", "ball"]


def snapshot(thing, colour):
    """A thing on the shelf, somewhere in the picture, in bad light."""
    size, light = 48, rng.integers(150, 236)
    picture = Image.new("RGB", (size, size), (light, light, light - 10))
    draw = ImageDraw.Draw(picture)
    x, y, r = rng.integers(16, 32), rng.integers(16, 32), rng.integers(9, 15)
    draw.line((0, y + r, size, y + r), fill=(120, 100, 80), width=2)
    if thing == "umbrella":
        draw.pieslice((x - r, y - r, x + r, y + r), 180, 360, fill=colour)
        draw.line((x, y, x, y + r), fill="black", width=2)
    elif thing == "bag":
        draw.arc((x - r // 2, y - r, x + r // 2, y + r // 2), 180, 360, fill="black")
        draw.rectangle((x - r, y - r // 3, x + r, y + r), fill=colour)
    else:
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    pixels = np.asarray(picture.filter(ImageFilter.GaussianBlur(0.8)), dtype=float)
    noisy = pixels + rng.normal(scale=14, size=pixels.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def note(thing, tells):
    opening = rng.choice(["left on the bus", "found at platform 2", "from the café"])
    hint = rng.choice(["name inside", "phone number on it", "address on a tag"])
    none = rng.choice(["nothing written on it", "no tag", "quite worn"])
    return f"{thing}, {opening}, {hint if tells else none}"


n = 600
worth = rng.lognormal(3, 0.8, n).round(2)
weeks = rng.integers(0, 12, n)
bright, tells = rng.random((2, n)) < 0.5
things = rng.choice(THINGS, n)
colours = np.where(bright, rng.choice(BRIGHT, n), rng.choice(DULL, n))
chance = np.log(worth) - 3 - 0.2 * (weeks - 6) + 2.4 * bright + 2.4 * tells - 2.4
y = np.where(rng.logistic(size=n) < 3 * chance, "claimed", "left")
X = pd.DataFrame(
    {
        "worth": worth,
        "weeks": weeks,
        "note": [note(*row) for row in zip(things, tells)],
        "snapshot": [snapshot(*row) for row in zip(things, colours)],
    }
)
X.loc[rng.random(n) < 0.15, "note"] = None
X.loc[rng.random(n) < 0.25, "snapshot"] = None
X.drop(columns="snapshot").head()

# %%
# One pipeline
# ------------
#
# An encoder a modality, one head. Cells that are missing need no care.

pipeline = Pipeline(
    [
        (
            "encode",
            ModalityTransformer(
                [
                    ("table", TabularEncoder(), ["worth", "weeks"]),
                    ("note", TextEncoder(), "note"),
                    ("snapshot", ImageEncoder(), "snapshot"),
                ]
            ),
        ),
        ("select", ModalitySelector(["table", "note", "snapshot"])),
        ("head", FusionClassifier(max_epochs=15, random_state=0)),
    ]
)
pipeline

# %%
# What the head gets is a frame of float32. Column names say which modality a column
# belongs to, and NaN over a whole block that a row lacks it.

encoded = pipeline[:-1].fit_transform(X, y)
encoded.iloc[:6, [0, 1, 2, 3, -2, -1]].round(2)

# %%
# One search
# ----------
#
# Each modality alone, then all of them fused in four ways: candidates of one search.

names = {
    "the table alone": (["table"], "concat"),
    "the note alone": (["note"], "concat"),
    "the snapshot alone": (["snapshot"], "concat"),
    "concat": (["table", "note", "snapshot"], "concat"),
    "gated": (["table", "note", "snapshot"], "gated"),
    "bottleneck": (["table", "note", "snapshot"], "bottleneck"),
    "cross-attention": (["table", "note", "snapshot"], "cross_attention"),
}
search = GridSearchCV(
    pipeline,
    [
        {"select__modalities": [modalities], "head__fusion": [fusion]}
        for modalities, fusion in names.values()
    ],
    scoring="roc_auc",
    cv=StratifiedKFold(3, shuffle=True, random_state=0),
).fit(X, y)
folds = np.array([search.cv_results_[f"split{k}_test_score"] for k in range(3)])
auc = pd.DataFrame({"mean": folds.mean(0), "sd": folds.std(0, ddof=1)}, list(names))
auc.round(3)

# %%
# Any fusion beats the best single modality here, because we made each of them tell a
# part of it. On your data it may be otherwise: compare every time.

figure = plt.figure(figsize=(10, 4.6), layout="constrained")
shelf, scores = figure.subfigures(1, 2, width_ratios=[1, 1.1])
shown = np.flatnonzero(X["snapshot"].notna() & X["note"].notna())[:6]
for axes, row in zip(shelf.subplots(2, 3).flat, shown):
    axes.imshow(X["snapshot"].iloc[row])
    axes.set_title(X["note"].iloc[row].replace(", ", "\n"), fontsize=8)
    colour = "tab:green" if y[row] == "claimed" else "tab:red"
    axes.set_xlabel(f"€ {worth[row]:.2f}: {y[row]}", fontsize=9, color=colour)
    axes.set(xticks=[], yticks=[])
axes = scores.subplots()
places = np.arange(len(names))[::-1]
for place, name, points in zip(places, names, folds.T):
    colour = "tab:gray" if "alone" in name else "tab:blue"
    axes.plot(points, [place] * 3, "o", color=colour, alpha=0.45, ms=6)
    axes.plot(points.mean(), place, "|", color=colour, ms=20, mew=2.5)
axes.set_yticks(places, names)
axes.set(xlim=(0.5, 1), ylim=(-0.6, len(names) - 0.4))
axes.set_xlabel("ROC AUC (dots: folds; bar: mean)")
axes.set_title("Will it be claimed?", loc="left")
axes.spines[["top", "right"]].set_visible(False)
axes.grid(axis="x", color="0.92")
plt.show()
