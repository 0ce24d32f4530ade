"""What samplers measure distances by: which columns, on which scale, for whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_complex_dtype, is_numeric_dtype

from skmultimodal._layout import NAMELESS, read_layout
from skmultimodal.sampling._rows import floats


def measured_columns(X: Any, modalities: Sequence[str] | None) -> list[int] | None:
    """Positions of the columns of these modalities, None for all.

    A column that has no modality's name before it can be named by itself.
    """
    if modalities is None:
        return None
    names = list(X.columns) if isinstance(X, pd.DataFrame) else None
    at = {b.name: list(b.columns) for b in read_layout(X.shape[1], names)}
    loose = {} if names is None else {names[k]: [k] for k in at.get(NAMELESS, [])}
    choice = {**loose, **at}
    unknown = [name for name in modalities if name not in choice]
    if unknown or not modalities:
        found = f"X has no {unknown[0]!r}" if unknown else "none is named"
        more = f", its columns without one {_some(loose)}" if loose else ""
        raise ValueError(
            f"modalities={modalities!r:.80}: {found}. Its modalities are "
            f"{_some(at)}{more}."
        )
    return sorted({k for name in modalities for k in choice[name]})


def scaled(X: Any, sampler: str) -> tuple[np.ndarray, np.ndarray]:
    """Features, and which rows have none of them.

    (n, p) float64, finite, each column of one size, each modality of one weight; (n,).
    """
    names = list(X.columns) if isinstance(X, pd.DataFrame) else None
    if isinstance(X, pd.DataFrame):
        for name, dtype in X.dtypes.items():
            if not is_numeric_dtype(dtype) or is_complex_dtype(dtype):
                raise ValueError(
                    f"{sampler} measures distances, but column {name!r} of X has dtype "
                    f"{dtype}. Put the sampler behind the encoders, name what is "
                    "measured, modalities=[...], or use "
                    "ModalitySampler(RandomOverSampler()), which takes any column."
                )
    try:
        x = np.array(floats(X), dtype=np.float64, order="C")
    except ValueError as error:
        raise ValueError(
            f"{sampler} measures distances, but X is an array of dtype {X.dtype}: "
            f"{error}. Put the sampler behind the encoders."
        ) from error
    largest = np.fmax.reduce(np.abs(x), axis=0, initial=0)
    if np.isinf(largest).any():
        column = int(np.isinf(largest).argmax())
        row = int(np.isinf(x[:, column]).argmax())
        name = column if names is None else names[column]
        raise ValueError(
            f"X has an infinite value in column {name!r}, row {row}. {sampler} needs "
            "finite values; NaN stands for what is missing."
        )
    # in units of the largest value, so that squares stay finite
    x /= np.where(largest > 0, largest, 1)
    absent = np.isnan(x)
    count = np.maximum(len(x) - absent.sum(axis=0), 1)
    np.copyto(x, 0, where=absent)
    x -= x.sum(axis=0) / count
    np.copyto(x, 0, where=absent)
    spread = np.sqrt(np.einsum("ij,ij->j", x, x) / count)
    spread[spread < 1e-12] = 1
    for block in read_layout(x.shape[1], names):
        spread[list(block.columns)] *= np.sqrt(block.width)
    x /= spread
    return x, np.asarray(absent.all(axis=1))


def plan_of(sampler: Any) -> Any:
    """Rows to add or keep of each class, where a fitted sampler tells."""
    return getattr(sampler, "sampling_strategy_", None)


def check_classes_measured(
    absent: np.ndarray,
    labels: np.ndarray,
    sampler: Any,
    modalities: Sequence[str] | None,
) -> None:
    """Refuse to resample a class whose rows all lack what is measured."""
    classes, codes = np.unique(labels, return_inverse=True)
    lacking = np.bincount(codes, weights=~absent) == 0
    if not lacking.any():
        return
    plan = plan_of(sampler.fit(np.zeros((len(labels), 1)), labels))
    for label in classes[lacking]:
        if isinstance(plan, dict) and not plan.get(label, 0):
            continue
        what = "every modality"
        if modalities is not None:
            what = f"modality {_some(modalities)}"
        raise ValueError(
            f"All {(labels == label).sum()} rows of class {plain(label)!r} lack "
            f"{what}, which {type(sampler).__name__} measures distances by. Name "
            "others, modalities=[...], or use ModalitySampler(RandomOverSampler()), "
            "which looks at none."
        )


def plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def _some(names: Iterable[Any]) -> str:
    shown = list(map(repr, names))
    return ", ".join(shown[:6]) + (f" and {len(shown) - 6} more" if shown[6:] else "")
