"""Counts of words beside the net: proper probabilities, and worth their weight."""

import pickle
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch

from skmultimodal import pack
from skmultimodal._layout import layout_from_names
from skmultimodal.encoders import DialogueHistoryEncoder
from skmultimodal.heads import FusionGenerator
from skmultimodal.heads.generating._examples import PAD, Examples
from skmultimodal.heads.generating._gate import Gate
from skmultimodal.heads.generating._word_counts import (
    BEGIN,
    Spelling,
    WordCounts,
    split_words,
)
from skmultimodal.heads.generating._word_prior import WordPrior

STARTS = np.array([True, True, True, False, False, True])  # the end is the last
END = 5
LAYOUT = layout_from_names(["kind__0"])


def examples(replies, kinds=None, histories=None):
    """Replies as lists of tokens, a modality of one column, turns as (role, tokens)."""
    n = len(replies)
    y = np.full((n, max(map(len, replies)) + 1), PAD)
    for row, reply in zip(y, replies):
        row[: len(reply) + 1] = [*reply, END]
    histories = histories or [[]] * n
    steps = [
        [
            (t, role, len(turns) - 1 - k)
            for k, (role, ts) in enumerate(turns)
            for t in ts
        ]
        for turns in histories
    ]
    history = np.full((n, max(map(len, steps)), 3), PAD)
    for row, part in zip(history, steps):
        row[: len(part)] = np.array(part).reshape(len(part), 3)
    x = torch.tensor(kinds if kinds is not None else [0.0] * n)[:, None]
    present = ~x.isnan()
    return Examples(
        x.nan_to_num(),
        present,
        torch.from_numpy(y),
        None,
        torch.from_numpy(history),
    )


REPLIES = [[0, 1], [0, 3, 1], [0, 1, 2], [2], [1, 4, 3], [0, 1]]
KINDS = [0.0, 1.0, 0.0, 1.0, 1.0, 0.0]
TALK = [
    [],
    [(1, [0, 3])],
    [(1, [2, 4]), (2, [1])],
    [(2, [0, 1])],
    [(1, [1, 3, 3]), (1, [2])],
    [],
]


def prior(kinds=KINDS, histories=TALK):
    train = examples(REPLIES, kinds, histories)
    return WordPrior.learn(train, examples(REPLIES, kinds, histories), STARTS, LAYOUT)


class TestCounts:
    def test_words_begin_where_a_token_starts_one(self):
        assert split_words([0, 3, 4, 1, END], STARTS) == [(0, 3, 4), (1,), (END,)]
        assert split_words([3, 0], STARTS) == [(3,), (0,)]

    def test_interpolation_by_hand(self):
        counts = WordCounts([[7, 8], [7, 8], [7, 9]])
        # after 7: 8 twice, 9 once; of all six words 7 thrice, 8 twice, 9 once
        unigram = {7: (3 - 0.85) / 6, 8: (2 - 0.85) / 6, 9: 0.15 / 6}
        left_1, left_2 = 0.85 * 3 / 6, 0.85 * 2 / 3
        for word, times in ((8, 2), (9, 1)):
            seen = (times - 0.85) / 3
            expected = seen + left_2 * (seen + left_2 * unigram[word])
            found = counts.interpolated((-1, 7)).probability(word)
            assert found == pytest.approx(expected)
        assert counts.interpolated((-1, 7)).left == pytest.approx(left_2**2 * left_1)

    @pytest.mark.parametrize("context", [BEGIN, (-1, 7), (8, 9), (5, 5)])
    def test_all_words_and_what_is_left_sum_to_one(self, context):
        found = WordCounts([[7, 8], [7, 8], [7, 9], []]).interpolated(context)
        total = sum(found.probability(word) for word in range(20))
        assert total + found.left == pytest.approx(1)
        p = np.zeros(20)
        found.add_to(p, 1.0)
        np.testing.assert_allclose(p, [found.probability(k) for k in range(20)])

    @pytest.mark.parametrize("prefix", [(), (0,), (0, 3), (2, 4, 4)])
    def test_spelling_sums_to_one_and_keeps_to_words(self, prefix):
        spelling = Spelling([(0, 3), (0, 3, 4), (1,)], STARTS)
        following, end = spelling.following(prefix)
        assert following.sum() + end == pytest.approx(1)
        assert (following[bool(prefix) == STARTS] == 0).all()
        assert (following[bool(prefix) != STARTS] > 0).all()

    def test_each_word_is_spelled_from_once(self):
        once = Spelling([(0, 3), (1,)], STARTS).of_word((0, 3))
        assert Spelling([(0, 3), (1,), (0, 3)], STARTS).of_word((0, 3)) == once


