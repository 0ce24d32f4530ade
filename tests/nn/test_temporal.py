"""Temporal encoders against plain torch, and what absent steps may not do."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from skmultimodal.nn import TEMPORAL, ModalityTokens, make_temporal, pool_tokens
from skmultimodal.nn._attention import TransformerLayer

every_kind = pytest.mark.parametrize("kind", TEMPORAL)
D = 6


@pytest.fixture(autouse=True)
def _seed():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def make(kind, d=D):
    """An encoder none of whose weights is zero."""
    encoder = make_temporal(kind, d, dropout=0.0).eval()
    with torch.no_grad():
        for p in encoder.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return encoder


def holes():
    present = torch.ones(5, 7, dtype=torch.bool)
    present[1, 4:] = False
    present[2] = torch.tensor([False, True, False, False, True, True, False])
    present[3, :6] = False
    present[4] = False
    return present


def only(tokens, present):
    """The present steps of each row, one after another: a list of (1, t, d)."""
    return [z[p][None] for z, p in zip(tokens, present)]


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_mean_hands_on():
    tokens = torch.randn(5, 7, D)
    assert make("mean")(tokens, holes()) is tokens


def test_the_mean_of_attention_is_the_attention_pooled_vector():
    tokens, present, encoder = torch.randn(5, 7, D), holes(), make("attention")
    pooled = pool_tokens(encoder(tokens, present), present)
    for row, z in enumerate(only(tokens, present)[:4]):
        score = (z[0] @ encoder.hidden.weight.T + encoder.hidden.bias).tanh()
        score = score @ encoder.score.weight[0]
        weight = score.exp() / score.exp().sum()
        close(pooled[row], (weight[:, None] * z[0]).sum(0))
        assert len(weight) == 1 or not torch.allclose(weight, weight.mean())


def test_attention_starts_as_the_mean():
    tokens, present = torch.randn(5, 7, D), holes()
    found = make_temporal("attention", D, 0.0)(tokens, present)
    close(found[present], tokens[present])


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("d", [1, 5, 6])
def test_recurrence_is_torchs_own_on_the_unpadded_sequence(kind, d):
    tokens, present, encoder = torch.randn(5, 7, d), holes(), make(kind, d)
    width = (d + 1) // 2
    theirs = {"lstm": nn.LSTM, "gru": nn.GRU}[kind](
        d, width, bidirectional=True, batch_first=True
    )
    state = encoder.ahead.state_dict()
    state |= {f"{k}_reverse": v for k, v in encoder.back.state_dict().items()}
    theirs.load_state_dict(state)
    found = encoder(tokens, present)
    assert found.shape == tokens.shape
    for row, z in enumerate(only(tokens, present)[:4]):
        states = theirs(z)[0]
        expected = z + states @ encoder.output.weight.T + encoder.output.bias
        close(found[row][present[row]], expected[0])


@pytest.mark.parametrize(("d", "n_heads"), [(8, 4), (6, 3), (10, 2), (7, 1)])
def test_transformer_is_a_layer_on_the_unpadded_sequence(d, n_heads):
    tokens, present, encoder = torch.randn(5, 7, d), holes(), make("transformer", d)
    layer = TransformerLayer(d, n_heads, 0.0).eval()
    layer.load_state_dict(encoder.layer.state_dict())
    found = encoder(tokens, present)
    for row, z in enumerate(only(tokens, present)[:4]):
        place = torch.arange(1, z.shape[1] + 1).double()
        angle = place[:, None] / 10_000 ** (torch.arange(0, d, 2) / d).double()
        waves = torch.cat([angle.sin(), angle.cos()], dim=1)[:, :d].float()
        everyone = torch.ones(1, z.shape[1], dtype=torch.bool)
        close(found[row][present[row]], layer(z + waves, everyone)[0])


@every_kind
def test_absent_steps_leave_no_trace(kind):
    """Wherever they stand, however many, whatever lies under them."""
    encoder, tokens = make(kind), torch.randn(2, 4, D)
    expected = encoder(tokens, torch.ones(2, 4, dtype=torch.bool))
    for where in ([4, 5, 6], [0, 1], [1, 3, 6, 7]):
        wide = torch.zeros(2, 4 + len(where), D)
        present = torch.ones(2, 4 + len(where), dtype=torch.bool)
        present[:, where] = False
        wide[present] = tokens.flatten(0, 1)
        found = encoder(wide, present)
        close(found[present].view(2, 4, D), expected)


@every_kind
def test_values_under_absent_steps_change_nothing_and_teach_nothing(kind):
    tokens = ModalityTokens(7, 3, D, is_sequence=True, temporal=kind).eval()
    x, present = torch.randn(5, 21), holes()
    wide = present.repeat_interleave(3, dim=1)
    other = torch.where(wide, x, 1e6 * torch.randn_like(x))
    gradients = []
    for values in (x, other):
        values = values.clone().requires_grad_()
        tokens.zero_grad()
        found = tokens(values, present)
        (found * torch.linspace(-1, 1, D)).square().sum().backward()
        assert not values.grad[~wide].any()
        assert values.grad[wide].all()
        gradients.append([p.grad.clone() for p in tokens.parameters()])
    close(tokens(other, present), tokens(x, present))
    for one, two in zip(*gradients):
        close(two, one)


@every_kind
def test_a_row_alone_is_the_row_in_a_batch(kind):
    encoder, tokens, present = make(kind), torch.randn(5, 7, D), holes()
    together = encoder(tokens, present)
    for row in range(5):
        alone = encoder(tokens[row : row + 1], present[row : row + 1])
        close(alone[0][present[row]], together[row][present[row]])


@every_kind
def test_rows_without_any_step_get_the_learned_token(kind):
    tokens = ModalityTokens(3, 2, D, is_sequence=True, temporal=kind)
    with torch.no_grad():
        tokens.missing.copy_(torch.arange(float(D)))
    found = tokens(torch.randn(4, 6), torch.zeros(4, 3, dtype=torch.bool))
    assert torch.equal(found, torch.arange(float(D)).expand(4, 3, D))
    found.sum().backward()
    for name, p in tokens.named_parameters():
        assert p.grad is None or p.grad.isfinite().all(), name
        assert name == "missing" or p.grad is None or not p.grad.any(), name


@every_kind
@pytest.mark.parametrize("d", [1, 2, 7])
def test_one_step_of_any_width(kind, d):
    tokens = ModalityTokens(1, 2, d, is_sequence=True, temporal=kind)
    found = tokens(torch.randn(4, 2), torch.tensor([[True]] * 3 + [[False]]))
    assert found.shape == (4, 1, d)
    assert found.isfinite().all()


@every_kind
def test_vectors_are_left_alone(kind):
    torch.manual_seed(0)
    plain = ModalityTokens(1, 3, D, is_sequence=False)
    torch.manual_seed(0)
    asked = ModalityTokens(1, 3, D, is_sequence=False, temporal=kind)
    x, present = torch.randn(4, 3), torch.ones(4, 1, dtype=torch.bool)
    assert torch.equal(asked(x, present), plain(x, present))
    assert asked.state_dict().keys() == plain.state_dict().keys()


@pytest.mark.parametrize("kind", ["mean", "attention", "transformer"])
@pytest.mark.filterwarnings("error")
def test_stacked_encoders_train_at_once(kind):
    nets = [
        ModalityTokens(7, 3, D, is_sequence=True, temporal=kind).eval()
        for _ in range(3)
    ]
    x, present = torch.randn(5, 21), holes()

    def loss(params, buffers):
        z = functional_call(nets[0], (params, buffers), (x, present))
        return (pool_tokens(z, present) * torch.linspace(-1, 1, D)).square().sum()

    params, buffers = stack_module_state(nets)
    found = vmap(torch.func.grad(loss))(params, buffers)
    for k, net in enumerate(nets):
        z = net(x, present)
        (pool_tokens(z, present) * torch.linspace(-1, 1, D)).square().sum().backward()
        for name, p in net.named_parameters():
            torch.testing.assert_close(found[name][k], p.grad, rtol=1e-4, atol=1e-5)


def test_unknown():
    with pytest.raises(ValueError, match=r"temporal='rnn' is not known.*'gru'"):
        make_temporal("rnn", 4, 0.0)
