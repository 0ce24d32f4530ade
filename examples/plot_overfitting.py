"""
By heart, or learned?
=====================

Few rows and a net with many weights: it soon knows its training rows by heart. Its
training curve shows when, `TrainingCurveDisplay` says it in words, and a handful of
parameters keep the net from it.
"""

# %%
# Sixty pictures
# --------------
#
# Some 560 questions about sixty pictures to learn from, those about sixty others to
# watch, and those about a hundred more to judge by.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import log_loss

from skmultimodal.compose import ModalityTransformer
from skmultimodal.datasets import load_easy_vqa
from skmultimodal.encoders import ImageEncoder, TextEncoder
from skmultimodal.heads import FusionClassifier
from skmultimodal.inspection import TrainingCurveDisplay, training_curve

vqa = load_easy_vqa(n_images=220, random_state=0)
pictures = np.random.default_rng(0).permutation(np.unique(vqa.groups))
parts = {"train": pictures[:60], "watch": pictures[60:120], "test": pictures[120:]}
encode = ModalityTransformer(
    [
        ("picture", ImageEncoder(random_state=0), "image"),
        ("question", TextEncoder(random_state=0), "question"),
    ]
)
encode.fit(vqa.data[np.isin(vqa.groups, parts["train"])])
X, y = {}, {}
for part, names in parts.items():
    rows = np.isin(vqa.groups, names)
    X[part], y[part] = encode.transform(vqa.data[rows]), vqa.target[rows]
pd.Series({part: len(rows) for part, rows in y.items()})

# %%
# Nothing, one by one, and together
# ---------------------------------
#
# ``X_val`` is only watched, unless ``early_stopping=True``: then its loss decides when
# to stop, and the weights of the best epoch come back. Without ``X_val``, early
# stopping holds out a part of the training rows by itself.

controls = {
    "nothing": {},
    "early stopping": {"early_stopping": True},
    "dropout": {"dropout": 0.5},
    "weight decay": {"weight_decay": 1.0},
    "modality dropout": {"modality_dropout": 0.3},
    "mixup": {"mixup": 1.0},
    "eight members": {"n_members": 8},
    "several together": {
        "early_stopping": True,
        "dropout": 0.5,
        "weight_decay": 0.1,
        "n_members": 8,
    },
}
heads, losses = {}, {}
for name, control in controls.items():
    params = {"dropout": 0.0, "weight_decay": 0.0, "max_epochs": 40} | control
    head = FusionClassifier(**params, random_state=0)
    head.fit(X["train"], y["train"], X_val=X["watch"], y_val=y["watch"])
    heads[name] = head
    losses[name] = {
        part: log_loss(y[part], head.predict_proba(X[part]), labels=head.classes_)
        for part in ("train", "test")
    }
    print(f"{name}: {training_curve(head).attrs['summary']}\n")

# %%
# Without anything, the loss of the training rows goes to zero, while that of new rows
# is best after a few epochs and then rises: the net becomes ever surer of what it gets
# wrong. The picture says so in its title.

TrainingCurveDisplay.from_estimator(heads["nothing"])
plt.show()

# %%
# Early stopping takes the best epoch. Dropout and weight decay let the net go on
# learning without harm, and reach a lower loss than any epoch of the first net; hidden
# modalities, mixed rows and an ensemble within the net help less here. Several together
# are better than each alone, which need not be so: that is for folds to say.

gaps = pd.DataFrame(losses).T
gaps["gap"] = gaps["test"] - gaps["train"]
gaps.round(2)

# %%
# Four of the trainings, and on the right what the losses of all are at last: grey on
# the rows that the net was trained on, coloured on the test rows. The shorter the line,
# the less is known by heart; what counts is how far to the left the coloured end is.

figure = plt.figure(figsize=(13, 7.6), layout="constrained")
curves, ends = figure.subfigures(1, 2, width_ratios=[2.1, 1])
shown = ["nothing", "early stopping", "dropout", "several together"]
grid = curves.subplots(2, 2, sharey=True)
for name, axes in zip(shown, grid.flat):
    TrainingCurveDisplay.from_estimator(heads[name], ax=axes)
    axes.set_title(name, loc="left", weight="bold")
    axes.legend(loc="upper right", framealpha=1, edgecolor="none")
    axes.set_ylim(0, 2.4)
for axes in grid[:, 1]:
    axes.set_ylabel("")
axes = ends.subplots()
heights = np.arange(len(gaps))[::-1]
axes.hlines(heights, gaps["train"], gaps["test"], color="0.8", lw=3, zorder=1)
axes.plot(gaps["train"], heights, "o", ms=9, color="0.5", label="training rows")
axes.plot(gaps["test"], heights, "o", ms=9, color="#D55E00", label="test rows")
for height, (name, row) in zip(heights, gaps.iterrows()):
    axes.text(0, height + 0.16, name, weight="bold" if name in shown else None)
    axes.text(row["test"], height - 0.26, f"{row['test']:.2f}", ha="center", size=9)
axes.set(yticks=[], ylim=(-0.6, len(gaps) - 0.3), xlabel="log loss of what was kept")
axes.legend(frameon=False, loc="lower right")
axes.spines[["top", "right", "left"]].set_visible(False)
axes.grid(axis="x", color="0.92")
axes.set_axisbelow(True)
plt.show()
