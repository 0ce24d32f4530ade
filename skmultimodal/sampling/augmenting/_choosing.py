"""Which columns are augmented, as what kind, and by which operations."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skmultimodal._cells import missing_cells
from skmultimodal._recipes import Augmentation, Operation, shown_operation
from skmultimodal.compose._array_kinds import Finding
from skmultimodal.compose._auto import modality_name
from skmultimodal.compose._cell_kinds import FOREIGN, column_kind, may_be
from skmultimodal.encoders.decoding._clips import is_clip
from skmultimodal.sampling.augmenting import _audio, _image, _series, _text, _video

DEFAULT = "default"
DEFAULTS: dict[str, tuple[Augmentation, ...]] = {
    "image": _image.DEFAULT,
    "text": _text.DEFAULT,
    "audio": _audio.DEFAULT,
    "series": _series.DEFAULT,
    "video": _video.DEFAULT,
}
# What each kind can be augmented by: its defaults, and what else serves.
KNOWN: dict[str, dict[str, Augmentation]] = {
    kind: {operation.name: operation for operation in defaults}
    for kind, defaults in DEFAULTS.items()
}
KNOWN["video"] |= KNOWN["image"]


@dataclass(frozen=True)
class Plan:
    """What is done to one column."""

    position: int
    label: Any
    kind: str
    operations: tuple[Operation, ...]


def make_plans(
    X: pd.DataFrame, labels: Sequence[Any], augmentations: Mapping[Any, Any] | None
) -> list[Plan]:
    """A plan for each column that is augmented.

    `labels` are what the columns are called: names, or positions.
    """
    columns = _Columns(X, labels)
    wanted: dict[int, Any] = {}
    if augmentations is None:
        kinds = [columns.finding(k).kind for k in range(len(labels))]
        wanted = {k: DEFAULT for k, kind in enumerate(kinds) if kind in DEFAULTS}
    else:
        # a column's own name says more than its kind
        found = [(columns.find(key), value) for key, value in augmentations.items()]
        for (positions, _), value in sorted(found, key=lambda pair: -pair[0][1]):
            for k in positions:
                wanted.setdefault(k, value)
    plans = []
    for k, value in sorted(wanted.items()):
        kind, operations = _chosen(value, columns, k)
        if operations:
            plans.append(Plan(k, labels[k], kind, operations))
    return plans


class _Columns:
    """Columns of a frame, and what their cells hold, looked at when it is asked."""

    def __init__(self, X: pd.DataFrame, labels: Sequence[Any]) -> None:
        self.X, self.labels = X, list(labels)
        self._findings: dict[int, Finding] = {}

    def finding(self, position: int) -> Finding:
        if position not in self._findings:
            self._findings[position] = column_kind(self.X.iloc[:, position])
        return self._findings[position]

    def first(self, position: int) -> Any:
        """The first cell that is there."""
        column = self.X.iloc[:, position]
        return column.iloc[int(np.argmin(missing_cells(column)[:, 0]))]

    def find(self, key: Any) -> tuple[list[int], int]:
        """Columns that a key means, and how precisely it names them."""
        if key in self.labels:
            return [self.labels.index(key)], 2
        every = range(len(self.labels))
        kinds = [self.finding(k).kind for k in every]
        named = [k for k in every if modality_name(self.labels[k], kinds[k]) == key]
        if named:
            return named, 1
        of_kind = [k for k in every if kinds[k] == key and key in DEFAULTS]
        nothing_to_see = key in DEFAULTS and "drop" in kinds  # a column without cells
        if of_kind or nothing_to_see:
            return of_kind, 0
        shown = [f"{label!r} ({kind})" for label, kind in zip(self.labels, kinds)]
        more = f" and {len(shown) - 12} more" if shown[12:] else ""
        raise ValueError(
            f"augmentations={{{key!r}: ...}}: X has no column or modality {key!r}, and "
            f"no column of that kind. Its columns are {', '.join(shown[:12])}{more}. "
            f"Name one of them, or a kind: {', '.join(map(repr, DEFAULTS))}."
        )


def _chosen(
    value: Any, columns: _Columns, position: int
) -> tuple[str, tuple[Operation, ...]]:
    """The kind of a column, and the operations that are meant."""
    label, finding = columns.labels[position], columns.finding(position)
    kinds = [kind for kind in (finding.kind, *finding.doubt) if kind in DEFAULTS]
    if finding.kind == "drop":  # all cells are missing: nothing will be done
        return finding.kind, ()
    if value is None or (isinstance(value, str) and value == DEFAULT):
        if finding.kind not in DEFAULTS:
            raise _no_media(label, finding, columns.first(position))
        if finding.doubt:
            _warn_of_doubt(label, finding)
        return finding.kind, DEFAULTS[finding.kind]
    first = columns.first(position)
    if finding.kind == "tabular" and isinstance(first, str):
        kinds = ["text"]  # strings that are short, or few, may be texts all the same
    if finding.kind == "image" and is_clip(first):
        kinds = ["image", "video"]  # several pictures, or frames one by one
    asked = list(value) if isinstance(value, (list, tuple)) else [value]
    if not kinds and any(isinstance(op, (str, Augmentation)) for op in asked):
        kinds = list(may_be(first))  # vectors are series where they are named so
    if not kinds:
        raise _no_media(label, finding, first)
    if isinstance(value, str) and value in DEFAULTS:
        possible = dict.fromkeys([*kinds, *may_be(first)])
        if value not in possible:
            raise ValueError(
                f"augmentations={{{label!r}: {value!r}}}: column {label!r} holds "
                f"{finding.reason}, which is {' or '.join(map(repr, possible))}. Leave "
                "the kind out, 'default', or name the right one."
            )
        return value, DEFAULTS[value]
    for kind in kinds:
        if all(_serves(operation, kind) for operation in asked):
            known = KNOWN[kind]
            made = (known[op] if isinstance(op, str) else op for op in asked)
            return kind, tuple(made)
    wrong = next(op for op in asked if not _serves(op, kinds[0]))
    raise ValueError(
        f"augmentations={{{label!r}: ...}}: {_told(wrong)} is no augmentation of "
        f"{kinds[0]}, which column {label!r} holds. There are "
        f"{', '.join(map(repr, KNOWN[kinds[0]]))}, {DEFAULT!r} for the usual ones, and "
        "functions of your own (array, rng)."
    )


def _serves(operation: Any, kind: str) -> bool:
    """Whether it can be done to cells of a kind."""
    if isinstance(operation, str):
        return operation in KNOWN[kind]
    if isinstance(operation, Augmentation):
        return type(operation) in map(type, KNOWN[kind].values())
    return callable(operation) and not isinstance(operation, type)


def _told(operation: Any) -> str:
    if isinstance(operation, type):
        return f"the class {operation.__name__} (give an instance)"
    if callable(operation):
        return f"{shown_operation(operation)!r}"
    return f"{operation!r:.60}"


def _no_media(label: Any, finding: Finding, first: Any) -> ValueError:
    what = FOREIGN.get(finding.kind, finding.kind)
    remedy = "Leave"
    if finding.kind == "tabular" and isinstance(first, str):
        remedy = f"If they are texts, say {{{label!r}: 'text'}}; else leave"
    if finding.kind == "precomputed":
        remedy = f"If they are series, say {{{label!r}: 'series'}}; else leave"
    return ValueError(
        f"augmentations={{{label!r}: ...}}: column {label!r} holds {finding.reason} "
        f"({what}). Augmented are {', '.join(DEFAULTS)}. {remedy} the column out."
    )


def _warn_of_doubt(label: Any, finding: Finding) -> None:
    others = [kind for kind in finding.doubt if kind in DEFAULTS]
    hint = f", or {{{label!r}: {others[0]!r}}}" if others else ""
    warnings.warn(
        f"Column {label!r} holds {finding.reason}, and is augmented as such. The cells "
        f"do not say so: give {{{label!r}: {finding.kind!r}}} if that is right{hint}, "
        "or leave the column out.",
        UserWarning,
        stacklevel=2,
    )
