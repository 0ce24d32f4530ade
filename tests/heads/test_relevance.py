"""A modality that says little is turned down; one that only helps together is not."""

import numpy as np
import pytest

from skmultimodal import pack
from skmultimodal._layout import layout_from_names
from skmultimodal.heads import FusionClassifier, FusionRegressor
from skmultimodal.heads._relevance import (
    _relevance,
    describe_blocks,
    modality_gains,
    relevance_draws,
)


def draw(n=240, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)), rng.normal(size=(n, 3)), rng.normal(size=(n, 60))


def test_noise_is_turned_down():
    a, _, noise = draw()
    gains = modality_gains([a, noise], a[:, :1])
    assert gains[0] == 1
    assert gains[1] < 0.2
    swapped = modality_gains([noise, a], a[:, :1])
    np.testing.assert_allclose(swapped, gains[::-1], rtol=1e-3)


def test_what_only_works_together_is_heard():
    """The product of two: neither tells anything alone."""
    a, b, noise = draw()
    a, b = a[:, :1], b[:, :1]
    gains = modality_gains([a, b, noise], a * b)
    assert gains[:2].min() > 0.5
    assert gains[2] < 0.3


def test_equals_are_equally_loud():
    a, b, _ = draw()
    gains = modality_gains([a, b], a[:, :1] + b[:, :1])
    assert gains.min() > 0.5
    assert gains.max() == 1


@pytest.mark.parametrize(
    ("blocks", "y"),
    [
        (draw()[:1], draw()[0]),
        (draw(10)[:2], draw(10)[0]),
        (draw()[:2], np.ones((240, 1))),
    ],
    ids=["one modality", "few rows", "constant target"],
)
def test_without_evidence_all_are_equal(blocks, y):
    np.testing.assert_array_equal(modality_gains(list(blocks), y), 1)


def test_constant_blocks_are_finite():
    a, _, _ = draw()
    gains = modality_gains([a, np.zeros((240, 4))], a[:, :1])
    assert np.isfinite(gains).all()
    assert (gains > 0).all()


def test_the_unit_of_y_does_not_matter():
    a, b, noise = draw()
    y = a[:, :1] + 0.3 * b[:, :1]
    one = modality_gains([a, b, noise], y)
    two = modality_gains([a, b, noise], 1e6 * y + 7e6)
    np.testing.assert_allclose(one, two, rtol=1e-6)


def left_out(kernel, y):
    """Lowest error over penalties of ridge with a constant, refitted for each row."""
    n = len(y)
    centre = np.eye(n) - 1 / n
    size = np.trace(centre @ kernel @ centre) / n
    errors = []
    for penalty in size * np.logspace(-3, 3, 13):
        error = 0.0
        for row in range(n):
            rest = np.delete(np.arange(n), row)
            inner = kernel[np.ix_(rest, rest)] + penalty * np.eye(n - 1)
            system = np.block([[inner, np.ones((n - 1, 1))], [np.ones(n - 1), 0.0]])
            *weights, constant = np.linalg.solve(system, [*y[rest], 0.0])
            error += (y[row] - kernel[row, rest] @ weights - constant) ** 2
        errors.append(error)
    return min(errors)


def linear_kernel(block):
    kernel = (block - block.mean(0)) @ (block - block.mean(0)).T
    return kernel / np.diag(kernel).mean()


@pytest.mark.parametrize("n_draws", [1, 3])
@pytest.mark.parametrize("signal", [0.0, 2.0])
def test_the_power_is_the_smallest_about_as_good_as_the_best(signal, n_draws):
    rng = np.random.default_rng(0)
    powers, draws, errors = [0, 0.5, 1, 1.5, 2], [], []
    for _ in range(n_draws):
        a, b, noise = (rng.normal(size=(30, d)) for d in (3, 20, 1))
        y = a.sum(1) + signal * b.mean(1) * 20**0.5 + 0.5 * noise[:, 0]
        y = (y - y.mean()) / y.std()
        one, two = linear_kernel(a), linear_kernel(b)
        if not draws:
            v = _relevance([one, two], y[:, None])
        joint = [
            g * one + h * two + g * h * one * two for g, h in (v**p for p in powers)
        ]
        errors.append([left_out(kernel, y) for kernel in joint])
        draws.append(([a, b], y[:, None]))
    first = np.array(errors[0])
    powers = powers[: np.argmax(first <= 1.02 * first.min()) + 1]
    if n_draws > 1:
        whole = np.sum(errors, axis=0)[: len(powers)]
        powers = powers[: np.argmax(whole <= 1.02 * whole.min()) + 1]
    gains = modality_gains(*draws[0], draws[1:])
    np.testing.assert_allclose(gains, v ** (2 * powers[-1]), rtol=1e-6)


@pytest.mark.parametrize(
    ("n", "count"), [(5, 1), (256, 1), (511, 1), (512, 2), (768, 3), (5000, 3)]
)
def test_rows_are_few_ordered_and_the_same_each_time(n, count):
    draws = relevance_draws(n)
    assert [len(rows) for rows in draws] == [min(n, 256)] * count
    together = np.concatenate(draws)
    assert len(set(together)) == len(together)
    assert together.max() < n
    for rows, again in zip(draws, relevance_draws(n)):
        np.testing.assert_array_equal(rows, np.sort(rows))
        np.testing.assert_array_equal(rows, again)


