"""Easy-VQA: questions about small pictures of one coloured shape."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.utils import Bunch, check_random_state

from skmultimodal._optional import import_optional

_DESCR = """\
Easy-VQA
--------
Questions about pictures of 64 x 64 pixels, each of which shows one shape (circle,
rectangle, triangle) in one of eight colours. About ten questions share a picture. An
answer is one of 13: a shape, a colour, "yes" or "no". Neither the question nor the
picture is enough by itself: the question alone gives about two answers in three.

========  ========  =========
part      pictures  questions
========  ========  =========
train     4,000     38,575
test      1,000     9,673
========  ========  =========

Made by Victor Zhou and published under the MIT licence as the Python package
``easy-vqa``, which holds the pictures. Rows of one picture belong on one side of any
split: use ``groups``.
"""


def load_easy_vqa(
    *,
    subset: Literal["train", "test", "all"] = "train",
    n_images: int | None = None,
    random_state: Any = None,
) -> Bunch:
    """Load questions about pictures, and their answers (classification).

    The pictures come with the Python package ``easy-vqa``; nothing is downloaded.

    ================   ================================
    Classes            13 answers, "yes" and "no" most
    Samples            38,575 (train) + 9,673 (test)
    Pictures           4,000 (train) + 1,000 (test)
    Modalities         picture (64 x 64 RGB), question
    ================   ================================

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        Which part of the data to load; ``"all"`` is one after the other.
    n_images : int, default=None
        Draw so many pictures at random and keep all their questions. None keeps all
        pictures.
    random_state : int, RandomState instance or None, default=None
        Which pictures are drawn.

    Returns
    -------
    :class:`~sklearn.utils.Bunch`
        Dictionary-like object with these attributes.

        data : DataFrame of shape (n_samples, 2)
            Columns ``image`` (path of a PNG file) and ``question``.
        target : ndarray of shape (n_samples,)
            The answers, strings.
        groups : ndarray of shape (n_samples,)
            The picture of each row, such as ``"train/17"``.
        feature_names : list of str
            The columns of ``data``.
        target_names : list of str
            All possible answers, sorted.
        DESCR : str
            A description of the data.

    Raises
    ------
    ImportError
        If the package ``easy-vqa`` is not installed; the message says how to.
    ValueError
        If `subset` is unknown or `n_images` is not between 1 and the number of
        pictures.

    References
    ----------
    .. [1] V. Zhou, "easy-VQA", 2019. https://github.com/vzhou842/easy-VQA

    Examples
    --------
    >>> from skmultimodal.datasets import load_easy_vqa
    >>> vqa = load_easy_vqa(n_images=50, random_state=0)
    >>> vqa.data["question"].iloc[0]
    'what shape does the image contain?'
    """
    parts = {"train": ["train"], "test": ["test"], "all": ["train", "test"]}
    if subset not in parts:
        raise ValueError(f"subset={subset!r} is unknown; it is one of {list(parts)}.")
    source = import_optional("easy_vqa", extra="demo", purpose="load_easy_vqa")
    frame = pd.concat([_read(source, part) for part in parts[subset]])
    frame = frame.reset_index(drop=True)
    if n_images is not None:
        frame = _draw_images(frame, n_images, random_state)
    return Bunch(
        data=frame[["image", "question"]],
        target=frame["answer"].to_numpy(dtype=object).astype(str),
        groups=frame["group"].to_numpy(dtype=object).astype(str),
        feature_names=["image", "question"],
        target_names=sorted(source.get_answers()),
        DESCR=_DESCR,
    )


def _read(source: Any, part: str) -> pd.DataFrame:
    questions, answers, images = getattr(source, f"get_{part}_questions")()
    paths = getattr(source, f"get_{part}_image_paths")()
    return pd.DataFrame(
        {
            "image": [paths[i] for i in images],
            "question": questions,
            "answer": answers,
            "group": [f"{part}/{i}" for i in images],
        }
    )


def _draw_images(frame: pd.DataFrame, n_images: int, random_state: Any) -> pd.DataFrame:
    groups = frame["group"].unique()
    if not 1 <= n_images <= len(groups):
        raise ValueError(
            f"n_images={n_images} is not between 1 and {len(groups)}, the number of "
            "pictures in this subset."
        )
    rng = check_random_state(random_state)
    kept = rng.choice(np.asarray(groups, dtype=object), n_images, replace=False)
    return frame[frame["group"].isin(kept)].reset_index(drop=True)
