"""Each augmentation by itself, against what it promises."""

import dataclasses

import numpy as np
import pytest

from skmultimodal import sampling
from skmultimodal._recipes import Augmentation
from skmultimodal.sampling import (
    BandStop,
    Colour,
    Crop,
    Flip,
    FrameDropping,
    Gain,
    Jitter,
    Scaling,
    Shift,
    TimeMask,
    Warping,
    WordDropout,
    WordSwap,
)

SEEDS = range(20)


def rng(seed):
    return np.random.default_rng(seed)


def painted(shape=(24, 32, 3), seed=0):
    """A smooth picture, so that cutting and stretching can be computed by hand."""
    h, w = np.mgrid[: shape[0], : shape[1]] / max(shape)
    return np.stack([h, w, 0.5 * (h + w)], axis=2)


EVERY = [
    (operation, array)
    for operations, array in [
        ((Flip(), Crop(), Colour()), painted()),
        ((WordDropout(0.4), WordSwap(0.4)), "one two three four five six seven"),
        ((TimeMask(), BandStop(), Gain(), Shift()), rng(0).normal(size=500)),
        ((Jitter(), Scaling(), Warping()), rng(0).normal(size=(30, 2))),
        ((FrameDropping(),), np.arange(30) / 25),
    ]
    for operation in operations
]


@pytest.mark.parametrize(("operation", "array"), EVERY, ids=lambda v: str(v)[:12])
class TestAll:
    def test_the_same_seed_gives_the_same(self, operation, array):
        first = operation(array, rng(3))
        np.testing.assert_array_equal(first, operation(array, rng(3)))
        others = [operation(array, rng(seed)) for seed in SEEDS]
        assert any(not np.array_equal(first, other) for other in others)

    def test_the_input_is_not_touched(self, operation, array):
        before = array if isinstance(array, str) else array.copy()
        for seed in SEEDS:
            operation(array, rng(seed))
        np.testing.assert_array_equal(array, before)

    def test_the_precision_stays(self, operation, array):
        if isinstance(array, str) or operation.on_clock:
            return
        single = array.astype(np.float32)
        for seed in SEEDS:
            found = operation(array, rng(seed))
            assert found.shape == array.shape
            assert found.dtype == array.dtype
            if array.ndim != 2:  # series are float64 throughout
                assert operation(single, rng(seed)).dtype == np.float32


def test_all_are_public():
    found = [getattr(sampling, name) for name in sampling.__all__]
    public = {c for c in found if isinstance(c, type) and issubclass(c, Augmentation)}
    assert public == {type(operation) for operation, _ in EVERY}


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        (Flip, {"p": 1.5}),
        (Crop, {"min_area": 0}),
        (Crop, {"max_stretch": 0.5}),
        (Colour, {"contrast": -0.1}),
        (WordDropout, {"p": "much"}),
        (WordSwap, {"p": -1}),
        (TimeMask, {"n_masks": 1.5}),
        (TimeMask, {"max_share": 2}),
        (BandStop, {"max_octaves": 7}),
        (Gain, {"decibels": -6}),
        (Shift, {"max_share": None}),
        (Jitter, {"scale": -1}),
        (Scaling, {"scale": float("nan")}),
        (Warping, {"n_knots": 1}),
        (FrameDropping, {"p": 2}),
    ],
)
def test_parameters_that_cannot_be(kind, params):
    (name,) = params
    with pytest.raises(ValueError, match=rf"{kind.__name__}\({name}=.*: expected a"):
        kind(**params)


