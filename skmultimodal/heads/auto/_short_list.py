"""Which nets are tried, within what a search may take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from skmultimodal.fusion._base import known_fusions

FIRST = "concat"
CHEAP = "gated"  # whose step costs little more than the first's
DEEP = ("mmtm", "low_rank_tensor")  # where many rows decide: the first that is allowed
HIDING = 0.5  # rate of modality dropout that is tried where rows lack modalities
_OFTEN = 0.05  # share of cells of rows and modalities that are absent
_PROBES = 1.0  # of the budget: for probes, and because costs are estimates


@dataclass(frozen=True)
class Net:
    """One net to try."""

    name: str
    level: str
    fusion: str
    modality: str | None = None  # None: it takes all
    params: dict[str, Any] = field(default_factory=dict)


def first_nets(alone: str | None) -> list[Net]:
    """Those that are tried always; `alone` is a modality that may be enough."""
    found = [_net(FIRST)]
    if alone is not None:
        found.append(Net(f"{alone} alone", "single", FIRST, alone))
    return found


def further_nets(
    task: str, absent: float, hides: bool, decisive: bool
) -> Iterator[list[Net]]:
    """What may be tried too, by promise: of each list the first that is allowed.

    `absent` is the share of cells that rows lack, `hides` whether the head's own
    modality dropout is on, `decisive` whether one fold decides.
    """
    known = known_fusions()
    cheap = [_net(CHEAP)] if task in known[CHEAP].tasks else []
    if not decisive:
        yield cheap
    if absent >= _OFTEN and not hides:
        for net in [*cheap, _net(FIRST)]:
            label = f"{net.name}, modality_dropout={HIDING}"
            params = {"modality_dropout": HIDING}
            yield [replace(net, name=label, params=params)]
    if decisive:
        yield [_net(name) for name in DEEP if task in known[name].tasks]
        yield cheap


def _net(fusion: str) -> Net:
    return Net(fusion, known_fusions()[fusion].level, fusion)


@dataclass
class Budget:
    """A search takes at most as long as M + 5 trainings of the first net.

    `share` of the rows trains in a fold; what the first fold leaves is then trained
    `later` times as long as on all rows.
    """

    n_modalities: int
    share: float
    later: float
    fusions: list[float] = field(default_factory=list)  # costs, in those of the first
    alone: list[float] = field(default_factory=list)

    @property
    def limit(self) -> float:
        return self.n_modalities + 5 - _PROBES

    @property
    def keeps_alone(self) -> bool:
        """Whether a modality alone may go on after the first fold, beside the first.

        With few rows a fit on a part of them takes hardly less than one on all.
        """
        fits = self.share + self.later
        if self.later > 1:  # folds of few rows
            fits = 1 + self.later / self.share
        return fits * (1 + sum(self.alone)) <= self.n_modalities + 5 - 0.5 * _PROBES

    def allows(self, cost: float) -> bool:
        """Whether a fusion of this cost may be tried too."""
        tried = self.share * (sum(self.fusions) + cost + sum(self.alone))
        stays = max([*self.fusions, cost]) + sum(self.alone)  # at worst
        return tried + self.later * stays <= self.limit
