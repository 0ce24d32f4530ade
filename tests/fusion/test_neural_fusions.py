"""What every neural fusion promises; a new one is found by its base class."""

import copy
import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from skmultimodal import pack
from skmultimodal.fusion import FusionModule
from skmultimodal.fusion._base import fusion_name, known_fusions
from skmultimodal.heads import FusionClassifier
from skmultimodal.nn import ModalityTokens, PerModality

# A fusion that another test defines is none of the package's.
FUSIONS = {
    name: cls
    for name, cls in known_fusions().items()
    if cls.__module__.startswith("skmultimodal.")
}
LEARNS_XOR = {  # with a linear output behind it
    "attention_pool": False,  # one weight for all channels
    "bottleneck": True,
    "concat": False,
    "cross_attention": True,
    "embrace": False,
    "evidential": True,  # by its joint view
    "film": True,
    "gated": True,
    "graph": True,
    "latent": True,
    "low_rank_tensor": True,
    "mmtm": True,
    "progressive": True,
}
DRAWS = {"embrace"}  # at random in training, whatever the dropout rate

D = 8
STEPS = {"text": 1, "image": 1, "audio": 4}
WIDTHS = {"text": 5, "image": 3, "audio": 2}

every_fusion = pytest.mark.parametrize("name", FUSIONS)


class Net(nn.Module):
    """Tokens of each modality, the fusion, a linear output: no other way through."""

    def __init__(self, name, steps=STEPS, dropout=0.0):
        super().__init__()
        self.tokens = PerModality(
            {m: ModalityTokens(t, WIDTHS[m], D, t > 1) for m, t in steps.items()}
        )
        self.fusion = FUSIONS[name]().build(steps, D, dropout)
        self.output = nn.Linear(self.fusion.d_out, 2)

    def forward(self, x, present):
        tokens = {m: self.tokens[m](v, present[m]) for m, v in x.items()}
        return self.output(self.fusion(tokens, present).fused)


def make(name, seed=0, **kwargs):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Net(name, **kwargs).eval()


