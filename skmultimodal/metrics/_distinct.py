"""How varied texts are."""

from __future__ import annotations

from numbers import Integral

from sklearn.utils._param_validation import Interval, validate_params

from skmultimodal.metrics._texts import texts, words


@validate_params(
    {
        "y_true": ["array-like", None],
        "y_pred": ["array-like"],
        "n": [Interval(Integral, 1, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def distinct_n_score(y_true, y_pred, *, n=2):
    """Share of different n-grams among those that were said (distinct-n) [1]_.

    Models that always say the same have a low one.

    Parameters
    ----------
    y_true : array-like of str of shape (n_samples,) or None
        Ignored; there for :func:`sklearn.metrics.make_scorer`.
    y_pred : array-like of str of shape (n_samples,)
        Texts that were said.
    n : int, default=2
        Words of an n-gram.

    Returns
    -------
    float
        Between 0 and 1; 0 where no text has n words. It falls with the number of
        texts: compare models on the same rows.

    Raises
    ------
    TypeError
        If a row is no text.

    References
    ----------
    .. [1] J. Li, M. Galley, C. Brockett, J. Gao, B. Dolan, "A diversity-promoting
       objective function for neural conversation models", NAACL 2016.
       https://arxiv.org/abs/1510.03055

    Examples
    --------
    >>> from skmultimodal.metrics import distinct_n_score
    >>> distinct_n_score(None, ["i do not know", "i do not know"])
    0.5
    """
    grams = []
    for text in texts(y_pred, "y_pred"):
        said = words(text)
        grams += [tuple(said[k : k + n]) for k in range(len(said) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 0.0
