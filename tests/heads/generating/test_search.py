"""Searches on nets that are small tables of probabilities."""

import itertools

import numpy as np
import pytest
import torch

from skmultimodal.heads.generating._allowed import ReplyTree
from skmultimodal.heads.generating._sampling import inverse_cdf, nucleus, sample
from skmultimodal.heads.generating._search import Search
from skmultimodal.nn._decoder_state import DecoderState

A, B, END, BEGIN = range(4)
CPU = torch.device("cpu")


class Table:
    """Next tokens by row and by what was written last."""

    begin, end = BEGIN, END

    def __init__(self, probability):
        self.logp = torch.tensor(probability).log()  # (rows, last, next)
        self.n_steps = self.n_rows = 0

    def start(self):
        return DecoderState((torch.arange(len(self.logp)),), ())

    def step(self, tokens, state):
        self.n_steps += 1
        self.n_rows += len(tokens)
        return self.logp[state.memory[0], tokens], state

    def run(self, search):
        return search.run(self, self.start(), len(self.logp), CPU)

    def of(self, row, reply):
        """Log-likelihood of a reply and its end."""
        path = [BEGIN, *reply, END]
        return float(sum(self.logp[row, a, b] for a, b in itertools.pairwise(path)))


def net():
    """Greedy goes for A, which leads nowhere sure; B leads straight to the end."""
    rare = [0.2, 0.2, 0.6]
    return Table(
        [
            [[0.4, 0.3, 0.3], [0.0, 0.1, 0.9], [0.0, 0.0, 1.0], [0.55, 0.45, 0.0]],
            [[0.1, 0.8, 0.1], rare, rare, [0.3, 0.6, 0.1]],
        ]
    )


def every_reply(length):
    for n in range(length + 1):
        yield from (list(r) for r in itertools.product((A, B), repeat=n))


def test_greedy_takes_the_most_probable_next_token():
    assert net().run(Search(4)) == [[A, A, A, A], [B]]


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_beams_find_the_best_reply_of_all(penalty):
    table = net()
    search = Search(4, n_beams=16, length_penalty=penalty)
    for row, found in enumerate(table.run(search)):
        worth = {
            tuple(r): table.of(row, r) / (len(r) + 1) ** penalty for r in every_reply(3)
        }
        assert tuple(found) == max(worth, key=worth.get)


def test_beams_beat_greedy_where_the_first_token_misleads():
    table = net()
    greedy = table.run(Search(4))[0]
    beam = table.run(Search(4, n_beams=2, length_penalty=0.0))[0]
    assert beam == [B]
    assert greedy != beam


def test_a_length_penalty_prefers_longer_replies():
    # "" has probability 0.6, A A A 0.4 * 0.9³: a token of that is more probable
    after_a = [0.9, 0.0, 0.1]
    table = Table([[after_a, [0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.4, 0.0, 0.6]]])
    assert table.run(Search(30, n_beams=3, length_penalty=0.0)) == [[]]
    long = table.run(Search(30, n_beams=3, length_penalty=1.0))[0]
    n = len(long)
    assert long == [A] * n
    mean = {k: (np.log(0.4) + (k - 1) * np.log(0.9) + np.log(0.1)) for k in (1, n)}
    assert mean[n] / (n + 1) > np.log(0.6) or n == 30


@pytest.mark.parametrize("n_beams", [1, 3])
def test_no_run_of_tokens_comes_twice(n_beams):
    table = Table([[[0.6, 0.3, 0.1]] * 4])
    found = table.run(Search(8, n_beams=n_beams, no_repeat_ngram=2))[0]
    pairs = list(itertools.pairwise(found))
    assert len(pairs) == len(set(pairs))
    if n_beams == 1:
        # A A, then no other A A: B, A; now neither A A nor A B is left
        assert found == [A, A, B, A]
        assert table.run(Search(8, no_repeat_ngram=1))[0] == [A, B]


@pytest.mark.parametrize("n_beams", [1, 2])
def test_rows_that_are_done_are_left_out(n_beams):
    table = net()
    table.run(Search(20, n_beams=n_beams))
    assert table.n_rows < 20 * 2 * n_beams


@pytest.mark.parametrize("n_beams", [1, 2, 5])
def test_rows_do_not_touch_each_other(n_beams):
    search = Search(5, n_beams=n_beams)
    table = net()
    together = table.run(search)
    for row in range(2):
        alone = Table(table.logp[[row]].exp().tolist())
        assert alone.run(search) == [together[row]]


# --- sampling -------------------------------------------------------------------------


def test_nucleus_keeps_the_fewest_tokens_with_enough_probability():
    p = torch.tensor([[0.1, 0.5, 0.15, 0.25], [0.7, 0.12, 0.1, 0.08]])
    for top_p in (0.3, 0.5, 0.6, 0.8, 0.95, 1.0):
        found = nucleus(p, top_p).numpy()
        for row, kept in zip(p.double().numpy(), found):
            order = np.argsort(-row, kind="stable")
            n = 1 + int((np.cumsum(row[order]) < top_p - 1e-6).sum())
            expected = np.zeros(4)
            expected[order[:n]] = row[order[:n]] / row[order[:n]].sum()
            np.testing.assert_allclose(kept, expected, atol=1e-6)


def draw(temperature=1.0, top_p=1.0, n=4000, table=None, length=2):
    table = table or net()
    state = table.start().take(torch.zeros(n, dtype=torch.long))
    uniform = torch.rand((n, length), generator=torch.Generator().manual_seed(0))
    return sample(table, state, uniform, CPU, temperature=temperature, top_p=top_p)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_come_as_often_as_they_are_probable(temperature):
    share = np.mean([reply[0] == A for reply in draw(temperature)])
    a, b = 0.55 ** (1 / temperature), 0.45 ** (1 / temperature)
    assert abs(share - a / (a + b)) < 0.03


def test_a_small_top_p_is_greedy():
    assert draw(top_p=0.1, n=20) == [[A, A]] * 20


def test_one_number_draws_one_token():
    p = torch.tensor([[0.2, 0.0, 0.5, 0.3]] * 6)
    u = torch.tensor([0.0, 0.19, 0.21, 0.69, 0.71, 1 - 2**-24])
    assert inverse_cdf(p, u).tolist() == [0, 0, 2, 2, 3, 3]


def test_samples_that_are_done_are_left_out():
    table = net()
    replies = draw(n=1000, table=table, length=12)
    assert 1 < np.mean([len(reply) for reply in replies]) < 4
    assert table.n_rows < 1000 * 12 / 2
    assert all(set(reply) <= {A, B} for reply in replies)


# --- allowed replies ------------------------------------------------------------------


def test_allowed_replies_have_their_log_likelihood():
    table = net()
    replies = [[], [A], [A, B], [A, B, A], [B], [A, A]]
    tree = ReplyTree(replies, END)
    found = tree.score(table, table.start(), 2, CPU)
    expected = [[table.of(row, reply) for reply in replies] for row in range(2)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_what_replies_share_is_read_once():
    table = net()
    replies = [[A] * 5 + [B], [A] * 5, [A] * 5 + [A]]
    ReplyTree(replies, END).score(table, table.start(), 2, CPU)
    assert table.n_rows == 2 * (6 + 2)  # six nodes in common, two behind them
