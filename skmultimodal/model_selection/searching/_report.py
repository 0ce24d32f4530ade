"""What a search has done, a row a candidate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils._pprint import _changed_params

from skmultimodal.fusion import NeuralFusion
from skmultimodal.fusion._base import fusion_name
from skmultimodal.model_selection.searching._results import Result


def make_report(
    results: dict[str, Any], fits: list[Result], score: str
) -> pd.DataFrame:
    """Candidate, rank, mean, sd, seconds, group, and the parameters, best first."""
    candidates = results["params"]
    seconds = np.zeros(len(candidates))
    why: list[str | None] = [None] * len(candidates)
    for fit in fits:
        seconds[fit.candidate] += fit.seconds
        why[fit.candidate] = why[fit.candidate] or fit.alone
    report = pd.DataFrame(
        {
            "candidate": np.arange(len(candidates)),
            "rank": results[f"rank_test_{score}"],
            "mean": results[f"mean_test_{score}"],
            "sd": results[f"std_test_{score}"],
            "seconds": seconds,
            "group": pd.array(_groups(fits, len(candidates)), dtype="Int64"),
            "alone": pd.Series(why, dtype=object),
        }
    )
    names = [name for name in results if name.startswith("param_")]
    for name in names:
        held = results[name]
        mask = np.ma.getmaskarray(held)
        cells = [
            None if masked else readable(value)
            for value, masked in zip(held.data, mask)
        ]
        report[name.removeprefix("param_")] = pd.Series(cells, dtype=object)
    rounds = results.get("iter", np.zeros(len(candidates)))  # of a halving search
    order = np.lexsort((results[f"rank_test_{score}"], -np.asarray(rounds)))
    return report.iloc[order].reset_index(drop=True)


def _groups(fits: list[Result], n_candidates: int) -> list[int | None]:
    """A number for the candidates that have trained in one stack, on any fold."""
    leader = list(range(n_candidates))

    def find(k: int) -> int:
        while leader[k] != k:
            k = leader[k]
        return k

    members: dict[str, int] = {}
    stacked = set()
    for fit in fits:
        if fit.stack is not None:
            stacked.add(fit.candidate)
            first = members.setdefault(fit.stack, fit.candidate)
            a, b = find(first), find(fit.candidate)
            leader[max(a, b)] = min(a, b)
    numbers: dict[int, int] = {}
    groups: list[int | None] = []
    for k in range(n_candidates):
        in_stack = k in stacked
        number = numbers.setdefault(find(k), len(numbers)) if in_stack else None
        groups.append(number)
    return groups


def readable(value: Any) -> Any:
    """A parameter as a person would write it: estimators and fusions in short."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, BaseEstimator | NeuralFusion):
        name = (
            fusion_name(type(value))
            if isinstance(value, NeuralFusion)
            else type(value).__name__
        )
        changed = _changed_params(value).items()
        inner = ", ".join(f"{k}={readable(v)!r}" for k, v in changed)
        return f"{name}({inner})" if inner else name
    return value
