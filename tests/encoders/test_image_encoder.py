import io
import json
import pickle

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmultimodal.encoders import ImageEncoder

GREEN = (20, 160, 60)


def _scene(rng, shape, colour, size=64):
    """A circle, square or triangle of a colour somewhere on a pale ground."""
    yy, xx = np.mgrid[:size, :size]
    radius = rng.integers(9, 15)
    y, x = rng.integers(radius + 1, size - radius - 1, size=2)
    inside = {
        "circle": (yy - y) ** 2 + (xx - x) ** 2 <= radius**2,
        "square": (abs(yy - y) <= radius) & (abs(xx - x) <= radius),
        "triangle": (abs(xx - x) * 2 <= yy - y + radius) & (yy <= y + radius),
    }[shape]
    picture = np.full((size, size, 3), rng.integers(225, 250, size=3), dtype=np.uint8)
    picture[inside] = colour
    return picture


def _png(picture, **kwargs):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", **kwargs)
    return buffer.getvalue()


@pytest.fixture
def picture():
    rng = np.random.default_rng(0)
    return _scene(rng, "triangle", GREEN)


def test_shape_and_colour_can_be_read_off_linearly():
    rng = np.random.default_rng(0)
    colours = [(200, 30, 30), GREEN, (40, 60, 200), (230, 200, 30)]
    shapes = ["circle", "square", "triangle"]
    truth = [(s, c) for s in shapes for c in range(4) for _ in range(25)]
    z = ImageEncoder().fit_transform([_scene(rng, s, colours[c]) for s, c in truth])
    order = rng.permutation(len(truth))
    train, test = order[:200], order[200:]
    for k in (0, 1):
        y = np.array([pair[k] for pair in truth])
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
        assert model.fit(z[train], y[train]).score(z[test], y[test]) >= 0.97


def test_paths_bytes_pictures_and_arrays_are_one(picture, tmp_path):
    path = tmp_path / "triangle.png"
    path.write_bytes(_png(picture))
    z = ImageEncoder().fit_transform(
        [picture, Image.fromarray(picture), path.read_bytes(), str(path), path]
    )
    for row in z[1:]:
        np.testing.assert_allclose(row, z[0], atol=1e-6)


def test_grey_pictures_come_in_every_shape(picture):
    grey = picture[:, :, 0]
    z = ImageEncoder().fit_transform(
        [grey, grey[:, :, None], np.repeat(grey[:, :, None], 3, axis=2)]
    )
    np.testing.assert_allclose(z[1:], z[[0, 0]], atol=1e-6)


def test_transparent_parts_are_white(picture):
    alpha = np.full((64, 64, 1), 255, dtype=np.uint8)
    alpha[:20] = 0
    clear = np.concatenate([picture, alpha], axis=2)
    white = picture.copy()
    white[:20] = 255
    z = ImageEncoder().fit_transform(
        [white, clear, Image.fromarray(clear), _png(clear)]
    )
    np.testing.assert_allclose(z[1:], z[[0, 0, 0]], atol=1e-5)


def test_palettes_with_and_without_transparency():
    image = Image.new("P", (16, 16), 1)
    image.putpalette([255, 0, 0, 0, 0, 255] + [0] * 762)
    blue = Image.new("RGB", (16, 16), (0, 0, 255))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", transparency=1)
    white = Image.new("RGB", (16, 16), "white")
    z = ImageEncoder().fit_transform([image, blue, buffer.getvalue(), white])
    np.testing.assert_allclose(z[0], z[1], atol=1e-6)
    np.testing.assert_allclose(z[2], z[3], atol=1e-6)


def test_sixteen_bits_keep_what_eight_would_lose():
    steps = np.tile(np.arange(64, dtype=np.uint16) * 3, (64, 1))  # under one of 255
    flat = np.zeros((64, 64), dtype=np.uint16)
    z = ImageEncoder().fit_transform([steps, _png(steps), Image.fromarray(flat)])
    np.testing.assert_allclose(z[0], z[1], atol=1e-6)
    assert np.abs(z[0] - z[2]).max() > 1e-3


