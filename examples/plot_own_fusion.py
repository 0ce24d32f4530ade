"""
A fusion of your own
====================

A fusion is one class with parameters and one torch module. Nothing else changes: it can
be named by a string, cloned, printed and searched like those of the package.

This one multiplies. Two modalities that say nothing by themselves may say everything
together, as two people do who answer "the same?". A sum of what each modality says
cannot tell; a product can.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import GridSearchCV
from torch import nn

from skmultimodal import pack
from skmultimodal.fusion import FusionModule, FusionOutput, NeuralFusion
from skmultimodal.heads import FusionClassifier
from skmultimodal.nn import PerModality, pool_tokens
from skmultimodal.testing import check_fusion


class ProductFusion(NeuralFusion):
    """h = the product over modalities of W_m z_m, or (1 + W_m z_m) if `residual`."""

    level = "relational"
    _parameter_constraints = {"residual": ["boolean"]}

    def __init__(self, residual=False):
        self.residual = residual

    def build(self, modalities, embed_dim, dropout):
        return _Product(list(modalities), embed_dim, self.residual)


class _Product(FusionModule):
    def __init__(self, modalities, d, residual):
        super().__init__()
        self.d_out = d
        self.offset = 1.0 if residual else 0.0
        self.value = PerModality({m: nn.Linear(d, d) for m in modalities})

    def forward(self, tokens, present):
        pooled = {m: pool_tokens(z, present[m]) for m, z in tokens.items()}  # (n, d)
        factors = {}
        for m, z in pooled.items():
            here = present[m].any(dim=1, keepdim=True)  # (n, 1)
            factor = self.offset + self.value[m](z)
            factors[m] = torch.where(here, factor, 1.0)  # absent: changes nothing
        fused = torch.stack(list(factors.values())).prod(dim=0)
        return FusionOutput(fused, tokens=tokens, per_modality=factors)


# %%
# Does it keep what heads rely on? The gradient has to reach every modality, what stands
# in an absent one may change nothing, a row predicted alone has to equal the row in a
# batch. Our class is put to the tests that every fusion of the package passes.
# A failure would raise, and say what is wrong and what to do.

checks = pd.DataFrame(check_fusion(ProductFusion(residual=True)))
print(checks[["check_name", "status"]].to_string(index=False))

# %%
# Two modalities, each a noisy picture of one of two signs. The class says whether the
# signs agree, so that neither modality tells anything alone.

rng = np.random.default_rng(0)
n = 1200
left, right = rng.choice([-1, 1], (2, n))
y = np.where(left == right, "same", "different")
patterns = rng.normal(size=(2, 12))
X = pack(
    {
        "left": left[:, None] * patterns[0] + rng.normal(scale=2.4, size=(n, 12)),
        "right": right[:, None] * patterns[1] + rng.normal(scale=2.4, size=(n, 12)),
    }
)

# %%
# Our fusion stands in a search beside those of the package, by name and as an object
# with a parameter of its own. Without hidden layers behind it, a fusion has to do the
# work itself.

head = FusionClassifier(
    embed_dim=16, hidden_layer_sizes=(), max_epochs=15, random_state=0
)
search = GridSearchCV(
    head,
    [
        {"fusion": ["concat", "gated", "cross_attention"]},
        {"fusion": [ProductFusion()], "fusion__residual": [False, True]},
    ],
    cv=4,
).fit(X, y)

# %%
# Concatenation adds up two things that know nothing. A product sees that the signs
# agree; so do gates and attention, which are products too, of what they let through.

found = pd.DataFrame(search.cv_results_)
found["name"] = found["param_fusion"].astype(str)
residual = found["params"].map(lambda p: p.get("fusion__residual"))
found.loc[residual.notna(), "name"] = "ours, residual=" + residual.astype(str)

figure, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
for place, (_, row) in enumerate(found[::-1].iterrows()):
    colour = "tab:orange" if row["name"].startswith("ours") else "tab:blue"
    folds = row[[f"split{k}_test_score" for k in range(4)]].astype(float)
    axes.plot(folds, [place] * 4, "o", color=colour, alpha=0.5, ms=6)
    axes.plot(row["mean_test_score"], place, "|", color=colour, ms=22, mew=2.5)
axes.axvline(0.5, color="black", lw=1, ls=":")
axes.set_yticks(range(len(found)), found["name"][::-1])
axes.set(xlim=(0.4, 1.0), ylim=(-0.6, len(found) - 0.4))
axes.set_xlabel("accuracy (dots: folds; bar: mean; dotted line: guessing)")
axes.set_title("Do two noisy signs agree?", loc="left")
axes.spines[["top", "right"]].set_visible(False)
plt.show()
