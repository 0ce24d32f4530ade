"""
Search fusions and their parameters
===================================

`FusionSearchCV` is `GridSearchCV` for pipelines that end in a head: it encodes a fold
once for all candidates, and trains nets of one shape together.
"""

# %%
# Three kinds of column
# ---------------------
#
# Products with a price, a weight and a description; the class is told by all of them,
# in part.

import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skmultimodal.compose import ModalityTransformer
from skmultimodal.fusion import BottleneckFusion
from skmultimodal.heads import FusionClassifier
from skmultimodal.inspection import SearchDisplay
from skmultimodal.model_selection import FusionSearchCV

rng = np.random.default_rng(0)
y = rng.integers(0, 3, 300)
words = np.array([f"word{k}" for k in range(90)])
X = pd.DataFrame(
    {
        "price": rng.normal(size=300) + (y == 1),
        "weight": rng.normal(size=300) - (y == 2),
        "description": [
            " ".join(rng.choice(words[12 * k : 12 * k + 60], 12)) for k in y
        ],
    }
)
X.loc[::9, "description"] = None  # some have none

# %%
# A pipeline and two grids, since the bottleneck has a parameter of its own.

pipeline = Pipeline(
    [
        (
            "encode",
            ModalityTransformer(
                [
                    ("table", StandardScaler(), ["price", "weight"]),
                    ("text", TfidfVectorizer(), "description"),
                ]
            ),
        ),
        ("head", FusionClassifier(max_epochs=6, embed_dim=16, random_state=0)),
    ]
)
rates = [0.003, 0.01, 0.03]
grid = [
    {"head__fusion": ["concat", "gated", "film"], "head__lr": rates},
    {
        "head__fusion": [BottleneckFusion()],
        "head__fusion__n_tokens": [1, 4],
        "head__lr": rates[:2],
    },
]

# %%
# The search
# ----------

search = FusionSearchCV(pipeline, grid, cv=3, verbose=1)
search.fit(X, y)
search.report_[["rank", "mean", "sd", "seconds", "group", "head__fusion", "head__lr"]]

# %%
# Candidates of one ``group`` differ in the learning rate only, and have trained as one
# stack. Here they are by fusion: small points are folds, large ones their means.

SearchDisplay.from_search(search)
plt.show()

# %%
# The same picture tells about any other parameter.

SearchDisplay.from_search(search, parameter="head__lr")
plt.show()

# %%
# What it saves
# -------------
#
# One of the grids, beside `GridSearchCV`. The scores agree but for what dropout draws.

seconds = {}
for kind in (GridSearchCV, FusionSearchCV):
    start = time.perf_counter()
    kind(pipeline, grid[0], cv=3, refit=False).fit(X, y)
    seconds[kind.__name__] = time.perf_counter() - start

figure, ax = plt.subplots(figsize=(6, 1.6), layout="constrained")
ax.barh(list(seconds), list(seconds.values()), color=["0.7", "#0072B2"])
ax.spines[["top", "right"]].set_visible(False)
ax.set_xlabel("seconds for 27 fits")
plt.show()
