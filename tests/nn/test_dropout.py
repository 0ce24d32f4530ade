"""Dropout of values and of modalities: rates, means, and who always stays."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skmultimodal.nn import Dropout, modality_dropout


@pytest.fixture(autouse=True)
def _seed():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_drops_its_share_and_keeps_the_mean(rate):
    x = torch.full((200, 500), 3.0)
    out = Dropout(rate).train()(x)
    assert float((out == 0).float().mean()) == pytest.approx(rate, abs=0.01)
    assert float(out.mean()) == pytest.approx(3.0, rel=0.05)
    kept = out[out != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 3.0 / (1 - rate)))


def test_drops_nothing_outside_training():
    x = torch.randn(20, 20)
    assert torch.equal(Dropout(0.9).eval()(x), x)


def test_the_rate_travels_with_the_state():
    one, other = Dropout(0.3), Dropout(0.0)
    other.load_state_dict(one.state_dict())
    assert float(other.rate) == pytest.approx(0.3)
    assert not list(one.parameters())


def test_gradient_passes_where_values_do():
    x = torch.ones(1000, requires_grad=True)
    out = Dropout(0.5).train()(x)
    out.sum().backward()
    assert torch.equal(x.grad, out.detach())


@given(
    mask=st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1),
    rate=st.floats(0, 1),
    seed=st.integers(0, 100),
)
def test_modality_dropout_hides_but_never_the_last_nor_what_is_absent(mask, rate, seed):
    torch.manual_seed(seed)
    present = torch.tensor(mask)
    kept = modality_dropout(present, torch.tensor(rate))
    assert not (kept & ~present).any()
    assert torch.equal(kept.any(1), present.any(1))
    if rate == 0:
        assert torch.equal(kept, present)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.7])
@pytest.mark.parametrize("n_modalities", [2, 3])
def test_modality_dropout_rate(rate, n_modalities):
    """Each is drawn out with `rate`, but the one with the largest draw stays.

    All M independent draws fall below `rate` with probability rate^M, and then one of
    them is spared: M rate - rate^M are hidden a row.
    """
    present = torch.ones(40_000, n_modalities, dtype=torch.bool)
    kept = modality_dropout(present, torch.tensor(rate))
    hidden = float((~kept).float().sum(1).mean())
    assert hidden == pytest.approx(n_modalities * rate - rate**n_modalities, abs=0.015)
    shares = (~kept).float().mean(0)
    torch.testing.assert_close(
        shares, shares.mean().expand(n_modalities), atol=0.015, rtol=0
    )


def test_modality_dropout_counts_only_what_is_present():
    present = torch.tensor([[True, False, True]]).repeat(20_000, 1)
    kept = modality_dropout(present, torch.tensor(0.5))
    assert float((~kept[:, [0, 2]]).float().sum(1).mean()) == pytest.approx(
        2 * 0.5 - 0.25, abs=0.02
    )
