"""A modality that says little is turned down; one that only helps together is not."""

import numpy as np
import pytest

from skmultimodal import pack
from skmultimodal._layout import layout_from_names
from skmultimodal.heads import FusionClassifier, FusionRegressor
from skmultimodal.heads._relevance import (
    describe_blocks,
    modality_gains,
    relevance_rows,
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


@pytest.mark.parametrize("n", [5, 256, 5000])
def test_rows_are_few_ordered_and_the_same_each_time(n):
    rows = relevance_rows(n)
    assert len(rows) == min(n, 256)
    assert len(set(rows)) == len(rows)
    assert rows.max() < n
    np.testing.assert_array_equal(rows, np.sort(rows))
    np.testing.assert_array_equal(rows, relevance_rows(n))


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
