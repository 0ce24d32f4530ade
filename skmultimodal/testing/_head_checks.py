"""What a fusion promises inside a head, from frame to prediction."""

from __future__ import annotations

from typing import Any
from unittest import SkipTest

import numpy as np
import pandas as pd

from skmultimodal import pack
from skmultimodal.fusion._base import NeuralFusion
from skmultimodal.heads import FusionClassifier, FusionRegressor, FusionTransformer
from skmultimodal.testing._require import require

_HEADS: dict[str, type] = {
    "classification": FusionClassifier,
    "multilabel": FusionClassifier,
    "regression": FusionRegressor,
    "representation": FusionTransformer,
}
_QUICK: dict[str, Any] = {"embed_dim": 16, "hidden_layer_sizes": (16,), "lr": 1e-2}
_QUICK |= {"dropout": 0.0, "max_epochs": 15, "batch_size": 32}
_QUICK |= {"random_state": 0, "device": "cpu"}
_OBJECTIVES = [{"objective": name} for name in ("contrastive", "reconstruction")]
_WIDTHS = {"classification": 2, "multilabel": 2, "regression": 1}  # of answers
_NAMES = [("type", "values"), ("keys", "training"), ("a.b", "é")]


def make_head(fusion: NeuralFusion, task: str | None = None, **params: Any) -> Any:
    """A small head for the task, or for the first that the fusion is for."""
    task = task or fusion.tasks[0]
    if task == "representation":
        params = {"objective": "reconstruction"} | params
    return _HEADS[task](fusion, **(_QUICK | params))


def two_signals(
    n: int = 240, seed: int = 0
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A vector and a sequence, each with a part of what decides (n,)."""
    rng = np.random.default_rng(seed)
    text, audio = rng.normal(size=(n, 3)), rng.normal(size=(n, 4, 2))
    return {"text": text, "audio": audio}, text[:, 0] + audio.mean(axis=1)[:, 0] * 2


def more_noise(fusion: NeuralFusion, n: int) -> dict[str, np.ndarray]:
    """What else a fusion needs that asks for more than two modalities."""
    rng = np.random.default_rng(2)
    names = [f"extra{k}" for k in range(fusion.min_modalities - 2)]
    return {m: rng.normal(size=(n, 2)) for m in names}


def make_target(signal: np.ndarray, task: str) -> np.ndarray | None:
    """What of the signal (n,) a head of this task learns."""
    if task == "representation":
        return None
    if task == "regression":
        return signal
    y = (signal > 0).astype(int)
    return np.stack([y, 1 - y], axis=1) if task == "multilabel" else y


def answers(head: Any, X: pd.DataFrame) -> np.ndarray:
    """What a fitted head makes of rows: (n, k)"""
    methods = ("predict_proba", "predict", "transform")
    method = next(m for m in methods if hasattr(head, m))
    return np.asarray(getattr(head, method)(X)).reshape(len(X), -1)


def _require_width(found: np.ndarray, n: int, task: str) -> None:
    shape = (n, _WIDTHS.get(task, found.shape[1]))
    require(
        found.shape == shape,
        f"Answers for {task} have the shape {found.shape}. An output layer of the "
        f"fusion's own has to give {shape}.",
    )


def check_tasks(fusion: NeuralFusion) -> None:
    """It works in the heads of every task that it is for."""
    n = 40
    blocks, signal = two_signals(n)
    X = pack(blocks | more_noise(fusion, n))
    for task in fusion.tasks:
        y = make_target(signal, task)
        for params in _OBJECTIVES if task == "representation" else [{}]:
            head = make_head(fusion, task, max_epochs=2, **params)
            who = type(head).__name__
            try:
                found = answers(head.fit(X, y), X)
            except Exception as error:
                raise AssertionError(
                    f"In {who} it raised {type(error).__name__}: {error} Mend that, or "
                    f"leave {task!r} out of tasks."
                ) from error
            _require_width(found, n, task)
            require(
                np.isfinite(found).all(),
                f"{who} gives NaN or infinity. Keep fused finite, or leave {task!r} "
                "out of tasks.",
            )


def check_modality_names(fusion: NeuralFusion) -> None:
    """A modality may have any name."""
    n = 40
    rng = np.random.default_rng(0)
    for names in _NAMES:
        values = rng.normal(size=(n, 8))
        columns = [f"{m}__{k}" for m in names for k in range(4)]
        X = pd.DataFrame(values, columns=columns)
        if noise := more_noise(fusion, n):
            X = X.join(pack(noise))
        y = make_target(values[:, 0], fusion.tasks[0])
        try:
            found = answers(make_head(fusion, max_epochs=1).fit(X, y), X)
        except Exception as error:
            raise AssertionError(
                f"With modalities named {names} it raised {type(error).__name__}: "
                f"{error} Keep what belongs to a modality in PerModality of "
                "skmultimodal.nn: nn.ModuleDict refuses such names."
            ) from error
        _require_width(found, n, fusion.tasks[0])


def check_shuffling_hurts(fusion: NeuralFusion) -> None:
    """Shuffling a modality that carries signal makes predictions worse."""
    task = next((t for t in fusion.tasks if t != "representation"), None)
    if task is None:
        raise SkipTest("learns without y")
    blocks, signal = two_signals()
    X = pack(blocks | more_noise(fusion, len(signal)))
    head = make_head(fusion, task).fit(X, make_target(signal, task))
    tested, signal = two_signals(400, seed=1)
    tested |= more_noise(fusion, 400)
    y = make_target(signal, task)
    order = np.random.default_rng(0).permutation(400)
    score = head.score(pack(tested), y)
    words = "What each modality says has to stay in fused."
    require(
        score > 0.85,
        f"Where the sum of two modalities decides, a {type(head).__name__} scores "
        f"{score:.2f}, not above 0.85. {words}",
    )
    for m in blocks:
        shuffled = head.score(pack(tested | {m: tested[m][order]}), y)
        require(
            shuffled < score - 0.1,
            f"With {m!r} shuffled a {type(head).__name__} scores {shuffled:.2f}, as it "
            f"is {score:.2f}. {words}",
        )


def check_rows_without_anything(fusion: NeuralFusion) -> None:
    """Rows that lack every modality are predicted, alone as among others."""
    n = 80
    blocks, signal = two_signals(n)
    blocks["text"][:20], blocks["audio"][10:30] = np.nan, np.nan
    blocks["audio"][30:50, 2:] = np.nan
    noise = more_noise(fusion, n)
    for values in noise.values():
        values[10:20] = np.nan
    X = pack(blocks | noise)  # rows 10 to 19 have nothing
    task = fusion.tasks[0]
    head = make_head(fusion, max_epochs=2).fit(X, make_target(signal, task))
    found = answers(head, X)
    require(
        np.isfinite(found).all(),
        "A head gives NaN or infinity where rows lack modalities. Keep fused finite.",
    )
    if task == "classification":
        sums = found.sum(axis=1)
        require(
            np.allclose(sums, 1, rtol=1e-5, atol=0),
            f"Probabilities of a row add up to {sums[np.abs(sums - 1).argmax()]}.",
        )
    require(
        np.allclose(found[10:20], found[10], rtol=1e-5, atol=1e-6),
        "Rows that lack everything get different answers of a head. Only tokens and "
        "present may count.",
    )
    alone = np.vstack([answers(head, X.iloc[[i]]) for i in range(0, n, 9)])
    require(
        np.allclose(alone, found[::9], rtol=1e-5, atol=1e-5),
        "A row alone gets another answer of a head than among others. What a row gives "
        "may depend on its own tokens alone.",
    )
