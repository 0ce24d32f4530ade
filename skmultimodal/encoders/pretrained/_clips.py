"""Pretrained video networks, loaded once a process and kept out of pickles."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skmultimodal.encoders.decoding._clips import ClipDecoder
from skmultimodal.encoders.pretrained._image import Preprocessing
from skmultimodal.encoders.pretrained._loading import (
    check_source,
    half_precision,
    has_pooler,
    is_factory,
    load_factory,
    load_failure,
    load_transformer,
    on_device,
    read_settings,
    resolve_device,
    stamp,
    untouched_rng,
    weights_hash,
)

_CONFIGS = (
    "video_preprocessor_config.json",
    "preprocessor_config.json",
    "processor_config.json",
)


class ClipModel:
    """A network on its device, with its preprocessing and the hash of its weights."""

    def __init__(
        self,
        module: nn.Module,
        preprocessing: Preprocessing | None,
        device: str,
        pooled: bool = True,
    ) -> None:
        self.pooled = pooled
        self.module = module.eval().to(device).float()
        self.preprocessing = preprocessing
        self.device = device
        self.weights = weights_hash(module)

    def decoder(self, decoder: ClipDecoder) -> ClipDecoder:
        """The decoder that gives frames as the network wants them."""
        if self.preprocessing is None:
            return replace(decoder, grey=False)
        config: Any = self.module.config
        return replace(
            decoder,
            n_frames=config.num_frames,
            frame_rate=None,
            max_steps=None,
            size=self.preprocessing.size,
            shortest_edge=self.preprocessing.shortest_edge,
            resample=self.preprocessing.resample,
            grey=False,
        )

    def encode(
        self, clips: Sequence[np.ndarray], n_frames: int, in_steps: bool
    ) -> np.ndarray:
        """Features (n, d) or steps (n, T, d) of clips (frames, h, w, 3).

        A clip of fewer frames than the network takes shows some of them longer.
        """
        batch = np.stack([self._prepared(clip, n_frames) for clip in clips])
        # (n, frames, h, w, 3) to (n, frames, 3, h, w)
        x = torch.from_numpy(np.ascontiguousarray(np.moveaxis(batch, -1, 2)))
        with torch.inference_mode(), untouched_rng(), half_precision(self.device):
            out = self._forward(on_device(x, self.device), in_steps)
        return out.float().cpu().numpy()

    def _prepared(self, clip: np.ndarray, n_frames: int) -> np.ndarray:
        """(n_frames, h, w, 3) float32."""
        if len(clip) != n_frames:
            clip = clip[np.linspace(0, len(clip) - 1, n_frames).round().astype(int)]
        if clip.dtype == np.uint8:
            clip = clip.astype(np.float32) / 255
        if self.preprocessing is None:
            return clip
        return np.stack([self.preprocessing(frame) for frame in clip])

    def _forward(self, x: Tensor, in_steps: bool) -> Tensor:
        """(n, frames, 3, h, w) to (n, d) or (n, T, d)."""
        own = self.preprocessing is None
        out = self.module(x) if own else self.module(pixel_values=x)
        if not isinstance(out, Tensor):
            whole = self.pooled and not in_steps
            pooled = getattr(out, "pooler_output", None) if whole else None
            out = out.last_hidden_state if pooled is None else pooled
        if out.ndim == 4:  # maps (n, d, h, w)
            out = out.flatten(2).transpose(1, 2)
        if not in_steps:
            return out.mean(dim=1) if out.ndim == 3 else out
        if out.ndim == 2:
            raise ValueError(
                "output='sequence' needs a model that gives tokens (n, T, d); this one "
                f"gives one vector a video, {tuple(out.shape)}. Take output='pooled'."
            )
        return out if own else _by_time(out, self.module.config)


def _by_time(tokens: Tensor, config: Any) -> Tensor:
    """Tokens of patches (n, L, d) averaged over each frame, or tube of frames."""
    tube = getattr(config, "tubelet_size", 1)
    n_steps = config.num_frames // (tube if isinstance(tube, int) else tube[0])
    patches = tokens[:, tokens.shape[1] % n_steps :]  # what stands before is no patch
    if config.model_type == "timesformer":  # time runs fastest there
        return patches.unflatten(1, (-1, n_steps)).mean(dim=1)
    return patches.unflatten(1, (n_steps, -1)).mean(dim=2)


def load_clip_model(
    model: str, *, device: str, local_files_only: bool, owner: str
) -> ClipModel:
    """Load a folder, hub name or factory; clones of an encoder share what is loaded."""
    where = resolve_device(device, owner)
    if is_factory(model):
        return _from_factory(model, where, owner)
    check_source(model, owner)
    return _from_transformers(model, stamp(model), where, local_files_only, owner)


@functools.lru_cache(maxsize=2)
def _from_factory(model: str, device: str, owner: str) -> ClipModel:
    return ClipModel(load_factory(model, owner), None, device)


@functools.lru_cache(maxsize=2)
def _from_transformers(
    model: str, _: tuple[Any, ...], device: str, local_files_only: bool, owner: str
) -> ClipModel:
    try:
        module, lacking = load_transformer(
            model, extra="video", local_files_only=local_files_only, owner=owner
        )
        config: Any = module.config
        if not hasattr(config, "num_frames"):
            raise OSError(
                f"its config, of type {config.model_type!r}, has no num_frames: it "
                "takes no videos. A model of pictures goes in frame_encoder="
                "ImageEncoder(model=...)"
            )
        pooled = has_pooler(lacking)
        preprocessing = _preprocessing(model, local_files_only, config)
    except ImportError:
        raise
    except Exception as error:
        raise load_failure(model, owner, local_files_only, error) from error
    # a pooler that was never trained says nothing: the tokens are averaged instead
    return ClipModel(module, preprocessing, device, pooled=pooled)


def _preprocessing(model: str, local_files_only: bool, config: Any) -> Preprocessing:
    asked = read_settings(
        model, _CONFIGS, extra="video", local_files_only=local_files_only
    )
    asked = asked.get("video_processor", asked.get("image_processor", asked))
    preprocessing = Preprocessing(asked, _side(config.image_size))
    if asked.get("offset") and asked.get("do_rescale", True):  # ViViT: [-1, 1]
        preprocessing.mean = preprocessing.mean + np.float32(1)
    return preprocessing


def _side(size: Any) -> int:
    return int(size if isinstance(size, int) else size[0])
