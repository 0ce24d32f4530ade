"""
A rare answer, and how sure to be
=================================

"Is there a red shape?" If nearly all answers in the training rows are "no", a net
learns to say "no". Weights, a sampler or another threshold win the rare "yes" back;
each has its price, and none of them makes the probabilities right. That is what
calibration is for.
"""

# %%
# Questions whose answer is seldom yes
# ------------------------------------
#
# Pictures of one shape, and questions about them, with gaps: one row in twenty lacks
# its picture. Of the training rows whose answer is "yes", one in twenty is kept. The
# test pictures are others, and their "yes" stays as common as "no".

import tempfile

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from imblearn.over_sampling import RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.metrics import (
    balanced_accuracy_score,
    log_loss,
    recall_score,
    roc_auc_score,
    roc_curve,
)
from sklearn.model_selection import StratifiedGroupKFold, TunedThresholdClassifierCV

from skmultimodal import multimodal_pipeline
from skmultimodal.datasets import load_easy_vqa
from skmultimodal.encoders import ImageEncoder, TextEncoder

vqa = load_easy_vqa(n_images=600, random_state=0)
rng = np.random.default_rng(0)
X, answer, groups = vqa.data, vqa.target, vqa.groups
X.loc[rng.random(len(X)) < 0.05, "image"] = None
is_test = np.isin(groups, rng.permutation(np.unique(groups))[:200])
closed = np.isin(answer, ["yes", "no"])
thinned = closed & ~is_test & ((answer == "no") | (rng.random(len(X)) < 0.05))
asked = closed & is_test
pd.Series(answer[thinned]).value_counts()

# %%
# Four treatments, and none
# -------------------------
#
# Each is an ordinary pipeline from raw rows. ``store`` keeps what was encoded, so that
# every picture is encoded once for all of them. A sampler is wrapped in a
# ``ModalitySampler``, and works on rows that lack a picture.
# ``TunedThresholdClassifierCV`` fits the untreated pipeline on folds, looks for the
# probability of "yes" from which to say it, and fits once more on all rows. Folds are
# drawn by picture.

store = tempfile.TemporaryDirectory()


def pipeline(**params):
    return multimodal_pipeline(
        "classifier",
        fusion="concat",
        modalities=[
            ("picture", ImageEncoder(random_state=0), "image"),
            ("question", TextEncoder(random_state=0), "question"),
        ],
        store=store.name,
        random_state=0,
        **{"max_epochs": 15} | params,
    )


folds = StratifiedGroupKFold(4, shuffle=True, random_state=0)
folds = list(folds.split(X[thinned], answer[thinned], groups[thinned]))
models = {
    "untreated": pipeline(),
    'class_weight="balanced"': pipeline(class_weight="balanced"),
    "RandomOverSampler": pipeline(sampler=RandomOverSampler()),
    "RandomUnderSampler": pipeline(sampler=RandomUnderSampler()),
    "tuned threshold": TunedThresholdClassifierCV(
        pipeline(), scoring="balanced_accuracy", cv=folds
    ),
}
truth = answer[asked]
rows = {}
yes = {}
for name, model in models.items():
    model.fit(X[thinned], answer[thinned])
    said = model.predict(X[asked])
    yes[name] = model.predict_proba(X[asked])[:, 1]
    rows[name] = {
        '"yes" found': recall_score(truth, said, pos_label="yes"),
        '"no" found': recall_score(truth, said, pos_label="no"),
        "balanced accuracy": balanced_accuracy_score(truth, said),
        "AUC": roc_auc_score(truth == "yes", yes[name]),
    }
table = pd.DataFrame(rows).T
table.round(2)

# %%
# How well rows are ranked is in the AUC, and the untreated net ranks as well as most:
# it only stands at the wrong end of its curve. The threshold moves it along the curve,
# by the score that was asked for. Weights and samplers move it by training, and change
# the curve on the way. Here fewer "no" are best; with other data it is another
# treatment. After weights or a sampler, probabilities are those of a world in which
# "yes" is more common, and want calibration.
#
# How sure is it?
# ---------------
#
# All thirteen answers now, none of them thinned, from 200 pictures, and a net that
# trains for long with nothing to hold it back. It is right less often than it thinks. A
# temperature divides what it says before the softmax: no answer changes, but of the
# answers given with probability 0.8 about 80 % are right. ``CalibratedClassifierCV``
# finds it on folds. (It comes out a little too cool, since nets of the folds have seen
# fewer pictures than the net of all.)

few = np.isin(groups, rng.permutation(np.unique(groups[~is_test]))[:200])
sure = pipeline(max_epochs=30, dropout=0.0)
splits = StratifiedGroupKFold(5, shuffle=True, random_state=0)
splits = list(splits.split(X[few], answer[few], groups[few]))
calibrated = CalibratedClassifierCV(
    sure, method="temperature", cv=splits, ensemble=False
).fit(X[few], answer[few])
sure.fit(X[few], answer[few])
proba = {
    "as trained": sure.predict_proba(X[is_test]),
    "after temperature": calibrated.predict_proba(X[is_test]),
}
losses = {name: log_loss(answer[is_test], p) for name, p in proba.items()}
pd.Series(losses, name="log loss").round(2)

# %%
# On the left, where each treatment stands: up is more "yes" found, right is more false
# alarms. On the right, how often the most probable answer is right, by the probability
# that it was given; below, how many answers were given with it.

COLOURS = ["0.35", "#0072B2", "#009E73", "#CC79A7", "#E69F00"]
figure = plt.figure(figsize=(11, 5), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[1.15, 1])
axes = left.subplots()
for (name, row), colour in zip(table.iterrows(), COLOURS):
    if name != "tuned threshold":  # its curve is the untreated one
        alarms, found, _ = roc_curve(truth == "yes", yes[name])
        axes.plot(alarms, found, color=colour, lw=1.2, alpha=0.6)
    x, y = 1 - row['"no" found'], row['"yes" found']
    axes.plot(x, y, "o", ms=11, mec="white", color=colour, zorder=3, label=name)
axes.plot([0, 1], [0, 1], color="0.8", lw=1, zorder=0)
axes.legend(loc="lower right", frameon=False)
axes.set(xlim=(-0.02, 1), ylim=(-0.02, 1), aspect="equal")
axes.set_xlabel('share of "no" that is called "yes"')
axes.set_ylabel('share of "yes" that is found')
axes.set_title("A rare answer: where each stands", loc="left")

curve, counts = right.subplots(2, 1, sharex=True, height_ratios=[3.4, 1])
for (name, p), colour in zip(proba.items(), ["0.35", "#E69F00"]):
    given = p.max(axis=1)
    hit = sure.classes_[p.argmax(axis=1)] == answer[is_test]
    share, mean = calibration_curve(hit, given, n_bins=8, strategy="quantile")
    label = f"{name}: log loss {losses[name]:.2f}"
    curve.plot(mean, share, "o-", color=colour, label=label)
    counts.hist(given, np.linspace(0.2, 1, 33), color=colour, alpha=0.4)
curve.plot([0.4, 1], [0.4, 1], color="0.7", lw=1, zorder=0)
curve.text(0.43, 0.46, "as sure as right", rotation=36, color="0.5", size=9)
curve.set(xlim=(0.4, 1.02), ylim=(0.4, 1.02), ylabel="share that is right")
curve.set_title("Thirteen answers: how sure, and how right", loc="left")
curve.legend(frameon=False, loc="upper left")
counts.set(xlabel="probability of the answer given", ylabel="answers")
for ax in (axes, curve, counts):
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="0.92")
    ax.set_axisbelow(True)
plt.show()
