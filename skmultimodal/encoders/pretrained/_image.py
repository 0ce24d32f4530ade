"""Pretrained vision networks, loaded once a process and kept out of pickles."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from skmultimodal.encoders.decoding._image import Decoder
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

_CONFIGS = ("preprocessor_config.json", "processor_config.json")


class Preprocessing:
    """What ``preprocessor_config.json`` asks for, done with Pillow and NumPy."""

    def __init__(self, config: Mapping[str, Any], image_size: int) -> None:
        size = config.get("size") if config.get("do_resize", True) else None
        self.size = _height_width(size if size is not None else image_size)
        self.shortest_edge = (
            size.get("shortest_edge") if isinstance(size, Mapping) else None
        )
        crop = config.get("crop_size") if config.get("do_center_crop") else None
        # pictures of one batch need one shape: without a crop, the size itself
        self.crop = self.size if crop is None else _height_width(crop)
        self.resample = int(config.get("resample", 2))
        # pictures come in [0, 1]: undo what a model does not want divided
        rescale = config.get("do_rescale", True)
        self.factor = 255 * float(
            config.get("rescale_factor", 1 / 255) if rescale else 1
        )
        normalize = config.get("do_normalize", True) and "image_mean" in config
        self.mean = np.asarray(
            config["image_mean"] if normalize else [0] * 3, np.float32
        )
        self.std = np.asarray(config["image_std"] if normalize else [1] * 3, np.float32)

    def decoder(self, decoder: Decoder) -> Decoder:
        """The decoder that gives pictures of this size."""
        return replace(
            decoder,
            size=self.size,
            resample=self.resample,
            shortest_edge=self.shortest_edge,
        )

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Crop and normalise a picture (h, w, 3) in [0, 1]."""
        picture = _centre(picture, self.crop)
        return (picture * np.float32(self.factor) - self.mean) / self.std


def _centre(picture: np.ndarray, crop: tuple[int, int]) -> np.ndarray:
    """The middle of a picture (h, w, 3), black where it is smaller."""
    missing = [max(0, c - s) for c, s in zip(crop, picture.shape)]
    if any(missing):
        picture = np.pad(picture, [*((m // 2, m - m // 2) for m in missing), (0, 0)])
    top, left = ((s - c) // 2 for c, s in zip(crop, picture.shape))
    return picture[top : top + crop[0], left : left + crop[1]]


def _height_width(size: Any) -> tuple[int, int]:
    if isinstance(size, Mapping):
        if "shortest_edge" in size:
            return int(size["shortest_edge"]), int(size["shortest_edge"])
        if "height" not in size or "width" not in size:
            raise OSError(
                f"its preprocessing has size={dict(size)}, which is not known"
            )
        return int(size["height"]), int(size["width"])
    if isinstance(size, (list, tuple)):
        return int(size[0]), int(size[-1])
    return int(size), int(size)


class VisionModel:
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

    def decoder(self, decoder: Decoder) -> Decoder:
        """The decoder that gives pictures as the network wants them."""
        if self.preprocessing is None:
            return decoder
        return self.preprocessing.decoder(decoder)

    def encode(
        self, pictures: Sequence[np.ndarray], batch_size: int, grid: int | None = None
    ) -> np.ndarray:
        """Features (n, d), or (n, grid ** 2, d), of pictures (h, w, 3) in [0, 1]."""
        found = []
        with torch.inference_mode(), untouched_rng(), half_precision(self.device):
            for start in range(0, len(pictures), batch_size):
                batch = np.stack(
                    [self._prepared(p) for p in pictures[start : start + batch_size]]
                )
                x = torch.from_numpy(np.ascontiguousarray(batch.transpose(0, 3, 1, 2)))
                out = self._forward(on_device(x, self.device), grid)
                found.append(out.float().cpu().numpy())
        return np.concatenate(found)

    def _prepared(self, picture: np.ndarray) -> np.ndarray:
        return picture if self.preprocessing is None else self.preprocessing(picture)

    def _forward(self, x: torch.Tensor, grid: int | None) -> torch.Tensor:
        """(n, 3, h, w) to (n, d), or to (n, grid ** 2, d)."""
        if self.preprocessing is None:
            out = self.module(x)
        elif grid is not None:
            inner = getattr(self.module, "vision_model", self.module)
            out = inner(pixel_values=x)
        elif (embed := getattr(self.module, "get_image_features", None)) is not None:
            out = embed(pixel_values=x)
        else:
            out = self.module(pixel_values=x)
        if not isinstance(out, torch.Tensor):
            whole = self.pooled and grid is None
            pooled = getattr(out, "pooler_output", None) if whole else None
            out = out.last_hidden_state if pooled is None else pooled
        return _mean(out) if grid is None else _on_grid(out, grid)


def _mean(out: torch.Tensor) -> torch.Tensor:
    """Maps (n, d, h, w) or tokens (n, T, d) to (n, d)."""
    if out.ndim == 4:
        return out.mean(dim=(2, 3))
    return out.mean(dim=1) if out.ndim == 3 else out


def _on_grid(out: torch.Tensor, grid: int) -> torch.Tensor:
    """Maps (n, d, h, w) or tokens of patches (n, T, d) to (n, grid ** 2, d)."""
    if out.ndim == 2:
        raise ValueError(
            "output='sequence' needs a model that gives maps (n, d, h, w) or tokens "
            f"(n, T, d); this one gives one vector a picture, {tuple(out.shape)}. Take "
            "output='pooled'."
        )
    if out.ndim == 3:
        side = math.isqrt(out.shape[1])  # what stands before the patches is no patch
        patches = out[:, out.shape[1] - side**2 :].transpose(1, 2)
        out = patches.unflatten(2, (side, side))
    cells = nn.functional.adaptive_avg_pool2d(out, grid)  # (n, d, grid, grid)
    return cells.flatten(2).transpose(1, 2)


def load_vision_model(
    model: str, *, device: str, local_files_only: bool, owner: str
) -> VisionModel:
    """Load a folder, hub name or factory; clones of an encoder share what is loaded."""
    where = resolve_device(device, owner)
    if is_factory(model):
        return _from_factory(model, where, owner)
    check_source(model, owner)
    return _from_transformers(model, stamp(model), where, local_files_only, owner)


@functools.lru_cache(maxsize=2)
def _from_factory(model: str, device: str, owner: str) -> VisionModel:
    return VisionModel(load_factory(model, owner), None, device)


@functools.lru_cache(maxsize=2)
def _from_transformers(
    model: str, _: tuple[Any, ...], device: str, local_files_only: bool, owner: str
) -> VisionModel:
    try:
        module, lacking = load_transformer(
            model, extra="image", local_files_only=local_files_only, owner=owner
        )
        pooled = has_pooler(lacking)
        config: Any = module.config
        inner = getattr(config, "vision_config", config)
        asked = read_settings(
            model, _CONFIGS, extra="image", local_files_only=local_files_only
        )
        preprocessing = Preprocessing(
            asked.get("image_processor", asked),
            getattr(inner, "image_size", None) or 224,
        )
    except ImportError:
        raise
    except Exception as error:
        raise load_failure(model, owner, local_files_only, error) from error
    # a pooler that was never trained says nothing: the tokens are averaged instead
    return VisionModel(module, preprocessing, device, pooled=pooled)