class TestGate:
    def test_believes_who_is_right(self):
        rng = np.random.default_rng(0)
        tells = rng.integers(2, size=2000).astype(float)
        right, wrong = 0.9, 0.1
        found = np.stack(
            [np.where(tells, right, wrong), np.where(tells, wrong, right)], axis=1
        )
        gate = Gate.learn(found, tells[:, None])
        assert gate(np.array([1.0]))[0] > 0.9
        assert gate(np.array([0.0]))[1] > 0.9
        np.testing.assert_allclose(gate(tells[:, None]).sum(axis=1), 1)

    def test_without_features_it_is_the_best_constant(self):
        # of two sources the first is right three times in four, and certain of it
        found = np.array([[1.0, 0.5]] * 300 + [[0.0, 0.5]] * 100)
        grid = np.linspace(0.01, 0.99, 981)
        likelihood = 300 * np.log(grid + (1 - grid) / 2) + 100 * np.log((1 - grid) / 2)
        gate = Gate.learn(found, np.ones((400, 1)))
        best = grid[likelihood.argmax()]
        assert gate(np.ones(1))[0] == pytest.approx(best, abs=0.01)


class TestWordPrior:
    @pytest.mark.parametrize("kinds", [KINDS, [0.0] * 6, [np.nan, *KINDS[1:]]])
    def test_next_tokens_sum_to_one(self, kinds):
        rows = prior(kinds).read(examples(REPLIES, kinds, TALK))
        for row in rows:
            for context in (BEGIN, (-1, row.number((0,))), (-2, -2)):
                for prefix in ((), (0,), (0, 3), (2, 4, 4, 3), (3,), (4, 3)):
                    p = row.following(context, prefix)
                    assert p.min() >= 0
                    assert p.sum() == pytest.approx(1)

    def test_tokens_share_the_probability_of_their_word(self):
        """The product over tokens is that over words, as each count has them."""
        model = prior()
        part = examples(REPLIES, KINDS, TALK)
        for row, reply in zip(model.read(part), REPLIES):
            by_word = by_token = 1.0
            context, prefix = BEGIN, ()
            words = split_words([*reply, END], STARTS)
            for word in words:
                number = row.number(word)
                weights = model.gate(row.features(context))
                each = row.by_component(context, word, number)
                if word == (END,):  # which nothing goes on from
                    each = row.following(context, ())[END]
                    by_word *= each
                else:
                    by_word *= weights @ each
                context = (*context[1:], number)
            context = BEGIN
            for token in [*reply, END]:
                by_token *= row.following(context, prefix)[token]
                if prefix and STARTS[token]:
                    context, prefix = (*context[1:], row.number(prefix)), ()
                prefix = (*prefix, token)
            assert by_token == pytest.approx(by_word, rel=1e-9)

    def test_what_was_said_is_repeated(self):
        model = prior()
        model.gate = None  # all counts alike, also those of the dialogue
        quiet, told = model.read(
            examples([[0], [0]], [0.0, 0.0], [[], [(1, [2, 3, 4]), (2, [2, 3, 4])]])
        )
        new = (2, 3)  # a word of the dialogue alone
        assert told.following(BEGIN, new)[4] > 2 * quiet.following(BEGIN, new)[4]

    def test_a_value_never_seen_is_the_nearest(self):
        model = prior()
        near, known, absent = model.read(
            examples([[0]] * 3, [0.9, 1.0, np.nan], [[(1, [0])]] * 3)
        )
        np.testing.assert_array_equal(
            near.following(BEGIN, ()), known.following(BEGIN, ())
        )
        assert (absent.following(BEGIN, ()) != known.following(BEGIN, ())).any()

    def test_a_prefix_of_no_word_leaves_no_trace(self):
        model = prior()
        row = model.read(examples(REPLIES, KINDS, TALK))[1]
        before = model.spelling.following((0, 3))[0].copy()
        first, _ = (row.following(c, (3, 3)) for c in (BEGIN, (0, 0)))
        again, _ = (row.following(c, (3, 3)) for c in (BEGIN, (0, 0)))
        np.testing.assert_array_equal(first, again)
        row.following(BEGIN, (4, 0, 3))
        np.testing.assert_array_equal(model.spelling.following((0, 3))[0], before)

    def test_travels_as_rows(self):
        model = prior()
        again = pickle.loads(pickle.dumps(model))
        part = examples(REPLIES, KINDS, TALK)
        for a, b in zip(model.read(part), again.read(part)):
            np.testing.assert_array_equal(
                a.following(BEGIN, (0,)), b.following(BEGIN, (0,))
            )


