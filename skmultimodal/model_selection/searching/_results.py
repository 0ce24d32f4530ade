"""What became of one candidate on one fold."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Number
from typing import Any

from sklearn.metrics._scorer import _MultimetricScorer

from skmultimodal.model_selection.searching._problem import SearchProblem


@dataclass
class Result:
    """Scores and times of one fit, or its error."""

    candidate: int
    fold: int
    test_scores: Any = None  # a number, or a dict of them
    train_scores: Any = None
    n_test_samples: int = 0
    fit_time: float = 0.0  # as if it had been fitted alone
    score_time: float = 0.0
    fit_error: str | None = None
    seconds: float = 0.0  # what it really took, its share of what others share
    stack: str | None = None  # the stack that it trained in; None: alone
    alone: str | None = None  # why
    paused: Any = None  # where its training can go on

    def as_line(self) -> dict[str, Any]:
        """What is kept of it in a file."""
        line = dict(vars(self))
        del line["paused"]  # weights: from a file, training starts again
        return line

    def as_out(self, return_train_score: bool) -> dict[str, Any]:
        """In the form of scikit-learn's `_fit_and_score`."""
        names = ["fit_error", "test_scores", "n_test_samples", "fit_time", "score_time"]
        names += ["train_scores"] * return_train_score
        return {name: getattr(self, name) for name in names}


def set_error_score(problem: SearchProblem, result: Result) -> None:
    """The score of a fit that has failed, where names of scores are known of each."""
    given = problem.error_score
    assert isinstance(given, Number)
    if isinstance(problem.scorer, _MultimetricScorer):
        result.test_scores = dict.fromkeys(problem.scorer._scorers, given)
        result.train_scores = dict.fromkeys(problem.scorer._scorers, given)
    else:
        result.test_scores = result.train_scores = given
