"""Small data with signal in every modality, and a net that learns it quickly."""

import numpy as np
import pytest

from skmultimodal import pack

QUICK = {
    "embed_dim": 8,
    "hidden_layer_sizes": (16,),
    "dropout": 0.0,
    "lr": 1e-2,
    "max_epochs": 10,
    "batch_size": 32,
    "random_state": 0,
    "device": "cpu",
}


@pytest.fixture
def quick():
    """Parameters of a small head: ``FusionClassifier(**quick(max_epochs=2))``."""
    return lambda **params: QUICK | params


@pytest.fixture
def make_data():
    """Draw an encoded frame and a score: ``X, signal = make_data(n=100)``."""

    def make(n=160, seed=0, index=None):
        rng = np.random.default_rng(seed)
        text = rng.normal(size=(n, 3))
        audio = rng.normal(size=(n, 3, 2))
        signal = text[:, 0] + 1.7 * audio[:, :, 0].mean(axis=1)
        return pack({"text": text, "audio": audio}, index=index), signal

    return make
