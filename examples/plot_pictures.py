"""
Parts of a picture
==================

Four handwritten digits stand in one picture, and a table says which of them counts. An
encoder that gives one vector a picture cannot tell which digit stood where as well as
one that gives a vector for each cell of a grid, when a fusion attends to the cells.
"""

# %%
# Pictures and a table
# --------------------
# The corner is a number of the table; the answer is whether the digit there is above
# four.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score

from skmultimodal.compose import ModalityTransformer
from skmultimodal.encoders import ImageEncoder, TabularEncoder
from skmultimodal.fusion import CrossAttentionFusion
from skmultimodal.heads import FusionClassifier

digits = load_digits()
rng = np.random.default_rng(0)
n = 2400
chosen = rng.integers(len(digits.images), size=(n, 4))
scaled = (digits.images * 255 / 16).astype(np.uint8)
pictures = [
    np.block([[scaled[a], scaled[b]], [scaled[c], scaled[d]]]) for a, b, c, d in chosen
]
corner = rng.integers(4, size=n)
names = np.array(["upper left", "upper right", "lower left", "lower right"])
X = pd.DataFrame({"picture": pictures, "corner": pd.Categorical(names[corner])})
y = np.where(digits.target[chosen[np.arange(n), corner]] > 4, "above 4", "up to 4")

# %%
# One vector, or one for each cell of the grid
# --------------------------------------------

train, test = np.arange(n) < 1900, np.arange(n) >= 1900
found, heads = {}, {}
for name, encoder, fusion in [
    ("one vector, concat", ImageEncoder(size=32), "concat"),
    (
        "a grid of 2 x 2, cross-attention",
        ImageEncoder(output="sequence", grid=2, size=32, n_components=60),
        CrossAttentionFusion(),
    ),
]:
    encode = ModalityTransformer(
        [("picture", encoder, "picture"), ("corner", TabularEncoder(), ["corner"])]
    )
    Z = encode.fit_transform(X[train])
    head = FusionClassifier(fusion, max_epochs=25, random_state=0)
    heads[name] = (encode, head.fit(Z, y[train]))
    found[name] = accuracy_score(y[test], head.predict(encode.transform(X[test])))
found

# %%
# Where it looks
# --------------
# Hide a cell of the grid (NaN is the mask) and ask again: how often does the answer
# change?

encode, head = heads["a grid of 2 x 2, cross-attention"]
Z = encode.transform(X[test])
before = head.predict(Z)
changed = np.zeros((4, 4))
for cell in range(4):
    hidden = Z.copy()
    hidden[[c for c in Z if c.startswith(f"picture__t{cell}__")]] = np.nan
    differs = head.predict(hidden) != before
    for k in range(4):
        changed[k, cell] = differs[corner[test] == k].mean()

figure, axes = plt.subplots(1, 6, figsize=(12, 3), layout="constrained")
for axis, k in zip(axes, range(5)):
    if k == 0:
        axis.imshow(pictures[0], cmap="gray_r")
        axis.set_title(f"asked:\n{names[corner[0]]}", fontsize=10)
    else:
        axis.imshow(changed[k - 1].reshape(2, 2), cmap="Blues", vmin=0, vmax=0.5)
        for cell, share in enumerate(changed[k - 1]):
            axis.text(cell % 2, cell // 2, f"{share:.0%}", ha="center", va="center")
        axis.set_title(f"hidden, asked:\n{names[k - 1]}", fontsize=10)
    axis.set_xticks([])
    axis.set_yticks([])
axes[5].bar(["one\nvector", "grid"], list(found.values()), color=["#9aa5b1", "#2f6f9f"])
axes[5].axhline(0.5, color="black", lw=0.8, ls=":")
axes[5].set(ylim=(0.4, 1))
axes[5].set_title("test accuracy", fontsize=10)
axes[5].spines[["top", "right"]].set_visible(False)
plt.show()
