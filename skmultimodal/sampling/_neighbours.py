"""What is said where a sampler does not find its neighbours: in terms of classes."""

from __future__ import annotations

import re
from numbers import Integral
from typing import Any

import numpy as np

from skmultimodal.sampling._measuring import plain

_FEW = re.compile(r"n_neighbors ?= ?(\d+).*n_samples_fit ?= ?(\d+)")
_NO_CLUSTER = re.compile(r"No clusters found with sufficient samples of class (.+)\. ")
_PARAMETERS = ("k_neighbors", "n_neighbors", "m_neighbors", "n_neighbors_ver3")


def too_few_rows(
    error: Exception, sampler: Any, labels: np.ndarray
) -> ValueError | None:
    """What is said of too few neighbours, or no cluster, in terms of classes."""
    said, name = str(error), type(sampler).__name__
    random = "RandomOverSampler"
    if getattr(sampler, "_sampling_type", "") in ("under-sampling", "clean-sampling"):
        random = "RandomUnderSampler"
    random = f"ModalitySampler({random}()), which needs no neighbours."
    classes, counts = np.unique(labels, return_counts=True)
    lone = _NO_CLUSTER.search(said)
    if lone is not None:
        rare = [str(label) for label in classes].index(lone[1])
        threshold = sampler.cluster_balance_threshold
        return ValueError(
            f"Class {plain(classes[rare])!r} has {_rows(counts[rare])}, and {name} "
            f"finds no cluster with enough of them (k_neighbors={sampler.k_neighbors}, "
            f"cluster_balance_threshold={threshold!r}). Set these lower, ask for more "
            f"clusters, or use {random}"
        )
    few = _FEW.search(said)
    if few is None:
        return None
    asked, got = int(few[1]), int(few[2])
    parameter, wanted = _asking(sampler, asked)
    who = f"X has {_rows(len(labels))}"
    if got in counts:
        rare = int((counts == got).argmax())
        who = f"Class {plain(classes[rare])!r} has {_rows(got)}"
    remedy = f"Set {parameter} to less than {got}, or use" if got > 1 else "Use"
    return ValueError(
        f"{who}, but {name} looks for {wanted} neighbours among {got} ({parameter}="
        f"{wanted}). {remedy} {random}"
    )


def _asking(sampler: Any, asked: int) -> tuple[str, int]:
    """The parameter that asks for so many neighbours, the row itself among them or not.

    Inside another sampler (`SMOTEENN`) it is that of SMOTE.
    """
    for name in _PARAMETERS:
        value = getattr(sampler, name, None)
        if isinstance(value, Integral) and int(value) >= asked - 1:
            return name, int(value)
    return _PARAMETERS[0], asked - 1


def _rows(n: int) -> str:
    return f"{n} row" + ("" if n == 1 else "s")
