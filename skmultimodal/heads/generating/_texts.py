"""What counts as text in y."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import column_or_1d

from skmultimodal.heads._reading import refuse_missing_targets


def read_texts(y: Any, name: str = "y") -> np.ndarray:
    """y as an object array of str: (n,)

    Raises
    ------
    ValueError
        If y is missing, or a row of it is missing or no text.
    """
    if y is None:
        raise ValueError(
            "requires y to be passed, but the target y is None: FusionGenerator learns "
            "from replies, one string a row."
        )
    y = column_or_1d(np.asarray(y, dtype=object), warn=True)
    refuse_missing_targets(y)
    for row, text in enumerate(y):
        if not isinstance(text, str):
            raise ValueError(
                f"{name} holds {type(text).__name__} in row {row}: {text!r:.60}. "
                'FusionGenerator writes text: give one string a row, "" where there '
                "is nothing to say. FusionClassifier takes classes, FusionRegressor "
                "numbers."
            )
    return y


def read_allowed(allowed: Any) -> list[str]:
    """The list of allowed replies, checked."""
    if isinstance(allowed, str):
        raise ValueError(
            f"allowed={allowed!r} is one string. Give a list of replies, as in "
            f"allowed=[{allowed!r}, ...]."
        )
    texts = list(allowed)
    if not texts:
        raise ValueError(
            "allowed=[] leaves nothing to say. Name at least one reply, or set "
            "allowed=None to write freely."
        )
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(
                f"allowed[{place}] is {text!r:.60}, of type {type(text).__name__}. "
                "Give strings."
            )
        if text in texts[:place]:
            raise ValueError(
                f"allowed[{place}] repeats {text!r}. Name each reply once."
            )
    return texts


def spread_texts(texts: Any, n: int, name: str) -> list[str]:
    """One text a row, from one for all or from n."""
    if isinstance(texts, str):
        return [texts] * n
    found = list(read_texts(texts, name))
    if len(found) != n:
        raise ValueError(f"{name} has {len(found)} texts for {n} rows of X.")
    return found


def frequent_tokens(tokens: np.ndarray, n: int) -> np.ndarray:
    """Which of the n most frequent tokens a reply has: (rows, L) -> (rows, n) float32

    Tokens that each reply has tell nothing, and are left out.
    """
    here = pd.DataFrame(tokens).melt(ignore_index=False)
    pairs = np.unique(np.stack([here.index, here["value"]], axis=1), axis=0)
    pairs = pairs[pairs[:, 1] >= 0]
    counts = np.bincount(pairs[:, 1])
    counts[counts == len(tokens)] = 0
    chosen = np.argsort(-counts, kind="stable")[:n]
    chosen = chosen[counts[chosen] > 0]
    place = np.full(len(counts), -1)
    place[chosen] = np.arange(len(chosen))
    column = place[pairs[:, 1]]
    bag = np.zeros((len(tokens), max(len(chosen), 1)), dtype=np.float32)
    kept = column >= 0
    bag[pairs[kept, 0], column[kept]] = 1
    return bag
