"""Projection, pooling and the output network against NumPy."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from skmultimodal.nn import (
    MLP,
    ModalityTokens,
    PerModality,
    ScaledLinear,
    WideDeep,
    pool_tokens,
)


@pytest.fixture(autouse=True)
def _seed():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


class TestPooling:
    def test_mean_of_the_steps_that_are_there(self):
        rng = np.random.default_rng(0)
        tokens = rng.normal(size=(5, 4, 3)).astype(np.float32)
        present = rng.random((5, 4)) < 0.5
        present[:, 0] = True
        present[4] = False
        expected = [
            t[p].mean(axis=0) if p.any() else t.mean(axis=0)
            for t, p in zip(tokens, present)
        ]
        found = pool_tokens(torch.from_numpy(tokens), torch.from_numpy(present))
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)

    def test_one_token_is_itself(self):
        tokens = torch.randn(4, 1, 3)
        for present in (True, False):
            found = pool_tokens(tokens, torch.full((4, 1), present))
            assert torch.equal(found, tokens[:, 0])


class TestScaledLinear:
    def test_formula(self):
        layer = ScaledLinear(9, 4)
        x = torch.randn(6, 9)
        weight, bias = (p.detach().numpy() for p in (layer.weight, layer.bias))
        expected = x.numpy() @ weight.T / math.sqrt(9) + bias
        np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-5)

    @pytest.mark.parametrize("width", [1, 16, 2048])
    def test_a_wide_block_is_no_louder(self, width):
        """Unit-normal columns give tokens of unit variance, however many there are."""
        out = ScaledLinear(width, 400)(torch.randn(200, width))
        assert out.std().item() == pytest.approx(1.0, abs=0.15)

    def test_gain_turns_a_block_down(self):
        loud, quiet = ScaledLinear(9, 4), ScaledLinear(9, 4, gain=0.25)
        quiet.weight, quiet.bias = loud.weight, loud.bias
        x = torch.randn(6, 9)
        torch.testing.assert_close(quiet(x), 0.25 * loud(x))
        assert "scale" in quiet.state_dict()  # a buffer: stacked nets may differ

    @pytest.mark.parametrize("width", [4, 400])
    def test_the_factor_stands_outside_the_weights(self, width):
        """A step of 0.1 in every weight moves the output by 0.1 √width, not width."""
        layer, x = ScaledLinear(width, 1), torch.ones(1, width)
        before = layer(x).item()
        with torch.no_grad():
            layer.weight += 0.1
        moved = layer(x).item() - before
        assert moved == pytest.approx(0.1 * math.sqrt(width), rel=1e-3)


class TestModalityTokens:
    def test_steps_are_projected_one_by_one(self):
        tokens = ModalityTokens(3, 2, 5, is_sequence=True)
        x = torch.randn(4, 6)
        found = tokens(x, torch.ones(4, 3, dtype=torch.bool))
        for step in range(3):
            expected = tokens.project(x[:, 2 * step : 2 * step + 2])
            expected = expected + tokens.position[step]
            torch.testing.assert_close(found[:, step], expected)

    def test_a_learned_token_stands_for_what_is_absent(self):
        tokens = ModalityTokens(2, 3, 5, is_sequence=True)
        with torch.no_grad():
            tokens.missing.copy_(torch.arange(5.0))
        present = torch.tensor([[True, False], [False, False]])
        found = tokens(torch.randn(2, 6), present)
        assert torch.equal(found[0, 1], torch.arange(5.0))
        assert torch.equal(found[1], torch.arange(5.0).expand(2, 5))
        assert not torch.equal(found[0, 0], torch.arange(5.0))

    def test_only_sequences_have_positions(self):
        assert ModalityTokens(1, 3, 5, is_sequence=False).position is None
        steps = ModalityTokens(2, 1, 5, is_sequence=True)
        found = steps(torch.ones(1, 2), torch.ones(1, 2, dtype=torch.bool))
        assert not torch.allclose(found[0, 0], found[0, 1])

    def test_absent_steps_teach_only_the_learned_token(self):
        tokens = ModalityTokens(1, 3, 5, is_sequence=False)
        tokens(torch.randn(4, 3), torch.zeros(4, 1, dtype=torch.bool)).sum().backward()
        assert not tokens.project.weight.grad.any()
        torch.testing.assert_close(tokens.missing.grad, torch.full((5,), 4.0))


class TestMLP:
    def test_no_hidden_layer_is_linear(self):
        mlp = MLP(3, (), 2, 0.5)
        assert len(mlp.hidden) == 0
        x = torch.randn(4, 3)
        torch.testing.assert_close(mlp.train()(x), mlp.output(x))

    def test_formula(self):
        mlp = MLP(3, (5, 4), 2, 0.5).eval()
        x = torch.randn(6, 3)
        h = x.double().numpy()
        for layer in [m for m in mlp.hidden if isinstance(m, nn.Linear)]:
            weight, bias = (p.detach().double().numpy() for p in layer.parameters())
            h = h @ weight.T + bias
            h = 0.5 * h * (1 + np.vectorize(math.erf)(h / math.sqrt(2)))
        weight, bias = (p.detach().double().numpy() for p in mlp.output.parameters())
        expected = h @ weight.T + bias
        np.testing.assert_allclose(
            mlp(x).detach().numpy(), expected, rtol=1e-4, atol=1e-5
        )


class TestWideDeep:
    @pytest.mark.parametrize("hidden", [(), (5,)])
    def test_is_a_perceptron_and_a_line(self, hidden):
        net, x = WideDeep(3, hidden, 2, 0.0).eval(), torch.randn(6, 3)
        weight, bias = (p.detach().numpy() for p in net.wide.parameters())
        expected = net.deep(x).detach().numpy() + x.numpy() @ weight.T + bias
        np.testing.assert_allclose(
            net(x).detach().numpy(), expected, rtol=1e-5, atol=1e-6
        )


class TestPerModality:
    @pytest.mark.parametrize("name", ["type", "values", "keys", "forward", "a.b", "0"])
    def test_any_name(self, name):
        layer = nn.Linear(2, 2)
        modules = PerModality({name: layer})
        assert modules[name] is layer
        assert len(list(modules.parameters())) == 2

    def test_names_do_not_meet(self):
        names = ["a", "a_b", "a.b", "ab", "A"]
        modules = PerModality({name: nn.Linear(1, 1) for name in names})
        assert len({id(modules[name]) for name in names}) == len(names)

    def test_unknown(self):
        with pytest.raises(KeyError):
            PerModality({"a": nn.Identity()})["b"]
