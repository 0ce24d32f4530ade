"""Rows of a fold are encoded once; all others honestly."""

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone

from skmultimodal.model_selection.searching._remembering import Memory

from .._searching import CALLS, Counting

ROWS = np.random.default_rng(0).normal(size=(8, 3))
KINDS = {
    "array": lambda a: a.copy(),
    "frame": lambda a: pd.DataFrame(a, columns=list("abc")),
    "polars": lambda a: pl.DataFrame(a, schema=list("abc")),
}


@pytest.fixture
def fitted():
    step = Counting(factor=2.0).fit(ROWS)
    CALLS.clear()
    return step


@pytest.mark.parametrize("kind", KINDS)
def test_known_rows_are_encoded_once(fitted, kind):
    rows = KINDS[kind](ROWS)
    expected = clone(fitted).fit(ROWS).transform(rows)
    CALLS.clear()
    memory = Memory([fitted], [rows])
    for _ in range(3):
        again = KINDS[kind](ROWS)  # another object that holds the same
        np.testing.assert_array_equal(fitted.transform(again), expected)
    assert CALLS["counting transform"] == 1
    assert memory.saved > 0


@pytest.mark.parametrize("kind", KINDS)
def test_other_rows_are_encoded_honestly(fitted, kind):
    Memory([fitted], [KINDS[kind](ROWS)])
    for other in (ROWS + 1, ROWS[:5], ROWS[::-1]):
        fitted.transform(KINDS[kind](ROWS))
        found = fitted.transform(KINDS[kind](other))
        np.testing.assert_allclose(found, (other - ROWS.mean(axis=0)) * 2.0)


@pytest.mark.parametrize("kind", ["array", "frame"])
def test_rows_that_were_changed_in_place_are_other_rows(fitted, kind):
    rows = KINDS[kind](ROWS)
    Memory([fitted], [rows])
    before = fitted.transform(rows)
    if kind == "frame":
        rows.iloc[0, 0] = 100.0
    else:
        rows[0, 0] = 100.0
    assert fitted.transform(rows)[0, 0] != before[0, 0]


def test_what_is_done_to_the_answer_does_not_matter(fitted):
    Memory([fitted], [ROWS])
    first = fitted.transform(ROWS)
    expected = first.copy()
    first[:] = 0.0
    np.testing.assert_array_equal(fitted.transform(ROWS), expected)


def test_steps_behind_each_other_each_remember(fitted):
    second = Counting(name="second").fit(fitted.transform(ROWS))
    expected = second.transform(fitted.transform(ROWS))
    CALLS.clear()
    Memory([fitted, second], [ROWS])
    for _ in range(3):
        found = second.transform(fitted.transform(ROWS))
        np.testing.assert_array_equal(found, expected)
    assert CALLS["counting transform"] == CALLS["second transform"] == 1


@pytest.mark.parametrize(
    "travel", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_copies_forget_and_are_honest(fitted, travel):
    Memory([fitted], [ROWS])
    fitted.transform(ROWS)
    other = travel(fitted)
    CALLS.clear()
    np.testing.assert_array_equal(other.transform(ROWS), fitted.transform(ROWS))
    assert CALLS["counting transform"] == 1
    assert "mean_" not in vars(clone(fitted))


def test_sparse_rows():
    class Dense(Counting):
        def transform(self, X):
            return super().transform(X.toarray())

    step = Dense().fit(ROWS)
    Memory([step], [sparse.csr_matrix(ROWS)])
    CALLS.clear()
    for _ in range(2):
        step.transform(sparse.csr_matrix(ROWS))
    step.transform(sparse.csr_matrix(2 * ROWS))
    assert CALLS["counting transform"] == 2
