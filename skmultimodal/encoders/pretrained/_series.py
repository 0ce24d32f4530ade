"""Networks for series: an importable factory gives them."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from skmultimodal.encoders.decoding._series import filled, shortened
from skmultimodal.encoders.pretrained._loading import (
    half_precision,
    is_factory,
    load_factory,
    on_device,
    resolve_device,
    untouched_rng,
    weights_hash,
)


class SeriesModel:
    """A network on its device, with the hash of its weights."""

    def __init__(self, module: nn.Module, device: str) -> None:
        self.module = module.eval().to(device).float()
        self.device = device
        self.weights = weights_hash(module)

    def encode(
        self, series: Sequence[np.ndarray], batch_size: int, max_steps: int | None
    ) -> list[np.ndarray]:
        """A vector (d,) for each series (T, channels), or at most `max_steps` steps.

        A batch holds series of one length, so that none is padded.
        """
        found: dict[int, np.ndarray] = {}
        lengths = np.array([len(s) for s in series])
        for length in np.unique(lengths):
            alike = np.flatnonzero(lengths == length)
            for start in range(0, len(alike), batch_size):
                chosen = alike[start : start + batch_size]
                batch = np.stack([filled(series[k]) for k in chosen])
                for k, out in zip(chosen, self._forward(batch.astype(np.float32))):
                    found[k] = _pooled(out) if max_steps is None else out
        if max_steps is not None:
            for k, out in found.items():
                if out.ndim != 2:
                    raise ValueError(
                        "output='sequence' needs a model that gives steps (n, T, d); "
                        f"this one gives one vector a series, {out.shape}. Take "
                        "output='pooled'."
                    )
                found[k] = shortened(out, max_steps).astype(np.float32)
        return [found[k] for k in range(len(series))]

    def _forward(self, batch: np.ndarray) -> np.ndarray:
        """(n, T, channels) to (n, d) or (n, T', d)."""
        with torch.inference_mode(), untouched_rng(), half_precision(self.device):
            out = self.module(on_device(torch.from_numpy(batch), self.device))
        return out.float().cpu().numpy()


def _pooled(out: np.ndarray) -> np.ndarray:
    return out.mean(axis=0) if out.ndim == 2 else out


def load_series_model(model: str, *, device: str, owner: str) -> SeriesModel:
    """Load a factory's network; clones of an encoder share what is loaded."""
    if not is_factory(model):
        raise ValueError(
            f"{owner}: model={model!r} is not known. Take None, 'minirocket', or "
            "'package.module:function' for a function that returns an nn.Module."
        )
    return _from_factory(model, resolve_device(device, owner), owner)


@functools.lru_cache(maxsize=2)
def _from_factory(model: str, device: str, owner: str) -> SeriesModel:
    return SeriesModel(load_factory(model, owner), device)
