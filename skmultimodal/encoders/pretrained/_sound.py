"""Pretrained sound networks, loaded once a process and kept out of pickles."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from skmultimodal._optional import import_optional
from skmultimodal.encoders.features._sound import merged
from skmultimodal.encoders.pretrained._loading import (
    check_source,
    half_precision,
    is_factory,
    load_factory,
    load_failure,
    load_transformer,
    on_device,
    quiet_loading,
    resolve_device,
    stamp,
    untouched_rng,
    weights_hash,
)
from skmultimodal.encoders.pretrained._sound_networks import (
    Adapter,
    FactoryAdapter,
    adapter_for,
)


class SoundModel:
    """A network on its device, with what prepares waves and the hash of its weights."""

    def __init__(self, module: nn.Module, adapter: Adapter, device: str) -> None:
        self.module = module.eval().to(device).float()
        self.adapter = adapter
        self.rate = adapter.rate
        self.device = device
        self.weights = weights_hash(module)

    @functools.cached_property
    def width(self) -> int:
        """Number of features, found out on a second of silence."""
        silence = np.zeros(self.rate, dtype=np.float32)
        return self.encode([silence], 1)[0].shape[-1]

    def encode(self, waves: Sequence[np.ndarray], batch_size: int) -> list[np.ndarray]:
        """Feature vector (d,) of each wave (samples,), float32."""
        sums: list[Any] = [0.0] * len(waves)
        weights = [0] * len(waves)
        for k, frames, vector in self._windows(waves, batch_size):
            weight = len(frames)  # the windows of one recording by their lengths
            whole = (
                frames.mean(dim=0, dtype=torch.float64) if vector is None else vector
            )
            sums[k] = sums[k] + weight * whole.double().numpy()
            weights[k] += weight
        return [(s / w).astype(np.float32) for s, w in zip(sums, weights)]

    def encode_steps(
        self, waves: Sequence[np.ndarray], batch_size: int, n_steps: Sequence[int]
    ) -> list[np.ndarray]:
        """Steps (T, d) of each wave, its frames merged evenly to at most n_steps."""
        frames: list[list[np.ndarray]] = [[] for _ in waves]
        for k, found, _ in self._windows(waves, batch_size):
            frames[k].append(found.numpy())
        return [merged(np.concatenate(f), n) for f, n in zip(frames, n_steps)]

    def _windows(
        self, waves: Sequence[np.ndarray], batch_size: int
    ) -> Iterator[tuple[int, torch.Tensor, torch.Tensor | None]]:
        """Which wave, frames (T, d) and vector (d,) of each window, in order.

        Windows of about one length share a batch, so that little is padded.
        """
        cut = [(k, w) for k, wave in enumerate(waves) for w in self._cut(wave)]
        order = sorted(range(len(cut)), key=lambda j: len(cut[j][1]))
        found: list[Any] = [None] * len(cut)
        with torch.inference_mode(), untouched_rng(), half_precision(self.device):
            for batch in self._batches(order, cut, batch_size):
                windows = [cut[j][1] for j in batch]
                inputs, lengths = self.adapter.prepare(windows)
                inputs = {k: on_device(x, self.device) for k, x in inputs.items()}
                outputs = self.adapter.forward(self.module, inputs, lengths)
                for j, (frames, vector) in zip(batch, outputs):
                    found[j] = (
                        frames.float().cpu(),
                        None if vector is None else vector.float().cpu(),
                    )
        for (k, _), (frames, vector) in zip(cut, found):
            yield k, frames, vector

    def _cut(self, wave: np.ndarray) -> list[np.ndarray]:
        size = self.adapter.window or len(wave)
        return [wave[start : start + size] for start in range(0, len(wave), size)]

    def _batches(
        self, order: list[int], cut: list[tuple[int, np.ndarray]], batch_size: int
    ) -> Iterator[list[int]]:
        def length(j: int) -> int:
            return 0 if self.adapter.pads else len(cut[j][1])

        for _, alike in itertools.groupby(order, key=length):
            group = list(alike)
            for start in range(0, len(group), batch_size):
                yield group[start : start + batch_size]


def load_sound_model(
    model: str, *, device: str, local_files_only: bool, owner: str
) -> SoundModel:
    """Load a folder, hub name or factory; clones of an encoder share what is loaded."""
    where = resolve_device(device, owner)
    if is_factory(model):
        return _from_factory(model, where, owner)
    check_source(model, owner)
    return _from_transformers(model, stamp(model), where, local_files_only, owner)


@functools.lru_cache(maxsize=2)
def _from_factory(model: str, device: str, owner: str) -> SoundModel:
    module = load_factory(model, owner)
    rate = int(getattr(module, "sample_rate", 16_000))
    return SoundModel(module, FactoryAdapter(rate, model), device)


@functools.lru_cache(maxsize=2)
def _from_transformers(
    model: str, _: tuple[Any, ...], device: str, local_files_only: bool, owner: str
) -> SoundModel:
    package = import_optional(
        "transformers", extra="audio", purpose=f"{owner}(model=...)"
    )
    try:
        with untouched_rng(seed=0), quiet_loading():
            extractor = package.AutoFeatureExtractor.from_pretrained(
                model, trust_remote_code=False, local_files_only=local_files_only
            )
        module, missing = load_transformer(
            model, extra="audio", local_files_only=local_files_only, owner=owner
        )
        # what masks frames in training has no part in describing them
        lacking = [k for k in missing if "masked_spec_embed" not in k]
        module, adapter = adapter_for(module, extractor)
        own = set(module.state_dict())
        needed = [k for k in lacking if k.removeprefix("encoder.") in own]
        if needed:
            raise OSError(f"its weights lack {needed[0]!r}")
    except Exception as error:
        raise load_failure(model, owner, local_files_only, error) from error
    return SoundModel(module, adapter, device)
