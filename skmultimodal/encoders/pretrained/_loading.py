"""Pretrained models: where they run, where they come from, and which they are."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn


def resolve_device(device: str, owner: str) -> str:
    """The device to run on: ``"auto"`` is CUDA where there is one."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(
            f"{owner} was asked for device={device!r}, but torch finds no CUDA device. "
            "Use device='auto' or device='cpu'."
        )
    return device


def stamp(model: str) -> tuple[Any, ...]:
    """What changes when the files of a local model change: a part of a cache's key."""
    folder = Path(model)
    if not folder.is_dir():
        return ()
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return tuple(
        (str(p.relative_to(folder)), (s := p.stat()).st_size, s.st_mtime_ns)
        for p in files
    )


def source(model: str | os.PathLike[str], owner: str) -> str:
    """The `model` of an encoder as a string: a folder that exists, or a hub name."""
    name = os.path.expanduser(os.fspath(model))
    if isinstance(model, os.PathLike):
        _check_folder(name, owner)
    return name


def check_source(model: str, owner: str) -> None:
    """A string that can only be a path must be a folder; else it is a hub name."""
    if os.path.isabs(model) or model.startswith(".") or model.count("/") > 1:
        _check_folder(model, owner)


def _check_folder(model: str, owner: str) -> None:
    path = Path(model)
    if not path.is_dir():
        found = "a file" if path.is_file() else "nothing there"
        raise ValueError(
            f"{owner}: model={model!r} reads as a folder, but found {found}. Give the "
            "folder that holds the model's config.json and its safetensors weights."
        )


def load_failure(model: str, owner: str, offline: bool, error: Exception) -> OSError:
    """The error for a model that does not load, with what to do about it."""
    if Path(model).is_dir():
        remedy = (
            "The folder must hold config.json and weights as *.safetensors (pickled "
            "weights are not read; convert them with the model's `save_pretrained`)."
        )
    else:
        remedy = (
            "Give the folder of a saved model, or a hub name that can be downloaded "
            "or is in the local cache"
            + (
                " (local_files_only=True looks only there; False downloads)."
                if offline
                else "; check the name and the network."
            )
        )
    reason = str(error).strip().split("\n")[0]
    return OSError(f"{owner}: model={model!r} could not be loaded ({reason}). {remedy}")


def weights_hash(module: nn.Module) -> str:
    """A short SHA-256 of names, shapes and values of all weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")
    return digest.hexdigest()[:16]


def check_same_weights(owner: str, model: str, found: str, fitted: str) -> None:
    """Features of other weights than those of `fit` would be silently wrong."""
    if found != fitted:
        raise ValueError(
            f"{owner} was fitted with model={model!r} of weights {fitted}, but what "
            f"is found there now has weights {found}. Put the model of the fit back, "
            "or fit again."
        )


@contextmanager
def untouched_rng(seed: int | None = None) -> Iterator[None]:
    """Leave torch's and NumPy's global generators as they were."""
    state = np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        if seed is not None:
            torch.manual_seed(seed)
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002
