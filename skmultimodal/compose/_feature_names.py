"""Names of encoded columns: ``<modality>__<feature>``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from skmultimodal._layout import SEPARATOR

_UNFIT = re.compile(r"[^A-Za-z0-9_]+")
_UNDERSCORES = re.compile(r"_+")


def column_names(
    modality: str, encoder: Any, features: Sequence[Any] | None, width: int
) -> np.ndarray:
    """(width,) object: what the columns of one modality are called.

    `features` are the names the encoder gives, None where it gives none.
    """
    if features is None:
        return _prefixed(modality, [str(k) for k in range(width)])
    names = [str(feature) for feature in features]
    if len(names) != width:
        raise ValueError(
            f"its encoder {type(encoder).__name__} names {len(names)} features and "
            f"gives {width} columns."
        )
    for kind in (*encoder_kinds(encoder), modality):
        names = _without_prefix(names, kind + SEPARATOR)
    return _prefixed(modality, unique(sanitise(name) for name in names))


def encoder_kinds(encoder: Any) -> list[str]:
    """The kinds by which an encoder, or the steps of a Pipeline, name their output."""
    steps = [step for _, step in getattr(encoder, "steps", [])]
    kinds = [getattr(part, "_kind", None) for part in [encoder, *steps]]
    return [kind for kind in kinds if isinstance(kind, str)]


def feature_names(encoder: Any, inputs: np.ndarray, result: Any) -> list[str] | None:
    """The names an encoder gives its features, None where it gives none."""
    if hasattr(encoder, "get_feature_names_out"):
        try:
            return [str(name) for name in encoder.get_feature_names_out(inputs)]
        except (AttributeError, NotImplementedError, ValueError):
            # A Pipeline finds out only now that one of its steps gives no names,
            # and what is not fitted by columns refuses theirs.
            pass
    if hasattr(result, "columns"):
        return [str(name) for name in result.columns]
    return None


def sanitise(name: str) -> str:
    """A feature's name in letters, digits and underscores, as LightGBM wants it."""
    if not _UNFIT.search(name):
        return name or "_"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return _UNDERSCORES.sub("_", _UNFIT.sub("_", plain or "_"))


def unique(names: Iterable[str]) -> list[str]:
    """The same names, the second and later ones of a kind with a number behind."""
    names = list(names)
    taken = set(names)
    if len(taken) == len(names):
        return names
    found: set[str] = set()
    for k, name in enumerate(names):
        number = 2
        while names[k] in found:
            candidate = f"{name}_{number}"
            number += 1
            if candidate not in taken:
                names[k] = candidate
        found.add(names[k])
        taken.add(names[k])
    return names


def _without_prefix(names: list[str], prefix: str) -> list[str]:
    if all(name.startswith(prefix) and len(name) > len(prefix) for name in names):
        return [name[len(prefix) :] for name in names]
    return names


def _prefixed(modality: str, features: Iterable[str]) -> np.ndarray:
    return np.array([modality + SEPARATOR + f for f in features], dtype=object)
