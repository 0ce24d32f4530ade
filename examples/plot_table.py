"""
A table as tables are
=====================

An agency lets flats. Its table has the town as somebody typed it, the date of the
offer, gaps, and beside them vectors that a network made of the photos last year. The
table and the photo are a modality each. What is the rent, and how well is it told for a
flat that lacks something?
"""

# %%
# Flats to rent
# -------------
#
# We make them up, so that we know what counts: the town, the area, how rents rise over
# the years, and something that only the photo shows. Four towns in ten are mistyped,
# one area in seven was not given, and every fifth flat has no photo.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.manifold import TSNE
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from skmultimodal import multimodal_pipeline
from skmultimodal.encoders import TabularEncoder

rng = np.random.default_rng(0)
LEVELS = {
    "Karlsruhe": 0,
    "Mannheim": 60,
    "Heidelberg": 150,
    "Tübingen": 220,
    "Freiburg": 280,
    "Stuttgart": 400,
}


def typed(town):
    """A letter left out, doubled or swapped, or the wrong case."""
    k = rng.integers(1, len(town) - 1)
    slips = [
        town[:k] + town[k + 1 :],
        town[: k + 1] + town[k:],
        town[:k] + town[k + 1] + town[k] + town[k + 2 :],
        town.lower(),
        town.upper(),
    ]
    return slips[rng.integers(len(slips))] if rng.random() < 0.4 else town


n = 900
town = rng.choice(list(LEVELS), n).tolist()
area = rng.gamma(9, 8, n).round()
days = rng.integers(0, 2000, n)
taste = rng.normal(size=(n, 6))
rent = 7 * area + [LEVELS[t] for t in town] + 0.15 * days + 110 * taste[:, 0]
rent += rng.normal(0, 50, n)
X = pd.DataFrame(
    {
        "town": [typed(t) for t in town],
        "area": area,
        "offered": pd.Timestamp("2020-01-01") + pd.to_timedelta(days, unit="D"),
        "photo": list(taste @ rng.normal(size=(6, 24))),
    }
)
X.loc[rng.random(n) < 0.15, "area"] = np.nan
X["photo"] = X["photo"].where(rng.random(n) > 0.2, None)
X.drop(columns="photo").head()

# %%
# Dirty categories
# ----------------
#
# A column of many different strings becomes vectors of their pieces, in which a name is
# near its misspellings. Nobody has to clean them.

spellings = X["town"].unique()
vectors = (
    TabularEncoder(random_state=0)
    .fit(X[["town"]])
    .transform(pd.DataFrame({"town": spellings}))
)
meant = dict(zip(X["town"], town))
len(spellings), vectors.shape

# %%
# One pipeline
# ------------
#
# It looks at the cells. We only say that those of ``photo`` are vectors already: lists
# of numbers might be series as well.

X_train, X_test, y_train, y_test = train_test_split(X, rent, random_state=0)
model = multimodal_pipeline(
    "regressor", modalities={"photo": "precomputed"}, random_state=0
).fit(X_train, y_train)
for name, found in model["encode"].modalities_.items():
    print(f"{name}: {found.kind}, of {', '.join(found.columns)}")

# %%
# What absence costs
# ------------------
#
# Blank a growing share of each column, or of all the table's, in the test rows. No row
# fails; it is told from what is left.

shares = np.linspace(0, 1, 6)
order = rng.permutation(len(X_test))
blanks = {name: [name] for name in X} | {"whole table": ["town", "area", "offered"]}
scores = pd.DataFrame(index=shares, columns=list(blanks), dtype=float)
for name, columns in blanks.items():
    for share in shares:
        asked = X_test.copy()
        blank = order < share * len(asked)
        for column in columns:
            asked[column] = asked[column].mask(blank)
        scores.loc[share, name] = r2_score(y_test, model.predict(asked))
scores.round(2)

# %%
# On the left every spelling that occurs, those of similar vectors side by side. On the
# right the price of absence: town and area count most, and without the whole table the
# photo still tells its part.

figure, (map_, costs) = plt.subplots(
    1, 2, figsize=(10, 4.6), width_ratios=[1.15, 1], layout="constrained"
)
places = TSNE(
    perplexity=12, metric="cosine", init="random", random_state=2
).fit_transform(vectors)
for k, name in enumerate(LEVELS):
    own = np.flatnonzero([meant[spelling] == name for spelling in spellings])
    map_.scatter(*places[own].T, s=16, color=f"C{k}", alpha=0.6, lw=0)
    x, top = places[own, 0].mean(), places[own, 1].min() - 2
    some = [name, *(spellings[row] for row in own if spellings[row] != name)][:4]
    map_.text(x, top, "\n".join(some), color=f"C{k}", size=9, ha="center", va="top")
map_.set(xticks=[], yticks=[])
map_.set_title(f"{len(spellings)} spellings of six towns", loc="left")
low, high = places.min(axis=0), places.max(axis=0)
map_.set(xlim=(low[0] - 12, high[0] + 12), ylim=(low[1] - 18, high[1] + 4))
for k, (name, curve) in enumerate(scores.items()):
    style = "--" if name == "whole table" else "-"
    colour = "0.4" if name == "whole table" else f"C{k}"
    costs.plot(100 * shares, curve, style, marker="o", ms=5, color=colour)
    costs.text(103, curve.iloc[-1], name, color=colour, va="center")
costs.set(xlim=(-3, 128), xticks=100 * shares, ylabel="R² of the rent, test rows")
costs.set_xlabel("test rows that lack it, %")
costs.set_title("What absence costs", loc="left")
costs.spines[["top", "right"]].set_visible(False)
costs.grid(color="0.92")
plt.show()
