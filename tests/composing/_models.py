"""Small models of pictures and questions."""

from collections import Counter

from sklearn.experimental import enable_halving_search_cv  # noqa: F401

from skmultimodal import multimodal_pipeline
from skmultimodal.encoders import ImageEncoder, TextEncoder
from skmultimodal.heads import FusionClassifier

ENTRIES = [
    ("image", ImageEncoder(n_components=16, random_state=0), "image"),
    ("question", TextEncoder(n_components=16, random_state=0), "question"),
]


def pipeline(fusion="concat", max_epochs=5, **params):
    return multimodal_pipeline(
        "classifier",
        fusion=fusion,
        modalities=ENTRIES,
        max_epochs=max_epochs,
        random_state=0,
        **params,
    )


def head(fusion="concat", max_epochs=5, **params):
    return FusionClassifier(fusion, max_epochs=max_epochs, random_state=0, **params)


def share(y):
    """Accuracy of whoever gives the most frequent answer."""
    return Counter(y).most_common(1)[0][1] / len(y)
