"""How much of the true texts was said."""

from __future__ import annotations

from collections import Counter

import numpy as np

from skmultimodal._optional import import_optional
from skmultimodal.metrics._texts import paired_texts, words


def exact_match_score(y_true, y_pred):
    """Share of texts that are exactly as they should be.

    Parameters
    ----------
    y_true : array-like of str of shape (n_samples,)
        True texts.
    y_pred : array-like of str of shape (n_samples,)
        Texts that were said.

    Returns
    -------
    float
        Between 0 and 1. Case and spaces count; lower the case of both where they
        should not.

    Raises
    ------
    TypeError
        If a row is no text.
    ValueError
        If there are no rows, or not as many of both.

    Examples
    --------
    >>> from skmultimodal.metrics import exact_match_score
    >>> exact_match_score(["yes", "a red one"], ["yes", "red one"])
    0.5
    """
    true, said = paired_texts(y_true, y_pred)
    return float(np.mean([a == b for a, b in zip(true, said)]))


def token_f1_score(y_true, y_pred):
    """Mean F1 of the words of each text, as in question answering [1]_.

    Precision is the share of said words that stand in the true text, recall the share
    of true words that were said; a word counts as often as it stands in both.

    Parameters
    ----------
    y_true : array-like of str of shape (n_samples,)
        True texts.
    y_pred : array-like of str of shape (n_samples,)
        Texts that were said.

    Returns
    -------
    float
        Between 0 and 1. Words are lower-case, and marks are words, too. Two texts
        without words agree.

    Raises
    ------
    TypeError
        If a row is no text.
    ValueError
        If there are no rows, or not as many of both.

    Notes
    -----
    The script of [1]_ leaves articles and marks out, which this does not.

    References
    ----------
    .. [1] P. Rajpurkar, J. Zhang, K. Lopyrev, P. Liang, "SQuAD: 100,000+ questions for
       machine comprehension of text", EMNLP 2016. https://arxiv.org/abs/1606.05250

    Examples
    --------
    >>> from skmultimodal.metrics import token_f1_score
    >>> token_f1_score(["a red house"], ["Red"])
    0.5
    """
    true, said = paired_texts(y_true, y_pred)
    return float(np.mean([_f1(words(a), words(b)) for a, b in zip(true, said)]))


def _f1(true: list[str], said: list[str]) -> float:
    if not true or not said:
        return float(true == said)
    shared = (Counter(true) & Counter(said)).total()
    return 2 * shared / (len(true) + len(said))


def chrf_score(y_true, y_pred):
    """Character n-gram F-score of all texts together (chrF) [1]_, by sacrebleu [2]_.

    Needs ``pip install 'skmultimodal[metrics]'``.

    Parameters
    ----------
    y_true : array-like of str of shape (n_samples,)
        True texts.
    y_pred : array-like of str of shape (n_samples,)
        Texts that were said.

    Returns
    -------
    float
        Between 0 and 100: n-grams of one to six characters, recall counting twice;
        case counts, spaces do not. Counts are those of all texts: it is no mean over
        rows.

    Raises
    ------
    ImportError
        If sacrebleu is not installed.
    TypeError
        If a row is no text.
    ValueError
        If there are no rows, or not as many of both.

    References
    ----------
    .. [1] M. Popović, "chrF: character n-gram F-score for automatic MT evaluation",
       WMT 2015.
    .. [2] M. Post, "A call for clarity in reporting BLEU scores", WMT 2018.
       https://arxiv.org/abs/1804.08771

    Examples
    --------
    >>> from skmultimodal.metrics import chrf_score
    >>> chrf_score(["a red house", "yes"], ["a red house", "yes"])
    100.0
    """
    true, said = paired_texts(y_true, y_pred)
    return float(_sacrebleu("chrf_score").corpus_chrf(said, [true]).score)


def bleu_score(y_true, y_pred):
    """Precision of word n-grams of all texts together (BLEU) [1]_, by sacrebleu [2]_.

    Needs ``pip install 'skmultimodal[metrics]'``.

    Parameters
    ----------
    y_true : array-like of str of shape (n_samples,)
        True texts.
    y_pred : array-like of str of shape (n_samples,)
        Texts that were said.

    Returns
    -------
    float
        Between 0 and 100: n-grams of one to four words by the tokeniser "13a", with
        exponential smoothing and a penalty of what is too short; case counts. Counts
        are those of all texts: it is no mean over rows.

    Raises
    ------
    ImportError
        If sacrebleu is not installed.
    TypeError
        If a row is no text.
    ValueError
        If there are no rows, or not as many of both.

    References
    ----------
    .. [1] K. Papineni, S. Roukos, T. Ward, W.-J. Zhu, "BLEU: a method for automatic
       evaluation of machine translation", ACL 2002.
    .. [2] M. Post, "A call for clarity in reporting BLEU scores", WMT 2018.
       https://arxiv.org/abs/1804.08771

    Examples
    --------
    >>> from skmultimodal.metrics import bleu_score
    >>> round(bleu_score(["a man with a red hat"], ["a man with a red hat"]), 6)
    100.0
    """
    true, said = paired_texts(y_true, y_pred)
    return float(_sacrebleu("bleu_score").corpus_bleu(said, [true]).score)


def _sacrebleu(purpose: str):
    return import_optional("sacrebleu", extra="metrics", purpose=purpose)
