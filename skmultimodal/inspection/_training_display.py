"""A picture of the losses of a fitted head, epoch by epoch."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pandas as pd

from skmultimodal.inspection._axes import GREY, axes_for, plain
from skmultimodal.inspection._training_curve import training_curve

_TRAIN, _VALID = "#0072B2", "#E69F00"
_NEEDED = ("fold", "epoch", "train_loss", "valid_loss", "lr", "kept")
_BELOW, _HEIGHT = 0.7, 0.5  # inches: the panel of the learning rate
_LETTER = 0.53  # width of a letter by its height, on average
_TITLE = 9.5  # points


class TrainingCurveDisplay:
    """Training and validation loss by epoch, and whether the model overfits.

    The point is the epoch whose weights the model has: with early stopping that of the
    lowest validation loss. Where validation loss rises after it, the rise is tinted. A
    narrow panel below has the learning rate, and the title says in words what is to be
    seen. Several nets, one a fold of ``fusion="auto"``, are as many thin lines.

    Parameters
    ----------
    results : DataFrame
        What :func:`training_curve` gave.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the losses are drawn.
    lr_ax_ : matplotlib Axes
        Where the learning rate is drawn.
    figure_ : matplotlib Figure
        The figure around them.
    summary_ : str
        What the title says.

    See Also
    --------
    training_curve : Makes the table and the words.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skmultimodal.datasets import make_multimodal_classification
    >>> from skmultimodal.heads import FusionClassifier
    >>> from skmultimodal.inspection import TrainingCurveDisplay
    >>> X, y = make_multimodal_classification(300, random_state=0)
    >>> head = FusionClassifier(early_stopping=True, random_state=0).fit(X, y)
    >>> display = TrainingCurveDisplay.from_estimator(head)
    >>> display.summary_  # doctest: +ELLIPSIS
    'Validation loss was lowest at epoch ...
    >>> plt.close(display.figure_)
    """

    def __init__(self, results: pd.DataFrame):
        self.results = results

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, candidate: str | None = None, ax: Any = None
    ) -> TrainingCurveDisplay:
        """Draw the training of a head, or of the head that a Pipeline ends in.

        Parameters
        ----------
        estimator : fitted estimator
            A head, a Pipeline that ends in one, or a search over them.
        candidate : str, default=None
            With ``fusion="auto"``, the net to draw; None is the one with the largest
            share in what is predicted.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        TrainingCurveDisplay

        Raises
        ------
        TypeError
            If the estimator is no head and does not end in one.
        ValueError
            If `candidate` was not trained, or is None where ``fusion="auto"`` predicts
            by linear models alone.
        NotFittedError
            If the estimator is not fitted.
        ImportError
            If matplotlib is not installed.
        """
        return cls(training_curve(estimator, candidate=candidate)).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> TrainingCurveDisplay:
        """Draw it, once more or elsewhere.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        TrainingCurveDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `results` is no table of :func:`training_curve`.
        """
        missing = [c for c in _NEEDED if c not in getattr(self.results, "columns", ())]
        if missing:
            raise ValueError(
                f"results has no column {missing[0]!r}: give the table that "
                "training_curve returned."
            )
        ax = axes_for(ax, (7.2, 4.6), "TrainingCurveDisplay")
        below = _axes_below(ax)
        folds = [part for _, part in self.results.groupby("fold")]
        for k, part in enumerate(folds):
            _draw(ax, part, thin=len(folds) > 1, first=k == 0)
            below.plot(part["epoch"], part["lr"], color=GREY, lw=1.2)
        ax.set_ylabel("loss")
        ax.tick_params(labelbottom=False, length=0)
        below.set_xlabel("epoch")
        below.set_ylabel("learning\nrate", color=GREY, size=8)
        below.set_ylim(0, 1.15 * float(self.results["lr"].max()))
        below.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
        below.yaxis.get_offset_text().set(size=7, color=GREY)
        below.tick_params(axis="y", labelsize=7, labelcolor=GREY)
        below.locator_params(axis="x", integer=True)
        below.locator_params(axis="y", nbins=2)
        for axes in (ax, below):
            plain(axes, "y")
        self.summary_ = str(self.results.attrs.get("summary", ""))
        _write_title(ax, self.summary_)
        ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
        self.ax_, self.lr_ax_ = ax, below
        self.figure_ = ax.get_figure(root=True)
        return self


def _axes_below(ax: Any) -> Any:
    """A panel of fixed height, so that a layout knows at once what it needs."""
    from matplotlib.transforms import ScaledTranslation, blended_transform_factory

    figure = ax.get_figure(root=True)
    # inches from the lower edge of the axes
    down = figure.dpi_scale_trans + ScaledTranslation(0, 0, ax.transAxes)
    place = blended_transform_factory(ax.transAxes, down)
    return ax.inset_axes((0, -_BELOW, 1, _HEIGHT), transform=place, sharex=ax)


def _draw(ax: Any, part: pd.DataFrame, *, thin: bool, first: bool) -> None:
    """The losses of one net: (n_epochs, 6)"""
    width, alpha = (1.0, 0.6) if thin else (2.0, 1.0)
    lines = [("train_loss", "training", _TRAIN)]
    if part["valid_loss"].notna().any():
        lines.append(("valid_loss", "validation", _VALID))
    for column, label, colour in lines:
        ax.plot(
            part["epoch"],
            part[column],
            color=colour,
            lw=width,
            alpha=alpha,
            marker="." if len(part) == 1 else None,
            label=label if first else None,
        )
    kept = part[part["kept"]]
    column = lines[-1][0]
    if not thin:
        _tint_rise(ax, part)
        ax.axvline(kept["epoch"].iloc[0], color="0.2", lw=1, ls=(0, (4, 3)), zorder=1)
    label = "kept" if thin else f"epoch {kept['epoch'].iloc[0]}, kept"
    style = {"mfc": "white", "mew": 1.6, "mec": "0.2", "ms": 4 if thin else 7}
    ax.plot(
        kept["epoch"],
        kept[column],
        ls="",
        marker="o",
        zorder=3,
        label=label if first else None,
        **style,
    )


def _tint_rise(ax: Any, part: pd.DataFrame) -> None:
    """What validation loss is above its lowest, after that."""
    valid = part["valid_loss"].to_numpy()
    if np.isnan(valid).all():
        return
    after = part.iloc[int(np.nanargmin(valid)) :]
    low, high = np.nanmin(valid), after["valid_loss"]
    ax.fill_between(after["epoch"], low, high, color=_VALID, alpha=0.15, lw=0)


def _write_title(ax: Any, text: str) -> None:
    """In lines as long as the axes are wide."""
    inches = ax.bbox.width / ax.get_figure(root=True).dpi
    n_letters = max(30, int(inches * 72 / (_TITLE * _LETTER)))
    ax.set_title(textwrap.fill(text, n_letters), loc="left", size=_TITLE)
