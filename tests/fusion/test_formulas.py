"""Each fusion against its formula in NumPy, one sample and one head at a time.

What is absent is left out here, where the modules mask it.
"""

import math

import numpy as np
import pytest
import torch

from skmultimodal.fusion import (
    BottleneckFusion,
    ConcatFusion,
    CrossAttentionFusion,
    GatedFusion,
)

D = 8
STEPS = {"text": 1, "image": 3, "audio": 4}


def build(spec, steps=STEPS):
    """The module with every parameter drawn anew, and its weights in float64."""
    module = spec.build(steps, D, 0.0).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(0.5 * torch.randn(p.shape, generator=generator))
    return module


def numbers(parameter):
    return parameter.detach().double().numpy()


def sample():
    """Eight rows: all there, none, one of each, cut and holed sequences."""
    rng = np.random.default_rng(0)
    z = {m: rng.normal(size=(8, t, D)) for m, t in STEPS.items()}
    here = {m: np.ones((8, t), dtype=bool) for m, t in STEPS.items()}
    for m in STEPS:
        here[m][1] = False
    for row, only in enumerate(STEPS, start=2):
        for m in STEPS:
            here[m][row] = m == only
    here["audio"][5, 2:] = False
    here["audio"][6] = [False, True, False, True]
    here["image"][6] = [False, False, True]
    here["text"][7] = False
    return z, here


def fused(module, z, here):
    with torch.no_grad():
        out = module(
            {m: torch.from_numpy(v).float() for m, v in z.items()},
            {m: torch.from_numpy(v) for m, v in here.items()},
        )
    return out.fused.numpy()


def check(module, formula):
    z, here = sample()
    expected = np.array(
        [
            formula({m: v[i] for m, v in z.items()}, {m: v[i] for m, v in here.items()})
            for i in range(8)
        ]
    )
    found = fused(module, z, here)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)


# --- the pieces -----------------------------------------------------------------------


def pool(z, here):
    return z[here].mean(axis=0) if here.any() else z.mean(axis=0)


def linear(layer, x):
    return x @ numbers(layer.weight).T + numbers(layer.bias)


def norm(layer, x):
    x = x - x.mean(axis=-1, keepdims=True)
    x = x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-5)
    return x * numbers(layer.weight) + numbers(layer.bias)


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def feed_forward(layer, x):
    inner = gelu(linear(layer.mlp.hidden[0], norm(layer.norm, x)))
    return x + linear(layer.mlp.output, inner)


def attend(layer, query, memory, here, n_heads):
    """softmax(Q Kᵀ / √(d / h)) V over the keys that are here, head by head.

    Evenly over all keys where none is here: then all are the same learned token.
    """
    if not here.any():
        v = np.split(linear(layer.key_value, memory), 2, axis=1)[1].mean(axis=0)
        return np.tile(linear(layer.output, v), (len(query), 1))
    memory = memory[here]
    q = linear(layer.query, query)
    k, v = np.split(linear(layer.key_value, memory), 2, axis=1)
    width = D // n_heads
    heads = []
    for h in range(n_heads):
        part = slice(h * width, (h + 1) * width)
        weight = np.exp(q[:, part] @ k[:, part].T / math.sqrt(width))
        heads.append(weight / weight.sum(axis=1, keepdims=True) @ v[:, part])
    return linear(layer.output, np.concatenate(heads, axis=1))


# --- the formulas ---------------------------------------------------------------------


def test_concat():
    def formula(z, here):
        return np.concatenate([pool(z[m], here[m]) for m in z])

    check(build(ConcatFusion()), formula)


def test_gated():
    module = build(GatedFusion())

    def formula(z, here):
        mean = {m: pool(z[m], here[m]) for m in z}
        gate = 1 / (
            1 + np.exp(-linear(module.gate, np.concatenate(list(mean.values()))))
        )
        gate = dict(zip(z, np.split(gate, 3)))
        present = [m for m in z if here[m].any()]
        if not present:
            return np.zeros(D)
        above = sum(
            gate[m] * np.tanh(linear(module.value[m], mean[m])) for m in present
        )
        return above / sum(gate[m] for m in present)

    check(module, formula)


