"""
Notes beside a table
====================

A workshop keeps a table of its repairs and a note to each. Whether a device comes back
within a month shows a little in the numbers, and more in the words. The note is encoded
by its n-grams, and again as a sequence of words over which the head learns where to
look.
"""

# %%
# Repairs
# -------
# One complaint in three means trouble. Every fifth repair has no note at all.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline

from skmultimodal.compose import ModalitySelector, ModalityTransformer
from skmultimodal.encoders import TabularEncoder, TextEncoder
from skmultimodal.heads import FusionClassifier

rng = np.random.default_rng(0)
n = 500
trouble = ["still rattles", "smells burnt", "display flickers", "loses oil"]
harmless = ["new belt fitted", "cleaned and oiled", "door aligned", "filter replaced"]
filler = "customer was in a hurry and paid in cash after the second call"

comes_back = rng.random(n) < 0.4
notes: list[str | None] = []
for back in comes_back:
    said = rng.choice(trouble if back ^ (rng.random() < 0.1) else harmless)
    around = rng.permutation(filler.split())[: rng.integers(3, 9)]
    place = rng.integers(len(around) + 1)
    notes.append(" ".join([*around[:place], said, *around[place:]]))
X = pd.DataFrame(
    {
        "age": (rng.gamma(3, 2, n) + 1.5 * comes_back).round(1),
        "cost": rng.gamma(2, 40, n).round(),
        "note": notes,
    }
)
X.loc[rng.random(n) < 0.2, "note"] = None
y = np.where(comes_back, "comes back", "stays away")
X.head()

# %%
# Two ways to read a note
# -----------------------
# One vector of n-grams; or a vector a word, with ``temporal="attention"`` in the head.


def model(output: str, kept: list[str], **head):
    encode = ModalityTransformer(
        [
            ("table", TabularEncoder(), ["age", "cost"]),
            ("note", TextEncoder(output=output, random_state=0), "note"),
        ]
    )
    head = FusionClassifier(max_epochs=15, random_state=0, **head)
    return make_pipeline(encode, ModalitySelector(kept), head)


models = {
    "table": model("pooled", ["table"]),
    "note": model("pooled", ["note"]),
    "both": model("pooled", ["table", "note"]),
    "both, word by word": model(
        "sequence", ["table", "note"], temporal="attention", embed_dim=32
    ),
}
scores = {
    name: cross_validate(m, X, y, cv=3, scoring="roc_auc")["test_score"]
    for name, m in models.items()
}
{name: round(float(np.mean(s)), 3) for name, s in scores.items()}

# %%
# Which words change the mind
# ---------------------------
# Leave a word out, ask again: the change of the probability shows what was read. Here
# is its mean over the notes that hold the word.

reader = models["both"].fit(X, y)
noted = X[X["note"].notna()][:150]
asked, left_out, owner = [], [], []
for place, note in enumerate(noted["note"]):
    words = note.split()
    for k, word in enumerate(words):
        asked.append(" ".join(words[:k] + words[k + 1 :]))
        left_out.append(word)
        owner.append(place)
without = noted.iloc[owner].assign(note=asked)
before = reader.predict_proba(noted)[owner, 0]
adds = pd.Series(before - reader.predict_proba(without)[:, 0]).groupby(left_out).mean()
adds = pd.concat([adds.sort_values()[:8], adds.sort_values()[-8:]])

figure, (left, right) = plt.subplots(
    1, 2, figsize=(10, 4.2), width_ratios=[1.3, 1], layout="constrained"
)
left.barh(
    list(scores),
    [np.mean(s) for s in scores.values()],
    xerr=[np.std(s) for s in scores.values()],
    color=["#9aa5b1", "#9aa5b1", "#2f6f9f", "#2f6f9f"],
)
left.invert_yaxis()
left.axvline(0.5, color="black", lw=0.8, ls=":")
left.set(xlim=(0.4, 1), xlabel="ROC AUC, three folds", title="Does it come back?")
right.barh(adds.index, adds, color=np.where(adds > 0, "#c0504d", "#2f6f9f"))
right.axvline(0, color="black", lw=0.8)
right.set(xlabel="what the word adds to the probability", title="Words of a return")
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)
plt.show()
