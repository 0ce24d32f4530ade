"""Sources of information: which modalities must be read to learn what one says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from skmultimodal._layout import check_modality_name

DEFAULT_MODALITIES = {"text": 8, "image": 8}


@dataclass(frozen=True)
class Source:
    """A part of y: `share` of it, told by each of `group`, or by all together."""

    kind: str  # "redundant", "unique" or "synergistic"
    group: tuple[str, ...]
    share: float

    @property
    def name(self) -> str:
        return f"{self.kind}: {' + '.join(self.group)}"


@dataclass(frozen=True)
class Modality:
    """Where a modality's numbers stand, and the directions in which they tell."""

    shape: tuple[int, ...]  # (n_features,) or (n_steps, n_features)
    directions: np.ndarray  # (n_slots, n_features), orthonormal
    slots: dict[Source, slice]
    width: int  # of a slot

    @property
    def n_steps(self) -> int:
        return self.shape[0] if len(self.shape) == 2 else 1

    def draw(self, signal: np.ndarray, noise: float, rng: Any) -> np.ndarray:
        """signal: (n, n_slots) -> (n, *shape). Each step tells its part of it."""
        told = signal @ self.directions / np.sqrt(self.n_steps)  # (n, d)
        values = noise * rng.normal(size=(len(signal), self.n_steps, self.shape[-1]))
        values += told[:, None]
        return values.reshape(len(signal), *self.shape)

    def read(self, values: np.ndarray) -> np.ndarray:
        """(n, *shape) -> (n, n_slots): all that the values tell about the signal."""
        steps = values.reshape(len(values), self.n_steps, self.shape[-1])
        return steps.sum(axis=1) / np.sqrt(self.n_steps) @ self.directions.T


def check_modalities(modalities: Any) -> dict[str, tuple[int, ...]]:
    """Shapes: {"text": 8, "audio": (20, 4)} -> {"text": (8,), "audio": (20, 4)}."""
    if modalities is None:
        modalities = DEFAULT_MODALITIES
    if not isinstance(modalities, Mapping) or not modalities:
        raise TypeError(
            "modalities= is a dict of names to numbers of features, such as {'text': "
            f"8, 'audio': (20, 4)}}; got {modalities!r:.100}."
        )
    shapes = {}
    for name, given in modalities.items():
        check_modality_name(name)
        shape = tuple(given) if isinstance(given, (tuple, list)) else (given,)
        whole = all(isinstance(k, Integral) and int(k) >= 1 for k in shape)
        if len(shape) not in (1, 2) or not whole:
            raise ValueError(
                f"Modality {name!r} is {given!r:.60}; expected a number of features, "
                "or (n_steps, n_features) for a sequence."
            )
        shapes[name] = tuple(int(k) for k in shape)
    return shapes


def make_sources(
    names: Sequence[str], redundant: Any, unique: Any, synergistic: Any
) -> list[Source]:
    """The sources that have a share, in the order redundant, unique, synergistic."""
    everyone = tuple(names)
    given = {
        "redundant": {everyone: redundant} if _is_share(redundant) else redundant,
        "unique": (
            {name: unique / len(names) for name in names}
            if _is_share(unique)
            else unique
        ),
        "synergistic": (
            {everyone: synergistic} if _is_share(synergistic) else synergistic
        ),
    }
    sources = []
    for kind, shares in given.items():
        if not isinstance(shares, Mapping):
            raise TypeError(
                f"{kind}={shares!r:.80}: expected a share between 0 and 1, or a dict "
                "of modalities to shares."
            )
        for group, share in shares.items():
            group = (group,) if isinstance(group, str) else tuple(group)
            _check_source(kind, group, share, names)
            if share > 0:
                sources.append(Source(kind, group, float(share)))
    total = sum(source.share for source in sources)
    if total > 1 + 1e-9:
        raise ValueError(
            f"The shares add up to {total:.3g}: "
            f"{', '.join(f'{s.name} {s.share:.3g}' for s in sources)}. Together they "
            "are at most 1; what is left is told by none."
        )
    return sources