@pytest.mark.parametrize(
    ("n_layers", "fusion_layer", "n_tokens", "n_heads"),
    [(1, 0, 2, 2), (2, 0, 3, 4), (3, 1, 1, 1), (2, 1, 4, 8)],
)
def test_bottleneck(n_layers, fusion_layer, n_tokens, n_heads):
    module = build(BottleneckFusion(n_tokens, n_layers, fusion_layer, n_heads))

    def transform(layer, x, here):
        y = norm(layer.norm, x)
        mixed = attend(layer.attention, y, y, here, n_heads)
        return feed_forward(layer.feed_forward, x + mixed)

    def formula(z, here):
        z, shared = dict(z), numbers(module.shared)
        present = [m for m in z if here[m].any()]
        for level in range(n_layers):
            made = []
            for m in z:
                layer = module.layers[m][level]
                if level < fusion_layer:
                    z[m] = transform(layer, z[m], here[m])
                    continue
                both = np.concatenate([z[m], shared])
                seen = np.concatenate([here[m], np.ones(n_tokens, dtype=bool)])
                both = transform(layer, both, seen)
                z[m] = both[: len(z[m])]
                if m in present:
                    made.append(both[len(z[m]) :])
            if made:
                shared = np.mean(made, axis=0)
        z = {m: norm(module.norm[m], v) for m, v in z.items()}
        bottleneck = norm(module.shared_norm, shared).mean(axis=0)
        return np.concatenate([*(pool(z[m], here[m]) for m in z), bottleneck])

    check(module, formula)


@pytest.mark.parametrize(("n_layers", "n_heads"), [(1, 1), (2, 4)])
def test_cross_attention(n_layers, n_heads):
    module = build(CrossAttentionFusion(n_layers, n_heads))

    def formula(z, here):
        for layer in module.layers:
            y = {m: norm(layer.norm[m], v) for m, v in z.items()}
            mixed = {}
            for m in z:
                mixed[m] = z[m]
                for n in z:
                    if n != m and here[n].any():
                        gate = numbers(layer.gate[f"{m}<-{n}"])
                        read = layer.read[f"{m}<-{n}"]
                        heard = attend(read, y[m], y[n], here[n], n_heads)
                        mixed[m] = mixed[m] + gate * heard
            z = {m: feed_forward(layer.feed_forward[m], v) for m, v in mixed.items()}
        z = {m: norm(module.norm[m], v) for m, v in z.items()}
        return np.concatenate([pool(z[m], here[m]) for m in z])

    check(module, formula)


def test_cross_attention_starts_deaf():
    """Gates start at zero: a fresh stream is what it would be alone."""
    module = CrossAttentionFusion().build(STEPS, D, 0.0).eval()
    z, here = sample()
    before = fused(module, z, here)
    after = fused(module, {**z, "audio": z["audio"] * 2 + np.arange(D)}, here)
    np.testing.assert_array_equal(before[:, : 2 * D], after[:, : 2 * D])
    assert not np.allclose(before[:, 2 * D :], after[:, 2 * D :])


def test_bottleneck_talks_only_through_its_tokens():
    """With the shared tokens cut off, streams know nothing of one another."""
    module = build(BottleneckFusion(n_layers=2, fusion_layer=1))
    z, here = sample()
    louder = {**z, "audio": z["audio"] * 2 + np.arange(D)}
    # one open layer: the others hear of it in the layer after, of which there is none
    before, after = fused(module, z, here), fused(module, louder, here)
    np.testing.assert_allclose(before[:, : 2 * D], after[:, : 2 * D], atol=1e-6)
    two = build(BottleneckFusion(n_layers=3, fusion_layer=1))
    before, after = fused(two, z, here), fused(two, louder, here)
    heard = np.abs(before - after)[:, : 2 * D].max(axis=1)
    has_audio = here["audio"].any(axis=1)
    assert (heard[has_audio] > 1e-4).all()
    np.testing.assert_allclose(heard[~has_audio], 0, atol=1e-6)