def test_pictures_are_turned_as_their_exif_says(picture):
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.fromarray(picture).save(buffer, format="PNG", exif=exif)
    z = ImageEncoder().fit_transform([np.rot90(picture, -1).copy(), buffer.getvalue()])
    np.testing.assert_allclose(z[1], z[0], atol=1e-6)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "CMYK", "YCbCr", "HSV", "I", "F"])
def test_every_mode_of_pillow_is_read(picture, mode):
    image = Image.fromarray(picture)
    image = image.convert("L").convert(mode) if mode == "LA" else image.convert(mode)
    assert np.isfinite(ImageEncoder().fit_transform([image])).all()


@pytest.mark.parametrize("top", [1.0, 16.0, 255.0])
def test_the_range_of_float_pictures_is_learned_once(picture, top):
    grey = picture.mean(axis=2) / 255
    stretched = (grey - grey.min()) / (grey.max() - grey.min())
    floats = [stretched * top, stretched * top / 2]
    encoder = ImageEncoder().fit(floats)
    assert encoder.ranges_["float"] == (0.0, top)
    together = encoder.transform(floats)
    alone = np.vstack([encoder.transform([cell]) for cell in floats])
    np.testing.assert_allclose(alone, together, atol=1e-6)
    assert np.abs(together[0] - together[1]).max() > 0.1


def test_negative_values_and_wide_integers_have_the_range_of_the_fit():
    ramp = np.linspace(-3, 5, 64).reshape(8, 8)
    encoder = ImageEncoder().fit([ramp, (ramp * 1000).astype(np.int32)])
    assert encoder.ranges_ == {"float": (-3.0, 5.0), "integer": (-3000.0, 5000.0)}
    brighter = encoder.transform([ramp, ramp + 100])  # clipped to white
    assert np.isfinite(brighter).all()


def test_nested_lists_of_numbers_are_one_picture(picture):
    grey = picture[:20, :20, 0].astype(int)
    z = ImageEncoder().fit_transform([grey, grey.tolist()])
    np.testing.assert_allclose(z[1], z[0], atol=1e-6)


def test_large_photos_are_read_nearly_as_they_are(picture, tmp_path):
    large = Image.fromarray(picture).resize((1500, 1200), Image.Resampling.BICUBIC)
    large.save(tmp_path / "photo.jpg", quality=95)
    z = ImageEncoder().fit_transform([large, str(tmp_path / "photo.jpg")])
    assert np.abs(z[1] - z[0]).mean() < 0.02


def test_the_picture_of_a_user_is_left_as_it_was(tmp_path, picture):
    Image.fromarray(picture).resize((900, 900)).save(tmp_path / "photo.jpg")
    with Image.open(tmp_path / "photo.jpg") as image:
        ImageEncoder().fit([image])
        assert image.size == (900, 900)


def test_wide_integers_are_read_as_eight_bits(picture):
    z = ImageEncoder().fit_transform([picture, picture.astype(np.int64)])
    np.testing.assert_allclose(z[1], z[0], atol=1e-6)


def test_a_stack_of_pictures_is_a_column(picture):
    stack = np.stack([picture, picture[::-1], picture[:, ::-1]])
    encoder = ImageEncoder()
    np.testing.assert_array_equal(
        encoder.fit_transform(stack), encoder.fit_transform(list(stack))
    )


def test_several_pictures_of_a_cell_are_averaged(picture):
    other = picture[::-1].copy()
    encoder = ImageEncoder().fit([picture])
    pair, first, second = encoder.transform([[picture, None, other], picture, other])
    np.testing.assert_allclose(pair, (first + second) / 2, atol=1e-6)


