"""Attention against NumPy and against torch's own."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from skmultimodal.nn import Attention
from skmultimodal.nn._attention import FeedForward, TransformerLayer, masked_softmax


@pytest.fixture(autouse=True)
def _seed():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def holes():
    present = torch.ones(4, 5, dtype=torch.bool)
    present[1, 3:] = False
    present[2] = torch.tensor([False, True, False, True, False])
    present[3, 1:] = False
    return present


@pytest.mark.parametrize("n_heads", [1, 2, 8])
def test_attention_is_softmax_of_products(n_heads):
    d, width = 8, 8 // n_heads
    layer = Attention(d, n_heads, dropout=0.3).eval()
    query, memory, present = torch.randn(4, 3, d), torch.randn(4, 5, d), holes()
    found = layer(query, memory, present).detach().numpy()

    def apply(linear, x):
        weight, bias = (p.detach().double().numpy() for p in linear.parameters())
        return x @ weight.T + bias

    for i in range(4):
        keys = memory[i][present[i]].double().numpy()  # what is absent is left out
        q = apply(layer.query, query[i].double().numpy())
        k, v = np.split(apply(layer.key_value, keys), 2, axis=1)
        heads = []
        for h in range(n_heads):
            part = slice(h * width, (h + 1) * width)
            weight = np.exp(q[:, part] @ k[:, part].T / math.sqrt(width))
            heads.append(weight / weight.sum(axis=1, keepdims=True) @ v[:, part])
        expected = apply(layer.output, np.concatenate(heads, axis=1))
        np.testing.assert_allclose(found[i], expected, rtol=1e-4, atol=1e-5)


def test_attention_agrees_with_torch():
    layer, theirs = (
        Attention(8, 2, 0.0).eval(),
        nn.MultiheadAttention(8, 2, batch_first=True).eval(),
    )
    with torch.no_grad():
        theirs.in_proj_weight.copy_(
            torch.cat([layer.query.weight, layer.key_value.weight])
        )
        theirs.in_proj_bias.copy_(torch.cat([layer.query.bias, layer.key_value.bias]))
        theirs.out_proj.load_state_dict(layer.output.state_dict())
        query, memory, present = torch.randn(4, 3, 8), torch.randn(4, 5, 8), holes()
        expected = theirs(query, memory, memory, key_padding_mask=~present)[0]
        torch.testing.assert_close(
            layer(query, memory, present), expected, rtol=1e-4, atol=1e-5
        )


def test_masked_softmax():
    score = torch.randn(4, 2, 3, 5)
    present = holes()
    present[3] = False
    weight = masked_softmax(score, present)
    torch.testing.assert_close(weight.sum(3), torch.ones(4, 2, 3))
    assert not weight[:3].transpose(1, 3)[~present[:3]].any()
    torch.testing.assert_close(weight[3], torch.full((2, 3, 5), 0.2))  # nobody there
    torch.testing.assert_close(weight[0], score[0].softmax(dim=2))


@pytest.mark.parametrize("size", [1e4, 1e30])
def test_masked_softmax_of_extreme_scores_is_finite(size):
    score = size * torch.randn(4, 1, 2, 5)
    score.requires_grad_()
    weight = masked_softmax(score, holes())
    weight.square().sum().backward()
    assert weight.isfinite().all()
    assert score.grad.isfinite().all()


def test_dropout_hides_keys_in_training_only():
    layer = Attention(8, 2, dropout=0.5)
    query, memory = torch.randn(1, 1, 8), torch.randn(1, 5, 8)
    present = torch.ones(1, 5, dtype=torch.bool)
    layer.train()
    assert not torch.equal(layer(query, memory, present), layer(query, memory, present))
    layer.eval()
    assert torch.equal(layer(query, memory, present), layer(query, memory, present))


def test_layers_add_to_what_they_are_given():
    x = torch.randn(4, 5, 8)
    layer = TransformerLayer(8, 2, 0.0).eval()
    with torch.no_grad():
        for last in (layer.attention.output, layer.feed_forward.mlp.output):
            last.weight.zero_()
            last.bias.zero_()
    torch.testing.assert_close(layer(x, holes()), x)
    forward = FeedForward(8, 0.0).eval()
    with torch.no_grad():
        expected = x + forward.mlp(forward.norm(x))
        torch.testing.assert_close(forward(x), expected)


def test_order_of_keys_does_not_matter():
    layer = Attention(8, 2, 0.0).eval()
    query, memory, present = torch.randn(4, 3, 8), torch.randn(4, 5, 8), holes()
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(
        layer(query, memory[:, order], present[:, order]),
        layer(query, memory, present),
        rtol=1e-4,
        atol=1e-5,
    )
