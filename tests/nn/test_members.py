"""Members of an implicit ensemble against nets of their own, in NumPy."""

import copy

import numpy as np
import pytest
import torch
from scipy.special import erf, expit, logit, softmax
from torch.func import functional_call, stack_module_state, vmap

from skmultimodal.nn import MemberOutputs
from skmultimodal.nn._members import pool_members

N, D, E, K = 7, 5, 3, 4


def outputs(hidden=(6,), task="classification", scale=None, dropout=0.0):
    torch.manual_seed(0)
    module = MemberOutputs(E, D, hidden, K, dropout, task, scale)
    with torch.no_grad():  # members differ in all that is their own
        for p in module.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return module, torch.randn(N, D)


def gelu(x):
    return x * 0.5 * (1 + erf(x / np.sqrt(2)))


@pytest.mark.parametrize("scale", [None, 9.0])
@pytest.mark.parametrize("hidden", [(), (6,), (6, 8)])
def test_each_member_is_a_net(hidden, scale):
    module, x = outputs(hidden, scale=scale)
    found = module.train()(x).detach().numpy()
    assert found.shape == (N, E, K)
    weights = {k: v.numpy() for k, v in module.state_dict().items()}
    for e in range(E):
        h = x.numpy()
        for number in range(len(hidden)):
            layer = f"hidden.{3 * number}"
            h = (h * weights[f"{layer}.before"][e]) @ weights[
                f"{layer}.shared.weight"
            ].T
            h = h * weights[f"{layer}.after"][e] + weights[f"{layer}.bias"][e]
            h = gelu(h)
        own = weights["output.weight"][e]
        if scale is None:
            wide = slice(e * K, (e + 1) * K)
            expected = h @ own + weights["output.bias"][e]
            expected += x.numpy() @ weights["wide.weight"][wide].T
            expected += weights["wide.bias"][wide]
        else:
            h = h / np.linalg.norm(h, axis=1, keepdims=True)
            expected = scale * h @ (own / np.linalg.norm(own, axis=0))
        np.testing.assert_allclose(found[:, e], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_what_they_say_together(task):
    module, x = outputs(task=task)
    each = module.train()(x).detach().double().numpy()
    together = module.eval()(x).detach().numpy()
    if task == "classification":
        expected = softmax(each, axis=2).mean(axis=1)
        together = softmax(together, axis=1)
    elif task == "multilabel":
        expected = expit(each).mean(axis=1)
        together = expit(together)
    else:
        expected = each.mean(axis=1)
    np.testing.assert_allclose(together, expected, rtol=1e-4, atol=1e-6)


def test_logits_far_out_stay_finite():
    each = torch.tensor([[[200.0], [-200.0]], [[300.0], [250.0]]])  # (2, 2, 1)
    found = pool_members(each, "multilabel")
    assert torch.isfinite(found).all()
    assert found[0].item() == pytest.approx(logit(0.5), abs=1e-4)
    assert found[1] > 200


def test_members_share_hidden_layers():
    one = sum(
        p.numel()
        for p in MemberOutputs(2, 64, (128,), 1, 0, "", 1.0).hidden[0].parameters()
    )
    other = sum(
        p.numel()
        for p in MemberOutputs(8, 64, (128,), 1, 0, "", 1.0).hidden[0].parameters()
    )
    assert other < 1.3 * one


def test_members_start_apart():
    torch.manual_seed(0)
    module = MemberOutputs(4, 16, (32,), 2, 0.0, "classification", None)
    hidden = module.hidden[:2](torch.randn(50, 1, 16).expand(-1, 4, -1))
    flat = hidden.detach().permute(1, 0, 2).reshape(4, -1).numpy()
    assert np.abs(np.corrcoef(flat) - np.eye(4)).max() < 0.9


def test_train_in_a_stack():
    nets = []
    for seed in range(2):
        torch.manual_seed(seed)
        nets.append(MemberOutputs(E, D, (6,), K, 0.2, "classification", None))
    base = copy.deepcopy(nets[0])
    x = torch.randn(N, D)

    def run(params, buffers):
        return functional_call(base, (params, buffers), (x,))

    params, buffers = stack_module_state([net.eval() for net in nets])
    base.eval()
    found = vmap(run, randomness="different")(params, buffers)
    for k, net in enumerate(nets):
        np.testing.assert_allclose(
            found[k].detach(), net(x).detach(), rtol=1e-5, atol=1e-6
        )
    base.train()
    assert vmap(run, randomness="different")(params, buffers).shape == (2, N, E, K)