def _is_share(given: Any) -> bool:
    return isinstance(given, Real) and not isinstance(given, bool)


def _check_source(
    kind: str, group: tuple[str, ...], share: Any, names: Sequence[str]
) -> None:
    unknown = [name for name in group if name not in names]
    if unknown:
        raise ValueError(
            f"{kind}= names the modality {unknown[0]!r}; there are {list(names)}."
        )
    if not _is_share(share) or not 0 <= share <= 1:
        raise ValueError(
            f"{kind}: {' + '.join(group)} has the share {share!r:.40}; expected a "
            "number between 0 and 1."
        )
    fits = len(group) == 1 if kind == "unique" else len(group) > 1
    if share and (not fits or len(set(group)) < len(group)):
        one = "one modality" if kind == "unique" else "two modalities or more"
        raise ValueError(
            f"{kind} information is of {one}; got {group!r}. Set {kind}=0, or give "
            "other modalities."
        )


def make_modalities(
    shapes: dict[str, tuple[int, ...]], sources: list[Source], width: int, rng: Any
) -> dict[str, Modality]:
    """Give every source `width` directions in each of its modalities."""
    made = {}
    for name, shape in shapes.items():
        mine = [source for source in sources if name in source.group]
        needed, n_features = width * len(mine), shape[-1]
        if needed > n_features:
            raise ValueError(
                f"Modality {name!r} has {n_features} features; {len(mine)} sources of "
                f"information ({', '.join(s.name for s in mine)}) need {needed} "
                f"({width} each). Give it more features, or fewer sources or classes."
            )
        square = rng.normal(size=(n_features, max(needed, 1)))
        directions = np.linalg.qr(square)[0].T[:needed]
        slots = {s: slice(k * width, (k + 1) * width) for k, s in enumerate(mine)}
        made[name] = Modality(shape, directions, slots, width)
    return made


def subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Single modalities, pairs, and all."""
    sizes = sorted({1, min(2, len(names)), len(names)})
    return [group for size in sizes for group in combinations(names, size)]


def sources_table(sources: list[Source]) -> pd.DataFrame:
    """One row a source; the last is what none tells."""
    rows = [(s.name, s.kind, s.group, s.share) for s in sources]
    rows.append(("nobody", "none", (), 1 - sum(s.share for s in sources)))
    columns = ["source", "kind", "modalities", "share"]
    return pd.DataFrame(rows, columns=columns).set_index("source")


def check_missing(
    missing: Any, names: Sequence[str], n_levels: int, levels: str
) -> dict[str, np.ndarray]:
    """Rates at which each modality is missing, one for each level of y."""
    rates = missing if isinstance(missing, Mapping) else dict.fromkeys(names, missing)
    unknown = [name for name in rates if name not in names]
    if unknown:
        raise ValueError(
            f"missing= names the modality {unknown[0]!r}; there are {list(names)}."
        )
    found = {}
    for name, given in rates.items():
        rate = np.asarray(given, dtype=float)
        if rate.ndim == 0:
            rate = np.repeat(rate, n_levels)
        if rate.shape != (n_levels,) or not ((rate >= 0) & (rate <= 1)).all():
            raise ValueError(
                f"missing= of modality {name!r} is {given!r:.60}; expected a rate "
                f"between 0 and 1, or {n_levels} of them, one for {levels}."
            )
        if rate.any():
            found[name] = rate
    return found


def check_noise(noise: Any) -> float:
    if not _is_share(noise) or not 0 <= noise < np.inf:
        raise ValueError(f"noise={noise!r:.40}: expected a standard deviation >= 0.")
    return float(noise)


def check_n_samples(n_samples: Any) -> int:
    if not isinstance(n_samples, Integral) or n_samples < 1:
        raise ValueError(f"n_samples={n_samples!r:.40}: expected a positive integer.")
    return int(n_samples)
