"""
More rows out of sixty
======================

Each row has a handwritten digit and a note of somebody who is not sure: "a four or else
a nine". Sixty such rows are few. ``ModalityAugmenter`` adds changed copies when a
pipeline is fitted, and none when it predicts.
"""

# %%
# A table with two modalities
# ---------------------------
#
# The digits are scikit-learn's. A note names the right digit and a wrong one, in any
# order: it takes both modalities to know.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from imblearn.pipeline import Pipeline
from scipy import ndimage
from sklearn.datasets import load_digits

from skmultimodal.compose import ModalityTransformer
from skmultimodal.encoders import ImageEncoder, TextEncoder
from skmultimodal.heads import FusionClassifier
from skmultimodal.sampling import Crop, ModalityAugmenter, WordDropout

digits = load_digits()
words = "zero one two three four five six seven eight nine"
NAMES = np.array(words.split())
rng = np.random.default_rng(0)
wrong = (digits.target + rng.integers(1, 10, len(digits.target))) % 10
pairs = rng.permuted(np.stack([digits.target, wrong], axis=1), axis=1)
drawn = np.pad((digits.images * 255 / 16).astype(np.uint8), [(0, 0), (2, 2), (2, 2)])
X = pd.DataFrame(
    {
        "picture": list(drawn),
        "note": [f"it may well be a {NAMES[a]} or else a {NAMES[b]}" for a, b in pairs],
    }
)
y = NAMES[digits.target]
X[["note"]].assign(digit=y).head()

# %%
# What may be done to a row
# -------------------------
#
# Names stand for augmentations with their usual strength, instances for another
# strength, and functions of an array and a random generator are welcome. The usual ones
# for pictures would mirror them as well: that is no good for digits, so they are named
# here.


def tilt(picture, rng):
    """Turn a picture (h, w, 3) by up to 15 degrees."""
    return ndimage.rotate(picture, rng.uniform(-15, 15), reshape=False, order=1)


AUGMENTATIONS = {
    "picture": [tilt, Crop(min_area=0.8), "colour"],
    "note": [WordDropout(p=0.15), "swap"],
}
augmenter = ModalityAugmenter(AUGMENTATIONS, n_copies=5, random_state=0)
X_new, y_new = augmenter.fit_resample(X[:4], y[:4])
X_new.loc[[0], ["note"]]

# %%
# Notes are rewritten at once. A picture becomes a recipe, which an encoder carries out
# when it gets there: the table stays small, and a store knows what was encoded.

X_new["picture"].iloc[-1]

# %%
# Does it help?
# -------------
#
# The augmenter is a step before the encoders. Sixty rows are drawn three times, and the
# rest of the pipeline trains for about as many steps with copies as without.

ENTRIES = [
    ("picture", ImageEncoder(size=32, n_components=60, random_state=0), "picture"),
    ("note", TextEncoder(n_components=20, random_state=0), "note"),
]
COPIES = [0, 1, 4]
scores = {}
for seed in range(3):
    order = np.random.default_rng(seed).permutation(len(X))
    train, test = order[:60], order[800:]
    for what in ("picture", "note", "both"):
        chosen = {k: a for k, a in AUGMENTATIONS.items() if what in (k, "both")}
        for n_copies in COPIES:
            if n_copies == 0 and what != "both":
                continue  # without copies it is all the same
            model = Pipeline(
                [
                    ("augment", ModalityAugmenter(chosen, n_copies=n_copies)),
                    ("encode", ModalityTransformer(ENTRIES)),
                    ("head", FusionClassifier(max_epochs=60 // (1 + n_copies))),
                ]
            )
            model.set_params(augment__random_state=0, head__random_state=0)
            model.fit(X.iloc[train], y[train])
            accuracy = model.score(X.iloc[test], y[test])
            scores.setdefault((what, n_copies), []).append(accuracy)
for what in ("picture", "note"):
    scores[what, 0] = scores["both", 0]
scores = pd.Series({key: np.mean(found) for key, found in scores.items()})
scores.unstack().round(3)

# %%
# The first column of pictures is what there was. Copies of the same row share its label
# in the index: whatever this package splits by itself, for early stopping for instance,
# validates on originals only, and trains on no copy of what it validates on.

figure = plt.figure(figsize=(10, 4.6), layout="constrained")
shown, right = figure.subfigures(1, 2, width_ratios=[1.25, 1])
for k, line in enumerate(shown.subplots(4, 6)):
    for n, (axes, cell) in enumerate(zip(line, X_new.loc[k, "picture"])):
        light = np.repeat(X["picture"][k][..., None] / 255, 3, axis=2)
        axes.imshow(1 - (light if n == 0 else cell.apply(light)).clip(0, 1))
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(color="tab:blue" if n == 0 else "0.8", lw=2 if n == 0 else 1)
shown.suptitle("A picture, and five copies of it", fontsize=11)
axes = right.subplots()
for what, colour in [("both", "tab:blue"), ("note", "tab:gray"), ("picture", "0.7")]:
    found = scores[what].loc[COPIES]
    axes.plot(range(len(COPIES)), found, "o-", color=colour)
    axes.annotate(
        f"{what}: {found.iloc[-1]:.2f}",
        (len(COPIES) - 1, found.iloc[-1]),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        color=colour,
    )
axes.set(xticks=range(len(COPIES)), xticklabels=COPIES, xlim=(-0.2, len(COPIES) - 0.3))
axes.set_xlabel("copies of each row")
axes.set_ylabel(f"accuracy on {len(test)} digits")
axes.set_title("Sixty rows, augmented", loc="left")
axes.spines[["top", "right"]].set_visible(False)
axes.grid(axis="y", color="0.92")
plt.show()
