"""
Who knows what: redundant, unique and synergistic information
=============================================================

Two modalities can both tell the answer, or one of them, or only the two together. Which
of these it is decides whether fusion can help at all, and which kind of fusion. Here it
is known, because we draw the data ourselves.
"""

# %%
# Three sets of data
# ------------------
#
# In each of them 80 % of the rows have a class that can be told; in the rest nothing
# tells it. The sets differ in *who* tells: each modality alone (redundant), exactly one
# of them (unique, half of the rows each), or only both together (synergistic: the class
# is the exclusive or of what the two say).

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from skmultimodal import unpack
from skmultimodal.compose import ModalitySelector
from skmultimodal.datasets import make_multimodal_classification
from skmultimodal.heads import FusionClassifier

none = {"redundant": 0, "unique": 0, "synergistic": 0}
sets = {
    kind: make_multimodal_classification(
        2200,
        {"text": 4, "image": 4},
        **{**none, kind: 0.8},
        noise=0.3,
        random_state=0,
        return_X_y=False,
    )
    for kind in none
}

# %%
# Each set says how often the best possible model of each modality, and of both, is
# right. That is no estimate by some classifier: the probabilities of the classes are
# exact.

best = pd.DataFrame({kind: drawn.bayes["accuracy"] for kind, drawn in sets.items()})
best.round(3)

# %%
# Single modalities and fusions
# -----------------------------
#
# The same models for all three: one modality alone; a vote, the mean of what two models
# of one modality each say; a linear model of both side by side; four neural fusions.

train, test = slice(0, 1200), slice(1200, None)


def predict(model, drawn):
    model.fit(drawn.X[train], drawn.y[train])
    return model.predict_proba(drawn.X[test])


def head(fusion="concat"):
    return FusionClassifier(fusion, max_epochs=6, batch_size=64, random_state=0)


def alone(modality):
    return Pipeline([("select", ModalitySelector([modality])), ("head", head())])


accuracy = pd.DataFrame(dtype=float)
for kind, drawn in sets.items():
    found = {f"{name} alone": predict(alone(name), drawn) for name in ["text", "image"]}
    found["vote"] = sum(found.values()) / 2
    found["linear"] = predict(LogisticRegression(), drawn)
    for fusion in ["concat", "gated", "bottleneck", "cross_attention"]:
        found[fusion.replace("_", "-")] = predict(head(fusion), drawn)
    for name, proba in found.items():
        accuracy.loc[name, kind] = np.mean(proba.argmax(axis=1) == drawn.y[test])
accuracy.round(3)

# %%
# The upper row shows what the modalities say, each along the direction in which it
# varies most. Redundant: both say the same, and a second modality adds hardly anything.
# Unique: where one speaks, the other is silent, and any fusion helps, a mere vote too.
# Synergistic: each modality alone looks like noise; what is decided modality by
# modality, or linearly, stays at chance, and a fusion that lets them interact does not.
# (On 1,000 rows a model can be lucky, so that a dot lies a little beyond its bar.)

figure, axes = plt.subplots(
    2, 3, figsize=(10, 6.9), height_ratios=[1.2, 1], layout="constrained"
)
colours = np.array(["tab:orange", "tab:blue"])
places = np.arange(len(accuracy))[::-1]
for (kind, drawn), above, below in zip(sets.items(), *axes):
    text, image = (
        PCA(1).fit_transform(block)[:1200, 0] for block in unpack(drawn.X).values()
    )
    above.scatter(text, image, s=7, c=colours[drawn.y[:1200]], alpha=0.5, lw=0)
    above.set(xlabel="what the text says", ylabel="what the image says")
    above.set(xticks=[], yticks=[], aspect="equal", xlim=(-2, 2), ylim=(-2, 2))
    above.set_title(kind)
    for name, place in zip(accuracy.index, places):
        colour = "0.25" if "alone" in name else "tab:green"
        limit = best.loc[name.split()[0] if "alone" in name else "text + image", kind]
        below.plot([limit] * 2, [place - 0.4, place + 0.4], color="0.6", lw=2)
        below.plot(accuracy.loc[name, kind], place, "o", color=colour, ms=7)
    below.set_yticks(places, accuracy.index if kind == "redundant" else [])
    below.set(xlim=(0.45, 1), xlabel="accuracy", ylim=(-0.7, len(places) - 0.3))
    below.spines[["top", "right"]].set_visible(False)
    below.grid(axis="x", color="0.92")
    below.set_axisbelow(True)
axes[0, 0].text(-1.9, 1.7, "colour: the class", fontsize=9, color="0.4")
axes[1, 0].set_title(
    "dot: model, bar: best possible", loc="left", fontsize=9, color="0.4"
)
plt.show()
