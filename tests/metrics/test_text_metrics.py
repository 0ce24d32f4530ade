"""Metrics of texts, against numbers counted by hand."""

import sys

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.metrics import make_scorer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmultimodal.metrics import (
    bits_per_character,
    bleu_score,
    chrf_score,
    distinct_n_score,
    exact_match_score,
    neg_perplexity_scorer,
    perplexity_score,
    token_f1_score,
)

PAIRED = [exact_match_score, token_f1_score, chrf_score, bleu_score]


def ids(function):
    return function.__name__


class TestOverlap:
    def test_exact_match_is_exact(self):
        assert exact_match_score(["a", "B", "c ", ""], ["a", "b", "c", ""]) == 0.5

    @pytest.mark.parametrize(
        ("true", "said", "f1"),
        [
            ("a red red house", "red red red", 2 * 2 / (4 + 3)),  # two are shared
            ("It is.", "it is", 2 * 2 / (3 + 2)),  # the full stop is a word
            ("yes", "no", 0),
            ("", "", 1),
            ("yes", "", 0),
            ("", "yes", 0),
        ],
    )
    def test_token_f1(self, true, said, f1):
        assert token_f1_score([true], [said]) == pytest.approx(f1)
        assert token_f1_score([true, "x"], [said, "x"]) == pytest.approx((f1 + 1) / 2)

    def test_chrf_of_three_letters(self):
        # abc against abx: of 3, 2 and 1 n-grams match 2, 1 and 0; longer ones there
        # are none. Precision is recall, and so is F: their mean over three orders.
        mean = (2 / 3 + 1 / 2 + 0) / 3
        assert chrf_score(["abx"], ["abc"]) == pytest.approx(100 * mean)

    def test_chrf_weighs_recall_twice(self):
        # "ab" for "abcd": precision 1 and 1, recall 2/4 and 1/3, orders 1 and 2
        precision, recall = 1, (2 / 4 + 1 / 3) / 2
        f2 = 5 * precision * recall / (4 * precision + recall)
        assert chrf_score(["abcd"], ["ab"]) == pytest.approx(100 * f2)

    def test_chrf_sums_counts_over_rows(self):
        apart = np.mean([chrf_score(["abc"], ["abc"]), chrf_score(["xyzxyz"], ["q"])])
        # 3 + 6 letters true, 3 + 1 said, 3 right; pairs 2 + 5, 2; triples 1 + 4, 1;
        # of four letters there are 3 true and none said: left out
        precision = (3 / 4 + 2 / 2 + 1 / 1) / 3
        recall = (3 / 9 + 2 / 7 + 1 / 5) / 3
        f2 = 5 * precision * recall / (4 * precision + recall)
        together = chrf_score(["abc", "xyzxyz"], ["abc", "q"])
        assert together == pytest.approx(100 * f2)
        assert together != pytest.approx(apart)

    def test_bleu_of_one_wrong_word(self):
        # a b c d e -> a b c d f: 4/5, 3/4, 2/3, 1/2; as long as it should be
        right = (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25
        assert bleu_score(["a b c d e"], ["a b c d f"]) == pytest.approx(100 * right)

    def test_bleu_penalty_of_what_is_short(self):
        expected = 100 * np.exp(1 - 6 / 5)  # all that is said is right
        assert bleu_score(["a b c d e f"], ["a b c d e"]) == pytest.approx(expected)


class TestDistinct:
    def test_by_hand(self):
        said = ["I do not know", "i do", "yes"]
        assert distinct_n_score(None, said, n=1) == 5 / 7
        assert distinct_n_score(None, said) == 3 / 4
        assert distinct_n_score(None, said, n=4) == 1

    def test_no_ngram_at_all(self):
        assert distinct_n_score(None, ["yes", ""], n=3) == 0

    def test_what_is_true_changes_nothing(self):
        said = ["a b", "a b"]
        assert distinct_n_score(["x", "y"], said) == distinct_n_score(None, said)

    def test_n_of_zero(self):
        with pytest.raises(ValueError, match="'n' parameter of distinct_n_score"):
            distinct_n_score(None, ["a"], n=0)


class TestLikelihood:
    def test_each_word_and_each_end_counts(self):
        texts = ["It's red.", "no"]  # it ' s red . and no: 6 words, 2 ends
        found = perplexity_score(texts, [-5.0, -3.0])
        assert found == pytest.approx(np.exp(8 / 8))

    def test_bits(self):
        found = bits_per_character(["abc", ""], np.log([1 / 8, 1 / 4]))
        assert found == pytest.approx((3 + 2) / (4 + 1))

    def test_a_certain_model(self):
        assert perplexity_score(["a b"], [0.0]) == 1
        assert bits_per_character(["a b"], [0.0]) == 0

    @pytest.mark.parametrize("score", [perplexity_score, bits_per_character], ids=ids)
    def test_what_is_no_log_likelihood(self, score):
        with pytest.raises(ValueError, match=r"row 1 holds 0\.5"):
            score(["a", "b"], [-1, 0.5])
        with pytest.raises(ValueError, match="row 0 holds nan"):
            score(["a", "b"], [np.nan, -1])
        with pytest.raises(ValueError, match="inconsistent numbers"):
            score(["a", "b"], [-1])
        with pytest.raises(ValueError, match="empty"):
            score([], [])
        assert score(["a", "b"], [-np.inf, -1]) == np.inf


@pytest.mark.parametrize("score", PAIRED, ids=ids)
class TestAllThatComparePairs:
    def test_all_right_and_all_wrong(self, score):
        true = ["one two three four five", "six seven eight nine ten"]
        best = score(true, true)
        assert best == pytest.approx(100 if score in (chrf_score, bleu_score) else 1)
        assert score(true, ["", ""]) == 0
        assert score(np.array(true), np.array(true, dtype=object)) == best

    @pytest.mark.parametrize("cell", [None, 3, np.nan, b"yes"])
    def test_what_is_no_text_is_named(self, score, cell):
        with pytest.raises(TypeError, match="y_pred must hold texts, but row 1"):
            score(["a", "b"], ["a", cell])
        with pytest.raises(TypeError, match="y_true must hold texts, but row 0"):
            score([cell, "b"], ["a", "b"])

    def test_shapes(self, score):
        with pytest.raises(ValueError, match="inconsistent numbers"):
            score(["a", "b"], ["a"])
        with pytest.raises(ValueError, match="empty"):
            score([], [])
        with pytest.raises(ValueError, match=r"shape \(1, 2\)"):
            score([["a", "b"]], ["a"])
        with pytest.raises(TypeError, match="got one text"):
            score("abc", ["a"])


class SaysYes(BaseEstimator):
    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.full(len(X), "yes")


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (exact_match_score, 0.5),
        (token_f1_score, 0.5),
        (distinct_n_score, 0.0),
    ],
    ids=lambda s: getattr(s, "__name__", s),
)
def test_scorers_in_cross_validation(score, expected):
    X, y = np.zeros((6, 1)), np.array(["yes", "no"] * 3)
    scorer = make_scorer(score)
    found = cross_val_score(SaysYes(), X, y, scoring=scorer, cv=3)
    np.testing.assert_allclose(found, expected)


class HalvesEachWord(SaysYes):
    """Gives each word and each end the probability 1/2."""

    def log_likelihood(self, X, y):
        return [np.log(0.5) * (len(text.split()) + 1) for text in y]


def test_perplexity_in_cross_validation():
    X, y = np.zeros((6, 1)), np.array(["yes", "no thank you"] * 3)
    for model in (
        HalvesEachWord(),
        make_pipeline(HalvesEachWord()),
        make_pipeline(StandardScaler(), HalvesEachWord()),
    ):
        found = cross_val_score(model, X, y, scoring=neg_perplexity_scorer, cv=3)
        np.testing.assert_allclose(found, -2.0)
    with pytest.raises(TypeError, match="got SaysYes, which has no log_likelihood"):
        neg_perplexity_scorer(SaysYes(), X, y)


def test_sacrebleu_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    for score in (chrf_score, bleu_score):
        with pytest.raises(ImportError, match=r"pip install 'skmultimodal\[metrics\]'"):
            score(["a"], ["a"])
