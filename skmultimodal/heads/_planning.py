"""What a head decides on the training rows before there is a net."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from skmultimodal._layout import Layout
from skmultimodal.fusion._base import NeuralFusion, known_fusions
from skmultimodal.heads._inputs import BlockInputs, holds_nan
from skmultimodal.heads._relevance import (
    describe_blocks,
    modality_gains,
    relevance_draws,
)

_SPECIFIED = {"fusion": "fusion=BottleneckFusion()", "loss": "loss=FocalLoss()"}
_SAID = {
    "classification": "y holds classes",
    "multilabel": "y is multilabel",
    "regression": "y holds numbers",
    "representation": "this objective learns without y",
    "generation": "y holds text",
}
_TAKES = {"generation": "representation"}


def refuse_parameters_of_names(head: Any, params: Mapping[str, Any]) -> None:
    """A specification has parameters to set, its name as a string has none."""
    for name in params:
        holder, _, inner = name.partition("__")
        held = params.get(holder, getattr(head, holder, None))
        if inner and isinstance(held, str):
            raise ValueError(
                f"{name} cannot be set: {holder}={held!r} is a name, which has no "
                f"parameters. Give the specification, such as {_SPECIFIED[holder]}."
                if holder in _SPECIFIED
                else f"{name} cannot be set: {holder}={held!r} has no parameters."
            )


def check_task(fusion: NeuralFusion, task: str) -> None:
    """Refuse a fusion that is not for such targets.

    To write text takes what a representation takes: no output of the fusion's own.
    """
    if _TAKES.get(task, task) not in fusion.tasks:
        raise ValueError(
            f"{type(fusion).__name__} is for {' or '.join(fusion.tasks)}, and "
            f"{_SAID[task]}. Choose another fusion."
        )


_NAMELESS = (
    "X is an array without column names, so all of it is one modality, 'x'. "
    "Give a frame (pack makes one), or modalities={'text': slice(0, 384), ...}."
)


def refuse_few_modalities(layout: Layout, fusion: NeuralFusion, nameless: bool) -> None:
    if len(layout) < fusion.min_modalities:
        fit = [n for n, c in known_fusions().items() if c.min_modalities == 1]
        raise ValueError(
            f"{fusion!r} needs at least {fusion.min_modalities} modalities, X has "
            f"{len(layout)}: {layout.names}. Fusions that take one: {fit}."
            + (f" {_NAMELESS}" if nameless else "")
        )


def warn_of_nameless(head: Any, x: np.ndarray) -> None:
    """Of a nameless array that holds NaN."""
    if head.modalities is None and holds_nan(x):
        warnings.warn(
            f"X holds NaN. {_NAMELESS} Only rows that are NaN as a whole count as "
            "absent then.",
            UserWarning,
            stacklevel=7,
        )


def block_gains(
    head: Any, x: np.ndarray, inputs: BlockInputs, target: np.ndarray
) -> tuple[float, ...]:
    """How loud each block shall be."""
    layout = inputs.layout
    # what a temporal encoder finds is beyond a closed form: it keeps its loudness
    encoded = [b.is_sequence and head.temporal != "mean" for b in layout]
    if head.block_scale == "equal" or len(layout) == 1 or all(encoded):
        return (1.0,) * len(layout)

    def described(rows: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        raw = x[rows]
        raw[np.isinf(raw)] = np.nan  # refused later, by its row in X
        few, present = (t.numpy() for t in inputs(raw))
        y = target[rows]
        if y.ndim == 1:
            y = np.eye(head._count_outputs(target))[y]
        return describe_blocks(few, present, layout), y

    first, *further = relevance_draws(len(x))
    gains = modality_gains(*described(first), map(described, further))
    return tuple(np.where(encoded, 1.0, gains).tolist())
