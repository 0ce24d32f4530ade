"""
A table as tables are
=====================

Categories with typing errors, dates, gaps, and beside them embeddings that somebody
else has computed. Each becomes a modality; a row may lack one of them, when the model
is fitted as well as when it is asked.
"""

# %%
# Flats to rent
# -------------

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from skmultimodal import multimodal_pipeline

rng = np.random.default_rng(0)
n = 900
towns = np.array(["Heidelberg", "Mannheim", "Karlsruhe", "Stuttgart"])
town = rng.integers(4, size=n)


def mistyped(name: str) -> str:
    """One name in four has two letters swapped."""
    name = str(name)
    if rng.random() > 0.25:
        return name
    k = rng.integers(1, len(name) - 2)
    return name[:k] + name[k + 1] + name[k] + name[k + 2 :]


area = rng.gamma(9, 8, n).round()
days = rng.integers(0, 2000, n)
taste = rng.normal(size=(n, 6))  # of a photo, say, by a network of last year
rent = 6 * area + 90 * town + 0.05 * days + 110 * taste[:, 0] + rng.normal(0, 60, n)
X = pd.DataFrame(
    {
        "town": [mistyped(name) for name in towns[town]],
        "area": area,
        "offered": pd.Timestamp("2020-01-01") + pd.to_timedelta(days, unit="D"),
        "photo": list(taste @ rng.normal(size=(6, 24))),
    }
)
X.loc[rng.random(n) < 0.15, "area"] = np.nan
X["photo"] = X["photo"].where(rng.random(n) > 0.2, None)
X.head()

# %%
# One pipeline
# ------------
# ``"precomputed"`` says that the cells of a column are vectors already.

X_train, X_test, y_train, y_test = train_test_split(X, rent, random_state=0)
model = multimodal_pipeline(
    "regressor", modalities={"photo": "precomputed"}, random_state=0
)
model.fit(X_train, y_train)
{name: m.reason for name, m in model["encode"].modalities_.items()}

# %%
# What is missing when the model is asked
# ---------------------------------------
# Blank a growing share of each column of the test rows.

shares = np.linspace(0, 1, 6)
curves = {}
for column in X:
    scores = []
    for share in shares:
        asked = X_test.copy()
        order = np.random.default_rng(1).permutation(len(asked))
        blank = order < share * len(asked)
        asked[column] = asked[column].mask(blank)
        scores.append(r2_score(y_test, model.predict(asked)))
    curves[column] = scores

figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
for column, scores in curves.items():
    axes.plot(100 * shares, scores, marker="o", label=column)
axes.set(
    xlabel="test rows that lack the column, %",
    ylabel="R²",
    title="Rent of a flat: what each column is worth, and what its absence costs",
)
axes.legend(title="absent", frameon=False)
axes.grid(alpha=0.3)
axes.spines[["top", "right"]].set_visible(False)
plt.show()
