"""Each fusion against its formula in NumPy, one sample and one head at a time."""

import numpy as np
import pytest

from skmultimodal.fusion import (
    BottleneckFusion,
    ConcatFusion,
    CrossAttentionFusion,
    GatedFusion,
)

from ._formulas import (
    STEPS,
    D,
    attend,
    build,
    check,
    feed_forward,
    fused,
    linear,
    norm,
    numbers,
    pool,
    sample,
)


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
