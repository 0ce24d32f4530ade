"""Mixed rows: what is mixed, by which shares, and in a stack of nets."""

import copy

import numpy as np
import pytest
import torch
from scipy import stats
from torch.func import functional_call, stack_module_state, vmap

from skmultimodal.nn import Mixup


def test_rows_are_mixed_as_it_says():
    torch.manual_seed(0)
    x = torch.randn(50, 4)
    mixed, (partner, share) = Mixup(1.0)(x)
    assert sorted(partner.tolist()) == list(range(50))
    for i in range(50):
        own, other = x[i].numpy(), x[partner[i]].numpy()
        expected = share[i].item() * own + (1 - share[i].item()) * other
        np.testing.assert_allclose(mixed[i].numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.4, 1.0, 4.0])
def test_shares_are_of_a_beta_distribution(alpha):
    torch.manual_seed(0)
    share = Mixup(alpha).draw(4000).numpy()
    assert share.min() >= 0
    assert share.max() <= 1
    assert stats.kstest(share, stats.beta(alpha, alpha).cdf).pvalue > 0.01


def test_a_small_alpha_mixes_little():
    torch.manual_seed(0)
    share = Mixup(0.05).draw(4000).double()
    assert share.mean().item() == pytest.approx(0.5, abs=0.03)
    assert share.var().item() == pytest.approx(1 / (4 * 1.1), rel=0.02)


def test_gradient_reaches_both_rows():
    torch.manual_seed(0)
    x = torch.randn(6, 3, requires_grad=True)
    mixed, (partner, share) = Mixup(1.0)(x)
    mixed[0].sum().backward()
    expected = np.zeros((6, 3))
    expected[0] += share[0].item()
    expected[partner[0]] += 1 - share[0].item()
    np.testing.assert_allclose(x.grad.numpy(), expected, atol=1e-6)


def test_nets_in_a_stack_may_differ_in_alpha():
    torch.manual_seed(0)
    nets = [Mixup(0.05), Mixup(50.0)]
    state = stack_module_state(nets)
    base = copy.deepcopy(nets[0])

    def run(params, buffers, x):
        return functional_call(base, (params, buffers), (x,))[1].share

    x = torch.randn(500, 2)
    share = vmap(run, in_dims=(0, 0, None), randomness="different")(*state, x)
    near_half = ((share - 0.5).abs() < 0.2).float().mean(1)
    assert near_half[0] < 0.2
    assert near_half[1] > 0.95
