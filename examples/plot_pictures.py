"""
Where in the picture?
=====================

Four handwritten digits lie in one picture, and the table says which of them counts. Is
it above four? One vector for the whole picture blurs who stands where. With
``output="sequence"`` the encoder gives a vector for each cell of a grid, and a fusion
can attend to the one that was asked for.
"""

# %%
# Pictures and a table
# --------------------
#
# The digits are scikit-learn's. The place is a category of the table. Neither tells
# much without the other.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle
from sklearn.datasets import load_digits

from skmultimodal.compose import ModalityTransformer
from skmultimodal.encoders import ImageEncoder, TabularEncoder
from skmultimodal.heads import FusionClassifier

digits = load_digits()
drawn = np.pad((digits.images * 255 / 16).astype(np.uint8), [(0, 0), (4, 4), (4, 4)])
PLACES = np.array(["upper left", "upper right", "lower left", "lower right"])

rng = np.random.default_rng(0)
n, n_train = 2400, 1900
chosen = np.where(  # no digit of a training picture is in a test picture
    np.arange(n)[:, None] < n_train,
    rng.integers(1300, size=(n, 4)),
    rng.integers(1300, len(drawn), size=(n, 4)),
)
pictures = [np.block([[*drawn[ids[:2]]], [*drawn[ids[2:]]]]) for ids in chosen]
place = rng.integers(4, size=n)
X = pd.DataFrame({"place": pd.Categorical(PLACES[place]), "picture": pictures})
y = np.where(digits.target[chosen[np.arange(n), place]] > 4, "above 4", "up to 4")
train, test = slice(0, n_train), slice(n_train, None)
X.drop(columns="picture").head()

# %%
# One vector, or one for each cell
# --------------------------------
#
# The same pictures, encoded in two ways and fused in two ways.

encoders = {
    "one vector": ImageEncoder(size=32),
    "a grid of cells": ImageEncoder(
        output="sequence", grid=2, size=32, n_components=60, random_state=0
    ),
}
accuracy, fitted = {}, {}
for output, encoder in encoders.items():
    encode = ModalityTransformer(
        [("place", TabularEncoder(), ["place"]), ("picture", encoder, "picture")]
    ).fit(X[train])
    encoded = encode.transform(X)
    for fusion in ["concat", "cross_attention"]:
        head = FusionClassifier(fusion, max_epochs=20, random_state=0)
        head.fit(encoded[train], y[train])
        name = f"{output}, {fusion.replace('_', '-')}"
        accuracy[name] = head.score(encoded[test], y[test])
        fitted[name] = encoded[test], head
pd.Series(accuracy).round(3)

# %%
# Where it looks
# --------------
#
# Put other pictures' cells where one cell was, and see how far the probability moves.

Z, head = fitted["a grid of cells, cross-attention"]
before = head.predict_proba(Z)[:, 0]
moved = np.zeros((len(Z), 4))
for cell in range(4):
    columns = Z.columns[Z.columns.str.startswith(f"picture__t{cell}__")]
    for _ in range(10):
        other = Z.copy()
        other[columns] = rng.permutation(Z[columns])
        moved[:, cell] += np.abs(head.predict_proba(other)[:, 0] - before) / 10
by_place = pd.DataFrame(moved, columns=PLACES).groupby(PLACES[place[test]]).mean()
by_place.loc[PLACES].round(2)

# %%
# Test pictures, with the place that was asked for in a frame. What the head relies on
# is tinted, by how far the probability moves when that cell is another. Only
# cross-attention over cells finds its way: a mean over cells forgets which cell was
# which, and one vector has them all at once. (NaN instead of other pictures' cells
# would make a cell absent: heads are prepared for that.)

figure = plt.figure(figsize=(10, 4.9), layout="constrained")
shown, scores = figure.subfigures(1, 2, width_ratios=[1.15, 1])
for axes, k in zip(shown.subplots(2, 3).flat, range(6)):
    axes.imshow(255 - pictures[n_train + k], cmap="gray", vmin=0, vmax=255)
    for cell, share in enumerate(moved[k]):
        corner = (16 * (cell % 2) - 0.5, 16 * (cell // 2) - 0.5)
        axes.add_patch(
            Rectangle(corner, 16, 16, color="tab:orange", alpha=0.8 * share, lw=0)
        )
        if cell == place[n_train + k]:
            edge = (corner[0] + 0.4, corner[1] + 0.4)
            axes.add_patch(Rectangle(edge, 15.2, 15.2, fill=False, lw=2))
    right = (before[k] > 0.5) == (y[n_train + k] == "above 4")
    said = f"“{head.classes_[int(before[k] <= 0.5)]}”: {'right' if right else 'wrong'}"
    axes.set_xlabel(said, color="tab:green" if right else "tab:red")
    axes.set(xticks=[], yticks=[])
shown.suptitle("Framed: asked for. Tinted: looked at.", fontsize=11)
axes = scores.subplots()
heights = np.arange(len(accuracy))[::-1]
colours = ["tab:gray", "tab:gray", "tab:blue", "tab:blue"]
axes.hlines(heights, 0.5, list(accuracy.values()), color=colours, lw=2)
axes.scatter(list(accuracy.values()), heights, s=60, color=colours)
for height, (name, score) in zip(heights, accuracy.items()):
    axes.text(0.505, height + 0.12, name)
    axes.text(score, height - 0.3, f"{score:.2f}", ha="center")
axes.set(xlim=(0.5, 1), ylim=(-0.6, len(accuracy) - 0.4), yticks=[])
axes.set_xlabel("accuracy on 500 pictures (0.5: chance)")
axes.set_title("Is the digit above four?", loc="left")
axes.spines[["top", "right", "left"]].set_visible(False)
axes.grid(axis="x", color="0.92")
plt.show()
