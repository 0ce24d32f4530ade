"""Recipes in the place of cells: what encoders, stores and detection make of them."""

import os
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from skmultimodal._recipes import Recipe, as_steps
from skmultimodal.compose import ModalityTransformer
from skmultimodal.compose._cell_kinds import column_kind
from skmultimodal.encoders import (
    AudioEncoder,
    EmbeddingStore,
    ImageEncoder,
    SeriesEncoder,
    VideoEncoder,
)
from skmultimodal.encoders.decoding._clips import ClipDecoder
from skmultimodal.encoders.decoding._image import Decoder
from skmultimodal.sampling import (
    Crop,
    Flip,
    FrameDropping,
    Gain,
    Scaling,
    Shift,
    TimeMask,
    Warping,
)

from .test_video_encoder import film, video

RATE = 8000


def recipe(kind, source, *operations, seed=0):
    return Recipe(kind, source, as_steps(operations, seed))


def rng(seed=0):
    return np.random.default_rng(seed)


def picture(seed=0, size=(20, 28)):
    return rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def tone(pitch=440):
    return np.sin(2 * np.pi * pitch * np.arange(RATE // 4) / RATE).astype(np.float32)


def double(array, rng):
    return 2 * array


class TestRecipe:
    def test_is_small_and_comes_back_the_same(self):
        cell = recipe("image", "photos/0001.jpg", Flip(), Crop(0.5), seed=12345678901)
        again = pickle.loads(pickle.dumps(cell))
        assert again == cell
        assert hash(again) == hash(cell)
        assert len(pickle.dumps(cell)) < 400

    def test_many_recipes_share_what_they_have_in_common(self):
        operations = Flip(), Crop()
        source = picture(size=(200, 200))
        cells = [recipe("image", source, *operations, seed=k) for k in range(50)]
        assert len(pickle.dumps(cells)) < source.nbytes + 50 * 100

    def test_cannot_be_changed(self):
        with pytest.raises(AttributeError):
            recipe("image", "a.png").source = "b.png"

    def test_a_cache_knows_it_again(self):
        def cells():
            return [recipe("image", s, Flip(), seed=3) for s in ("a.png", picture())]

        assert joblib.hash(cells()) == joblib.hash(cells())
        assert joblib.hash(cells()) != joblib.hash(cells()[::-1])

    def test_a_series_with_gaps_is_equal_to_itself(self):
        cell = recipe("series", np.array([1.0, np.nan]), Scaling())
        assert pickle.loads(pickle.dumps(cell)) == cell

    def test_so_are_lists_and_arrays_of_arrays(self):
        steps = np.empty(2, dtype=object)  # as Parquet gives a series of two steps
        steps[:] = [np.array([1.0, np.nan]), np.array([2.0, 3.0])]
        for source in ([1.0, float("nan"), None], steps):
            cell = recipe("series", source, Scaling())
            assert pickle.loads(pickle.dumps(cell)) == cell
        other = steps.copy()
        other[1] = np.array([2.0, 4.0])
        assert recipe("series", other, Scaling()) != cell

    def test_equality_is_of_source_and_steps(self):
        a = recipe("image", picture(), Flip())
        assert a == recipe("image", picture(), Flip())
        assert a != recipe("image", picture(), Flip(), seed=1)
        assert a != recipe("image", picture(1), Flip())
        assert a != recipe("image", picture(), Flip(0.1))
        assert a != recipe("video", picture(), Flip())

    def test_digests(self):
        source = b"x" * 20
        one = recipe("image", "a.png", Flip())
        assert one.digest(source) == recipe("image", "b.png", Flip()).digest(source)
        others = [
            one.digest(b"y" * 20),
            recipe("image", "a.png", Flip(), seed=1).digest(source),
            recipe("image", "a.png", Flip(0.1)).digest(source),
            recipe("image", "a.png", Crop()).digest(source),
        ]
        assert len({one.digest(source), *others}) == 5
        assert one.digest(None) is None
        assert recipe("image", "a.png", double).digest(source) is None

    def test_is_told_in_a_line(self):
        assert repr(recipe("image", "a.png", Flip(), double)) == (
            "augmented image('a.png'; flip, double)"
        )
        assert len(repr(recipe("image", b"0" * 10**6))) < 100


class TestDecoding:
    """A recipe gives what its steps give of the decoded source."""

    def test_a_mirrored_picture(self):
        cell = recipe("image", picture(), Flip(1))
        mirrored = np.ascontiguousarray(picture()[:, ::-1])
        decoder = Decoder((64, 64), 10**7)
        assert np.abs(decoder(cell) - decoder(mirrored)).max() < 2 / 255
        encoder = ImageEncoder().fit([picture()])
        found, expected, plain = encoder.transform([cell, mirrored, picture()])
        assert np.abs(found - expected).mean() < 0.05 * np.abs(found - plain).mean()

    @pytest.mark.parametrize("size", [(16, 16), (64, 48), (500, 400)])
    def test_no_steps_give_the_picture(self, size):
        h, w = np.mgrid[: size[0], : size[1]]
        smooth = np.stack([h * 255 / size[0], w * 255 / size[1], h * 0], axis=2)
        smooth = smooth.astype(np.uint8)
        decoder = Decoder((32, 32), 10**7)
        found = decoder(recipe("image", smooth))
        assert np.abs(found - decoder(smooth)).max() < 2 / 255

    def test_a_crop_stays_sharp(self):
        """A crop is cut from twice the pixels that are wanted, not from few."""
        fine = np.zeros((256, 256, 3), dtype=np.uint8)
        fine[:, np.arange(256) % 6 < 3] = 255  # stripes that 64 pixels hardly show
        decoder = Decoder((64, 64), 10**7)
        cut = decoder(recipe("image", fine, Crop(0.3, 1.0), seed=3))
        from_few = Crop(0.3, 1.0)(decoder(fine), rng(3))
        assert cut.std() > 2 * from_few.std()

    def test_files_bytes_and_arrays_alike(self, tmp_path):
        path = tmp_path / "a.png"
        Image.fromarray(picture()).save(path)
        encoder = ImageEncoder().fit([picture()])
        cells = [picture(), str(path), path, path.read_bytes(), Image.open(path)]
        rows = [
            encoder.transform([recipe("image", cell, Flip(), Crop())]) for cell in cells
        ]
        for row in rows[1:]:
            np.testing.assert_allclose(row, rows[0], atol=1e-5)

    def test_a_sound(self):
        encoder = AudioEncoder(target_rate=RATE).fit([(RATE, tone())])
        operations = Gain(), Shift(), TimeMask()
        cell = recipe("audio", (RATE, tone()), *operations, seed=4)
        found = encoder.transform([cell])
        wave = tone()
        for operation, seed in cell.steps:
            wave = operation(wave, rng(seed))
        np.testing.assert_allclose(found, encoder.transform([(RATE, wave)]), atol=1e-4)

    def test_a_series(self):
        x = rng().normal(size=(40, 2)).cumsum(axis=0)
        encoder = SeriesEncoder().fit([x])
        cell = recipe("series", x, Scaling(), Warping(), seed=4)
        found = encoder.transform([cell])
        (_, first), (_, second) = cell.steps
        y = Warping()(Scaling()(x, rng(first)), rng(second))
        np.testing.assert_allclose(found, encoder.transform([y]), rtol=1e-4, atol=1e-5)

    def test_a_video_whose_frames_are_dropped(self):
        clip = rng().integers(0, 256, (8, 20, 24, 3), dtype=np.uint8)
        encoder = VideoEncoder(n_frames=8).fit([clip])
        seed = 3
        stays = FrameDropping(0.3)(np.arange(8), rng(seed))
        assert 3 < stays.sum() < 8
        cell = recipe("video", clip, FrameDropping(0.3), seed=seed)
        found = encoder.transform([cell])
        np.testing.assert_allclose(found, encoder.transform([clip[stays]]), atol=1e-4)

    @pytest.mark.parametrize("features", ["appearance", "motion"])
    def test_a_mirrored_video(self, features):
        clip = np.zeros((12, 48, 48, 3), dtype=np.uint8)
        for k in range(12):
            clip[k, 10:20, 2 * k : 2 * k + 10] = 255
        encoder = VideoEncoder(features=features).fit([clip])
        found = encoder.transform([recipe("video", clip, Flip(1))])
        mirrored = encoder.transform([np.ascontiguousarray(clip[:, :, ::-1])])
        np.testing.assert_allclose(found, mirrored, atol=0.02)
        assert np.abs(found - encoder.transform([clip])).max() > 0.1

    def test_frames_of_a_file_are_dropped_before_they_are_chosen(self):
        clip = np.repeat(np.arange(20, dtype=np.uint8)[:, None, None], 16, 1) * 10
        clip = np.repeat(clip, 16, 2)
        decoder = ClipDecoder(n_frames=5, size=(16, 16))
        whole = decoder(clip)
        found = decoder(recipe("video", clip, FrameDropping(0.5), seed=1))
        stays = FrameDropping(0.5)(np.arange(20), rng(1))
        shown = np.rint(found.frames[:, 0, 0, 0] / 10).astype(int)
        assert len(found.frames) == len(whole.frames) == 5
        assert stays[shown].all()
        np.testing.assert_allclose(found.times, shown / 12.5)

    def test_frames_of_a_file(self):
        pytest.importorskip("av")
        shown = film(20)
        cell = recipe("video", video(shown), FrameDropping(0.4), Flip(1), seed=2)
        decoder = ClipDecoder(n_frames=6, size=(64, 64))
        found, whole = decoder(cell), decoder(cell.source)
        stays = FrameDropping(0.4)(np.arange(20) / 10, rng(2))
        chosen = np.rint(found.times * 10).astype(int)
        assert stays[chosen].all()
        assert 4 <= len(chosen) <= len(whole.times) == 6  # some are asked for twice
        # compressed, and so a little different
        for frame, k in zip(found.frames, chosen):
            assert np.abs(frame.astype(int) - shown[k, :, ::-1]).mean() < 6
        grey = np.rint(found.grey_times * 10).astype(int)
        assert stays[grey].all()
        assert len(grey) < len(whole.grey_times)

    def test_several_pictures_in_a_cell(self):
        encoder = ImageEncoder().fit([picture()])
        parts = [recipe("image", picture(k), Flip(1)) for k in range(2)]
        found = encoder.transform([parts])
        singles = encoder.transform(parts)
        np.testing.assert_allclose(found[0], singles.mean(axis=0), rtol=1e-5)

    def test_the_sound_of_a_video_that_is_augmented(self, tmp_path):
        cell = recipe("video", (RATE, tone()), FrameDropping())
        encoder = AudioEncoder().fit([(RATE, tone())])
        np.testing.assert_array_equal(
            encoder.transform([cell]), encoder.transform([(RATE, tone())])
        )

    def test_functions_of_the_user(self):
        x = rng().normal(size=(40, 2))
        encoder = SeriesEncoder(output="sequence").fit([x])
        found = encoder.transform([recipe("series", x, double)])
        np.testing.assert_allclose(found, 2 * encoder.transform([x]), rtol=1e-6)


class TestErrors:
    def test_limits_hold_for_the_source(self):
        small, large = picture(size=(8, 8)), recipe("image", picture(), Flip())
        encoder = ImageEncoder(max_pixels=100).fit([small])
        with pytest.raises(ValueError, match=r"row 1: .* more than max_pixels"):
            encoder.transform([small, large])

    def test_root_holds_for_the_source(self, tmp_path):
        Image.fromarray(picture()).save(tmp_path / "a.png")
        (tmp_path / "inside").mkdir()
        Image.fromarray(picture()).save(tmp_path / "inside" / "b.png")
        encoder = ImageEncoder(root=tmp_path / "inside").fit(["b.png"])
        assert np.isfinite(encoder.transform([recipe("image", "b.png", Flip())])).all()
        with pytest.raises(ValueError, match=r"'\.\./a\.png' is a path with '\.\.'"):
            encoder.transform([recipe("image", "../a.png", Flip())])

    @pytest.mark.parametrize(
        ("encoder", "kind", "good"),
        [
            (ImageEncoder, "image", picture()),
            (AudioEncoder, "audio", (RATE, tone())),
            (SeriesEncoder, "series", np.arange(9.0)),
        ],
    )
    def test_sources_that_cannot_be_read(self, encoder, kind, good):
        broken = recipe(kind, b"what is this", Flip())
        with pytest.raises(ValueError, match=r"row 1: a cell of 12 bytes"):
            encoder().fit([good, broken])
        with pytest.warns(UserWarning, match=r"1 of 2 .* row 1: a cell of 12 bytes"):
            found = encoder(on_error="warn").fit_transform([good, broken])
        assert np.isnan(found[1]).all()

    def test_a_cell_of_another_kind(self):
        cell = recipe("series", picture()[..., 0], Scaling())
        with pytest.raises(ValueError, match="augmented as series, expected one"):
            ImageEncoder().fit([picture(), cell])

    @pytest.mark.parametrize(
        ("function", "found"),
        [
            (lambda x, rng: x[..., :2], r"shape \(20, 28, 2\)"),
            (lambda x, rng: x.mean(axis=2), r"shape \(20, 28\)"),
            (lambda x, rng: x * np.nan, "dtype float32"),
            (lambda x, rng: x[:0], r"shape \(0, 28, 3\)"),
            (lambda x, rng: "no picture", "dtype <U10"),
        ],
    )
    def test_functions_that_give_something_else(self, function, found):
        cell = recipe("image", picture(), function)
        X = pd.DataFrame({"photo": [picture(), cell]})
        encode = ModalityTransformer([("photo", ImageEncoder(), "photo")])
        with pytest.raises(
            ValueError, match=rf"Modality 'photo'.*the augmentation <lambda>.*{found}"
        ):
            encode.fit(X)

    def test_light_beyond_white_is_white(self):
        decoder = Decoder((20, 28), 10**6)
        found = decoder(recipe("image", picture(), lambda x, rng: 3 * x - 1))
        assert (found.min(), found.max()) == (0, 1)

    def test_an_error_of_a_function_is_not_a_missing_cell(self):
        def fails(array, rng):
            raise KeyError("colour")

        with pytest.raises(KeyError, match="colour"):
            ImageEncoder(on_error="missing").fit([recipe("image", picture(), fails)])


class TestDetection:
    @pytest.mark.parametrize(
        ("kind", "source"),
        [
            ("image", "a.png"),
            ("image", picture()),
            ("audio", (RATE, tone())),
            ("audio", "a.wav"),
            ("video", "a.mp4"),
            ("series", rng().normal(size=(30, 2))),
        ],
    )
    def test_a_recipe_is_of_its_kind(self, kind, source):
        cells = [source, recipe(kind, source, Flip()), None, [recipe(kind, source)]]
        column = pd.Series(cells, dtype=object)
        assert column_kind(column).kind == kind
        assert column_kind(column[1:]).kind == kind

    def test_arrays_that_may_be_anything_are_what_the_recipes_say(self):
        waves = [rng(k).normal(size=(30, 12)) for k in range(12)]
        cells = pd.Series([*waves, *(recipe("series", w, Scaling()) for w in waves)])
        assert column_kind(cells).kind == "series"
        assert not column_kind(cells).doubt


class TestStore:
    @pytest.fixture
    def decoded(self, monkeypatch):
        """Cells that were decoded since it was last looked at."""
        seen = []
        real = Decoder.__call__

        def counting(self, cell):
            seen.append(cell)
            return real(self, cell)

        monkeypatch.setattr(Decoder, "__call__", counting)
        return seen

    def test_what_was_made_once_is_not_made_again(self, tmp_path, decoded):
        path = tmp_path / "a.png"
        Image.fromarray(picture()).save(path)
        os.utime(path, (1, 1))
        encoder = ImageEncoder(store=EmbeddingStore(tmp_path / "store"))

        def cells():
            sources = [str(path), picture(), path.read_bytes()]
            return [recipe("image", s, Flip(), Crop(), seed=5) for s in sources]

        first = encoder.fit_transform([str(path), *cells()])
        # bytes and file hold the same, and an array is another content
        assert len(decoded) == 3
        again = ImageEncoder(store=encoder.store).fit_transform([str(path), *cells()])
        assert len(decoded) == 3
        np.testing.assert_array_equal(first, again)
        plain = ImageEncoder().fit_transform([str(path), *cells()])
        np.testing.assert_array_equal(first, plain)

    def test_other_steps_are_other_cells(self, tmp_path, decoded):
        encoder = ImageEncoder(store=tmp_path / "store")
        cells = [
            picture(),
            recipe("image", picture(), Flip()),
            recipe("image", picture(), Flip(), seed=1),
            recipe("image", picture(), Flip(0.1)),
            recipe("image", picture(), Flip(), Crop()),
        ]
        encoder.fit(cells)
        assert len(decoded) == 5
        assert encoder.store is not None
        assert EmbeddingStore(tmp_path / "store").info()["n_vectors"] == 5

    def test_a_file_that_changed_is_read_again(self, tmp_path, decoded):
        path = tmp_path / "a.png"
        cell = recipe("image", str(path), Flip(1))
        encoder = ImageEncoder(store=tmp_path / "store")
        rows = []
        for seed in (0, 1):
            Image.fromarray(picture(seed)).save(path)
            rows.append(encoder.fit_transform([cell]))
        assert len(decoded) == 2
        assert not np.allclose(*rows)

    def test_functions_of_the_user_are_not_kept(self, tmp_path, decoded):
        encoder = ImageEncoder(store=tmp_path / "store")
        for _ in range(2):
            encoder.fit_transform([picture(), recipe("image", picture(), double)])
        assert len(decoded) == 1 + 2

    def test_equal_recipes_are_described_once(self, decoded):
        cells = [recipe("image", picture(), Flip(1)) for _ in range(4)]
        found = ImageEncoder().fit_transform(cells)
        assert len(decoded) == 1
        assert (found == found[0]).all()

    @pytest.mark.parametrize(
        ("encoder", "kind", "source"),
        [
            (AudioEncoder, "audio", (RATE, tone())),
            (SeriesEncoder, "series", pd.Series(np.arange(30.0))),
            (SeriesEncoder, "series", np.arange(30.0).tolist()),
            (VideoEncoder, "video", [picture(k) for k in range(4)]),
        ],
    )
    def test_of_every_kind(self, tmp_path, encoder, kind, source):
        operation = {"audio": Gain(), "series": Scaling(), "video": Flip(1)}[kind]
        cells = [recipe(kind, source, operation, seed=k) for k in range(3)]
        kept = encoder(store=tmp_path / "store").fit_transform(cells)
        info = EmbeddingStore(tmp_path / "store").info()
        assert info["n_vectors"] == 3
        again = encoder(store=tmp_path / "store").fit_transform(cells)
        np.testing.assert_array_equal(kept, again)
        np.testing.assert_array_equal(kept, encoder().fit_transform(cells))
