"""The speaker network of the package resemblyzer, without its dependencies."""

import importlib.util
import math
from pathlib import Path

import torch
from torch import nn


def weights_file():
    """Where resemblyzer keeps its weights, or None; the package is not imported."""
    spec = importlib.util.find_spec("resemblyzer")
    file = Path(spec.origin).parent / "pretrained.pt" if spec else None
    return file if file is not None and file.is_file() else None


def slaney_filters(n_bins=201, n_bands=40, rate=16_000):
    """Triangles (n_bins, n_bands) of unit area on Slaney's mel scale."""

    def to_mel(hz):
        return (
            15 + 27 * math.log(hz / 1000) / math.log(6.4) if hz >= 1000 else hz * 0.015
        )

    mel = torch.linspace(0, to_mel(rate / 2), n_bands + 2, dtype=torch.float64)
    curve = 1000 * torch.exp((mel - 15) * math.log(6.4) / 27)
    edges = torch.where(mel < 15, mel / 0.015, curve)
    bins = torch.linspace(0, rate / 2, n_bins, dtype=torch.float64)[:, None]
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    filters = torch.minimum(rise, fall).clamp(min=0) * 2 / (edges[2:] - edges[:-2])
    return filters.float()


class SpeakerNetwork(nn.Module):
    """Waves (n, samples) at 16 kHz to unit vectors (n, 256) of their speakers."""

    sample_rate = 16_000

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(40, 256, 3, batch_first=True)
        self.linear = nn.Linear(256, 256)
        self.register_buffer("filters", slaney_filters(), persistent=False)

    def forward(self, waves):
        loudness = waves.square().mean(dim=1, keepdim=True).sqrt().clamp(min=1e-6)
        waves = waves * (10 ** (-30 / 20) / loudness)
        spectra = torch.stft(
            waves,
            n_fft=400,
            hop_length=160,
            window=torch.hann_window(400, device=waves.device),
            pad_mode="constant",
            return_complex=True,
        )
        frames = spectra.abs().square().transpose(1, 2) @ self.filters  # (n, T, 40)
        n = max(1, math.ceil(frames.shape[1] / 160))
        frames = nn.functional.pad(frames, (0, 0, 0, n * 160 - frames.shape[1]))
        _, (hidden, _) = self.lstm(frames.unflatten(1, (n, 160)).flatten(0, 1))
        vectors = self.linear(hidden[-1]).relu()  # (n_waves * n, 256)
        vectors = nn.functional.normalize(vectors, dim=1).unflatten(0, (-1, n))
        return nn.functional.normalize(vectors.mean(dim=1), dim=1)


def speaker_network():
    network = SpeakerNetwork()
    state = torch.load(weights_file(), map_location="cpu", weights_only=True)
    known = {k: v for k, v in state["model_state"].items() if not k.startswith("simil")}
    network.load_state_dict(known)
    return network