def test_threads_change_nothing(picture):
    cells = [_png(np.roll(picture, k, axis=1)) for k in range(20)]
    one = ImageEncoder().fit_transform(cells)
    np.testing.assert_array_equal(ImageEncoder(n_jobs=2).fit_transform(cells), one)
    np.testing.assert_array_equal(ImageEncoder(n_jobs=-1).fit_transform(cells), one)


def test_pictures_of_any_size_and_proportion():
    rng = np.random.default_rng(0)
    cells = [
        rng.integers(0, 256, shape, dtype=np.uint8)
        for shape in [(1, 1, 3), (3, 200), (300, 2, 4), (65, 63, 1)]
    ]
    z = ImageEncoder(size=30).fit_transform(cells)
    assert np.isfinite(z).all()


# -- what cannot be read ---------------------------------------------------------------


def _bad_cells(tmp_path, picture):
    truncated, empty, text = (tmp_path / f"{n}.png" for n in ("cut", "empty", "text"))
    data = _png(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    truncated.write_bytes(data[: len(data) // 2])
    empty.write_bytes(b"")
    text.write_text("no picture")
    return {
        "truncated": (str(truncated), "cut.png' is broken or truncated"),
        "nowhere": (str(tmp_path / "no.png"), "no.png' does not exist"),
        "folder": (str(tmp_path), "is a folder, expected the path of a picture"),
        "empty": (empty, "empty.png' is empty"),
        "text": (str(text), "is no picture that Pillow can read"),
        "bytes": (b"abc", "a cell of 3 bytes is no picture"),
        "long name": ("a" * 5000, "File name too long"),
        "number": (3.5, "found float; expected a path, bytes, a PIL image or an"),
        "vector": (np.zeros(4), r"found an array of shape \(4,\)"),
        "channels first": (
            np.zeros((3, 9, 9)),
            "Channels stand last here: np.moveaxis",
        ),
        "words": (np.array([["a"]]), "dtype <U1; expected numbers"),
        "nan": (np.array([[0.5, np.nan]]), "holds NaN or infinite values"),
    }


BAD = ["truncated", "nowhere", "folder", "empty", "text", "bytes", "number", "vector"]
BAD += ["long name", "channels first", "words", "nan"]


@pytest.mark.parametrize("kind", BAD)
def test_an_unreadable_picture_is_named_with_its_place(kind, tmp_path, picture):
    cell, message = _bad_cells(tmp_path, picture)[kind]
    X = pd.Series([picture, cell], index=["a", "b"], name="photo", dtype=object)
    place = r"ImageEncoder: column 'photo', row 1 \(label 'b'\): .*"
    with pytest.raises(ValueError, match=place + message + ".*on_error='warn'"):
        ImageEncoder().fit(X)
    encoder = ImageEncoder().fit(X[:1])
    with pytest.raises(ValueError, match=place + message):
        encoder.transform(X)


@pytest.mark.parametrize("kind", BAD)
def test_an_unreadable_picture_can_count_as_missing(kind, tmp_path, picture):
    cells = [picture, _bad_cells(tmp_path, picture)[kind][0], None]
    z = ImageEncoder(on_error="missing").fit_transform(cells)
    np.testing.assert_array_equal(np.isnan(z).all(axis=1), [False, True, True])
    encoder = ImageEncoder(on_error="warn", n_components=1)
    with pytest.warns(UserWarning, match=r"1 of 2 different pictures cannot be read"):
        z = encoder.fit_transform(cells)
    assert z.shape == (3, 1)
    with pytest.warns(UserWarning, match=r"1 of 1 different .* row 0"):
        assert np.isnan(encoder.transform(cells[1:2])).all()


def test_no_readable_picture_at_fit(tmp_path):
    with pytest.raises(ValueError, match="none of the 1 different cells can be read"):
        ImageEncoder(on_error="missing").fit([str(tmp_path / "no.png")])


def test_one_readable_picture_of_several_is_enough(picture, tmp_path):
    encoder = ImageEncoder(on_error="missing").fit([picture])
    z = encoder.transform([[str(tmp_path / "no.png"), picture]])
    np.testing.assert_allclose(z, encoder.transform([picture]))


def test_large_pictures_are_refused_before_they_are_decoded(picture):
    for cell in (_png(picture), picture, Image.fromarray(picture)):
        with pytest.raises(ValueError, match="64 x 64 pixels, more than max_pixels=99"):
            ImageEncoder(max_pixels=99).fit([cell])


def test_the_limit_of_pillow_holds_besides(picture, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ValueError, match="larger than Pillow's limit"):
        ImageEncoder().fit([_png(picture)])


# -- pretrained models -----------------------------------------------------------------


@pytest.fixture(scope="module", params=["vit", "resnet", "clip"])
def folder(request, tmp_path_factory):
    """A folder with a tiny random vision model."""
    transformers = pytest.importorskip("transformers")
    import torch

    size: object = {"height": 32, "width": 32}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
        small |= {"intermediate_size": 16}
        if request.param == "vit":
            config = transformers.ViTConfig(image_size=32, patch_size=8, **small)
            model = transformers.ViTModel(config)
        elif request.param == "resnet":
            size = {"shortest_edge": 36}
            config = transformers.ResNetConfig(
                embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1]
            )
            model = transformers.ResNetModel(config)
        else:
            config = transformers.CLIPConfig(
                text_config={**small, "vocab_size": 50},
                vision_config={**small, "image_size": 32, "patch_size": 8},
                projection_dim=10,
            )
            model = transformers.CLIPModel(config)
    path = tmp_path_factory.mktemp(request.param)
    model.save_pretrained(path)
    settings = {
        "do_resize": True,
        "size": size,
        "resample": 3,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.4, 0.3],
        "image_std": [0.5, 0.6, 0.7],
    }
    if request.param == "resnet":
        settings |= {"do_center_crop": True, "crop_size": {"height": 32, "width": 32}}
    (path / "preprocessor_config.json").write_text(json.dumps(settings))
    return path


def _by_hand(folder, picture):
    """The same embedding from Pillow, NumPy and transformers alone."""
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder).eval()
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    edge = settings["size"].get("shortest_edge", 32)
    image = Image.fromarray(picture).resize((edge, edge), Image.Resampling.BICUBIC)
    cut = (edge - 32) // 2
    x = np.asarray(image.crop((cut, cut, cut + 32, cut + 32)), dtype=np.float64) / 255
    x = (x - settings["image_mean"]) / settings["image_std"]
    x = torch.tensor(x.transpose(2, 0, 1)[None], dtype=torch.float32)
    with torch.no_grad():
        if model.config.model_type == "clip":
            out = model.get_image_features(pixel_values=x)
            return getattr(out, "pooler_output", out).flatten().numpy()
        return model(pixel_values=x).pooler_output.flatten().numpy()


