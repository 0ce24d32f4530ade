"""How each family of sound networks wants its waves, and which frames hold sound."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Output = tuple[Tensor, Tensor | None]  # frames (T, d), and a vector (d,) of them all
_WINDOW_SECONDS = 30  # attention over more would be slow
_SHORTEST_SECONDS = 0.1  # padded with silence up to here, as one frame needs as much


class Adapter(ABC):
    """Prepares windows of sound for a network and reads what it gives."""

    rate: int
    window: int | None  # samples a network takes at once
    pads: bool  # whether windows of several lengths may share a batch

    @abstractmethod
    def prepare(
        self, windows: Sequence[np.ndarray]
    ) -> tuple[dict[str, Tensor], list[int]]:
        """Inputs of the network, and the number of samples of each window."""

    @abstractmethod
    def forward(
        self, module: nn.Module, inputs: dict[str, Tensor], lengths: list[int]
    ) -> list[Output]:
        """What the network gives for each window."""


class FactoryAdapter(Adapter):
    """Bare waves (n, samples) of one length, as the importable factories take them."""

    window = None
    pads = False

    def __init__(self, rate: int, name: str) -> None:
        self.rate = rate
        self.name = name

    def prepare(self, windows):
        return {"waves": torch.from_numpy(np.stack(windows))}, [len(w) for w in windows]

    def forward(self, module, inputs, lengths):
        out = module(inputs["waves"])
        if isinstance(out, Tensor) and out.ndim == 4:  # (n, d, h, w)
            out = out.mean(dim=2).transpose(1, 2)
        if not isinstance(out, Tensor) or out.ndim not in (2, 3):
            found = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise ValueError(
                f"model={self.name!r} gave {found} for {len(lengths)} waves, expected "
                "a tensor (n, d), (n, T, d) or (n, d, h, w)."
            )
        return [(frames if out.ndim == 3 else frames[None], None) for frames in out]


class ExtractorAdapter(Adapter):
    """Base: a transformers feature extractor prepares the windows."""

    pads = True

    def __init__(self, extractor: Any) -> None:
        self.extractor = extractor
        self.rate = int(extractor.sampling_rate)
        self.window = _WINDOW_SECONDS * self.rate

    def prepare(self, windows):
        shortest = math.ceil(_SHORTEST_SECONDS * self.rate)
        padded = [np.pad(w, (0, max(0, shortest - len(w)))) for w in windows]
        return dict(self._extract(padded)), [len(w) for w in windows]

    def _extract(self, windows: list[np.ndarray], **options: Any) -> Any:
        return self.extractor(
            windows, sampling_rate=self.rate, return_tensors="pt", **options
        )


class WhisperAdapter(ExtractorAdapter):
    """Log-mel spectrograms of one length for an encoder: frames behind are silence."""

    def __init__(self, extractor: Any) -> None:
        super().__init__(extractor)
        self.window = int(extractor.n_samples)

    def forward(self, module, inputs, lengths):
        tokens = module(inputs["input_features"]).last_hidden_state  # (n, T, d)
        n = tokens.shape[1]
        held = (max(1, math.ceil(n * length / self.window)) for length in lengths)
        return [(frames[:k], None) for frames, k in zip(tokens, held)]


class SpectrogramAdapter(ExtractorAdapter):
    """Patches of a spectrogram of one length: Audio Spectrogram Transformer."""

    def __init__(self, extractor: Any, config: Any) -> None:
        super().__init__(extractor)
        self.config = config
        self.hop = self.rate // 100
        self.window = int(extractor.max_length) * self.hop

    def forward(self, module, inputs, lengths):
        out = module(inputs["input_values"])
        c = self.config
        n_mel = (c.num_mel_bins - c.patch_size) // c.frequency_stride + 1
        patches = out.last_hidden_state[:, 2:].unflatten(1, (n_mel, -1))
        frames = patches.mean(dim=1)  # (n, T, d)
        step = self.hop * c.time_stride
        held = (max(1, math.ceil(length / step)) for length in lengths)
        return [(f[:k], v) for f, k, v in zip(frames, held, out.pooler_output)]


class WaveAdapter(ExtractorAdapter):
    """Waves for convolutions and a transformer: wav2vec 2.0, HuBERT, WavLM, ...

    A network that was trained without a mask must not see padding: its windows
    share a batch only where they have one length.
    """

    def __init__(self, extractor: Any, module: nn.Module) -> None:
        super().__init__(extractor)
        lengths = getattr(module, "_get_feat_extract_output_lengths", None)
        self.pads = bool(extractor.return_attention_mask) and lengths is not None

    def _extract(self, windows: list[np.ndarray], **options: Any) -> Any:
        return super()._extract(
            windows, padding=True, return_attention_mask=self.pads, **options
        )

    def forward(self, module, inputs, lengths):
        frames = module(**inputs).last_hidden_state  # (n, T, d)
        if not self.pads:
            return [(f, None) for f in frames]
        shortest = math.ceil(_SHORTEST_SECONDS * self.rate)
        samples = torch.tensor(lengths).clamp(min=shortest)
        held = module._get_feat_extract_output_lengths(samples).clamp(min=1)
        return [(f[:k], None) for f, k in zip(frames, held.tolist())]


def adapter_for(module: nn.Module, extractor: Any) -> tuple[nn.Module, Adapter]:
    """The part of a transformers model that listens, and how to give it sound."""
    config: Any = module.config
    takes = extractor.model_input_names[0]
    if hasattr(extractor, "n_samples") and takes == "input_features":
        listens = getattr(module, "encoder", module)
        n_frames = getattr(config, "max_source_positions", None)
        expected = extractor.n_samples // (2 * extractor.hop_length)
        if n_frames is not None and n_frames != expected:
            raise OSError(
                f"its preprocessing gives {expected} frames a window, its encoder "
                f"takes {n_frames}"
            )
        return listens, WhisperAdapter(extractor)
    if hasattr(config, "time_stride") and hasattr(extractor, "max_length"):
        return module, SpectrogramAdapter(extractor, config)
    if takes == "input_values" and hasattr(config, "conv_stride"):
        return module, WaveAdapter(extractor, module)
    raise OSError(
        f"models of type {config.model_type!r} are not known here; expected one like "
        "Whisper, wav2vec 2.0 or the Audio Spectrogram Transformer, or wrap it in a "
        "'package.module:function'"
    )
