"""One real data set, raw and encoded."""

import numpy as np
import pytest
from sklearn.experimental import enable_halving_search_cv  # noqa: F401

from skmultimodal.compose import ModalityTransformer
from skmultimodal.datasets import load_easy_vqa

from ._models import ENTRIES


@pytest.fixture(scope="session")
def vqa():
    """Questions about 40 pictures; some lack the picture, some the question."""
    pytest.importorskip("easy_vqa")
    vqa = load_easy_vqa(n_images=40, random_state=0)
    vqa.data.loc[vqa.data.index[::17], "image"] = None
    vqa.data.loc[vqa.data.index[5::17], "question"] = None
    vqa.target = np.where(
        np.isin(vqa.target, ["yes", "no"]), vqa.target, "something else"
    )
    return vqa


@pytest.fixture(scope="session")
def encoded(vqa):
    """The same, encoded by nothing that has seen y."""
    return ModalityTransformer(ENTRIES).fit_transform(vqa.data)


@pytest.fixture(scope="session")
def polar(vqa, encoded):
    """Only the questions for a yes or a no."""
    rows = np.flatnonzero(vqa.target != "something else")
    return encoded.iloc[rows], vqa.target[rows], vqa.groups[rows]
