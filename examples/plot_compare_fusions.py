"""
Which fusion, and whether any
=============================

A fusion has to beat the best single modality to be worth its cost, and often it does
not. `compare_fusions` puts every modality alone, voting, stacking and the fusions you
ask for on the same folds, and says whether the difference is more than noise.
"""

# %%
# One picture, two modalities
# ---------------------------
#
# Handwritten digits, cut in two: the upper half is one modality, the lower half the
# other. Either half alone is often enough to read the digit, but a 3 and an 8, or a 7
# and a 9, may look alike in one of them.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skmultimodal import pack
from skmultimodal.heads import FusionClassifier
from skmultimodal.inspection import (
    FusionComparisonDisplay,
    MissingModalityDisplay,
    missing_modality_curve,
)
from skmultimodal.model_selection import compare_fusions

pixels, digit = load_digits(return_X_y=True)
X = pack({"upper": pixels[:, :32], "lower": pixels[:, 32:]})
some, others = slice(0, 400), slice(400, None)

# %%
# The head is the one whose fusion is replaced, so that all nets are trained alike. A
# list of names is enough here; ``"all"``, the default, tries everything there is.

head = FusionClassifier(max_epochs=6, batch_size=32)
fusions = [
    "concat",
    "gated",
    "mmtm",
    "cross_attention",
    "block_pca",
    "cca",
    "kernel",
    "auto",
]
results = compare_fusions(
    X[some], digit[some], fusions, estimator=head, random_state=0, verbose=1
)

# %%
# How to read the table
# ---------------------
#
# ``mean`` is the accuracy over five folds. ``difference`` is how much better than the
# best single modality a row is *on the same folds*: folds that are hard are hard for
# all, so that differences vary less than scores. ``low`` and ``high`` bound it, in an
# interval that knows that the training parts of the folds overlap. Where ``low`` is
# above zero, fusion pays; where the interval holds zero, what you see may be luck.

results.iloc[:, :7].sort_values("mean", ascending=False).round(3)

# %%
# The last line of the progress above says it in words; here is the picture. A bar that
# does not reach the dashed line, the best single modality, is a difference beyond
# noise, and its point is filled.

FusionComparisonDisplay.from_results(results)
plt.show()

# %%
# A modality that knows nothing
# -----------------------------
#
# Now the lower half comes from another digit, drawn at random. There is nothing to gain
# any more, and something to lose: some fusions are worse than the upper half alone,
# beyond noise. Who tries one fusion, and no modality alone, does not notice. (An arrow
# at the edge is a score too far below the others to be drawn.)

order = np.random.default_rng(0).permutation(len(digit))
X_noise = pack({"upper": pixels[:, :32], "lower": pixels[order, 32:]})
in_vain = compare_fusions(
    X_noise[some], digit[some], fusions, estimator=head, random_state=0
)
print(in_vain.attrs["summary"])

FusionComparisonDisplay.from_results(in_vain)
plt.show()

# %%
# When a modality is not there
# ----------------------------
#
# The best score on complete rows is not all: in use, modalities are missing. The curves
# show the accuracy on the digits that were not used so far, while more and more rows
# lose a half. A net that has been trained with `modality_dropout` has met such rows,
# and falls less. Where both halves are gone, what is left is a guess: one in ten.

figure, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True, layout="constrained")
for rate, ax in zip([0.0, 0.3], axes):
    model = FusionClassifier(
        "concat", modality_dropout=rate, max_epochs=15, batch_size=32, random_state=0
    )
    model.fit(X[some], digit[some])
    curve = missing_modality_curve(
        model, X[others], digit[others], scoring="accuracy", random_state=0
    )
    MissingModalityDisplay.from_results(curve, ax=ax)
    ax.set_title(f"modality_dropout={rate}")
axes[0].get_legend().remove()
axes[1].set_ylabel("")
plt.show()