def test_a_folder_gives_the_embedding_of_transformers(folder, picture):
    z = ImageEncoder(model=folder).fit_transform([picture, None])
    np.testing.assert_allclose(z[0], _by_hand(folder, picture), atol=1e-5)
    assert np.isnan(z[1]).all()


def test_a_picture_alone_has_the_embedding_it_has_in_a_batch(folder, picture):
    cells = [np.roll(picture, 3 * k, axis=0)[: 64 - k] for k in range(7)]
    encoder = ImageEncoder(model=str(folder), batch_size=3).fit(cells)
    together = encoder.transform(cells)
    alone = np.vstack([encoder.transform([cell]) for cell in cells])
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_weights_stay_out_of_pickles(folder, picture):
    encoder = ImageEncoder(model=str(folder)).fit([picture])
    stored = pickle.dumps(encoder)
    assert len(stored) < 2_000
    np.testing.assert_array_equal(
        pickle.loads(stored).transform([picture]), encoder.transform([picture])
    )


def test_a_pooler_that_was_never_trained_is_not_used(picture, tmp_path):
    transformers = pytest.importorskip("transformers")
    import torch

    with torch.random.fork_rng():
        config = transformers.ViTConfig(
            image_size=32,
            patch_size=8,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
        )
        whole = transformers.ViTForImageClassification(config).eval()
    whole.save_pretrained(tmp_path)
    settings = {"do_normalize": False, "size": 32}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    small = picture[:32, :32]
    x = torch.tensor(small.transpose(2, 0, 1)[None] / 255, dtype=torch.float32)
    with torch.no_grad():
        expected = whole.vit(x).last_hidden_state.mean(dim=1).numpy()
    z = ImageEncoder(model=str(tmp_path)).fit_transform([small])
    np.testing.assert_allclose(z, expected, atol=1e-5)


