import itertools
import pickle

import numpy as np
import pytest
import torch

from skmultimodal.encoders._audio import AudioEncoder

from ._sound_factory import speaker_network, weights_file
from ._sounds import film

transformers = pytest.importorskip("transformers")

RATE = 16_000
RNG = np.random.default_rng(0)
LENGTHS = (16_000, 5000, 80_000, 7, 40_000)
WAVES = [RNG.normal(size=n).astype(np.float32) for n in LENGTHS]


def whisper():
    config = transformers.WhisperConfig(
        vocab_size=20,
        num_mel_bins=16,
        encoder_layers=2,
        encoder_attention_heads=2,
        decoder_layers=1,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        d_model=16,
        max_source_positions=100,
        max_target_positions=20,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    extractor = transformers.WhisperFeatureExtractor(feature_size=16, chunk_length=2)
    return transformers.WhisperModel(config), extractor


def wav2vec2(norm):
    config = transformers.Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8, 8, 8),
        conv_stride=(5, 4, 4),
        conv_kernel=(10, 8, 4),
        num_feat_extract_layers=3,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        feat_extract_norm=norm,
        do_stable_layer_norm=norm == "layer",
    )
    extractor = transformers.Wav2Vec2FeatureExtractor(
        return_attention_mask=norm == "layer"
    )
    return transformers.Wav2Vec2Model(config), extractor


def ast():
    config = transformers.ASTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        patch_size=4,
        frequency_stride=4,
        time_stride=4,
        max_length=64,
        num_mel_bins=16,
    )
    extractor = transformers.ASTFeatureExtractor(num_mel_bins=16, max_length=64)
    return transformers.ASTModel(config), extractor


