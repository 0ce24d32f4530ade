"""How likely a model finds what was said, in units that tokenisers do not change."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length, column_or_1d

from skmultimodal.metrics._texts import texts, words


def perplexity_score(y_true, log_likelihoods):
    """Perplexity a word of what was said.

    The exponential of the mean negative log-likelihood of a word, where the end of a
    text counts as a word. Models that split texts into other tokens can be compared;
    the perplexity of tokens, which ``FusionGenerator.perplexity`` gives, cannot.

    Parameters
    ----------
    y_true : array-like of str of shape (n_samples,)
        What was said. Words are counted as ``\\w+|[^\\w\\s]``, marks one by one.
    log_likelihoods : array-like of shape (n_samples,)
        Natural logarithm of the probability of each whole text with its end, as
        ``FusionGenerator.log_likelihood`` gives it.

    Returns
    -------
    float
        From 1 on; lower is better.

    Raises
    ------
    TypeError
        If a row is no text.
    ValueError
        If there are no rows, or not as many of both, or a log-likelihood is above 0
        or NaN.

    See Also
    --------
    bits_per_character : The same a character.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal.metrics import perplexity_score
    >>> round(perplexity_score(["a house"], [3 * np.log(1 / 8)]), 6)
    8.0
    """
    said, total = _checked(y_true, log_likelihoods)
    return float(np.exp(-total / sum(len(words(text)) + 1 for text in said)))


def bits_per_character(y_true, log_likelihoods):
    """Bits a character of what was said.

    Parameters
    ----------
    y_true : array-like of str of shape (n_samples,)
        What was said; its end counts as a character.
    log_likelihoods : array-like of shape (n_samples,)
        Natural logarithm of the probability of each whole text with its end, as
        ``FusionGenerator.log_likelihood`` gives it.

    Returns
    -------
    float
        From 0 on; lower is better.

    Raises
    ------
    TypeError
        If a row is no text.
    ValueError
        If there are no rows, or not as many of both, or a log-likelihood is above 0
        or NaN.

    See Also
    --------
    perplexity_score : The same a word, as a perplexity.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal.metrics import bits_per_character
    >>> bits_per_character(["yes"], [8 * np.log(1 / 2)])
    2.0
    """
    said, total = _checked(y_true, log_likelihoods)
    return float(-total / np.log(2) / sum(len(text) + 1 for text in said))


def neg_perplexity_scorer(estimator, X, y):
    """Scorer for searches: minus the perplexity a word of what was said.

    No metric of ``(y_true, y_pred)``, since the model has to say how likely y is. Give
    it as it is: ``scoring=neg_perplexity_scorer``.

    Parameters
    ----------
    estimator : FusionGenerator or Pipeline
        Fitted; a Pipeline has the FusionGenerator at its end.
    X : DataFrame or array-like of shape (n_samples, n_columns)
        What `estimator` takes, raw or encoded.
    y : array-like of str of shape (n_samples,)
        What was said.

    Returns
    -------
    float
        At most -1; the greater the better.

    Raises
    ------
    TypeError
        If `estimator` gives no log-likelihoods, or a row is no text.
    ValueError
        If there are no rows, or not as many of X as of y.

    See Also
    --------
    perplexity_score : The perplexity, from log-likelihoods.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import cross_val_score
    >>> from skmultimodal.heads import FusionGenerator
    >>> from skmultimodal.metrics import neg_perplexity_scorer
    >>> X, y = np.arange(40.0).reshape(-1, 1) % 2, np.array(["a cat", "a dog"] * 20)
    >>> head = FusionGenerator(max_epochs=20, random_state=0)
    >>> scores = cross_val_score(head, X, y, cv=2, scoring=neg_perplexity_scorer)
    >>> bool((scores > -2).all())
    True
    """
    head = estimator
    if isinstance(estimator, Pipeline):
        head = estimator[-1]
        X = estimator[:-1].transform(X) if len(estimator) > 1 else X
    if not hasattr(head, "log_likelihood"):
        raise TypeError(
            "neg_perplexity_scorer needs a FusionGenerator, or a Pipeline that ends in "
            f"one; got {type(head).__name__}, which has no log_likelihood."
        )
    return -perplexity_score(y, head.log_likelihood(X, y))


def _checked(y_true: Any, log_likelihoods: Any) -> tuple[list[str], float]:
    """The texts, and the log-likelihood of all of them."""
    said = texts(y_true, "y_true")
    rows = column_or_1d(log_likelihoods, dtype=np.float64)
    check_consistent_length(said, rows)
    if not said:
        raise ValueError("y_true is empty: there is nothing to score.")
    wrong = np.flatnonzero(~(rows <= 0))
    if len(wrong):
        raise ValueError(
            f"log_likelihoods must be at most 0, but row {wrong[0]} holds "
            f"{rows[wrong[0]]}. Give natural logarithms of probabilities."
        )
    return said, float(rows.sum())