# --- in the head ----------------------------------------------------------------------


COLORS = ["red", "green", "blue", "black"]
THINGS = ["cat sat down", "dog went home", "bird flew over it"]


@pytest.fixture(scope="module")
def talk():
    """A colour that somebody named before, and a thing by the picture."""
    rng = np.random.default_rng(0)
    color, thing = rng.integers(4, size=160), rng.integers(3, size=160)
    said = [[("ann", f"it is {COLORS[c]}")] for c in color]
    encoder = DialogueHistoryEncoder().set_output(transform="pandas")
    X = pd.concat(
        [
            pack({"image": np.eye(3, dtype=np.float32)[thing]}),
            encoder.fit_transform(pd.Series(said, name="talk")),
        ],
        axis=1,
    )
    y = np.array([f"the {COLORS[c]} {THINGS[t]}" for c, t in zip(color, thing)])
    return X[:120], y[:120], X[120:], y[120:]


@pytest.fixture(scope="module")
def head(talk):
    X, y, _, _ = talk
    return FusionGenerator(
        embed_dim=16,
        max_epochs=2,
        early_stopping=True,
        validation_fraction=0.2,
        count_prior=True,
        random_state=0,
    ).fit(X, y)


class TestInTheHead:
    def test_a_net_that_learned_little_is_helped(self, talk, head):
        X, y, X_test, y_test = talk
        alone = FusionGenerator(embed_dim=16, max_epochs=2, random_state=0).fit(X, y)
        assert head.perplexity(X_test, y_test) < alone.perplexity(X_test, y_test) / 3

    def test_all_ways_to_a_probability_agree(self, talk, head):
        _, _, X, y = talk
        found = head.log_likelihood(X, y)
        chosen = pickle.loads(pickle.dumps(head)).set_params(allowed=sorted(set(y)))
        x, writing = chosen._read(X)
        scores = writing.of_each(x, sorted(set(y)))
        own = scores[np.arange(len(y)), [sorted(set(y)).index(text) for text in y]]
        np.testing.assert_allclose(own, found, rtol=1e-4)
        tokens, first = head.predict_proba_next(X)
        np.testing.assert_allclose(first.sum(axis=1), 1, rtol=1e-5)
        _, last = head.predict_proba_next(X, y)
        steps = [first[:, list(tokens).index(" the")]]
        assert (steps[0] > 0.5).all()
        assert (last[:, -1] > 0.5).all()

    def test_draws_follow_the_probabilities(self, talk, head):
        _, _, X, _ = talk
        drawn = head.sample(X[:1], n=400, random_state=0)[0]
        told, times = Counter(drawn).most_common(1)[0]
        expected = float(np.exp(head.log_likelihood(X[:1], [told])[0]))
        deviation = np.sqrt(expected * (1 - expected) / 400)
        assert abs(times / 400 - expected) < 4 * deviation

    @pytest.mark.parametrize("n_beams", [1, 3])
    def test_a_row_alone_is_as_in_a_batch(self, talk, head, n_beams):
        _, _, X, _ = talk
        head = pickle.loads(pickle.dumps(head)).set_params(n_beams=n_beams)
        together = head.predict(X[:6])
        alone = [head.predict(X[k : k + 1])[0] for k in range(6)]
        assert list(together) == alone

    def test_pickled(self, talk, head):
        _, _, X, y = talk
        again = pickle.loads(pickle.dumps(head))
        np.testing.assert_allclose(
            again.log_likelihood(X, y), head.log_likelihood(X, y), rtol=1e-6
        )

    def test_held_out_rows_are_asked_for(self, talk):
        X, y, X_val, y_val = talk
        head = FusionGenerator(count_prior=True, max_epochs=1, random_state=0)
        with pytest.raises(ValueError, match="Set early_stopping=True, or give X_val"):
            head.fit(X, y)
        head.fit(X, y, X_val=X_val, y_val=y_val)
        assert head.perplexity(X_val, y_val) > 1

    def test_another_fit_without_it(self, talk, head):
        X, y, X_test, y_test = talk
        again = pickle.loads(pickle.dumps(head)).set_params(count_prior=False).fit(X, y)
        plain = FusionGenerator(
            embed_dim=16,
            max_epochs=2,
            early_stopping=True,
            validation_fraction=0.2,
            random_state=0,
        ).fit(X, y)
        np.testing.assert_array_equal(
            again.log_likelihood(X_test, y_test), plain.log_likelihood(X_test, y_test)
        )
