"""A picture of the table of `missing_modality_curve`."""

from __future__ import annotations

from typing import Any

import pandas as pd

from skmultimodal.inspection._axes import GREY, axes_for, plain
from skmultimodal.inspection._missing_curve import ANY

_COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"]
_MARKERS = "osD^vP"
_NEEDED = ("modality", "fraction", "repeat", "score")


class MissingModalityDisplay:
    """Score against the share of absent modalities: one by one, and any at random.

    A line a modality, whose rows lose it, and a dark one for all modalities at random;
    bands are one standard deviation over the repeats on either side. A line that falls
    far belongs to a modality that the estimator needs; a line that rises, to one that
    harms.

    Parameters
    ----------
    results : DataFrame
        What :func:`missing_modality_curve` gave.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The figure around it.

    See Also
    --------
    missing_modality_curve : Makes the table.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import pandas as pd
    >>> from skmultimodal.inspection import MissingModalityDisplay
    >>> curve = pd.DataFrame({
    ...     "modality": ["any", "any", "text", "text"],
    ...     "fraction": [0.0, 1.0, 0.0, 1.0],
    ...     "repeat": 0,
    ...     "score": [0.9, 0.5, 0.9, 0.7],
    ... })
    >>> display = MissingModalityDisplay.from_results(curve)
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['text', 'any, at random']
    >>> plt.close(display.figure_)
    """

    def __init__(self, results: pd.DataFrame):
        self.results = results

    @classmethod
    def from_results(
        cls, results: pd.DataFrame, *, ax: Any = None
    ) -> MissingModalityDisplay:
        """Draw a table of `missing_modality_curve`.

        Parameters
        ----------
        results : DataFrame
            What :func:`missing_modality_curve` gave.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        MissingModalityDisplay

        Raises
        ------
        ValueError
            If `results` is no such table.
        ImportError
            If matplotlib is not installed.
        """
        return cls(results).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> MissingModalityDisplay:
        """Draw it, once more or elsewhere.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        MissingModalityDisplay
            The display itself.
        """
        missing = [c for c in _NEEDED if c not in getattr(self.results, "columns", ())]
        if missing:
            raise ValueError(
                f"results has no column {missing[0]!r}: give the table that "
                "missing_modality_curve returned."
            )
        ax = axes_for(ax, (6.4, 4.0), "MissingModalityDisplay")
        scores = self.results.groupby(["modality", "fraction"], sort=False)["score"]
        means = scores.mean().unstack(level=0)  # a row a fraction
        spread = scores.std().unstack(level=0).fillna(0)
        names = [name for name in means.columns if name != ANY]
        for k, name in enumerate(names):
            colour = _COLOURS[k % len(_COLOURS)]
            marker = _MARKERS[k % len(_MARKERS)]
            _draw(ax, name, means[name], spread[name], colour, marker, 1.6)
        if ANY in means.columns:
            _draw(ax, f"{ANY}, at random", means[ANY], spread[ANY], "0.15", "o", 2.6)
        ax.set_xlabel("share of rows that lack the modality")
        score = str(self.results.attrs.get("scoring", "score")).replace("_", " ")
        ax.set_ylabel(score)
        ax.set_xticks(means.index, [f"{share:.0%}" for share in means.index])
        plain(ax, "y")
        _order_legend(ax, means)
        self.ax_, self.figure_ = ax, ax.get_figure(root=True)
        return self


def _draw(
    ax: Any,
    label: str,
    mean: pd.Series,
    spread: pd.Series,
    colour: str,
    marker: str,
    width: float,
) -> None:
    x = mean.index.to_numpy()
    ax.plot(x, mean, marker=marker, ms=5, color=colour, lw=width, label=label)
    band = {"color": colour, "alpha": 0.15, "lw": 0}
    ax.fill_between(x, mean - spread, mean + spread, **band)


def _order_legend(ax: Any, means: pd.DataFrame) -> None:
    """Beside the lines, in the order in which they end."""
    handles, labels = ax.get_legend_handles_labels()
    ends = [line.get_ydata()[-1] for line in handles]
    order = sorted(range(len(labels)), key=lambda k: -ends[k])
    legend = ax.legend(
        [handles[k] for k in order],
        [labels[k] for k in order],
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        frameon=False,
        title="taken away",
    )
    legend.get_title().set_color(GREY)
