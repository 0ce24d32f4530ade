"""A picture of the table of `compare_fusions`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from skmultimodal.inspection._axes import GREY, axes_for, plain

# Okabe and Ito's colours, which the colour-blind can tell apart
_COLOURS = {
    "single": "0.2",
    "decision": "#E69F00",
    "feature": "#0072B2",
    "hierarchical": "#009E73",
    "relational": "#CC79A7",
}
_OTHER = "#56B4E9"
_DASHED = (0, (4, 3))
_ROW = 0.27  # inches
_MEAN, _FIT = 42, 84  # points from the axes to the end of a column of text
_SORTS = ("mean", "level", None)
_NEEDED = ("level", "mean", "difference", "low", "high", "fit_seconds")


class FusionComparisonDisplay:
    """Scores of single modalities and fusions, fold by fold, with intervals.

    A row a candidate, coloured by level: the large point is its mean over the folds,
    the faint ones below are the folds. The bar is the corrected 95 % interval of the
    difference to the best single modality, counted from the dashed line, which is that
    modality's mean. A bar that does not reach the line is a difference beyond noise,
    and its point is filled. Mean and seconds a fit stand to the right. Scores far below
    all others become an arrow at the edge.

    Parameters
    ----------
    results : DataFrame
        What :func:`~skmultimodal.model_selection.compare_fusions` gave.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The figure around it.

    See Also
    --------
    skmultimodal.model_selection.compare_fusions : Makes the table.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import pandas as pd
    >>> from skmultimodal.inspection import FusionComparisonDisplay
    >>> results = pd.DataFrame({
    ...     "level": ["single", "feature"],
    ...     "mean": [0.70, 0.80],
    ...     "difference": [0.0, 0.10],
    ...     "low": [0.0, 0.04],
    ...     "high": [0.0, 0.16],
    ...     "fit_seconds": [0.1, 0.3],
    ...     "fold_0": [0.69, 0.81],
    ...     "fold_1": [0.71, 0.79],
    ... }, index=["text alone", "concat"])
    >>> display = FusionComparisonDisplay.from_results(results)
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['concat', 'text alone']
    >>> plt.close(display.figure_)
    """

    def __init__(self, results: pd.DataFrame):
        self.results = results

    @classmethod
    def from_results(
        cls,
        results: pd.DataFrame,
        *,
        ax: Any = None,
        sort: str | None = "mean",
        highlight: Any = None,
    ) -> FusionComparisonDisplay:
        """Draw a table of `compare_fusions`.

        Parameters
        ----------
        results : DataFrame
            What :func:`~skmultimodal.model_selection.compare_fusions` gave.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure high enough for all rows.
        sort : {"mean", "level"} or None, default="mean"
            Best first, best first within each level, or as in the table.
        highlight : str or list of str, default=None
            Candidates to set in bold on a tinted ground.

        Returns
        -------
        FusionComparisonDisplay

        Raises
        ------
        ValueError
            If `results` is no such table, `sort` is not known, or `highlight` names a
            candidate that is not in it.
        ImportError
            If matplotlib is not installed.
        """
        return cls(results).plot(ax=ax, sort=sort, highlight=highlight)

    def plot(
        self, *, ax: Any = None, sort: str | None = "mean", highlight: Any = None
    ) -> FusionComparisonDisplay:
        """Draw it, once more or elsewhere.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure high enough for all rows.
        sort : {"mean", "level"} or None, default="mean"
            Best first, best first within each level, or as in the table.
        highlight : str or list of str, default=None
            Candidates to set in bold on a tinted ground.

        Returns
        -------
        FusionComparisonDisplay
            The display itself.
        """
        rows = _sorted(self.results, sort)
        names = [] if highlight is None else highlight
        names = [names] if isinstance(names, str) else list(names)
        for name in names:
            if name not in rows.index:
                raise ValueError(
                    f"highlight names {name!r}, which is no row of results. Its rows "
                    f"are {list(rows.index)}."
                )
        ax = axes_for(ax, (8.0, 1.4 + _ROW * len(rows)), "FusionComparisonDisplay")
        singles = rows[rows["level"] == "single"]["mean"].dropna()
        line = float(singles.max()) if len(singles) else np.nan
        if len(singles):
            ax.axvline(line, color="0.2", lw=1, ls=_DASHED, zorder=1)
        folds = rows[[c for c in rows.columns if str(c).startswith("fold_")]].to_numpy()
        places = np.arange(len(rows))[::-1]
        for place, (name, row), scores in zip(places, rows.iterrows(), folds):
            _draw_row(ax, place, row, scores, line)
            _write_row(ax, place, row, name in names)
        ends = np.column_stack([folds, line + rows["low"], rows["mean"]])
        _cut_far_off(ax, rows["mean"].to_numpy(), ends, places)
        labels = ax.set_yticks(places, [str(name) for name in rows.index])
        for tick, name in zip(labels, rows.index):
            if name in names:
                tick.label1.set_fontweight("bold")
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(-0.7, len(rows) - 0.3)
        _write_heads(ax, len(rows))
        score = str(self.results.attrs.get("scoring", "score")).replace("_", " ")
        ax.set_xlabel(score)
        plain(ax, "x")
        ax.spines["left"].set_visible(False)
        _write_legend(ax, rows)
        self.ax_, self.figure_ = ax, ax.get_figure(root=True)
        return self


def _sorted(results: pd.DataFrame, sort: str | None) -> pd.DataFrame:
    missing = [c for c in _NEEDED if c not in getattr(results, "columns", ())]
    if missing:
        raise ValueError(
            f"results has no column {missing[0]!r}: give the table that "
            "compare_fusions returned."
        )
    if sort not in _SORTS:
        raise ValueError(f"sort={sort!r} is not known; give one of {list(_SORTS)}.")
    if sort is None:
        return results
    rows = results.sort_values("mean", ascending=False, kind="stable")
    if sort == "level":
        order = {level: rank for rank, level in enumerate(_COLOURS)}
        ranks = rows["level"].map(lambda level: order.get(level, len(order)))
        rows = rows.iloc[np.argsort(ranks.to_numpy(), kind="stable")]
    return rows


def _colour(level: str) -> str:
    return _COLOURS.get(level, _OTHER)


def _draw_row(
    ax: Any, place: int, row: pd.Series, scores: np.ndarray, line: float
) -> None:
    colour = _colour(row["level"])
    ax.scatter(
        scores, np.full(len(scores), place - 0.24), s=9, c=colour, alpha=0.4, lw=0
    )
    if np.isnan(row["mean"]):
        return
    clear = row["low"] > 0 or row["high"] < 0
    if row["low"] < row["high"]:
        ends = [line + row["low"], line + row["high"]]
        ax.plot(ends, [place] * 2, color=colour, lw=2, solid_capstyle="butt", zorder=2)
    ax.plot(
        row["mean"],
        place,
        "o",
        ms=7,
        mew=1.6,
        mec=colour,
        mfc=colour if clear or row["difference"] == 0 else "white",
        zorder=3,
    )


def _cut_far_off(
    ax: Any, means: np.ndarray, ends: np.ndarray, places: np.ndarray
) -> None:
    """Scores far below all others are an arrow at the edge: the number tells them.

    ends: (n_rows, k) all that is drawn of a row
    """
    known = means[~np.isnan(means)]
    if not len(known):
        return
    usual = np.quantile(known, 0.25)
    far = means < usual - 5 * (known.max() - usual)
    if not far.any():
        return
    left, right = np.nanmin(ends[~far]), ax.dataLim.x1
    margin = 0.04 * (right - left)
    ax.set_xlim(left - margin, right + margin)
    for place in places[far]:
        ax.plot(left - margin / 2, place, "<", color=GREY, ms=6)


def _write_row(ax: Any, place: int, row: pd.Series, bold: bool) -> None:
    """Mean and seconds, to the right of the axes."""
    mean = "failed" if np.isnan(row["mean"]) else f"{row['mean']:.3f}"
    weight = "bold" if bold else "normal"
    _write(ax, place, _MEAN, mean, size=9, weight=weight)
    _write(ax, place, _FIT, _seconds(row["fit_seconds"]), size=9, color=GREY)
    if bold:
        ax.axhspan(place - 0.5, place + 0.5, color=_colour(row["level"]), alpha=0.12)


def _write_heads(ax: Any, n_rows: int) -> None:
    for column, head in ((_MEAN, "mean"), (_FIT, "fit")):
        _write(ax, n_rows - 0.2, column, head, size=8, color=GREY)


def _write(ax: Any, place: float, points: float, text: str, **style: Any) -> None:
    """Text that ends so many points to the right of the axes."""
    ax.annotate(
        text,
        (1, place),
        xycoords=ax.get_yaxis_transform(),
        xytext=(points, 0),
        textcoords="offset points",
        va="center",
        ha="right",
        annotation_clip=False,
        **style,
    )


def _seconds(seconds: float) -> str:
    if np.isnan(seconds):
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s" if seconds >= 0.05 else "<0.1 s"
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"


def _write_legend(ax: Any, rows: pd.DataFrame) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.transforms import ScaledTranslation

    found = list(dict.fromkeys(rows["level"]))
    levels = [level for level in _COLOURS if level in found]
    handles = [
        Line2D([], [], ls="", marker="o", ms=7, color=_colour(level), label=level)
        for level in [*levels, *(level for level in found if level not in levels)]
    ]
    name = "best single modality"
    handles.append(Line2D([], [], color="0.2", lw=1, ls=_DASHED, label=name))
    style: dict[str, Any] = {"marker": "o", "ms": 7, "mfc": "white", "mew": 1.6}
    name = "difference within noise"
    handles.append(Line2D([], [], color=GREY, lw=2, label=name, **style))
    figure = ax.get_figure(root=True)
    below = ScaledTranslation(_FIT / 72, -40 / 72, figure.dpi_scale_trans)
    ax.legend(
        handles=handles,
        loc="upper right",
        bbox_to_anchor=(1, 0),
        bbox_transform=ax.transAxes + below,
        ncols=4,
        frameon=False,
        fontsize=9,
        borderaxespad=0,
        handletextpad=0.6,
        columnspacing=1.4,
    )