def borderline(seed, n=768):
    """Three draws; b explains little, so little that two weights hardly differ."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, 3)), rng.normal(size=(n, 10))
    y = a.mean(1) * 3**0.5 + 0.4 * b.mean(1) * 10**0.5 + rng.normal(size=n)
    return [([a[rows], b[rows]], y[rows, None]) for rows in relevance_draws(n)]


def test_draws_together_decide_alike_where_each_alone_does_not():
    sets = [borderline(seed) for seed in range(6)]
    alone = [modality_gains(*draws[0])[1] for draws in sets]
    assert min(alone) < 0.2
    assert max(alone) == 1
    together = [modality_gains(*draws[0], draws[1:]) for draws in sets]
    np.testing.assert_array_equal(together, 1)


def test_what_all_draws_call_noise_is_turned_down():
    blocks = draw(720)[::2]
    first, *further = (
        ([block[k::3] for block in blocks], blocks[0][k::3, :1]) for k in range(3)
    )
    gains = modality_gains(*first, further)
    assert gains[0] == 1
    assert gains[1] < 0.2


def test_a_draw_with_constant_y_says_nothing():
    a, _, noise = draw()
    silent = [a, noise], np.ones((240, 1))
    one = modality_gains([a, noise], a[:, :1])
    np.testing.assert_array_equal(
        one, modality_gains([a, noise], a[:, :1], [silent, silent])
    )


def test_no_further_draw_is_looked_at_where_all_are_equal():
    a, b, noise = draw()
    y = a.sum(1, keepdims=True) + b.sum(1, keepdims=True) + noise[:, :1]

    def further():
        pytest.fail("a further draw was asked for")
        yield

    np.testing.assert_array_equal(modality_gains([a, b], y, further()), 1)


def test_further_draws_turn_nothing_down():
    """The first draw alone says how far a modality may be turned down."""
    a, b, noise = draw()
    first = [a, b], a[:, :1] + b[:, :1] + noise[:, :1]
    loud, quiet = modality_gains(*first), modality_gains([a, b], a[:, :1])
    assert loud.min() > 0.5
    assert quiet.min() < 0.2
    gains = modality_gains(*first, [([a, b], a[:, :1])] * 2)
    np.testing.assert_array_equal(gains, loud)


@pytest.mark.parametrize("cls", [FusionClassifier, FusionRegressor])
def test_one_odd_draw_does_not_silence_a_modality(quick, cls):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 768, 3))
    first = relevance_draws(768)[0]
    score = a.sum(axis=1) + b.sum(axis=1)
    score[first] = a[first].sum(axis=1)
    y = (score > 0).astype(int) if cls is FusionClassifier else score
    X = pack({"a": a, "b": b})
    alone, whole = (
        cls(**quick(max_epochs=1)).fit(X.iloc[rows], y[rows])._recipe.gains
        for rows in (first, np.arange(768))
    )
    assert alone[1] < 0.2
    assert whole == (1, 1)


@pytest.mark.parametrize("cls", [FusionClassifier, FusionRegressor])
def test_a_weak_modality_moves_predictions_less(quick, cls):
    rng = np.random.default_rng(0)
    strong, weak = rng.normal(size=(200, 2)), rng.normal(size=(200, 60))
    y = strong[:, 0] + 0.1 * rng.normal(size=200)
    y = (y > 0).astype(int) if cls is FusionClassifier else y
    X = pack({"strong": strong, "weak": weak})
    other = pack({"strong": strong, "weak": rng.normal(size=(200, 60))})
    moved = {}
    for scale in ("relevance", "equal"):
        head = cls(block_scale=scale, **quick(max_epochs=5)).fit(X, y)
        outputs = head._outputs(X), head._outputs(other)
        moved[scale] = np.abs(outputs[0] - outputs[1]).mean() / outputs[0].std()
    assert moved["relevance"] < 0.5 * moved["equal"]
    with pytest.raises(ValueError, match="'block_scale' parameter"):
        cls(block_scale="loud", **quick()).fit(X, y)


def test_sequences_are_described_by_mean_and_spread_of_their_present_steps():
    rng = np.random.default_rng(0)
    vector, steps = rng.normal(size=(40, 2)), rng.normal(2, [1, 3], size=(40, 5, 2))
    steps[3:20, 3:], steps[7, 1], steps[9] = np.nan, np.nan, np.nan
    X = pack({"v": vector, "s": steps})
    present = np.c_[np.ones(40, bool), ~np.isnan(steps).all(axis=2)]
    found = describe_blocks(np.nan_to_num(X), present, layout_from_names(list(X)))
    np.testing.assert_array_equal(found[0], X.iloc[:, :2])
    rows = np.delete(np.arange(40), 9)
    mean, spread = (f(steps[rows], axis=1) for f in (np.nanmean, np.nanstd))
    for part, expected in ((found[1][:, :2], mean), (found[1][:, 2:], spread)):
        expected = expected - expected.mean(axis=0)
        size = expected.std() * np.sqrt(39 / 40)  # the absent row is 0
        np.testing.assert_allclose(part[rows], expected / size, rtol=1e-4, atol=1e-5)
        assert not part[9].any()


def test_a_sequence_that_is_encoded_is_not_turned_down(quick):
    """Order is beyond the closed form, so that it may not judge."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=200)
    vector = rng.normal(size=(200, 2)) + y[:, None]
    X = pack({"v": vector, "s": rng.normal(size=(200, 5, 3))})
    plain, encoded, equal = (
        FusionClassifier(**quick(max_epochs=1), **params).fit(X, y)._recipe.gains
        for params in ({}, {"temporal": "gru"}, {"block_scale": "equal"})
    )
    assert plain[0] == 1
    assert plain[1] < 0.5
    assert encoded == equal == (1, 1)
