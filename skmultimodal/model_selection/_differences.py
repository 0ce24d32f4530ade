"""Differences of fold scores, their interval, and what they say in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

_CONFIDENCE = 0.95


def corrected_interval(
    differences: np.ndarray, test_share: float
) -> tuple[float, float]:
    """The 95 % interval of a mean over folds whose training rows overlap.

    differences: (k,), test_share: n_test / n_train. The variance of the mean is
    s² (1 / k + n_test / n_train), with k - 1 degrees of freedom (Nadeau and Bengio).
    """
    k = len(differences)
    if k < 2 or not np.isfinite(differences).all():
        return np.nan, np.nan
    error = differences.std(ddof=1) * np.sqrt(1 / k + test_share)
    half = float(stats.t.ppf((1 + _CONFIDENCE) / 2, k - 1) * error)
    return float(differences.mean()) - half, float(differences.mean()) + half


def fold_columns(results: pd.DataFrame) -> list[str]:
    """Columns with the score of a fold."""
    return [c for c in results.columns if str(c).startswith("fold_")]


def best_single(results: pd.DataFrame) -> Any:
    """Label of the best single modality; None where none has a score."""
    means = results.loc[results["level"] == "single", "mean"].dropna()
    known = results.attrs.get("best_single")  # of several that are equal
    if known in means.index:
        return known
    return means.idxmax() if len(means) else None


def add_differences(results: pd.DataFrame, test_share: float) -> pd.DataFrame:
    """With the columns difference, low and high behind mean and sd."""
    scores = results[fold_columns(results)]
    reference = best_single(results)
    found = np.full((len(results), 3), np.nan)
    if reference is not None:
        gaps = (scores - scores.loc[reference]).to_numpy(dtype=float)
        for row, gap in enumerate(gaps):
            found[row] = gap.mean(), *corrected_interval(gap, test_share)
    place = results.columns.get_loc("sd") + 1
    for column, name in enumerate(("difference", "low", "high")):
        results.insert(place + column, name, found[:, column])
    results.attrs["best_single"] = reference
    return results


def summarize_comparison(results: pd.DataFrame) -> str:
    """Say in words whether fusion beat the best single modality beyond noise.

    Parameters
    ----------
    results : DataFrame
        What :func:`compare_fusions` gave; rows may have been sorted or dropped since,
        or the table may have been read from a file. The best single modality must
        still be there.

    Returns
    -------
    str
        Two to four sentences.

    Raises
    ------
    ValueError
        If columns of the table are missing, or the row of the best single modality.

    Notes
    -----
    Beyond noise means that the 95 % interval of a fusion's difference to the best
    single modality lies above zero. The more fusions are tried, the more easily one
    does so by luck: where the interval that holds for all of them at once (Bonferroni)
    contains zero, the text says so.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal import pack
    >>> from skmultimodal.model_selection import compare_fusions, summarize_comparison
    >>> rng = np.random.default_rng(0)
    >>> text, noise = rng.normal(size=(2, 200, 3))
    >>> y = text.sum(axis=1) > 0
    >>> results = compare_fusions(
    ...     pack({"text": text, "noise": noise}), y, "block_pca", random_state=0
    ... )
    >>> said = summarize_comparison(results.sort_values("mean"))
    >>> said == results.attrs["summary"]
    True
    """
    needed = ["level", "mean", "difference", "low", "high"]
    missing = [name for name in needed if name not in results.columns]
    if missing:
        raise ValueError(
            f"results has no column {missing[0]!r}; give the table that "
            "compare_fusions returns."
        )
    return " ".join(_sentences(results))


def _sentences(results: pd.DataFrame) -> list[str]:
    scoring = results.attrs.get("scoring", "score")
    singles = results[results["level"] == "single"]
    others = results[results["level"] != "single"]
    fusions = _best_first(others.dropna(subset="mean"))
    reference = best_single(results)
    if reference is None:
        return ["No single modality has a score: there is nothing to compare with."]
    if results.loc[reference, "difference"] != 0:
        raise ValueError(
            "results has lost the row of the best single modality, to which all "
            "differences refer. Leave it in."
        )
    best = f"{reference}, {scoring} {singles['mean'].max():.4g}"
    said = []
    if results.attrs.get("n_modalities") == 1:
        said.append("X has one modality only: there is nothing to fuse.")
    if not len(fusions):
        return [*said, f"No fusion has a score; the best single modality is {best}."]
    better = fusions[fusions["low"] > 0]
    worse = fusions[fusions["high"] < 0]
    top = (better if len(better) else fusions).index[0]
    row = fusions.loc[top]
    above = "above" if row["difference"] >= 0 else "below"
    interval = f"95 % interval {row['low']:+.3g} to {row['high']:+.3g}"
    if not np.isfinite(row["low"]):
        interval = "no interval: that needs two folds"
    if len(better):
        said.append("Fusion beats the best single modality beyond noise.")
    else:
        said.append("No fusion beats the best single modality beyond noise.")
    said.append(
        f"{top}, {scoring} {row['mean']:.4g}, is {abs(row['difference']):.3g} {above} "
        f"the best single modality ({best}); {interval}."
    )
    if len(fusions) > 1:
        said.append(
            f"Of {len(fusions)} fusions, better beyond noise: {len(better)}; worse: "
            f"{len(worse)}."
        )
    failed = others.index.difference(fusions.index, sort=False)
    if len(failed):
        said.append(f"Failed: {', '.join(map(str, failed))}.")
    if len(better) and _for_all(row, len(fusions), results) <= 0:
        said.append(
            f"With {len(fusions)} tried, that may still be luck: the interval that "
            "holds for all of them at once contains zero. Confirm it on new rows."
        )
    return said


def _best_first(fusions: pd.DataFrame) -> pd.DataFrame:
    """In one order, however the rows stood before."""
    names = fusions.index.map(str)
    keys = fusions[["mean", "low"]].assign(name=names)
    order = keys.reset_index(drop=True).sort_values(
        ["mean", "low", "name"], ascending=[False, False, True]
    )
    return fusions.iloc[order.index]


def _for_all(row: pd.Series, n_fusions: int, results: pd.DataFrame) -> float:
    """Lower end of the interval that holds for all fusions at once."""
    degrees = len(fold_columns(results)) - 1
    if degrees < 1:
        return np.nan
    outside = 1 - _CONFIDENCE
    one = stats.t.ppf(1 - outside / 2, degrees)
    every = stats.t.ppf(1 - outside / 2 / n_fusions, degrees)
    return float(row["difference"] - (row["difference"] - row["low"]) * every / one)
