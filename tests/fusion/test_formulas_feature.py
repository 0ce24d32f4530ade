"""Pooling, modulation, drawn channels and excitation against NumPy, a row at a time."""

import numpy as np
import pytest
import torch

from skmultimodal.fusion import (
    AttentionPoolFusion,
    ConcatFusion,
    EmbraceFusion,
    FiLMFusion,
    MMTMFusion,
)

from ._formulas import (
    STEPS,
    D,
    build,
    check,
    feed_forward,
    fused,
    gelu,
    linear,
    norm,
    numbers,
    pool,
    sample,
)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def fresh(spec, steps=STEPS):
    """The module as a fit starts with it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return spec.build(steps, D, 0.0).eval()


def streams_of(module, z, here):
    """The tokens that a module gives, one array a modality."""
    with torch.no_grad():
        out = module(
            {m: torch.from_numpy(v).float() for m, v in z.items()},
            {m: torch.from_numpy(v) for m, v in here.items()},
        )
    return {m: v.numpy() for m, v in out.tokens.items()}


# --- attention pooling ----------------------------------------------------------------


def test_attention_pool():
    module = build(AttentionPoolFusion())
    query = numbers(module.score.weight)[0]

    def formula(z, here):
        mean = {m: pool(z[m], here[m]) for m in z}
        value = {m: linear(module.value[m], mean[m]) for m in z}
        present = [m for m in z if here[m].any()]
        if not present:  # their learned vectors, evenly
            return np.mean(list(value.values()), axis=0)
        weight = {
            m: np.exp(query @ np.tanh(linear(module.hidden, mean[m]))) for m in present
        }
        above = sum(weight[m] * value[m] for m in present)
        return above / sum(weight.values())

    check(module, formula)


def test_a_long_sequence_weighs_no_more_than_a_short_one():
    module = build(AttentionPoolFusion())
    z, here = sample()
    twice = {m: np.repeat(v, 3 if m == "audio" else 1, axis=1) for m, v in z.items()}
    there = {m: np.repeat(v, 3 if m == "audio" else 1, axis=1) for m, v in here.items()}
    np.testing.assert_allclose(
        fused(module, twice, there), fused(module, z, here), rtol=1e-4, atol=1e-5
    )


# --- modulation -----------------------------------------------------------------------


@pytest.mark.parametrize("condition", [None, "text", "image", "audio"])
def test_film(condition):
    module = build(FiLMFusion(condition))
    c = condition or "text"  # the only one with a single token

    def formula(z, here):
        made = []
        for m in z:
            if m != c:
                film = linear(module.film[m], pool(z[c], here[c])) * here[c].any()
                scale, shift = film[:D], film[D:]
                made.append((1 + scale) * pool(z[m], here[m]) + shift)
        return np.concatenate(made)

    check(module, formula)


def test_film_modulates_every_step():
    module = build(FiLMFusion("text"))
    z, here = sample()
    film = linear(module.film["audio"], z["text"][0, 0])
    made = streams_of(module, z, here)
    expected = (1 + film[:D]) * z["audio"][0] + film[D:]
    np.testing.assert_allclose(made["audio"][0], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(made["text"], z["text"].astype("float32"))


def test_film_starts_as_concatenation_of_the_others():
    z, here = sample()
    found = fused(fresh(FiLMFusion("image")), z, here)
    side_by_side = fused(ConcatFusion().build(STEPS, D, 0.0), z, here)
    kept = np.delete(side_by_side, np.s_[D : 2 * D], axis=1)
    np.testing.assert_allclose(found, kept, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("steps", "condition"),
    [
        ({"image": 9, "question": 1}, "question"),
        ({"tabular": 1, "note": 1}, "tabular"),
        ({"video": 8, "audio": 5, "text": 5}, "audio"),
    ],
)
def test_film_takes_the_shortest_modality_as_condition(steps, condition):
    """It is the one that the fused vector holds no channels of."""
    rng = np.random.default_rng(0)
    z = {m: rng.normal(size=(2, t, D)) for m, t in steps.items()}
    here = {m: np.ones((2, t), dtype=bool) for m, t in steps.items()}
    found = fused(fresh(FiLMFusion(), steps), z, here)
    expected = [v.mean(axis=1) for m, v in z.items() if m != condition]
    np.testing.assert_allclose(found, np.hstack(expected), rtol=1e-5, atol=1e-6)


# --- drawn channels -------------------------------------------------------------------


def docked(module, z, here):
    """GELU(V_m z_m) of every modality."""
    return {m: gelu(linear(module.docking[m][0], pool(z[m], here[m]))) for m in z}


def test_embrace_predicts_the_expectation():
    module = build(EmbraceFusion())

    def formula(z, here):
        value = docked(module, z, here)
        present = [value[m] for m in z if here[m].any()]
        return np.mean(present, axis=0) if present else np.zeros(D)

    check(module, formula)


def draws(absent, n=4000):
    """What 4,000 copies of a row draw: the chosen modality's number, (n, D)."""
    module = build(EmbraceFusion())
    z, here = sample()
    z = {m: v[:1] for m, v in z.items()}
    here = {m: v[:1] & (m not in absent) for m, v in here.items()}
    value = docked(
        module, {m: v[0] for m, v in z.items()}, {m: v[0] for m, v in here.items()}
    )
    module.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = fused(
            module,
            {m: np.repeat(v, n, axis=0) for m, v in z.items()},
            {m: np.repeat(v, n, axis=0) for m, v in here.items()},
        )
    gap = np.abs(found[:, None] - np.stack(list(value.values())))  # (n, M, D)
    assert gap.min(axis=1).max() < 1e-4, "every channel is some modality's own"
    assert np.abs(np.diff(np.sort(np.stack(list(value.values())), axis=0))).min() > 1e-3
    return gap.argmin(axis=1)


