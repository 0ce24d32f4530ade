"""A picture of a search: its scores, by one of the parameters."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skmultimodal.inspection._axes import GREY, axes_for, plain
from skmultimodal.model_selection.searching import readable

# Okabe and Ito's colours, which the colour-blind can tell apart
_BEST, _OTHERS = "#D55E00", "#0072B2"
_ROW = 0.42  # inches
_SPREAD = 0.3  # of a row, over which its candidates are spread
_SHORTEST = 24  # characters of a value


class SearchDisplay:
    """Scores of a search by fusion, or by any other parameter, with folds as points.

    A row a value of the parameter; in it each candidate that has it: the large point is
    its mean over the folds, the small ones are the folds, the line joins the lowest
    to the highest. The best candidate is coloured; where several parameters were
    searched, those of the best of each row stand to the right.

    Parameters
    ----------
    results : dict
        The `cv_results_` of a search.
    parameter : str
        The parameter to show, as `cv_results_` names it, without ``param_``.
    score : str, default="score"
        Name of the score, of several.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The figure around it.

    See Also
    --------
    skmultimodal.model_selection.FusionSearchCV : Makes the results.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skmultimodal.datasets import make_multimodal_classification
    >>> from skmultimodal.heads import FusionClassifier
    >>> from skmultimodal.inspection import SearchDisplay
    >>> from skmultimodal.model_selection import FusionSearchCV
    >>> X, y = make_multimodal_classification(120, random_state=0)
    >>> search = FusionSearchCV(
    ...     FusionClassifier(max_epochs=3, random_state=0),
    ...     {"fusion": ["concat", "gated"]}, cv=3,
    ... ).fit(X, y)
    >>> display = SearchDisplay.from_search(search)
    >>> sorted(label.get_text() for label in display.ax_.get_yticklabels())
    ['concat', 'gated']
    >>> plt.close(display.figure_)
    """

    def __init__(self, results: dict[str, Any], parameter: str, score: str = "score"):
        self.results = results
        self.parameter = parameter
        self.score = score

    @classmethod
    def from_search(
        cls,
        search: Any,
        *,
        parameter: str | None = None,
        score: str | None = None,
        ax: Any = None,
    ) -> SearchDisplay:
        """Draw the results of a fitted search.

        Parameters
        ----------
        search : FusionSearchCV or any search of scikit-learn
            Fitted, or interrupted.
        parameter : str, default=None
            The parameter to show, ``"head__lr"``. None is the fusion where it was
            searched, otherwise the first parameter.
        score : str, default=None
            One of several scores; None is the one that `refit` names, or the first.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure high enough for all rows.

        Returns
        -------
        SearchDisplay

        Raises
        ------
        ValueError
            If `parameter` was not searched, or there is no such score.
        ImportError
            If matplotlib is not installed.
        """
        check_is_fitted(search, "cv_results_")
        results = search.cv_results_
        names = _named(results, "param_")
        scores = _named(results, "mean_test_")
        parameter = _default_parameter(names) if parameter is None else parameter
        if score is None:
            refit = getattr(search, "refit", None)
            score = refit if isinstance(refit, str) and refit in scores else scores[0]
        return cls(results, parameter, score).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> SearchDisplay:
        """Draw it, once more or elsewhere.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure high enough for all rows.

        Returns
        -------
        SearchDisplay
            The display itself.
        """
        _check_name(self.parameter, _named(self.results, "param_"), "parameter")
        _check_name(self.score, _named(self.results, "mean_test_"), "score")
        rows = self._rows()
        ax = axes_for(ax, (7.5, 1.2 + _ROW * len(rows)), "SearchDisplay")
        means = np.asarray(self.results[f"mean_test_{self.score}"])
        best = self._best(means)
        for place, (_, members) in enumerate(reversed(rows)):
            self._draw_row(ax, place, members, means, best)
        ax.set_yticks(np.arange(len(rows)), [label for label, _ in reversed(rows)])
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(-0.6, len(rows) - 0.4)
        ax.set_xlabel(self.score.replace("_", " "))
        ax.set_ylabel(self.parameter)
        plain(ax, "x")
        ax.spines["left"].set_visible(False)
        self.ax_, self.figure_ = ax, ax.get_figure(root=True)
        return self

    def _rows(self) -> list[tuple[str, list[int]]]:
        """Candidates by value: numbers in their order, others best first."""
        column = self.results[f"param_{self.parameter}"]
        mask = np.ma.getmaskarray(column)
        values = [
            None if masked else readable(value)
            for value, masked in zip(np.ma.getdata(column), mask)
        ]
        members: dict[str, list[int]] = {}
        numbers: dict[str, Any] = {}
        for k, (value, masked) in enumerate(zip(values, mask)):
            label = "(not set)" if masked else _short(value)
            members.setdefault(label, []).append(k)
            numbers[label] = value
        if all(isinstance(v, Real) for v in numbers.values()):
            return sorted(members.items(), key=lambda item: numbers[item[0]])
        means = np.nan_to_num(self.results[f"mean_test_{self.score}"], nan=-np.inf)
        return sorted(members.items(), key=lambda item: -max(means[item[1]]))

    def _draw_row(
        self, ax: Any, place: int, members: list[int], means: np.ndarray, best: int
    ) -> None:
        folds = self._folds()
        offsets = np.linspace(_SPREAD, -_SPREAD, len(members) + 2)[1:-1]
        for k, offset in zip(members, offsets):
            y, scores = place + offset, folds[:, k]
            known = scores[np.isfinite(scores)]
            if not len(known):
                continue
            colour = _BEST if k == best else _OTHERS
            ax.plot([known.min(), known.max()], [y, y], color=colour, lw=1, alpha=0.5)
            ax.scatter(known, np.full(len(known), y), s=9, c=colour, alpha=0.5, lw=0)
            if np.isfinite(means[k]):
                ax.plot(means[k], y, "o", ms=6, mec="white", mew=0.6, color=colour)
        leader = max(members, key=lambda k: np.nan_to_num(means[k], nan=-np.inf))
        self._write(ax, place, leader, means[leader], leader == best)

    def _best(self, means: np.ndarray) -> int:
        """The best candidate, of the last round of a halving search; -1: none."""
        rounds = np.asarray(self.results.get("iter", np.zeros(len(means))))
        means = np.where(rounds == rounds.max(), means, np.nan)
        return int(np.nanargmax(means)) if np.isfinite(means).any() else -1

    def _folds(self) -> np.ndarray:
        """(n_folds, n_candidates)"""
        end = f"_test_{self.score}"
        names = [n for n in self.results if n.startswith("split") and n.endswith(end)]
        return np.array([self.results[name] for name in names])

    def _write(self, ax: Any, place: int, k: int, mean: float, best: bool) -> None:
        """Mean and other parameters of the best candidate of a row."""
        others = [
            f"{name.rpartition('__')[2]}={_short(readable(value))}"
            for name, value in self.results["params"][k].items()
            if name != self.parameter
        ]
        text = "failed" if np.isnan(mean) else f"{mean:.3f}"
        ax.annotate(
            "  ".join([text, ", ".join(others)]).rstrip(),
            (1, place),
            xycoords=ax.get_yaxis_transform(),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            size=8,
            color=_BEST if best else GREY,
            annotation_clip=False,
        )


def _named(results: dict[str, Any], start: str) -> list[str]:
    return [n.removeprefix(start) for n in results if n.startswith(start)]


def _default_parameter(names: list[str]) -> str:
    if not names:
        raise ValueError("Nothing was searched: the grid has no parameter.")
    return next((n for n in names if n.rpartition("__")[2] == "fusion"), names[0])


def _check_name(name: str, known: list[str], what: str) -> None:
    if name not in known:
        raise ValueError(
            f"{what}={name!r} is not in the results of the search, which has {known}."
        )


def _short(value: Any) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _SHORTEST else f"{text[: _SHORTEST - 1]}…"
