"""
Find the picture for a text
===========================

A search by words needs no classes, only pairs: pictures, each with a sentence that
somebody wrote under it. ``FusionTransformer(objective="contrastive")`` learns from such
pairs alone. It puts texts and pictures into one space, in which a sentence lies next to
its own picture and far from the others. To search is then to look for neighbours.
"""

# %%
# Pictures with captions
# ----------------------
#
# Each picture shows one thing on a noisy ground. Captions say the same in several ways,
# and often leave something out, as people do. Of the 432 things there could be (shape,
# colour, place and size), a quarter is kept for the test: no picture and no caption of
# them is trained on.

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from skmultimodal import unpack
from skmultimodal.compose import ModalityTransformer
from skmultimodal.encoders import ImageEncoder, TextEncoder
from skmultimodal.heads import FusionTransformer

SHAPES = ["circle", "square", "triangle", "cross"]
COLOURS = {
    "red": (214, 39, 40),
    "blue": (31, 119, 220),
    "green": (44, 160, 44),
    "yellow": (240, 200, 40),
    "purple": (140, 80, 200),
    "white": (245, 245, 245),
}
ROWS, COLUMNS = ["top", "middle", "bottom"], ["left", "centre", "right"]
SIZES = {"small": 5, "large": 9}
rng = np.random.default_rng(0)


def draw(shape, colour, row, column, size):
    """A picture of 48 x 48 pixels."""
    ground = rng.integers(40, 110) + rng.normal(scale=12, size=(48, 48, 3))
    picture = Image.fromarray(ground.clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    r = SIZES[size] + rng.integers(-1, 2)
    x = 9 + 15 * COLUMNS.index(column) + rng.integers(-2, 3)
    y = 9 + 15 * ROWS.index(row) + rng.integers(-2, 3)
    fill = COLOURS[colour]
    if shape == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=fill)
    elif shape == "square":
        pen.rectangle((x - r, y - r, x + r, y + r), fill=fill)
    elif shape == "triangle":
        pen.polygon([(x - r, y + r), (x + r, y + r), (x, y - r)], fill=fill)
    else:
        pen.line((x - r, y, x + r, y), fill=fill, width=r // 2 + 1)
        pen.line((x, y - r, x, y + r), fill=fill, width=r // 2 + 1)
    return picture


def describe(shape, colour, row, column, size, keep=1.0):
    """A sentence; each of its parts stays with probability `keep`."""
    size, colour = (word if rng.random() < keep else "" for word in (size, colour))
    where = f"{row} {column}" if rng.random() < keep else ""
    kind = rng.integers(3)
    if kind == 0:
        words = ["a", size, colour, shape, "in the" if where else "", where]
    elif kind == 1:
        words = [where, "a" if where else "there is a", shape, size, colour]
    else:
        words = ["the", shape, "is", colour, size, "at the" if where else "", where]
    return " ".join(filter(None, words))


def table(things, **kwargs):
    return pd.DataFrame(
        {
            "text": [describe(*thing, **kwargs) for thing in things],
            "picture": [draw(*thing) for thing in things],
        }
    )


things = list(itertools.product(SHAPES, COLOURS, ROWS, COLUMNS, SIZES))
rng.shuffle(things)
unseen, seen = things[: len(things) // 4], things[len(things) // 4 :]
train = table([seen[k] for k in rng.integers(len(seen), size=2500)], keep=0.8)
test = table(unseen)
train.head(8)

# %%
# One space for both
# ------------------
#
# With ``output="per_modality"`` every row comes out as two vectors of unit length, its
# text's and its picture's. The product of two vectors says how alike they are.

encode = ModalityTransformer(
    [
        ("text", TextEncoder(random_state=0), "text"),
        ("picture", ImageEncoder(size=48), "picture"),
    ]
)
align = FusionTransformer(
    objective="contrastive",
    output="per_modality",
    max_epochs=25,
    random_state=0,
)
align.fit(encode.fit_transform(train))
space = unpack(align.transform(encode.transform(test)))
alike = space["text"] @ space["picture"].T  # (108 texts, 108 pictures)


def recall(alike, k):
    """Share of rows whose own column is among the k highest."""
    ahead = (alike > alike.diagonal()[:, None]).sum(axis=1)
    return (ahead < k).mean()


pd.DataFrame(
    {
        "picture for a text": [recall(alike, k) for k in (1, 5, 10)],
        "text for a picture": [recall(alike.T, k) for k in (1, 5, 10)],
        "by chance": [k / len(test) for k in (1, 5, 10)],
    },
    index=["first", "among 5", "among 10"],
).round(3)

# %%
# Ask for something
# -----------------
#
# A question is a row without a picture. The first three ask for one thing, which was
# in no training picture; the last leave open what they do not name.

known = [f"{size} {c} {shape}, {row} {col}" for shape, c, row, col, size in unseen[:3]]
questions = [*known, "something purple on the right", "a large cross"]
asked = pd.DataFrame({"text": questions, "picture": [None] * len(questions)})
asked = unpack(align.transform(encode.transform(asked)))["text"]
nearest = np.argsort(-asked @ space["picture"].T, axis=1)[:, :6]


def fits(question, thing):
    """Whether the picture shows all that the question names."""
    names = {*SHAPES, *COLOURS, *ROWS, *COLUMNS, *SIZES}
    said = {word.strip(",") for word in question.split()} & names
    return said <= set(thing)


figure, axes = plt.subplots(len(questions), 7, figsize=(9, 6.2), layout="constrained")
for line, question, found in zip(axes, questions, nearest):
    line[0].text(1, 0.5, question.replace(", ", ",\n"), ha="right", va="center")
    line[0].axis("off")
    for place, k in zip(line[1:], found):
        place.imshow(test["picture"][k])
        place.set(xticks=[], yticks=[])
        colour = "tab:green" if fits(question, unseen[k]) else "0.8"
        plt.setp(place.spines.values(), color=colour, lw=3)
figure.suptitle("The six nearest of 108 pictures (green: all that was asked for)")
plt.show()
