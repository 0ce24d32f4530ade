"""Of several texts the one most like the others."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skmultimodal.heads.generating._consensus import _agreement, most_agreed


def chrf(said, true):
    """By the definition: mean precision and recall of 1- to 6-grams, F with β = 2."""
    said, true = "".join(said.split()), "".join(true.split())
    if not said and not true:
        return 1.0  # undefined; nothing is like nothing
    pairs = []
    for n in range(1, 7):
        a, b = (
            Counter(t[k : k + n] for k in range(len(t) - n + 1)) for t in (said, true)
        )
        if a and b:
            shared = (a & b).total()
            pairs.append((shared / a.total(), shared / b.total()))
    if not pairs or not np.sum(pairs):
        return 0.0
    precision, recall = np.mean(pairs, axis=0)
    return 5 * precision * recall / (4 * precision + recall)


TEXTS = st.lists(st.text(alphabet="aab cé\n", max_size=12), min_size=1, max_size=6)


@given(TEXTS)
def test_agreement_is_chrf_of_each_pair(texts):
    found = _agreement(texts)
    for i, said in enumerate(texts):
        for j, true in enumerate(texts):
            expected = 0.0 if i == j else chrf(said, true)
            assert found[i, j] == pytest.approx(expected, abs=1e-6)


def test_agreement_is_that_of_sacrebleu():
    metric = pytest.importorskip("sacrebleu.metrics").CHRF(eps_smoothing=False)
    texts = ["the man who sits", "the man sitting down", "a bird", "man who sits there"]
    found = _agreement(texts)
    for i, said in enumerate(texts):
        for j, true in enumerate(texts):
            if i != j:
                expected = metric.sentence_score(said, [true]).score / 100
                assert found[i, j] == pytest.approx(expected, abs=1e-4)


def test_what_most_say_is_taken():
    texts = ["yes", "a red house", "the red house", "red house", "no"]
    assert most_agreed(texts) == "the red house"
    assert most_agreed(["no", "yes", "no"]) == "no"
    assert most_agreed(["", "", ""]) == ""
    assert most_agreed(["first", "", "?!"]) == "first"


def test_silence_is_agreed_on_too():
    assert most_agreed(["hello there", "", "hello", "", ""]) == ""
    assert most_agreed(["hello there", "", "hello", "hello you"]) != ""