BUILD = {
    "whisper": whisper,
    "wav2vec2-group": lambda: wav2vec2("group"),
    "wav2vec2-layer": lambda: wav2vec2("layer"),
    "ast": ast,
}


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Folder, module and feature extractor of tiny random networks."""
    found = {}
    for name, build in BUILD.items():
        folder = tmp_path_factory.mktemp(name)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            module, extractor = build()
        module.save_pretrained(folder)
        extractor.save_pretrained(folder)
        found[name] = str(folder), module.eval(), extractor
    return found


@pytest.fixture(params=BUILD)
def network(request, networks):
    return networks[request.param]


def by_hand(module, extractor, wave):
    """Frames (T, d) and pooled vector of a wave of one window."""
    inputs = extractor(wave, sampling_rate=RATE, return_tensors="pt")
    with torch.no_grad():
        if isinstance(module, transformers.WhisperModel):
            tokens = module.encoder(inputs["input_features"]).last_hidden_state[0]
            tokens = tokens[: -(-len(wave) // 320)]  # one frame for 20 ms
            return tokens.numpy(), tokens.mean(dim=0).numpy()
        if isinstance(module, transformers.ASTModel):
            out = module(inputs["input_values"])
            patches = out.last_hidden_state[0, 2:].reshape(4, 16, 16).mean(dim=0)
            return patches.numpy(), out.pooler_output[0].numpy()
        tokens = module(inputs["input_values"]).last_hidden_state[0]
        return tokens.numpy(), tokens.mean(dim=0).numpy()


@pytest.mark.parametrize("seconds", [0.3, 0.6])
def test_vectors_are_those_of_the_model_called_by_hand(network, seconds):
    folder, module, extractor = network
    waves = [RNG.normal(size=int(seconds * RATE)).astype(np.float32) for _ in range(2)]
    waves.append(waves[0][:4000])  # shares a batch, and is padded
    z = AudioEncoder(folder, sample_rate=RATE).fit_transform(waves)
    expected = [by_hand(module, extractor, wave)[1] for wave in waves]
    np.testing.assert_allclose(z, expected, atol=2e-5)


def test_windows_of_a_long_recording_are_averaged(network):
    folder, module, extractor = network
    sizes = {"WhisperModel": 2 * RATE, "ASTModel": 64 * 160, "Wav2Vec2Model": 30 * RATE}
    size = sizes[type(module).__name__]
    wave = RNG.normal(size=2 * size).astype(np.float32)
    z = AudioEncoder(folder, sample_rate=RATE).fit_transform([wave])
    halves = [by_hand(module, extractor, half)[1] for half in np.split(wave, 2)]
    np.testing.assert_allclose(z[0], np.mean(halves, axis=0), atol=2e-5)


def test_sequences_are_its_frames_merged(network):
    folder, module, extractor = network
    wave = RNG.normal(size=64 * 160).astype(np.float32)  # 0.64 seconds
    encoder = AudioEncoder(folder, sample_rate=RATE, output="sequence", max_steps=4)
    z = encoder.fit_transform([wave]).reshape(4, 16)
    frames = by_hand(module, extractor, wave)[0]
    edges = np.linspace(0, len(frames), 5).round().astype(int)
    expected = [frames[a:b].mean(axis=0) for a, b in itertools.pairwise(edges)]
    np.testing.assert_allclose(z, expected, atol=2e-5)


@pytest.mark.parametrize("output", ["pooled", "sequence"])
def test_a_row_depends_neither_on_the_others_nor_on_the_batch(network, output):
    encoder = AudioEncoder(network[0], sample_rate=RATE, output=output)
    z = encoder.fit_transform(WAVES)
    alone = np.vstack([encoder.transform([wave]) for wave in WAVES])
    np.testing.assert_allclose(alone, z, atol=2e-5)
    small = encoder.set_params(batch_size=2).transform(WAVES[::-1])
    np.testing.assert_allclose(small[::-1], z, atol=2e-5)


def test_other_rates_are_resampled_to_that_of_the_model(networks):
    time = np.arange(8000) / 8000
    tone = np.sin(2 * np.pi * 440 * np.arange(16_000) / RATE)
    cells = [(RATE, tone), (8000, np.sin(2 * np.pi * 440 * time))]
    z = AudioEncoder(networks["whisper"][0]).fit_transform(cells)
    np.testing.assert_allclose(z[0], z[1], atol=0.05)


def test_a_video_without_sound_is_missing(networks):
    z = AudioEncoder(networks["whisper"][0]).fit_transform([film(False), film(True)])
    assert z.shape == (2, 16)
    assert np.isnan(z[0]).all()
    assert np.isfinite(z[1]).all()


def test_weights_stay_out_of_pickles_and_are_checked(networks, tmp_path):
    folder, _, _ = networks["wav2vec2-layer"]
    encoder = AudioEncoder(folder, sample_rate=RATE)
    z = encoder.fit_transform(WAVES[:2])
    stored = pickle.dumps(encoder)
    assert len(stored) < 3000
    np.testing.assert_allclose(pickle.loads(stored).transform(WAVES[:2]), z, atol=1e-6)
    encoder.model_hash_ = "of other weights"
    with pytest.raises(ValueError, match="was fitted with"):
        encoder.transform(WAVES[:1])


def test_models_that_cannot_be_used_say_why(networks, tmp_path):
    with pytest.raises(ValueError, match="found nothing there"):
        AudioEncoder(tmp_path / "gone", sample_rate=RATE).fit(WAVES[:1])
    with pytest.raises(OSError, match="could not be loaded"):
        AudioEncoder(str(tmp_path), sample_rate=RATE).fit(WAVES[:1])
    config = transformers.BertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=9
    )
    transformers.BertModel(config).save_pretrained(tmp_path)
    networks["wav2vec2-group"][2].save_pretrained(tmp_path)
    with pytest.raises(OSError, match="models of type 'bert' are not known here"):
        AudioEncoder(tmp_path, sample_rate=RATE).fit(WAVES[:1])


class Bank(torch.nn.Module):
    """Means over parts of a wave, at 8 kHz: (n, 2), tokens (n, T, 2) or maps."""

    sample_rate = 8000

    def __init__(self, ndim):
        super().__init__()
        self.ndim = ndim

    def forward(self, waves):
        parts = waves[:, : waves.shape[1] // 100 * 100].unflatten(1, (-1, 100))
        tokens = torch.stack([parts.mean(dim=2), parts.square().mean(dim=2)], dim=2)
        if self.ndim == 2:
            return tokens.mean(dim=1)
        return tokens if self.ndim == 3 else tokens.transpose(1, 2)[:, :, None]


def vectors():
    return Bank(2)


def tokens():
    return Bank(3)


def maps():
    return Bank(4)


@pytest.mark.parametrize("name", ["vectors", "tokens", "maps"])
def test_factories_get_waves_at_their_rate(name):
    factory = f"{__name__}:{name}"
    waves = [RNG.normal(size=n).astype(np.float32) for n in (800, 1600, 800)]
    encoder = AudioEncoder(factory, sample_rate=8000)
    expected = [[w.mean(), np.square(w).mean()] for w in waves]
    np.testing.assert_allclose(encoder.fit_transform(waves), expected, atol=1e-6)
    if name != "vectors":
        encoder.set_params(output="sequence", step=0.025)
        z = encoder.fit_transform(waves).reshape(3, 8, 2)
        parts = waves[1].reshape(8, 200).mean(axis=1)
        np.testing.assert_allclose(z[1, :, 0], parts, atol=1e-6)
        assert np.isnan(z[0, 4:]).all()


def speaker():
    return speaker_network()


@pytest.mark.skipif(weights_file() is None, reason="resemblyzer is not installed")
def test_clips_of_one_speaker_are_nearer_than_those_of_two(real_data):
    """With the weights of the package resemblyzer."""
    data = real_data("av_digits")
    train = np.flatnonzero(data["split"] == "train")
    speakers = data["groups"]
    rng = np.random.default_rng(0)
    rows = np.concatenate(
        [rng.choice(train[speakers[train] == s], 24) for s in np.unique(speakers)]
    )
    rows = rows.reshape(-1, 6)  # four recordings of six digits for each speaker
    waves = [np.concatenate([data["modalities"]["audio"][k] for k in r]) for r in rows]
    who = speakers[rows[:, 0]]
    z = AudioEncoder(f"{__name__}:speaker", sample_rate=8000).fit_transform(waves)
    assert z.shape == (24, 256)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, atol=1e-5)
    likeness = z @ z.T
    same = who[:, None] == who
    inside = likeness[same & ~np.eye(24, dtype=bool)]
    assert inside.mean() > likeness[~same].mean() + 0.1
    np.fill_diagonal(likeness, -1)
    assert (who[likeness.argmax(axis=1)] == who).mean() >= 0.9
