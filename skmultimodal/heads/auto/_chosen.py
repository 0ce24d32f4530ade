"""Candidates, and the pool of them that predicts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import log_softmax

from skmultimodal.heads._inputs import BlockInputs
from skmultimodal.heads.auto._pool import pool
from skmultimodal.heads.auto._probes import BlockFeatures, Probe

_LARGEST = 20.0  # of a score: a net may be far too sure of itself


@dataclass
class Candidate:
    """One way to predict: its scores out of fold, and what predicts new rows."""

    name: str
    level: str
    fusion: str  # "linear", or of a net
    modality: str | None  # None: it takes all
    scores: np.ndarray  # (n, k), zero where the modality is absent or no fold tests
    predictors: list[Any]  # a Probe, or a net a fold
    params: dict[str, Any] = field(default_factory=dict)  # of the head, where not its
    folds: int = 0
    seconds: float = 0.0

    def bare(self) -> Candidate:
        """Without the scores of the training rows."""
        return replace(self, scores=self.scores[:0])


@dataclass
class Blocks:
    """The modalities of X: where they stand, and what a closed form reads of them."""

    inputs: BlockInputs
    features: list[BlockFeatures]

    def read(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x: (n, n_columns) -> standardised, and presence: (n, Σ T_m)"""
        scaled, here = self.inputs(x)
        return scaled.numpy(), here.numpy()

    def present(self, modality: str | None, here: np.ndarray) -> np.ndarray:
        """Rows that have the modality, or any at all: (n,)"""
        parts = [f.present(here) for f in self._of(modality)]
        return np.any(parts, axis=0)

    def vector(
        self, modality: str | None, scaled: np.ndarray, here: np.ndarray
    ) -> np.ndarray:
        """A modality, or all side by side: (n, d)"""
        return np.concatenate([f(scaled, here) for f in self._of(modality)], axis=1)

    def columns(self, modality: str | None) -> np.ndarray | None:
        """Of X; None for all."""
        if modality is None:
            return None
        found = next(b for b in self.inputs.layout if b.name == modality)
        return np.asarray(found.columns)

    def _of(self, modality: str | None) -> list[BlockFeatures]:
        return [f for f in self.features if modality in (None, f.name)]


@dataclass
class Link:
    """What the output of a net is to the pool: what it says beyond the offset."""

    task: str
    offset: np.ndarray  # (k,)
    classes: np.ndarray | None = None
    target_mean: Any = None
    target_scale: Any = None

    def score(self, net: Any, X: Any) -> np.ndarray:
        """net: a fitted head -> (n, k)"""
        if self.task == "regression":
            y = np.asarray(net.predict(X), dtype=np.float64).reshape(len(X), -1)
            return (y - self.target_mean) / self.target_scale - self.offset
        output = net._outputs(X).astype(np.float64)
        if self.task == "multilabel":
            return np.clip(output - self.offset, -_LARGEST, _LARGEST)
        logs = self._all_classes(log_softmax(output, axis=1), net.classes_)
        beyond = logs - self.offset
        beyond -= beyond.mean(axis=1, keepdims=True)
        return np.clip(beyond, -_LARGEST, _LARGEST)

    def _all_classes(self, logs: np.ndarray, known: np.ndarray) -> np.ndarray:
        """A class that the rows of a fold lack is as likely as the least likely."""
        assert self.classes is not None
        if len(known) == len(self.classes):
            return logs
        full = np.repeat(logs.min(axis=1)[:, None], len(self.classes), axis=1)
        full[:, np.searchsorted(self.classes, known)] = logs
        return full


@dataclass
class AutoFusion:
    """What stays of the search: candidates with their weights, and the report."""

    blocks: Blocks
    link: Link
    candidates: list[Candidate]
    weights: np.ndarray  # (C,)
    report: pd.DataFrame
    history: list[dict[str, Any]]

    def outputs(self, X: Any, x: np.ndarray) -> np.ndarray:
        """X as it came, x: (n, n_columns) -> (n, k) on the scale of the link"""
        scaled, here = self.blocks.read(x)
        if not self.candidates:  # nothing said more than the offset does
            return np.tile(self.link.offset, (len(x), 1))
        scores = [self._score(c, X, scaled, here) for c in self.candidates]
        return pool(np.stack(scores), self.weights, self.link.offset)

    def _score(
        self, candidate: Candidate, X: Any, scaled: np.ndarray, here: np.ndarray
    ) -> np.ndarray:
        modality = candidate.modality
        found = np.zeros((len(scaled), len(self.link.offset)))
        rows = np.flatnonzero(self.blocks.present(modality, here))
        if not len(rows):
            return found
        first = candidate.predictors[0]
        if isinstance(first, Probe):
            vector = self.blocks.vector(modality, scaled[rows], here[rows])
            found[rows] = first(vector)
        else:
            part = cut(X, rows, self.blocks.columns(modality))
            each = [self.link.score(net, part) for net in candidate.predictors]
            found[rows] = np.mean(each, axis=0)
        return found


def cut(X: Any, rows: np.ndarray | None, columns: np.ndarray | None = None) -> Any:
    """Rows and columns of a frame or an array, all where None."""
    if hasattr(X, "iloc"):
        X = X if rows is None else X.iloc[rows]
        return X if columns is None else X.iloc[:, columns]
    X = np.asarray(X)
    X = X if rows is None else X[rows]
    return X if columns is None else X[:, columns]
