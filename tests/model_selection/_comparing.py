"""A quick head and rows that the tests of comparisons share."""

import numpy as np

from skmultimodal import pack
from skmultimodal.heads import FusionClassifier

QUICK = FusionClassifier(
    embed_dim=8, hidden_layer_sizes=(16,), max_epochs=2, batch_size=64
)


def samples(n=120, seed=0):
    """Text knows the class, image knows less of it."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    text = rng.normal(size=(n, 3)) + 1.5 * y[:, None]
    image = rng.normal(size=(n, 2)) + 0.5 * y[:, None]
    return pack({"text": text, "image": image}), y
