"""What FusionGenerator says of bad input."""

import sys

import numpy as np
import pandas as pd
import pytest

from skmultimodal import pack
from skmultimodal.fusion import EvidentialFusion
from skmultimodal.heads import FusionGenerator

QUICK = {"embed_dim": 8, "max_epochs": 1, "random_state": 0, "device": "cpu"}
X = pack({"image": np.random.default_rng(0).normal(size=(12, 2))})
Y = np.array(["yes", "no", "maybe so"] * 4, dtype=object)


@pytest.fixture(scope="module")
def fitted():
    return FusionGenerator(**QUICK).fit(X, Y)


def put(value, row=5):
    y = Y.copy()
    y[row] = value
    return y


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_a_missing_reply_is_named(missing, fitted):
    with pytest.raises(ValueError, match=r"y contains NaN in 1 rows, first in row 5"):
        FusionGenerator(**QUICK).fit(X, put(missing))
    with pytest.raises(ValueError, match="first in row 5"):
        fitted.score(X, put(missing))


@pytest.mark.parametrize("value", [3, 2.5, b"yes", ["yes"]])
def test_a_reply_that_is_no_text_is_named(value):
    kind = type(value).__name__
    with pytest.raises(ValueError, match=f"y holds {kind} in row 5.*one string a row"):
        FusionGenerator(**QUICK).fit(X, put(value))


@pytest.mark.parametrize("y", [np.arange(12), np.linspace(0, 1, 12), np.ones((12, 2))])
def test_y_of_numbers_is_refused(y):
    with pytest.raises(ValueError, match=r"one string a row|1d array"):
        FusionGenerator(**QUICK).fit(X, y)


def test_no_y():
    with pytest.raises(ValueError, match="requires y to be passed"):
        FusionGenerator(**QUICK).fit(X, None)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"decoder": "gru"}, "'decoder' parameter.*'lstm'"),
        ({"max_length": 0}, "'max_length' parameter"),
        ({"n_beams": 0}, "'n_beams' parameter"),
        ({"mbr_samples": 2}, r"'mbr_samples' parameter.*\[3, inf\).*or.*\{0\}"),
        ({"length_penalty": -1.0}, "'length_penalty' parameter"),
        ({"vocabulary_size": 256}, "'vocabulary_size' parameter"),
        ({"tokenizer": "chars"}, "'tokenizer' parameter"),
        ({"allowed": []}, r"allowed=\[\] leaves nothing to say"),
        ({"allowed": ["yes", "no", "yes"]}, r"allowed\[2\] repeats 'yes'"),
        ({"allowed": ["yes", 3]}, r"allowed\[1\] is 3, of type int"),
        ({"fusion": "gatd"}, "gatd"),
        ({"fusion": "auto"}, "fusion='auto' chooses among predictions"),
        ({"fusion": EvidentialFusion()}, "is for classification, and y holds text"),
    ],
)
def test_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        FusionGenerator(**QUICK | params).fit(X, Y)


def test_allowed_may_be_wrong_after_fit_too():
    head = FusionGenerator(**QUICK).fit(X, Y).set_params(allowed="yes")
    with pytest.raises(ValueError, match="is one string"):
        head.predict(X)


@pytest.mark.parametrize(
    "params",
    [
        {"mbr_samples": 2},
        {"mbr_samples": -1},
        {"mbr_samples": 5.0},
        {"n_beams": 0},
        {"max_length": 0},
    ],
)
def test_what_is_set_after_fit_is_checked(params):
    head = FusionGenerator(**QUICK).fit(X, Y).set_params(**params)
    with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter"):
        head.predict(X)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n": 0}, "n=0"),
        ({"temperature": 0}, "temperature=0 .*use predict"),
        ({"temperature": np.inf}, "temperature=inf"),
        ({"top_p": 0}, "top_p=0"),
        ({"top_p": 1.5}, "top_p=1.5"),
    ],
)
def test_sampling(params, message, fitted):
    with pytest.raises(ValueError, match=message):
        fitted.sample(X, **params)


def test_a_prefix_for_another_number_of_rows(fitted):
    with pytest.raises(ValueError, match="prefix has 2 texts for 12 rows"):
        fitted.predict_proba_next(X, ["yes", "no"])


def test_a_character_never_seen_has_a_likelihood():
    for tokenizer in ("bpe", "word"):
        head = FusionGenerator(tokenizer=tokenizer, **QUICK).fit(X, Y)
        odd = head.log_likelihood(X, ["日本 🙂\n"] * 12)
        assert np.isfinite(odd).all()
        assert (odd < head.log_likelihood(X, Y)).all()


def test_other_numbers_of_rows(fitted):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        FusionGenerator(**QUICK).fit(X, Y[:-1])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        fitted.score(X, Y[:-1])


def test_a_failed_fit_leaves_the_fitted_head(fitted):
    before = fitted.log_likelihood(X, Y)
    with pytest.raises(ValueError, match="row 5"):
        fitted.fit(X, put(None))
    np.testing.assert_array_equal(fitted.log_likelihood(X, Y), before)


def test_without_the_library_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ImportError, match=r"pip install 'skmultimodal\[generate\]'"):
        FusionGenerator(**QUICK).fit(X, Y)
