"""Early stopping behind samplers, on labels that nothing can predict."""

import numpy as np
import pandas as pd
import pytest
import torch
from imblearn.over_sampling import SMOTE, RandomOverSampler
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.impute import SimpleImputer
from skorch.callbacks import Callback

import skmultimodal.heads._preparing as head_module
from skmultimodal import multimodal_pipeline
from skmultimodal._provenance import origins
from skmultimodal.encoders import TextEncoder
from skmultimodal.sampling import ModalityAugmenter


def noise(seed, n=800):
    """Three modalities and a rare class that none of them knows anything of."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        rng.standard_normal((n, 12)),
        columns=[f"{'ab'[k % 2]}{k}" for k in range(12)],
        index=[f"row{i}" for i in range(n)],
    )
    X.iloc[::20, :6] = np.nan
    return X, (rng.random(n) < 0.15).astype(int)


class BalancedAccuracy(Callback):
    """Scores the validation part after each epoch."""

    def initialize(self):
        self.scores = []
        return self

    def on_epoch_end(self, net, dataset_valid=None, **kwargs):
        net.module_.eval()
        with torch.no_grad():
            logits = net.infer(dataset_valid).output
        right = logits.argmax(1) == dataset_valid.y
        self.scores.append(
            np.mean([right[dataset_valid.y == k].float().mean() for k in (0, 1)])
        )


def stopping_early(entries, seed, **params):
    """A pipeline whose head validates after each epoch, and goes on all the same."""
    return multimodal_pipeline(
        "classifier",
        fusion="concat",
        modalities=entries,
        early_stopping=True,
        n_iter_no_change=100,
        validation_fraction=0.25,
        callbacks=[BalancedAccuracy()],
        max_epochs=25,
        lr=5e-3,
        dropout=0.0,
        random_state=seed,
        **params,
    )


def watch(model, X, y, seed, monkeypatch, naive):
    """What the head split, and the score on its validation part, at the end."""
    kept = {}

    def draw(y, *, index, **params):
        if naive:
            order = np.random.default_rng(seed).permutation(len(y))
            parts = np.sort(order[len(y) // 4 :]), np.sort(order[: len(y) // 4])
        else:
            parts = real(y, index=index, **params)
        kept.update(index=index, parts=parts)
        return parts

    with monkeypatch.context() as patch:
        real = head_module.draw_validation
        patch.setattr(head_module, "draw_validation", draw)
        model.fit(X, y)
    scores = model[-1].callbacks_[0].scores
    return kept, float(np.mean(scores[-5:]))


class TestNoise:
    """Labels of pure noise: whoever validates on relatives of training rows sees 0.8.

    The naive split is put in place of the real one, in the same pipeline.
    """

    SAMPLERS = [SMOTE(random_state=0), RandomOverSampler(random_state=0)]

    @staticmethod
    def run(sampler, seed, monkeypatch, naive):
        X, y = noise(seed)
        entries = [
            ("a", SimpleImputer(), [c for c in X if c.startswith("a")]),
            ("b", SimpleImputer(), [c for c in X if c.startswith("b")]),
        ]
        model = stopping_early(entries, seed, sampler=sampler)
        return X, *watch(model, X, y, seed, monkeypatch, naive)

    @pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: type(s).__name__)
    def test_early_stopping_sees_no_better_than_chance(self, sampler, monkeypatch):
        honest, fooled = [], []
        for seed in range(4):
            X, kept, score = self.run(sampler, seed, monkeypatch, naive=False)
            train, valid = kept["parts"]
            family = list(origins(kept["index"]))
            assert all(kept["index"][i] in X.index for i in valid)
            assert not kept["index"][valid].duplicated().any()
            validated = set().union(*(family[i] for i in valid))
            assert not any(validated & family[i] for i in train)
            assert len(train) > len(X) * 0.7
            honest.append(score)
            _, kept, score = self.run(sampler, seed, monkeypatch, naive=True)
            validated = set().union(*(family[i] for i in kept["parts"][1]))
            assert any(validated & family[i] for i in kept["parts"][0])
            fooled.append(score)
        assert np.mean(honest) < 0.56
        assert np.mean(fooled) > 0.75

    @pytest.mark.parametrize("sampler", [None, SMOTE(random_state=0)])
    def test_nor_behind_an_augmenter(self, sampler, monkeypatch):
        words = np.array([f"word{k}" for k in range(300)])
        entries = [("note", TextEncoder(n_components=60, random_state=0), "note")]
        steps = {"augmenter": ModalityAugmenter(n_copies=3, random_state=0)}
        steps["sampler"] = sampler
        honest, fooled = [], []
        for seed in range(4):
            rng = np.random.default_rng(seed)
            X = pd.DataFrame(
                {"note": [" ".join(rng.choice(words, 9)) for _ in "x" * 300]}
            )
            y = rng.permutation(np.arange(300) % (2 if sampler is None else 3) == 0)
            for naive, scores in ((False, honest), (True, fooled)):
                model = stopping_early(entries, seed, **steps)
                kept, score = watch(model, X, y.astype(int), seed, monkeypatch, naive)
                train, valid = kept["parts"]
                family = list(origins(kept["index"]))
                assert set().union(*family) == set(X.index)
                validated = set().union(*(family[i] for i in valid))
                assert any(validated & family[i] for i in train) is naive
                if not naive:
                    assert (valid < len(X)).all()
                scores.append(score)
        assert np.mean(honest) < 0.56
        assert np.mean(fooled) > 0.75
