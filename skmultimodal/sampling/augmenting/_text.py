"""Augmentations of texts. Words are what blanks part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from skmultimodal._recipes import Augmentation
from skmultimodal.sampling.augmenting._limits import check_number


@dataclass(frozen=True)
class WordDropout(Augmentation):
    """Leave words of a text out.

    Parameters
    ----------
    p : float, default=0.1
        Probability that a word is left out. One word always stays.

    See Also
    --------
    ModalityAugmenter : Applies it to copies of rows.

    Notes
    -----
    "Random deletion" of [1]_. A lost "not" turns a meaning round: keep `p` small where
    single words decide.

    References
    ----------
    .. [1] J. Wei and K. Zou, "EDA: easy data augmentation techniques for boosting
       performance on text classification tasks", EMNLP 2019.
       https://arxiv.org/abs/1901.11196

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal.sampling import WordDropout
    >>> WordDropout(p=0.3)("a very red house by the sea", np.random.default_rng(1))
    'a very house by the sea'
    """

    p: float = 0.1
    name: ClassVar[str] = "dropout"

    def __post_init__(self) -> None:
        check_number(self, 0, 1, "p")

    def __call__(self, array: str, rng: np.random.Generator) -> str:
        """A text to a text."""
        words = array.split()
        stays = rng.random(len(words)) >= self.p
        if len(words) < 2 or stays.all():
            return array
        stays[rng.integers(len(words))] |= not stays.any()
        return " ".join(word for word, kept in zip(words, stays) if kept)


@dataclass(frozen=True)
class WordSwap(Augmentation):
    """Let neighbouring words of a text change places.

    Parameters
    ----------
    p : float, default=0.1
        Probability that a word and the next one change places.

    See Also
    --------
    ModalityAugmenter : Applies it to copies of rows.

    Notes
    -----
    "Random swap" of [1]_, of neighbours only, so that phrases stay together. It does
    nothing to features that do not know the order of words.

    References
    ----------
    .. [1] J. Wei and K. Zou, "EDA: easy data augmentation techniques for boosting
       performance on text classification tasks", EMNLP 2019.
       https://arxiv.org/abs/1901.11196

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal.sampling import WordSwap
    >>> WordSwap(p=0.3)("a very red house by the sea", np.random.default_rng(1))
    'a very house red by the sea'
    """

    p: float = 0.1
    name: ClassVar[str] = "swap"

    def __post_init__(self) -> None:
        check_number(self, 0, 1, "p")

    def __call__(self, array: str, rng: np.random.Generator) -> str:
        """A text to a text."""
        words = array.split()
        places = np.flatnonzero(rng.random(max(len(words) - 1, 0)) < self.p)
        for k in places:
            words[k], words[k + 1] = words[k + 1], words[k]
        return " ".join(words) if len(places) else array


DEFAULT = (WordDropout(), WordSwap())