def test_they_are_values():
    assert Crop(0.5) == Crop(min_area=0.5) != Crop(0.6)
    assert len({Flip(), Flip(0.5), Flip(0.1)}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        Flip().p = 1


class TestPictures:
    def test_flips_keep_every_pixel(self):
        x = painted()
        mirrored = np.stack([row[::-1] for row in x])
        np.testing.assert_array_equal(Flip(1)(x, rng(0)), mirrored)
        np.testing.assert_array_equal(Flip(0)(x, rng(0)), x)

    def test_flips_come_as_often_as_said(self):
        x = painted()
        flipped = [not np.array_equal(Flip(0.3)(x, rng(k)), x) for k in range(400)]
        assert 0.22 < np.mean(flipped) < 0.38

    def test_a_crop_shows_a_part_of_the_picture(self):
        """Of a picture whose light is its place, a crop tells which part it shows."""
        h, w = 24, 32
        place = np.zeros((h, w, 3))
        place[..., 0] = (np.arange(h)[:, None] + 0.5) / h
        place[..., 1] = (np.arange(w) + 0.5) / w
        for seed in SEEDS:
            cut = Crop(min_area=0.5, max_stretch=1.3)(place, rng(seed))
            rows, columns = cut[:, 0, 0], cut[0, :, 1]
            # evenly stretched, without the rim, where half a pixel is held
            for line in (rows, columns):
                steps = np.diff(line)[1:-1]
                np.testing.assert_allclose(steps, steps[0], rtol=1e-6)
            shares = np.diff(rows)[1] * h, np.diff(columns)[1] * w
            assert 0.5 - 1e-6 <= shares[0] * shares[1] <= 1 + 1e-6
            assert max(shares) / min(shares) <= 1.3 + 1e-6
            assert 0 <= rows[0] < rows[-1] <= 1
            assert 0 <= columns[0] < columns[-1] <= 1

    def test_a_crop_of_everything_is_the_picture(self):
        x = painted()
        whole = Crop(min_area=1, max_stretch=1)(x, rng(0))
        np.testing.assert_allclose(whole, x, atol=1e-12)

    def test_frames_of_any_size_are_changed_alike(self):
        """Motion features look at small grey frames, others at large ones."""
        large = np.stack([painted((64, 64, 3))] * 3)
        small = np.stack([painted((32, 32, 3))] * 5)
        for operation in (Flip(), Crop(0.5), Colour()):
            for seed in SEEDS:
                a = operation(large, rng(seed))
                b = operation(small, rng(seed))
                assert all(np.array_equal(frame, a[0]) for frame in a)
                halved = a[0].reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
                assert np.abs(halved - b[0]).max() < 0.03

    def test_colours_keep_their_hue_and_range(self):
        x = painted()
        for seed in SEEDS:
            y = Colour(0.3, 0.3, 0.3)(x, rng(seed))
            assert y.min() >= 0
            assert y.max() <= 1
            # the order of two channels of a pixel stays where nothing was clipped
            inner = ((y > 0) & (y < 1)).all(axis=2)
            before = np.sign((x[..., 0] - x[..., 1]).round(9))
            after = np.sign((y[..., 0] - y[..., 1]).round(9))
            np.testing.assert_array_equal(before[inner], after[inner])

    def test_brightness_alone_is_a_factor(self):
        x = 0.5 * painted()
        found = Colour(0.2, 0, 0)(x, rng(0))
        factor = 1 + 0.2 * rng(0).uniform(-1, 1)
        np.testing.assert_allclose(found, factor * x)


class TestTexts:
    TEXT = "the quick brown fox jumps over the lazy dog"

    def test_dropout_leaves_words_in_their_order(self):
        left = []
        for seed in range(300):
            words = WordDropout(0.2)(self.TEXT, rng(seed)).split()
            every = iter(self.TEXT.split())
            assert all(word in every for word in words)  # a subsequence
            left.append(len(words) / 9)
        assert abs(np.mean(left) - 0.8) < 0.03

    @pytest.mark.parametrize("text", ["alone", "two words", ""])
    def test_one_word_always_stays(self, text):
        for seed in SEEDS:
            found = WordDropout(1)(text, rng(seed))
            assert found in text.split() or found == text

    def test_swaps_keep_all_words(self):
        changed = 0
        for seed in SEEDS:
            words = WordSwap(0.3)(self.TEXT, rng(seed)).split()
            assert sorted(words) == sorted(self.TEXT.split())
            changed += words != self.TEXT.split()
        assert changed > 15

    def test_blanks_are_left_where_nothing_is_done(self):
        text = "two  blanks\nand a line"
        for operation in (WordDropout(0), WordSwap(0)):
            assert operation(text, rng(0)) == text


class TestSound:
    def test_masks_silence_so_much_and_no_more(self):
        x = np.ones(1000)
        for seed in SEEDS:
            y = TimeMask(n_masks=2, max_share=0.1)(x, rng(seed))
            assert set(np.unique(y)) <= {0.0, 1.0}
            assert (y == 0).sum() <= 200
            assert (np.diff(y) < 0).sum() <= 2  # at most two stretches begin inside

    def test_a_band_is_taken_out_and_the_rest_stays(self):
        n = 4096
        x = rng(0).normal(size=n)
        before = np.abs(np.fft.rfft(x))
        for seed in SEEDS:
            after = np.abs(np.fft.rfft(BandStop(1.0)(x, rng(seed))))
            gone = np.flatnonzero(after < 1e-9 * before)
            stays = np.setdiff1d(np.arange(len(before)), gone)
            np.testing.assert_allclose(after[stays], before[stays], rtol=1e-8)
            if len(gone):
                assert np.array_equal(gone, np.arange(gone[0], gone[-1] + 1))
                assert gone[-1] / gone[0] <= 2.0 + 1 / gone[0]  # an octave
                assert gone[0] >= n / 2 / 64  # six octaves below half the rate

    def test_gain_is_one_factor(self):
        x = rng(0).normal(size=100)
        factors = [Gain(6)(x, rng(seed))[0] / x[0] for seed in range(200)]
        assert 10 ** (-6 / 20) <= min(factors) < 0.6
        assert 1.7 < max(factors) <= 10 ** (6 / 20)
        np.testing.assert_allclose(Gain(6)(x, rng(7)), x * factors[7])

    def test_shift_turns_round(self):
        x = np.arange(100.0)
        for seed in SEEDS:
            y = Shift(0.1)(x, rng(seed))
            by = int(np.argmin(y))
            by = by if by < 50 else by - 100
            assert abs(by) <= 10
            np.testing.assert_array_equal(y, np.concatenate([x[-by:], x[:-by]]))

    @pytest.mark.parametrize("n", [1, 2, 3, 17])
    def test_short_sounds(self, n):
        for operation in (TimeMask(), BandStop(), Gain(), Shift()):
            assert operation(np.ones(n), rng(0)).shape == (n,)


class TestSeries:
    def gappy(self, n=60):
        x = rng(0).normal(size=(n, 3)).cumsum(axis=0) * [1, 100, 0.01] + [0, 5e4, 3]
        x[10:15, 1] = np.nan
        x[:, 2] = np.nan
        return x

    def test_jitter_is_noise_in_units_of_the_channel(self):
        x = rng(0).normal(size=(4000, 2)) * [1, 1000]
        noise = Jitter(0.1)(x, rng(1)) - x
        np.testing.assert_allclose(noise.std(axis=0), 0.1 * x.std(axis=0), rtol=0.05)
        assert abs(np.corrcoef(noise.T)[0, 1]) < 0.05

    def test_scaling_keeps_level_and_shape(self):
        x = self.gappy()[:, :2]
        for seed in SEEDS:
            y = Scaling(0.2)(x, rng(seed))
            level = np.nanmean(x, axis=0)
            np.testing.assert_allclose(np.nanmean(y, axis=0), level)
            factor = (y - level) / (x - level)
            spread = np.nanmax(factor, axis=0) - np.nanmin(factor, axis=0)
            assert (spread < 1e-6).all()

    def test_warping_keeps_order_and_ends(self):
        n = 50
        time = np.arange(n, dtype=float)[:, None]
        moved = []
        for seed in SEEDS:
            warped = Warping(0.3)(time, rng(seed)).ravel()
            assert warped[[0, -1]] == pytest.approx([0, n - 1])
            assert (np.diff(warped) > 0).all()
            moved.append(np.abs(warped - time.ravel()).max())
        assert 0.5 < np.mean(moved) < 10

    def test_warping_reads_between_the_steps(self):
        """The warped time of a line tells where any other series is read."""
        n = 80
        x = np.sin(np.arange(n) / 7)
        both = np.stack([np.arange(n, dtype=float), x], axis=1)
        time, found = Warping(0.3)(both, rng(5)).T
        np.testing.assert_allclose(found, np.interp(time, np.arange(n), x), atol=1e-9)

    @pytest.mark.parametrize("operation", [Jitter(), Scaling(), Warping()])
    def test_missing_values_stay_missing(self, operation):
        x = self.gappy()
        for seed in SEEDS:
            y = operation(x, rng(seed))
            assert np.isnan(y[:, 2]).all()
            assert not np.isnan(y[:, 0]).any()
            holes = np.flatnonzero(np.isnan(y[:, 1]))
            if isinstance(operation, Warping):
                assert 1 <= len(holes) <= 12
                np.testing.assert_array_equal(np.diff(holes), 1)
            else:
                np.testing.assert_array_equal(holes, np.arange(10, 15))

    @pytest.mark.parametrize("n", [1, 2, 3])
    def test_short_series(self, n):
        for operation in (Jitter(), Scaling(), Warping()):
            assert operation(np.ones((n, 2)), rng(0)).shape == (n, 2)


class TestVideos:
    def test_frames_are_dropped_as_often_as_said(self):
        times = np.arange(50) / 25
        left = np.mean([FrameDropping(0.2)(times, rng(k)).mean() for k in range(200)])
        assert abs(left - 0.8) < 0.02

    @pytest.mark.parametrize("n", [1, 2, 30])
    def test_one_frame_stays(self, n):
        for seed in SEEDS:
            assert FrameDropping(1)(np.arange(n), rng(seed)).sum() == 1