def test_weights_that_do_not_fit_the_model_are_an_error(folder, picture, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    weights = load_file(copy / "model.safetensors")
    name = next(n for n in weights if "pooler" not in n and n.endswith("weight"))
    del weights[name]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(OSError, match=r"could not be loaded \(its weights lack"):
        ImageEncoder(model=str(copy)).fit([picture])


def test_preprocessing_that_is_not_known_says_so(folder, picture, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    settings = {"size": {"longest_edge": 32}}
    (copy / "preprocessor_config.json").write_text(json.dumps(settings))
    with pytest.raises(OSError, match=r"size=\{'longest_edge': 32\}, which is not"):
        ImageEncoder(model=str(copy)).fit([picture])


def make_network():
    """A factory, as a user would write one."""
    from torch import nn

    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU())


def make_nothing():
    """A factory that is none."""
    return 3


def test_a_factory_gives_a_network_with_maps_averaged(picture):
    encoder = ImageEncoder(model=f"{__name__}:make_network", size=16)
    z = encoder.fit_transform([picture, picture[::-1]])
    assert z.shape == (2, 5)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(encoder)).transform([picture]),
        encoder.transform([picture]),
    )


def test_a_factory_that_is_not_there_or_gives_no_module(picture):
    with pytest.raises(ValueError, match=r"reads as 'package\.module:function'"):
        ImageEncoder(model="no_such_package.models:net").fit([picture])
    with pytest.raises(TypeError, match=r"returned int, expected an nn\.Module"):
        ImageEncoder(model=f"{__name__}:make_nothing").fit([picture])


def test_a_folder_without_preprocessing_says_so(folder, picture, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "preprocessor_config.json").unlink()
    with pytest.raises(OSError, match=r"it has no preprocessor_config\.json"):
        ImageEncoder(model=str(copy)).fit([picture])


def test_an_absent_package_gives_the_install_line(folder, picture, monkeypatch):
    import sys

    from skmultimodal.encoders.pretrained import _image

    _image._from_transformers.cache_clear()
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"pip install 'skmultimodal\[image\]'"):
        ImageEncoder(model=str(folder)).fit([picture])


# -- real pictures ---------------------------------------------------------------------


def test_shape_and_colour_of_easy_vqa(real_data):
    data = real_data("easy_vqa")
    rows = pd.DataFrame({"picture": data["modalities"]["image"], "answer": data["y"]})
    train = data["split"] == "train"
    for answers in (
        ["circle", "rectangle", "triangle"],
        ["teal", "green", "gray", "black", "blue", "yellow", "red", "brown"],
    ):
        asked = rows[train & rows["answer"].isin(answers)].drop_duplicates("picture")
        asked = asked.iloc[:1000]
        z = ImageEncoder().fit_transform(list(data["image_bank"][asked["picture"]]))
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
        model.fit(z[:700], asked["answer"][:700])
        assert model.score(z[700:], asked["answer"][700:]) >= 0.97


def test_digits_of_eight_by_eight_floats(real_data):
    data = real_data("av_digits")
    train = np.flatnonzero(data["split"] == "train")[:600]
    z = ImageEncoder().fit_transform(list(data["modalities"]["image"][train]))
    y = data["y"][train]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
    assert model.fit(z[::2], y[::2]).score(z[1::2], y[1::2]) >= 0.95
