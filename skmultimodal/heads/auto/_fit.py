"""From a head's arguments to a search."""

from __future__ import annotations

from typing import Any

import numpy as np

from skmultimodal._provenance import align_sample_weight
from skmultimodal.heads._inputs import BlockInputs
from skmultimodal.heads._reading import row_index
from skmultimodal.heads.auto._chosen import AutoFusion, Link, cut
from skmultimodal.heads.auto._pool import Target
from skmultimodal.heads.auto._search import Data, search


def fit_auto(
    head: Any,
    X: Any,
    y: Any,
    x: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None,
    sample_weight: Any,
    valid: tuple[Any, Any] | None,
    groups: Any,
    seed: int,
) -> AutoFusion:
    """Search with the rows that weigh something.

    X, y and `sample_weight` as they came; x: (n, n_columns) float32; `target` as the
    head encodes y, `weight` with the weights of classes in it.
    """
    rows = np.arange(len(x)) if weight is None else np.flatnonzero(weight > 0)
    target = head._scale_target(target, rows)
    values = target if target.ndim == 2 else np.eye(len(head.classes_))[target]
    w = np.ones(len(x)) if weight is None else weight.astype(np.float64)
    goal = Target(head._task(), values[rows].astype(np.float64), w[rows])
    if sample_weight is not None:
        aligned = align_sample_weight(sample_weight, row_index(X), len(x))
        sample_weight = np.asarray(aligned)[rows]
    link = Link(
        goal.task,
        goal.offset,
        getattr(head, "classes_", None),
        getattr(head, "_target_mean", None),
        getattr(head, "_target_scale", None),
    )
    inputs = BlockInputs.learn(
        x[rows],
        head._read_layout(x, X),
        head._column_names(x),
        head.standardize,
        type(head).__name__,
    )
    X = cut(X, rows)
    groups = None if groups is None else cut(groups, rows)
    data = Data(
        X,
        cut(y, rows),
        x[rows],
        inputs,
        goal,
        sample_weight,
        groups,
        row_index(X),
        valid,
    )
    return search(head, data, link, seed, int(head.verbose))
