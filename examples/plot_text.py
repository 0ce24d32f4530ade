"""
Notes beside a table
====================

A workshop keeps a table of its repairs, and a mechanic writes a note to each. Which
device comes back within a month? The numbers tell a little, the words more.
``TextEncoder`` reads a note as one vector of its n-grams, or word by word, so that the
head can learn which words to look at.
"""

# %%
# Repairs
# -------
#
# We make them up, so that we know what counts. Old devices come back more often, and
# so do those about which the mechanic had a doubt; but one doubt in ten is for nothing.
# The rest of a note is small talk. One repair in five has no note at all.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle
from scipy.special import logit
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline

from skmultimodal.compose import ModalitySelector, ModalityTransformer
from skmultimodal.encoders import TabularEncoder, TextEncoder
from skmultimodal.heads import FusionClassifier

rng = np.random.default_rng(0)
DOUBTS = [
    "still rattles when warm",
    "smells burnt after an hour",
    "display flickers now and then",
    "loses a drop of oil",
    "could not find the cause",
]
CALM = [
    "new belt fitted",
    "cleaned and oiled",
    "door aligned",
    "filter replaced",
    "runs like new",
]
TALK = [
    "customer in a hurry",
    "paid in cash",
    "called twice",
    "picked up on Friday",
    "manual was missing",
    "ask for Maria",
    "wrapped in a blanket",
]


def note(doubt):
    said = [*rng.choice(CALM, 1), *rng.choice(TALK, rng.integers(1, 4), replace=False)]
    if doubt:
        said.append(rng.choice(DOUBTS))
    return ", ".join(rng.permutation(said))


n = 600
age = rng.gamma(3, 2, n).round(1)
cost = rng.gamma(2, 40, n).round()
doubt = rng.random(n) < 0.4
chance = 0.5 * (age - 6) + 4 * (doubt & (rng.random(n) > 0.1)) - 1.5
y = np.where(rng.logistic(size=n) < chance, "comes back", "lasts")
X = pd.DataFrame({"age": age, "cost": cost, "note": [note(d) for d in doubt]})
X.loc[rng.random(n) < 0.2, "note"] = None
X.head()

# %%
# Two ways to read
# ----------------
#
# By default a note becomes one vector: TF-IDF of words and pieces of words, reduced by
# an SVD. With ``output="sequence"`` each word has its vector, and ``temporal=`` of the
# head says how the words become one: ``"attention"`` weighs them.

pipeline = Pipeline(
    [
        (
            "encode",
            ModalityTransformer(
                [
                    ("table", TabularEncoder(), ["age", "cost"]),
                    ("note", TextEncoder(max_steps=24, random_state=0), "note"),
                ]
            ),
        ),
        ("select", ModalitySelector(["table", "note"])),
        ("head", FusionClassifier(max_epochs=15, random_state=0)),
    ]
)
names = {
    "the table alone": (["table"], "pooled", "mean"),
    "the note alone": (["note"], "pooled", "mean"),
    "the words alone": (["note"], "sequence", "attention"),
    "table and note": (["table", "note"], "pooled", "mean"),
    "table and words": (["table", "note"], "sequence", "attention"),
}
search = GridSearchCV(
    pipeline,
    [
        {
            "select__modalities": [modalities],
            "encode__note__output": [output],
            "head__temporal": [temporal],
        }
        for modalities, output, temporal in names.values()
    ],
    scoring="roc_auc",
    cv=StratifiedKFold(3, shuffle=True, random_state=0),
).fit(X, y)
folds = np.array([search.cv_results_[f"split{k}_test_score"] for k in range(3)])
auc = pd.DataFrame({"mean": folds.mean(0), "sd": folds.std(0, ddof=1)}, list(names))
auc.round(3)

# %%
# What changes its mind?
# ----------------------
#
# Leave a remark out and ask again: the change of the log-odds shows what was read. We
# ask a model about notes that it was not fitted on.

reader = pipeline.set_params(
    encode__note__output="sequence", head__temporal="attention"
)
reader.fit(X[100:], y[100:])
shown = X[:100][X[:100]["note"].str.count(",") > 1][:9]
remarks = [text.split(", ") for text in shown["note"]]
asked = shown.iloc[np.repeat(np.arange(len(shown)), [len(r) for r in remarks])].assign(
    note=[", ".join(r[:k] + r[k + 1 :]) for r in remarks for k in range(len(r))]
)
proba = pd.Series(reader.predict_proba(shown)[:, 0], shown.index)
adds = logit(proba[asked.index]) - logit(reader.predict_proba(asked)[:, 0])

# %%
# Red remarks make a return likelier, blue ones less likely. The words of a doubt stand
# out from the small talk, which the vector of the whole note mixes in.

TYPE = {"family": "monospace", "size": 7}
figure = plt.figure(figsize=(11, 4.8), layout="constrained")
pages, scores = figure.subfigures(1, 2, width_ratios=[1.8, 1])
axes = pages.subplots()
axes.set(xlim=(-1, 110), ylim=(2 * len(shown) - 0.4, -0.7))
axes.set_axis_off()
axes.set_title("What changes its mind?", loc="left")
for k, (row, told) in enumerate(zip(shown.index, remarks)):
    came = y[row] == "comes back"
    title = f"{age[row]:.0f} years, {proba[row]:.0%} to come back: {y[row]}"
    colour = "tab:red" if came else "tab:green"
    axes.text(-0.4, 2 * k, title, size=8, color=colour, va="center")
    place = 0
    for remark, add in zip(told, adds[row]):
        width = len(remark)
        axes.add_patch(
            Rectangle(
                (place - 0.5, 2 * k + 0.4),
                width + 1,
                0.85,
                fc="tab:red" if add > 0 else "tab:blue",
                alpha=0.8 * np.tanh(abs(add) / 3),
            )
        )
        middle = {"ha": "center", "va": "center"}
        axes.text(place + width / 2, 2 * k + 0.85, remark, **middle, **TYPE)
        place += width + 2
axes = scores.subplots()
places = np.arange(len(names))[::-1]
for place, name, points in zip(places, names, folds.T):
    colour = "tab:gray" if "alone" in name else "tab:blue"
    axes.plot(points, [place] * 3, "o", color=colour, alpha=0.45, ms=6)
    axes.plot(points.mean(), place, "|", color=colour, ms=20, mew=2.5)
axes.set_yticks(places, names)
axes.set(xlim=(0.5, 1), ylim=(-0.6, len(names) - 0.4))
axes.set_xlabel("ROC AUC (dots: folds; bar: mean)")
axes.set_title("Does it come back?", loc="left")
axes.spines[["top", "right"]].set_visible(False)
axes.grid(axis="x", color="0.92")
plt.show()
