"""Differences to the best single modality, with intervals, in numbers and in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

SINGLE = "single"
CONFIDENCE = 0.95


def corrected_interval(
    differences: np.ndarray, test_to_train: float
) -> tuple[float, float]:
    """The interval of a mean over folds whose training parts overlap.

    differences: (k,), one a fold. The variance of their mean is not s² / k but
    (1 / k + n_test / n_train) s².
    """
    k = len(differences)
    if k < 2 or np.isnan(differences).any():
        return np.nan, np.nan
    mean, variance = differences.mean(), differences.var(ddof=1)
    error = np.sqrt((1 / k + test_to_train) * variance)
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, k - 1) * error
    return float(mean - reach), float(mean + reach)


def best_single(scores: np.ndarray, levels: list[str]) -> int | None:
    """Position of the single modality of the best mean; one with NaN does not count.

    scores: (n_candidates, k)
    """
    means = scores.mean(axis=1)
    singles = np.array([level == SINGLE for level in levels], dtype=bool)
    means = np.where(singles & ~np.isnan(means), means, -np.inf)
    best = int(np.argmax(means))
    return best if means[best] > -np.inf else None


def difference_columns(
    scores: np.ndarray, levels: list[str], test_to_train: float
) -> dict[str, np.ndarray]:
    """scores: (n_candidates, k) -> mean, sd, difference, low, high: (n_candidates,)"""
    k = scores.shape[1]
    best = best_single(scores, levels)
    apart = np.full_like(scores, np.nan) if best is None else scores - scores[best]
    bounds = [corrected_interval(row, test_to_train) for row in apart]
    return {
        "mean": scores.mean(axis=1),
        "sd": scores.std(axis=1, ddof=1) if k > 1 else np.full(len(scores), np.nan),
        "difference": apart.mean(axis=1),
        "low": np.array([low for low, _ in bounds]),
        "high": np.array([high for _, high in bounds]),
    }


def comparison_summary(results: pd.DataFrame) -> str:
    """Say in words whether fusion beat the best single modality beyond noise.

    Parameters
    ----------
    results : DataFrame
        What :func:`compare_fusions` gave, in any order, with or without some of its
        rows, also read again from a file. The best single modality must be among them.

    Returns
    -------
    str
        A few sentences. "Beyond noise" means that the 95 % interval of the paired
        difference does not hold 0.

    Raises
    ------
    ValueError
        If `results` has other columns, or has lost the row of the best single modality.

    See Also
    --------
    compare_fusions : Also keeps these words in ``results.attrs["summary"]``.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmultimodal.model_selection import comparison_summary
    >>> results = pd.DataFrame({
    ...     "level": ["single", "single", "feature"],
    ...     "mean": [0.70, 0.60, 0.81],
    ...     "difference": [0.0, -0.10, 0.11],
    ...     "low": [0.0, -0.15, 0.04],
    ...     "high": [0.0, -0.05, 0.18],
    ... }, index=["text alone", "image alone", "concat"])
    >>> print(comparison_summary(results))
    Fusion beat the best single modality beyond noise: concat has 0.810, text alone
    0.700 (difference +0.110, 95 % interval +0.040 to +0.180).
    """
    needed = ["level", "mean", "difference", "low", "high"]
    missing = [column for column in needed if column not in results.columns]
    if missing:
        raise ValueError(
            f"results has no column {missing[0]!r}: give the table that "
            "compare_fusions returned."
        )
    is_single = results["level"] == SINGLE
    fusions = results[~is_single & results["mean"].notna()]
    failed = [str(label) for label in results.index[results["mean"].isna()]]
    said = [_verdict(results[is_single], fusions, results.attrs)]
    if failed:
        said.append(f"Failed in some fold, and not compared: {', '.join(failed)}.")
    return " ".join(said)


def _verdict(singles: pd.DataFrame, fusions: pd.DataFrame, about: Any) -> str:
    scored = singles[singles["mean"].notna()]
    if not len(scored):
        return "No single modality has a score in every fold: nothing to compare with."
    best = scored.loc[scored["mean"].idxmax()]
    if best["difference"] != 0:
        raise ValueError(
            "results has lost the row of the best single modality, which all "
            "differences refer to. Leave it in."
        )
    name = str(best.name)
    score = f" ({about['scoring']})" if "scoring" in about else ""
    if len(singles) == 1:
        only = f"X has one modality: there is nothing to fuse with {name}, "
        if not len(fusions):
            return f"{only}which has {best['mean']:.3f}{score}."
    if not len(fusions):
        return f"No fusion to compare with {name}, which has {best['mean']:.3f}{score}."
    better, worse = fusions["low"] > 0, fusions["high"] < 0
    first = fusions[better] if better.any() else fusions
    top = first.loc[first["mean"].idxmax()]
    both = f"{top.name} has {top['mean']:.3f}, {name} {best['mean']:.3f}{score}"
    if np.isnan(top["low"]):
        return f"{both}; one split tells nothing of noise: give more folds."
    said = "Fusion beat" if better.any() else "No fusion beat"
    said += (
        f" the best single modality beyond noise: {both} (difference "
        f"{top['difference']:+.3f}, 95 % interval {top['low']:+.3f} to "
        f"{top['high']:+.3f})."
    )
    if better.any() and len(fusions) > 1:
        said += f" So did {_count(better.sum() - 1, len(fusions) - 1)} others."
    if worse.any():
        names = ", ".join(str(label) for label in fusions.index[worse])
        said += f" Worse than it beyond noise: {names}."
    if len(fusions) > 1:
        said += (
            f" The best of {len(fusions)} was chosen on the folds that scored it: try "
            "it on new rows before you quote its score."
        )
    return said


def _count(some: int, of: int) -> str:
    return f"{'none' if not some else 'all' if some == of else some} of {of}"
