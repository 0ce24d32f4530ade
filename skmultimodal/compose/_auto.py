"""Which encoder each column of a raw frame gets when nobody says."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import clone
from sklearn.utils import get_tags

from skmultimodal._layout import SEPARATOR, check_modality_name
from skmultimodal.compose._array_kinds import Finding
from skmultimodal.compose._cell_kinds import FOREIGN, KINDS, column_kind

TABULAR = "tabular"
DROPPED = "dropped"
# Names that a ModalityTransformer has for something else.
_RESERVED = {
    "transformers",
    "modalities",
    "remainder",
    "n_jobs",
    "store",
    "transformer_weights",
    "verbose",
    DROPPED,
}
Entry = tuple[str, Any, Any]
_CLASSES = {
    "tabular": "TabularEncoder",
    "text": "TextEncoder",
    "image": "ImageEncoder",
    "audio": "AudioEncoder",
    "video": "VideoEncoder",
    "series": "SeriesEncoder",
    "precomputed": "PrecomputedEncoder",
    "dialogue": "DialogueHistoryEncoder",
}
# What a guess may be instead, and what to give for it.
_INSTEAD = {
    "image": ("pictures", "'image'"),
    "audio": ("sound of a rate that you know", "AudioEncoder(sample_rate=...)"),
    "video": ("frames of a video", "'video'"),
    "series": ("series (time, or time x channel)", "'series'"),
    "precomputed": ("embeddings", "'precomputed'"),
    "other": ("measurements of another kind", "MyEncoder()"),
}


@dataclass(frozen=True)
class Modality:
    """What ``"auto"`` made of some columns.

    Parameters
    ----------
    kind : str
        ``"tabular"``, ``"text"``, ``"image"``, ``"audio"``, ``"video"``, ``"series"``,
        ``"precomputed"``, ``"drop"``, or the class of an encoder that was given.
    columns : list
        Names of the columns, or their positions where X has no names.
    reason : str
        What was seen in the cells.
    """

    kind: str
    columns: list[Any]
    reason: str


def choose_encoders(
    X: Any, modalities: Mapping[Any, Any] | None
) -> tuple[list[Entry], dict[str, Modality]]:
    """The list of encoders for a frame or array, and what it was chosen for."""
    if sparse.issparse(X):
        raise TypeError(
            "Sparse data was passed, but transformers='auto' looks at cells and needs "
            "a frame or a dense array. Use X.toarray(), or an explicit list."
        )
    frame, labels = as_frame(X)
    given = _check_given(modalities or {}, labels)
    groups = _Groups(labels)
    prefixes = _precomputed_prefixes(frame, labels, given)
    for k, label in enumerate(labels):
        if label in given:
            groups.add_given(label, given[label], frame.iloc[:, k])
        elif label in prefixes:
            reason = f"numeric columns named {prefixes[label]}{SEPARATOR}<feature>"
            groups.add(prefixes[label], "precomputed", label, reason)
        else:
            groups.add_found(label, column_kind(frame.iloc[:, k]))
    return groups.entries(), groups.records()


def as_frame(X: Any) -> tuple[pd.DataFrame, list[Any]]:
    """X as a frame, and how its columns are called: by name, else by position."""
    if not isinstance(X, pd.DataFrame):
        array = np.asarray(X)
        frame = pd.DataFrame(array)
        frame = frame.infer_objects() if array.dtype == object else frame
        return frame, list(range(frame.shape[1]))
    if not all(isinstance(name, str) for name in X.columns):
        return X, list(range(X.shape[1]))
    return X, list(X.columns)


def _check_given(given: Mapping[Any, Any], labels: list[Any]) -> dict[Any, Any]:
    for label, kind in given.items():
        if label not in labels:
            raise ValueError(
                f"modalities={{{label!r}: ...}}: X has no column {label!r}. Its "
                f"columns are {labels[:20]}{' ...' if labels[20:] else ''}."
            )
        if isinstance(kind, str) and kind not in KINDS:
            raise ValueError(
                f"modalities={{{label!r}: {kind!r}}}: unknown kind {kind!r}. Known are "
                f"{', '.join(map(repr, KINDS))}, and an encoder of your own."
            )
        is_encoder = hasattr(kind, "transform") and not isinstance(kind, type)
        if not isinstance(kind, str) and not is_encoder:
            raise ValueError(
                f"modalities={{{label!r}: {kind!r}}}: expected one of "
                f"{', '.join(map(repr, KINDS))} or an encoder (an instance with fit "
                "and transform)."
            )
    return dict(given)


def _precomputed_prefixes(
    frame: pd.DataFrame, labels: list[Any], given: dict[Any, Any]
) -> dict[Any, str]:
    """Which columns are blocks that an encoder has already made: column -> prefix."""
    groups: dict[str, list[Any]] = {}
    for k, label in enumerate(labels):
        prefix, separator, feature = str(label).partition(SEPARATOR)
        is_named = separator and feature and label not in given
        if is_named and frame.dtypes.iloc[k].kind in "iuf" and _is_valid(prefix):
            groups.setdefault(prefix, []).append(label)
    return {
        label: prefix
        for prefix, members in groups.items()
        if len(members) > 1 and not frame[members].isna().all(axis=None)
        for label in members
    }


def _is_valid(name: str) -> bool:
    try:
        check_modality_name(name)
    except ValueError:
        return False
    return name not in _RESERVED


class _Groups:
    """Modalities in the making, in the order of their first columns."""

    def __init__(self, labels: list[Any]) -> None:
        self._labels = labels
        self._members: dict[Any, list[Any]] = {}
        self._kinds: dict[Any, str] = {}
        self._reasons: dict[Any, dict[str, list[Any]]] = {}
        self._own: dict[Any, Any] = {}

    def add(self, key: Any, kind: str, label: Any, reason: str) -> None:
        """Put a column into the group `key`, which names the modality if it can."""
        key = (kind, key)
        self._members.setdefault(key, []).append(label)
        self._kinds[key] = kind
        self._reasons.setdefault(key, {}).setdefault(reason, []).append(label)

    def add_given(self, label: Any, kind: Any, column: pd.Series) -> None:
        if not isinstance(kind, str):
            self.add(label, type(kind).__name__, label, "given by modalities=")
            self._own[type(kind).__name__, label] = kind
            return
        key = {TABULAR: TABULAR, "drop": DROPPED}.get(kind, label)
        if kind == "precomputed" and column.dtype.kind in "biuf":
            prefix, separator, _ = str(label).partition(SEPARATOR)
            key = prefix if separator else kind
        self.add(key, kind, label, "given by modalities=")

    def add_found(self, label: Any, finding: Finding) -> None:
        if finding.kind in FOREIGN:
            raise ValueError(
                f"Column {label!r} holds {FOREIGN[finding.kind]}: {finding.reason}. "
                "transformers='auto' has no encoder for it. Give one of your own, "
                f"modalities={{{label!r}: MyEncoder()}}, or leave it out with "
                f"modalities={{{label!r}: 'drop'}}."
            )
        if finding.kind == "drop":
            warnings.warn(
                f"Column {label!r} is dropped: {finding.reason}. "
                f"modalities={{{label!r}: ...}} says what it is.",
                UserWarning,
                stacklevel=2,
            )
        if finding.doubt:
            warnings.warn(_doubts(label, finding), UserWarning, stacklevel=2)
        key = {TABULAR: TABULAR, "drop": DROPPED}.get(finding.kind, label)
        self.add(key, finding.kind, label, finding.reason)

    def entries(self) -> list[Entry]:
        return [
            (name, *self._encoder_and_columns(key))
            for key, name in self._names().items()
        ]

    def records(self) -> dict[str, Modality]:
        return {
            name: Modality(
                self._kinds[key], self._members[key], _told(self._reasons[key])
            )
            for key, name in self._names().items()
        }

    def _encoder_and_columns(self, key: Any) -> tuple[Any, Any]:
        members = self._members[key]
        if key not in self._own:
            return _encoder(self._kinds[key]), members
        encoder = clone(self._own[key])
        return encoder, members[0] if _reads_a_series(encoder) else members

    def _names(self) -> dict[Any, str]:
        names: dict[Any, str] = {}
        taken: set[str] = set()
        for key in self._members:
            kind, stem = key
            base = DROPPED if kind == "drop" else modality_name(stem, kind.lower())
            if base in _RESERVED and kind != "drop":
                base = f"{base}_{modality_name(kind.lower(), 'own')}"
            if base == TABULAR and kind != TABULAR:
                base = f"{TABULAR}_{modality_name(kind.lower(), 'own')}"
            name, number = base, 2
            while name in taken:
                name, number = f"{base}_{number}", number + 1
            taken.add(name)
            names[key] = name
        return names


def _doubts(label: Any, finding: Finding) -> str:
    """What was guessed, what else it may be, and how to say which."""
    kept = f"modalities={{{label!r}: {finding.kind!r}}}"
    instead = [_INSTEAD[kind] for kind in finding.doubt]
    names = " or ".join(name for name, _ in instead)
    remedies = " or ".join(
        f"modalities={{{label!r}: {remedy}}} for {name}" for name, remedy in instead
    )
    return (
        f"Column {label!r} holds {finding.reason}. The cells do not say so, and may as "
        f"well be {names}. Give {kept} if the guess is right, else {remedies}; "
        "either silences this warning." + (f" {finding.hint}" if finding.hint else "")
    )


def _told(reasons: dict[str, list[Any]]) -> str:
    """One reason as it is; of several, what holds for which columns."""
    if len(reasons) == 1:
        return next(iter(reasons))
    brief: dict[str, list[str]] = {}
    for reason, columns in reasons.items():
        brief.setdefault(reason.split(":")[0], []).extend(map(str, columns))
    return "; ".join(f"{what}: {', '.join(which)}" for what, which in brief.items())


def _reads_a_series(encoder: Any) -> bool:
    """Whether it wants the cells of a column, not a frame, as TfidfVectorizer does."""
    steps = getattr(encoder, "steps", None)
    first = steps[0][1] if steps else encoder
    try:
        return not get_tags(first).input_tags.two_d_array
    except (AttributeError, TypeError, NotImplementedError):  # has no tags
        return False


def modality_name(column: Any, kind: str) -> str:
    """A column's name as the name of a modality; its kind where nothing is left.

    >>> modality_name("Größe (alt)", "text"), modality_name("価格", "text")
    ('Groe_alt', 'text')
    """
    if not isinstance(column, str):
        return f"{kind}_{column}"
    plain = unicodedata.normalize("NFKD", column).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_") or kind


def _encoder(kind: str) -> Any:
    if kind == "drop":
        return "drop"
    from skmultimodal import encoders

    encoder = getattr(encoders, _CLASSES[kind])()
    if "random_state" in encoder.get_params():
        # of a randomised SVD: a pipeline whose head is seeded repeats as a whole
        encoder.set_params(random_state=0)
    return encoder