@pytest.mark.parametrize(
    ("absent", "share"),
    [
        ((), [1 / 3, 1 / 3, 1 / 3]),
        (("image",), [1 / 2, 0, 1 / 2]),
        (("text", "audio"), [0, 1, 0]),
    ],
)
def test_embrace_draws_present_modalities_equally(absent, share):
    chosen = draws(absent)
    for number, expected in enumerate(share):
        found = (chosen == number).mean(axis=0)  # one a channel
        error = np.sqrt(expected * (1 - expected) / len(chosen))
        np.testing.assert_allclose(found, expected, atol=4 * error + 1e-12)


def test_embrace_draws_anew_for_each_sample_and_channel():
    chosen = draws(())
    between = np.corrcoef((chosen == 0).T) - np.eye(D)
    assert np.abs(between).max() < 4 / np.sqrt(len(chosen))
    after = np.corrcoef(chosen[1:, 0] == 0, chosen[:-1, 0] == 0)[0, 1]
    assert abs(after) < 4 / np.sqrt(len(chosen))


def test_embrace_draws_in_training_only():
    module = build(EmbraceFusion())
    z, here = sample()
    np.testing.assert_array_equal(fused(module, z, here), fused(module, z, here))
    module.train()
    one, other = fused(module, z, here), fused(module, z, here)
    assert not np.array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], 0)  # the row that has nothing


# --- excitation -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_layers", "ratio", "width"), [(1, 4, 6), (2, 1, 24), (3, 2.5, 9), (2, 100, 1)]
)
def test_mmtm(n_layers, ratio, width):
    module = build(MMTMFusion(n_layers, ratio))

    def formula(z, here):
        for layer in module.layers:
            squeezed = np.concatenate([pool(z[m], here[m]) for m in z])
            e = np.maximum(linear(layer.squeeze[0], squeezed), 0)
            assert e.shape == (width,)
            factor = {m: 2 * sigmoid(linear(layer.excite[m], e)) for m in z}
            z = {m: feed_forward(layer.feed_forward[m], factor[m] * z[m]) for m in z}
        return np.concatenate([pool(norm(module.norm[m], z[m]), here[m]) for m in z])

    check(module, formula)


def test_mmtm_starts_deaf():
    """Factors start at 1: a fresh stream is what it would be alone."""
    module = fresh(MMTMFusion())
    z, here = sample()
    before = fused(module, z, here)
    after = fused(module, {**z, "audio": z["audio"] * 2 + np.arange(D)}, here)
    np.testing.assert_array_equal(before[:, : 2 * D], after[:, : 2 * D])
    assert not np.allclose(before[:, 2 * D :], after[:, 2 * D :])


# --- cost -----------------------------------------------------------------------------


@pytest.mark.parametrize("m", [2, 3, 6])
@pytest.mark.parametrize(
    ("spec", "documented"),
    [
        (AttentionPoolFusion(), lambda m: m + 1),
        (FiLMFusion(), lambda m: 2 * (m - 1)),
        (EmbraceFusion(), lambda m: m),
        (MMTMFusion(n_layers=1), lambda m: 2 * m**2 / 4 + 4 * m),
        (MMTMFusion(n_layers=3, ratio=2), lambda m: 3 * (2 * m**2 / 2 + 4 * m)),
    ],
)
def test_parameters_as_documented(spec, documented, m):
    """In units of embed_dim²."""
    d = 64
    module = spec.build({f"m{k}": 1 for k in range(m)}, d, 0.0)
    found = sum(p.numel() for p in module.parameters()) / d**2
    assert found == pytest.approx(documented(m), rel=0.05)
