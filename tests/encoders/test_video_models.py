import json
import pickle

import numpy as np
import pytest
import torch

from skmultimodal.encoders._video import VideoEncoder

transformers = pytest.importorskip("transformers")

SMALL = {
    "image_size": 32,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "num_frames": 4,
}
MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]


@pytest.fixture(scope="module")
def clips():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8) for n in (4, 9, 2)]


def saved(kind, folder, **preprocessing):
    kinds = {
        "videomae": (transformers.VideoMAEConfig, transformers.VideoMAEModel),
        "vivit": (transformers.VivitConfig, transformers.VivitModel),
        "timesformer": (transformers.TimesformerConfig, transformers.TimesformerModel),
    }
    config_class, model_class = kinds[kind]
    more = {"tubelet_size": [2, 8, 8]} if kind == "vivit" else {"patch_size": 8}
    torch.manual_seed(0)
    model = model_class(config_class(**SMALL, **more)).eval()
    model.save_pretrained(folder)
    config = {
        "size": {"height": 32, "width": 32},
        "image_mean": MEAN,
        "image_std": STD,
        **preprocessing,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(config))
    return model


def by_hand(model, clip, scale=1.0, offset=0.0):
    """Tokens (L, d) and, where there is one, the pooled vector of a clip."""
    n = len(clip)
    where = {4: [0, 1, 2, 3], 9: [1, 3, 5, 7], 2: [0, 0, 1, 1]}[n]
    x = torch.tensor(clip[where].transpose(0, 3, 1, 2) / 255, dtype=torch.float32)
    x = x * scale + offset
    x = (x - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    with torch.no_grad():
        out = model(pixel_values=x[None])
    pooled = getattr(out, "pooler_output", None)
    tokens = out.last_hidden_state[0].numpy()
    return tokens, tokens.mean(axis=0) if pooled is None else pooled[0].numpy()


@pytest.mark.parametrize("kind", ["videomae", "vivit", "timesformer"])
def test_a_model_from_a_folder_is_the_model(kind, tmp_path, clips):
    model = saved(kind, tmp_path)
    encoder = VideoEncoder(tmp_path, device="cpu")
    z = encoder.fit_transform(clips)
    for row, clip in zip(z, clips):
        np.testing.assert_allclose(row, by_hand(model, clip)[1], atol=2e-4)
    again = pickle.loads(pickle.dumps(encoder))
    np.testing.assert_array_equal(again.transform(clips), z)


@pytest.mark.parametrize("kind", ["videomae", "vivit", "timesformer"])
def test_steps_are_the_patches_of_a_time(kind, tmp_path, clips):
    model = saved(kind, tmp_path)
    encoder = VideoEncoder(tmp_path, output="sequence", device="cpu")
    z = encoder.fit_transform(clips[:2])
    n_steps = 4 if kind == "timesformer" else 2
    assert encoder.n_steps_ == n_steps
    for row, clip in zip(z, clips):
        patches = by_hand(model, clip)[0][0 if kind == "videomae" else 1 :]
        if kind == "timesformer":
            expected = patches.reshape(16, 4, 16).mean(axis=0)
        else:
            expected = patches.reshape(2, 16, 16).mean(axis=1)
        np.testing.assert_allclose(row.reshape(n_steps, -1), expected, atol=2e-4)


def test_vivit_rescales_to_both_sides_of_zero(tmp_path, clips):
    model = saved("vivit", tmp_path, rescale_factor=1 / 127.5, offset=True)
    z = VideoEncoder(tmp_path, device="cpu").fit_transform(clips)
    expected = by_hand(model, clips[0], scale=2.0, offset=-1.0)[1]
    np.testing.assert_allclose(z[0], expected, atol=2e-4)


def test_other_weights_than_those_of_the_fit_are_an_error(tmp_path, clips):
    model = saved("videomae", tmp_path)
    encoder = VideoEncoder(tmp_path, device="cpu").fit(clips)
    with torch.no_grad():
        next(model.parameters()).add_(1)
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="now has weights"):
        encoder.transform(clips)


def test_a_model_of_pictures_is_sent_to_the_frame_encoder(tmp_path, clips):
    config = transformers.ViTConfig(
        **{k: v for k, v in SMALL.items() if k != "num_frames"}, patch_size=8
    )
    transformers.ViTModel(config).save_pretrained(tmp_path)
    with pytest.raises(OSError, match="frame_encoder"):
        VideoEncoder(tmp_path, device="cpu").fit(clips)


class Brightness(torch.nn.Module):
    """Mean colour (n, 3) of (n, frames, 3, h, w), or of each frame."""

    def __init__(self, in_steps=False):
        super().__init__()
        self.in_steps = in_steps
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        colours = x.mean(dim=(3, 4)) * self.weight
        return colours if self.in_steps else colours.mean(dim=1)


def whole():
    return Brightness()


def stepwise():
    return Brightness(in_steps=True)


def test_a_factory_is_given_frames_between_0_and_1(clips):
    z = VideoEncoder(f"{__name__}:whole", n_frames=4, size=32).fit_transform(clips[:1])
    np.testing.assert_allclose(z[0], clips[0].mean(axis=(0, 1, 2)) / 255, atol=1e-5)
    encoder = VideoEncoder(
        f"{__name__}:stepwise", n_frames=4, size=32, output="sequence"
    )
    steps = encoder.fit_transform(clips[:1]).reshape(4, 3)
    np.testing.assert_allclose(steps, clips[0].mean(axis=(1, 2)) / 255, atol=1e-5)
    with pytest.raises(ValueError, match="output='pooled'"):
        VideoEncoder(f"{__name__}:whole", output="sequence").fit(clips)