def wake(net, seed=0):
    """Give gates and other parameters that start at zero some value."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator))
    return net


def batch(steps=STEPS, n=8, seed=0):
    """Blocks, and presence: all there, none, one of each, sequences cut and holed."""
    generator = torch.Generator().manual_seed(seed)
    x = {
        m: torch.randn(n, t * WIDTHS[m], generator=generator) for m, t in steps.items()
    }
    present = {m: torch.ones(n, t, dtype=torch.bool) for m, t in steps.items()}
    for m in present:
        present[m][1] = False
    for row, only in enumerate(steps, start=2):
        for m in present:
            present[m][row] = m == only
    if "audio" in present:
        present["audio"][5, 2:] = False
        present["audio"][6] = torch.tensor([False, True, False, True])
    return x, present


def outputs(net, x, present):
    """The same draws for all, where a fusion draws in training."""
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return net(x, present)


def noise_under_absent(x, present, size=1e3):
    """x with other values where nothing is present."""
    changed = {}
    for m, values in x.items():
        wide = present[m].repeat_interleave(WIDTHS[m], dim=1)
        changed[m] = torch.where(wide, values, size * torch.randn_like(values))
    return changed


def two_signs(n=240, seed=0):
    """Two modalities; each says a part of the class."""
    rng = np.random.default_rng(seed)
    text, audio = rng.normal(size=(n, 3)), rng.normal(size=(n, 4, 2))
    y = (text[:, 0] + audio.mean(axis=1)[:, 0] * 2 > 0).astype(int)
    return text, audio, y


def head(fusion, **kwargs):
    params = {"embed_dim": 16, "hidden_layer_sizes": (16,), "lr": 1e-2, "dropout": 0.0}
    params |= {"max_epochs": 15, "batch_size": 32, "random_state": 0, "device": "cpu"}
    return FusionClassifier(fusion, **(params | kwargs))


def test_the_table_of_xor_names_every_fusion():
    assert set(LEARNS_XOR) == set(FUSIONS)


@every_fusion
def test_gives_what_it_says(name):
    net = make(name)
    assert isinstance(net.fusion, FusionModule)
    x, present = batch()
    tokens = {m: net.tokens[m](v, present[m]) for m, v in x.items()}
    out = net.fusion(tokens, present)
    assert out.fused.shape == (8, net.fusion.d_out)
    assert out.fused.dtype == torch.float32
    if out.tokens is not None:
        shapes = {m: tuple(z.shape) for m, z in out.tokens.items()}
        assert shapes == {m: (8, t, D) for m, t in STEPS.items()}
    if out.per_modality is not None:
        shapes = {m: tuple(z.shape) for m, z in out.per_modality.items()}
        assert shapes == dict.fromkeys(STEPS, (8, D))
    if out.loss is not None:
        assert out.loss.shape == ()


@every_fusion
def test_gradient_reaches_every_modality_after_two_steps(name):
    net = make(name).train()
    closed = [n for n, p in net.fusion.named_parameters() if not p.any()]
    x, present = batch(n=16)
    y = torch.arange(16) % 2
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    for _ in range(2):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x, present), y).backward()
        optimizer.step()
    optimizer.zero_grad()
    nn.functional.cross_entropy(net(x, present), y).backward()
    for m in STEPS:
        assert net.tokens[m].project.weight.grad.abs().max() > 1e-6, m
        assert net.tokens[m].missing.grad is not None
    parameters = dict(net.fusion.named_parameters())
    assert all(parameters[n].any() for n in closed), "a zero gate stays shut"


@every_fusion
def test_a_modality_hears_of_the_others_within_two_steps(name):
    """The output of a row depends on each modality, given the others."""
    net = make(name).train()
    x, present = batch(n=16)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    for _ in range(2):
        optimizer.zero_grad()
        net(x, present).square().mean().backward()
        optimizer.step()
    net.eval()
    before = outputs(net, x, present)
    for m in STEPS:
        other = outputs(net, {**x, m: x[m] + 1.0}, present)
        moved = (other - before).abs().amax(1)
        assert (moved[present[m].any(1)] > 1e-6).all(), m


@every_fusion
@pytest.mark.parametrize("training", [False, True])
def test_a_value_under_an_absent_modality_or_step_changes_nothing(name, training):
    net = wake(make(name)).train(training)
    x, present = batch()
    changed = noise_under_absent(x, present)
    assert any(not torch.equal(changed[m], x[m]) for m in x)
    assert torch.equal(outputs(net, changed, present), outputs(net, x, present))


@every_fusion
def test_tokens_of_masked_steps_change_nothing(name):
    """The fusion alone, without the learned token that hides them from it."""
    fusion = wake(make(name)).fusion
    generator = torch.Generator().manual_seed(0)
    tokens = {m: torch.randn(4, t, D, generator=generator) for m, t in STEPS.items()}
    present = {m: torch.ones(4, t, dtype=torch.bool) for m, t in STEPS.items()}
    present["audio"][1, 2:] = False
    present["audio"][2] = torch.tensor([False, True, False, True])
    other = torch.where(present["audio"][:, :, None], tokens["audio"], 50.0)
    with torch.no_grad():
        fused = fusion(tokens, present).fused
        again = fusion({**tokens, "audio": other}, present).fused
    torch.testing.assert_close(again, fused, rtol=1e-5, atol=1e-5)
    shown = {**present, "audio": torch.ones(4, 4, dtype=torch.bool)}
    with torch.no_grad():
        bare = fusion({**tokens, "audio": other}, shown).fused
    assert not torch.allclose(bare[1:3], fused[1:3])


@every_fusion
def test_absence_is_not_the_same_as_any_value(name):
    net = wake(make(name))
    x, present = batch()
    for m in STEPS:
        gone = {**present, m: torch.zeros_like(present[m])}
        assert not torch.allclose(outputs(net, x, gone)[0], outputs(net, x, present)[0])


@every_fusion
@pytest.mark.parametrize("training", [False, True])
def test_all_absent_is_finite_and_trains(name, training):
    net = wake(make(name)).train(training)
    x, present = batch()
    nothing = {m: torch.zeros_like(p) for m, p in present.items()}
    out = net(x, nothing)
    assert out.isfinite().all()
    torch.testing.assert_close(out, out[:1].expand_as(out))
    out.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())


@every_fusion
@pytest.mark.parametrize("only", STEPS)
def test_one_modality_is_enough_or_the_fusion_says_so(name, only):
    if FUSIONS[name].min_modalities > 1:
        X = pack({only: np.random.default_rng(0).normal(size=(20, 3))})
        with pytest.raises(ValueError, match="needs at least"):
            head(name).fit(X, np.arange(20) % 2)
        return
    steps = {only: STEPS[only]}
    net = wake(make(name, steps=steps))
    x, present = batch(steps)
    out = outputs(net, x, present)
    assert out.isfinite().all()
    assert (out[0] - out[2]).abs().max() > 1e-4  # rows are told apart


@every_fusion
def test_rows_are_independent_of_order_and_batch(name):
    net = wake(make(name))
    x, present = batch()
    whole = outputs(net, x, present)
    order = torch.tensor([5, 2, 7, 0, 6, 1, 3, 4])
    parts = [
        outputs(
            net,
            {m: v[rows] for m, v in x.items()},
            {m: p[rows] for m, p in present.items()},
        )
        for rows in (order[:3], order[3:4], order[4:])
    ]
    torch.testing.assert_close(torch.cat(parts), whole[order], rtol=1e-5, atol=1e-6)


@every_fusion
def test_the_seed_decides_the_weights(name):
    one, same, other = make(name, 0), make(name, 0), make(name, 1)
    for (key, a), b, c in zip(
        one.named_parameters(), same.parameters(), other.parameters()
    ):
        assert torch.equal(a, b), key
        if a.ndim > 1 and a.any():  # not one that starts at zero
            assert not torch.equal(a, c), key


@every_fusion
def test_many_nets_train_as_one_stack(name):
    """torch.func.vmap over stacked parameters: no branch on values, none on masks."""
    rates = [0.0, 0.25, 0.5]
    nets = [wake(make(name, k, dropout=rate), k) for k, rate in enumerate(rates)]
    parameters, buffers = stack_module_state(nets)
    skeleton = copy.deepcopy(nets[0])
    x, present = batch()

    def run(params, state):
        return functional_call(skeleton, (params, state), (x, present))

    skeleton.eval()
    together = vmap(run, randomness="different")(parameters, buffers)
    for k, net in enumerate(nets):
        expected = outputs(net, x, present)
        torch.testing.assert_close(together[k], expected, rtol=1e-4, atol=1e-4)
    skeleton.train()
    trained = vmap(run, randomness="different")(parameters, buffers)
    assert trained.shape == (3, 8, 2)
    assert trained.isfinite().all()
    if name in DRAWS:
        return
    # each net drops by its own rate, which is a buffer: the first drops nothing
    torch.testing.assert_close(trained[0], together[0], rtol=1e-4, atol=1e-4)


@every_fusion
def test_the_net_of_a_head_runs_under_vmap(name):
    text, audio, y = two_signs(40)
    text[:5] = np.nan
    audio[3:9, 2:] = np.nan
    X = pack({"text": text, "audio": audio})
    fitted = head(name, max_epochs=1, dropout=0.2, modality_dropout=0.4).fit(X, y)
    nets = [copy.deepcopy(fitted.module_) for _ in range(2)]
    parameters, buffers = stack_module_state(nets)
    rows, present = fitted._inputs(X.to_numpy())
    skeleton = copy.deepcopy(nets[0]).train()

    def run(params, state):
        return functional_call(skeleton, (params, state), (rows, present))[0]

    out = vmap(run, randomness="different")(parameters, buffers)
    assert out.isfinite().all()
    assert not torch.equal(out[0], out[1])  # drawn anew for each net


@every_fusion
def test_dropout_rates_are_buffers(name):
    fusion = make(name, dropout=0.35).fusion
    assert not any(
        isinstance(m, nn.modules.dropout._DropoutNd) for m in fusion.modules()
    )
    rates = [v for k, v in fusion.state_dict().items() if k.endswith("rate")]
    for rate in rates:
        assert float(rate) == pytest.approx(0.35)
    drops = [m for m in fusion.modules() if type(m).__name__ == "Dropout"]
    assert len(drops) == len(rates)


@every_fusion
@pytest.mark.parametrize(
    "names", [("type", "values"), ("keys", "training"), ("a.b", "é")]
)
def test_a_modality_may_have_any_name(name, names):
    X = np.random.default_rng(0).normal(size=(40, 8))
    y = (X[:, 0] > 0).astype(int)
    columns = [f"{m}__{k}" for m in names for k in range(4)]
    fitted = head(name, max_epochs=1).fit(pd.DataFrame(X, columns=columns), y)
    assert fitted.predict_proba(pd.DataFrame(X, columns=columns)).shape == (40, 2)


@every_fusion
def test_specs_are_small_values(name):
    cls = FUSIONS[name]
    spec, again = cls(), clone(cls())
    assert spec == again
    assert spec is not again
    assert hash(spec) == hash(again)
    assert repr(spec) == f"{cls.__name__}()"
    assert fusion_name(cls) == name
    assert cls.level in ("feature", "hierarchical", "relational", "decision")
    for key, value in spec.get_params().items():
        changed = clone(spec).set_params(**{key: _another(value)})
        assert changed != spec
        assert f"{key}={_another(value)!r}" in repr(changed)
        assert not vars(spec).keys() - spec.get_params().keys()
        nested = FusionClassifier(fusion=spec).set_params(
            **{f"fusion__{key}": _another(value)}
        )
        assert nested.fusion == changed
        spec.set_params(**{key: value})
    assert len({spec, again}) == 1


def _another(value):
    return not value if isinstance(value, bool) else (value or 0) + 1


@every_fusion
def test_documented_with_a_paper_and_an_example(name):
    doc = FUSIONS[name].__doc__
    for word in ("References", "arXiv:", "Examples", ">>>", "d_out ="):
        assert word in doc, word


def test_no_two_fusions_are_equal():
    specs = [cls() for cls in FUSIONS.values()]
    assert all(a != b for a, b in itertools.combinations(specs, 2))
    assert len(set(specs)) == len(specs)


@every_fusion
def test_shuffling_a_modality_that_carries_signal_hurts(name):
    text, audio, y = two_signs()
    fitted = head(name).fit(pack({"text": text, "audio": audio}), y)
    test_text, test_audio, test_y = two_signs(400, seed=1)
    order = np.random.default_rng(0).permutation(400)
    score = fitted.score(pack({"text": test_text, "audio": test_audio}), test_y)
    assert score > 0.85
    for blocks in (
        {"text": test_text[order], "audio": test_audio},
        {"text": test_text, "audio": test_audio[order]},
    ):
        assert fitted.score(pack(blocks), test_y) < score - 0.1


@every_fusion
def test_rows_without_anything_are_predicted(name):
    text, audio, y = two_signs(80)
    text[:20], audio[10:30], audio[30:50, 2:] = np.nan, np.nan, np.nan
    X = pack({"text": text, "audio": audio})  # rows 10 to 19 have nothing
    fitted = head(name, max_epochs=2).fit(X, y)
    proba = fitted.predict_proba(X)
    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        proba[10:20], np.tile(proba[10], (10, 1)), rtol=1e-5, atol=1e-6
    )
    alone = np.vstack([fitted.predict_proba(X.iloc[[i]]) for i in range(0, 80, 9)])
    np.testing.assert_allclose(alone, proba[::9], rtol=1e-5, atol=1e-5)


@every_fusion
def test_learns_xor_if_its_formula_can(name):
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], (2, 400))
    noise = rng.normal(scale=0.2, size=(2, 400))
    left, right = (signs + noise)[:, :, None]
    X = pack({"left": left, "right": right})
    y = (signs[0] == signs[1]).astype(int)
    learner = head(name, hidden_layer_sizes=(), max_epochs=30, lr=2e-2)
    score = learner.fit(X[:300], y[:300]).score(X[300:], y[300:])
    # one that cannot gets three corners of four right at best
    assert score > 0.95 if LEARNS_XOR[name] else score < 0.88


@every_fusion
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_moves_to_cuda(name):
    net = wake(make(name))
    x, present = batch()
    expected = outputs(net, x, present)
    net = copy.deepcopy(net).cuda()
    x, present = ({m: v.cuda() for m, v in d.items()} for d in (x, present))
    found = outputs(net, x, present).cpu()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
