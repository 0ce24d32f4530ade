"""Decoders step by step and at once, and the pointer against NumPy."""

import numpy as np
import pytest
import torch

from skmultimodal.nn._lstm_decoder import LSTMDecoder
from skmultimodal.nn._pointer import Pointer, tokens_before
from skmultimodal.nn._transformer_decoder import TransformerDecoder, positions

D = 8
decoders = pytest.mark.parametrize("kind", [LSTMDecoder, TransformerDecoder])
layers = pytest.mark.parametrize("n_layers", [1, 2])


@pytest.fixture(autouse=True)
def _seed():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def inputs():
    x, memory, summary = torch.randn(3, 6, D), torch.randn(3, 4, D), torch.randn(3, D)
    present = torch.ones(3, 4, dtype=torch.bool)
    present[1, 2:] = False
    present[2, 1:] = False
    return x, memory, present, summary


@decoders
@layers
def test_a_step_with_what_is_kept_is_the_whole_at_once(kind, n_layers):
    decoder = kind(D, n_layers, 2, dropout=0.5).eval()
    x, *memory = inputs()
    whole = decoder(x, *memory)
    state = decoder.start(*memory)
    for place in range(x.shape[1]):
        step, state = decoder.advance(x[:, place : place + 1], state)
        torch.testing.assert_close(step[:, 0], whole[:, place], rtol=1e-5, atol=1e-5)


@decoders
def test_several_tokens_at_once_go_on_from_others(kind):
    decoder = kind(D, 2, 2, dropout=0.0).eval()
    x, *memory = inputs()
    first, state = decoder.advance(x[:, :2], decoder.start(*memory))
    rest, _ = decoder.advance(x[:, 2:], state)
    torch.testing.assert_close(torch.cat([first, rest], 1), decoder(x, *memory))


@decoders
def test_what_comes_later_changes_nothing_before(kind):
    decoder = kind(D, 2, 2, dropout=0.0).eval()
    x, *memory = inputs()
    other = x.clone()
    other[:, 3:] += 1
    before, after = decoder(x, *memory), decoder(other, *memory)
    torch.testing.assert_close(after[:, :3], before[:, :3], rtol=0, atol=0)
    assert not torch.allclose(after[:, 3:], before[:, 3:])


@decoders
def test_hidden_memory_changes_nothing_and_the_rest_does(kind):
    decoder = kind(D, 1, 2, dropout=0.0).eval()
    x, memory, present, summary = inputs()
    before = decoder(x, memory, present, summary)
    hidden = torch.where(present.unsqueeze(2), memory, memory + 100)
    torch.testing.assert_close(decoder(x, hidden, present, summary), before)
    seen = torch.where(present.unsqueeze(2), memory + 1, memory)
    assert not torch.allclose(decoder(x, seen, present, summary), before)
    assert not torch.allclose(decoder(x, memory, present, summary + 1), before)


@decoders
def test_rows_taken_from_a_state_go_on_as_they_were(kind):
    decoder = kind(D, 2, 2, dropout=0.0).eval()
    x, *memory = inputs()
    whole = decoder(x, *memory)
    _, state = decoder.advance(x[:, :3], decoder.start(*memory))
    index = torch.tensor([2, 0, 2])
    step, _ = decoder.advance(x[index, 3:4], state.take(index))
    torch.testing.assert_close(step[:, 0], whole[index, 3])
    one = decoder.start(*(t[:1].expand(3, *t.shape[1:]) for t in memory))
    _, state = decoder.advance(x[:, :3], one)
    expected = decoder(x, *(t[:1].expand(3, *t.shape[1:]) for t in memory))
    step, _ = decoder.advance(x[index, 3:4], state.take_past(index))
    torch.testing.assert_close(step[:, 0], expected[index, 3])


@decoders
def test_dropout_is_for_training_alone(kind):
    decoder = kind(D, 1, 2, dropout=0.5)
    parts = inputs()
    assert not torch.allclose(decoder(*parts), decoder(*parts))
    decoder.eval()
    torch.testing.assert_close(decoder(*parts), decoder(*parts), rtol=0, atol=0)


def test_positions_are_sines_and_cosines_of_the_place():
    found = positions(5, torch.zeros(1, 3, 6)).numpy()
    for t in range(3):
        for k in range(3):
            angle = (5 + t) / 10_000 ** (2 * k / 6)
            expected = [np.sin(angle), np.cos(angle)]
            np.testing.assert_allclose(found[t, 2 * k : 2 * k + 2], expected, 1e-4)


def test_the_pointer_mixes_what_is_copied_and_what_is_chosen():
    n_outputs, begin = 7, 7
    pointer = Pointer(D)
    torch.nn.init.normal_(pointer.follows)
    torch.nn.init.normal_(pointer.follows_gate)
    x, logits = torch.randn(2, 4, D), torch.randn(2, 4, n_outputs)
    said = torch.randn(2, 5, D)
    tokens = torch.tensor([[1, 5, 1, 5, 0], [2, 3, 4, 2, 6]])
    here = torch.tensor([[True] * 4 + [False], [True] * 5])
    starts = torch.tensor([[True, False, False, False, False]] * 2)
    starts[1, 3] = True
    reply = [[begin, 1, 5, 1], [begin, 2, 3, 4]]
    last = torch.tensor(
        [[[*row[t::-1], -2, -2, -2][:3] for t in range(4)] for row in reply]
    )
    source = pointer.read(said, tokens, tokens_before(tokens, starts, begin), here)
    found = pointer(x, logits, source, last).exp().detach().numpy()
    keys = pointer.key(said).detach().numpy()
    queries = pointer.query(x).detach().numpy()
    gates = pointer.gate(x)[..., 0].detach().numpy()
    bonus = pointer.follows.detach().numpy()
    gate_bonus = pointer.follows_gate.detach().numpy()
    for i in range(2):
        n = int(here[i].sum())
        for t in range(4):
            score = keys[i, :n] @ queries[i, t] / np.sqrt(D)
            longest = 0
            for place in range(n):
                first = max(h for h in range(place + 1) if starts[i, h])
                path = [begin, *tokens[i, first:place].tolist()][::-1]
                told = reply[i][t::-1]
                run = 0
                while run < 3 and run < min(len(path), len(told)):
                    if path[run] != told[run]:
                        break
                    run += 1
                score[place] += bonus[:run].sum()
                longest = max(longest, run)
            weight = np.exp(score) / np.exp(score).sum()
            gate = 1 / (1 + np.exp(-gates[i, t] - gate_bonus[:longest].sum()))
            chosen = np.exp(logits[i, t].numpy())
            mixed = (1 - gate) * chosen / chosen.sum()
            for place in range(n):
                mixed[tokens[i, place]] += gate * weight[place]
            np.testing.assert_allclose(found[i, t], mixed, rtol=1e-4)


def test_without_a_source_nothing_is_copied():
    pointer = Pointer(D)
    torch.nn.init.constant_(pointer.gate.bias, 50.0)
    x, logits = torch.randn(2, 3, D), torch.randn(2, 3, 7)
    last = torch.zeros(2, 3, 3, dtype=torch.long)
    for n_places in (0, 4):
        tokens = torch.zeros(2, n_places, dtype=torch.long)
        here = torch.zeros(2, n_places, dtype=torch.bool)
        before = tokens_before(tokens, here, 7)
        source = pointer.read(torch.randn(2, n_places, D), tokens, before, here)
        found = pointer(x, logits, source, last)
        torch.testing.assert_close(found, logits.log_softmax(2))
