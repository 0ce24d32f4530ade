"""What was tried, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from skmultimodal.heads.auto._chosen import Candidate


@dataclass(frozen=True)
class Line:
    """One option: a candidate, or several in a pool."""

    name: str
    level: str
    parts: list[Candidate]
    loss: float
    error: float


def describe(
    lines: list[Line], chosen: str, members: list[Candidate], weights: np.ndarray
) -> pd.DataFrame:
    """A line an option; attrs["chosen"] names one, attrs["summary"] says it in words.

    A weight is the share of a candidate in what the pool says.
    """
    spread = [np.sqrt((c.scores**2).mean()) for c in members]
    size = weights * np.array(spread)
    share = dict(zip([c.name for c in members], size / max(np.sum(size), 1e-12)))
    rows = [
        {
            "candidate": line.name,
            "level": line.level,
            "loss": line.loss,
            "se": line.error,
            "weight": float(share.get(line.name, 0.0)),
            "folds": min(part.folds for part in line.parts),
            # of a pool: its parts have theirs
            "seconds": line.parts[0].seconds if len(line.parts) == 1 else 0.0,
        }
        for line in lines
    ]
    report = pd.DataFrame(rows).set_index("candidate")
    report.attrs["chosen"] = chosen
    report.attrs["summary"] = _summary(report, chosen)
    return report


def _summary(report: pd.DataFrame, chosen: str) -> str:
    # what the first fold ruled out was tested on other rows
    compared = report["folds"] == report["folds"].max()
    singles = report[(report["level"] == "single") & compared]
    taken = report.loc[chosen]
    said = f"Chosen: {chosen}, loss out of fold {taken['loss']:.4g}"
    if len(singles) and chosen not in singles.index:
        best = singles["loss"].idxmin()
        said += f"; best modality alone: {best}, {singles['loss'].min():.4g}"
    parts = report["weight"][report["weight"] > 0.005].sort_values(ascending=False)
    if len(parts) > 1:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in parts.items())
        said += f". Its parts: {shares}"
    return said + "."
