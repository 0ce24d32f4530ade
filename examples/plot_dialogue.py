"""
A picture, a question, a reply
==============================

The classic sketch of a multimodal dialogue model: a vector of the picture and a vector
of the words, both of width 512, joined; an LSTM that starts from them; a softmax over
words. Here it is, first on random arrays, then on real pictures and questions, and at
last in a conversation about one picture.
"""

# %%
# The sketch, on random arrays
# ----------------------------
#
# Random vectors stand for pictures and words, random replies for what was said. The net
# learns its rows by heart, and nothing else: there is nothing else to learn.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image
from sklearn.pipeline import Pipeline

from skmultimodal import pack
from skmultimodal.compose import ModalityTransformer
from skmultimodal.datasets import load_easy_vqa
from skmultimodal.encoders import (
    DialogueHistoryEncoder,
    ImageEncoder,
    TextEncoder,
)
from skmultimodal.heads import FusionGenerator, reply
from skmultimodal.metrics import exact_match_score

rng = np.random.default_rng(0)
replies = np.array(["yes", "no", "it is a red circle", "a blue one, i think"])
image = rng.normal(size=(200, 512)).astype(np.float32)
text = rng.normal(size=(200, 512)).astype(np.float32)
X = pack({"image": image, "text": text})
y = rng.choice(replies, 200)

classic = FusionGenerator("concat", decoder="lstm", random_state=0)
classic.fit(X[:100], y[:100])
pd.Series(
    {
        "rows of fit": exact_match_score(y[:100], classic.predict(X[:100])),
        "other rows": exact_match_score(y[100:], classic.predict(X[100:])),
    },
    name="exact match",
)

# %%
# If the vectors say something about the reply, the same lines generalise: here each
# picture and each question is one of two kinds, with noise of the same strength.

kinds = rng.normal(size=(2, 2, 512)).astype(np.float32)
seen, asked = rng.integers(2, size=(2, 200))
X = pack({"image": kinds[0, seen] + image, "text": kinds[1, asked] + text})
y = replies[2 * asked + seen]
classic.fit(X[:100], y[:100])
round(exact_match_score(y[100:], classic.predict(X[100:])), 2)

# %%
# Real pictures and questions
# ---------------------------
#
# Now encoders make the vectors from pictures and questions of easy-VQA, and the answer
# is written word by word. All questions about a picture are on one side of the split.
# The width is free: 64 principal components are better than 512 with so few pictures.

data = load_easy_vqa(n_images=1000, random_state=0)
held_out = pd.unique(data.groups)[-60:]
test = np.isin(data.groups, held_out)
vectors = ModalityTransformer(
    [
        ("image", ImageEncoder(n_components=64, random_state=0), ["image"]),
        ("question", TextEncoder(n_components=64, random_state=0), "question"),
    ]
)
head = FusionGenerator(dropout=0.1, random_state=0)
answer = Pipeline([("encode", vectors), ("head", head)])
X, y = data.data, data.target.astype(object)
answer.fit(X[~test], y[~test])
pd.Series(
    {
        "with the picture": exact_match_score(y[test], answer.predict(X[test])),
        "without": exact_match_score(
            y[test], answer.predict(X[test].assign(image=None))
        ),
    },
    name="exact match",
).round(2)

# %%
# A conversation
# --------------
#
# In a dialogue what was said before belongs to X. `DialogueHistoryEncoder` keeps it
# word for word: a column whose cells are lists of turns. Here the history holds the
# questions and answers so far about a picture, and the question comes last.


def as_dialogue(data):
    """A row a question: the picture, and all that was said up to the question."""
    talk, histories = {}, []
    for picture, question, said in zip(data.groups, data.data["question"], data.target):
        history = talk.setdefault(picture, [])
        history.append(("you", question))
        histories.append(list(history))
        history.append(("model", said))
    return pd.DataFrame(
        {"image": data.data["image"], "talk": pd.Series(histories, dtype=object)}
    )


dialogues, y = as_dialogue(data), data.target.astype(object)
encode = ModalityTransformer(
    [
        ("image", ImageEncoder(n_components=64, random_state=0), ["image"]),
        ("talk", DialogueHistoryEncoder(max_length=96), "talk"),
    ]
)
head = FusionGenerator(dropout=0.1, random_state=0)
model = Pipeline([("encode", encode), ("head", head)])
model.fit(dialogues[~test], y[~test])
round(exact_match_score(y[test], model.predict(dialogues[test])), 2)

# %%
# `reply` answers one turn of a fitted pipeline; a loop of it is a conversation. The
# history that it sees holds what it said itself. Replies stand beside the true ones,
# green where they agree.

figure, axes = plt.subplots(1, 4, figsize=(11, 5.2), layout="constrained")
for axis, picture in zip(axes, held_out[:4]):
    rows = np.flatnonzero(data.groups == picture)[:6]
    image = data.data["image"].iloc[rows[0]]
    axis.imshow(Image.open(image), extent=(0.25, 0.75, 0.02, 0.62), aspect="auto")
    axis.set(xlim=(0, 1), ylim=(-1.6, 0.64))
    axis.axis("off")
    history = []
    for turn, row in enumerate(rows):
        history.append(("you", data.data["question"].iloc[row]))
        said = reply(model, history, image=image)
        history.append(("model", said))
        height = -0.05 - 0.265 * turn
        axis.text(0, height, history[-2][1], va="top", fontsize=8)
        color = "tab:green" if said == y[row] else "tab:red"
        axis.text(0.04, height - 0.1, f"“{said}”", va="top", color=color, weight="bold")
        axis.text(
            0.98, height - 0.1, f"true: {y[row]}", va="top", ha="right", color="0.5"
        )
figure.suptitle("Conversations about four pictures that training has not seen")
plt.show()
