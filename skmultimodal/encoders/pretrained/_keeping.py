"""Weights inside a pickle, for those who ask: files of a model, put back on load."""

from __future__ import annotations

import atexit
import functools
import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save

from skmultimodal.encoders.pretrained._identity import (
    SETTINGS,
    model_files,
    model_folder,
)
from skmultimodal.encoders.pretrained._loading import is_factory

_STATE = "state.safetensors"


@dataclass(frozen=True)
class Kept:
    """Files of a model's folder by their names, or the state of a factory's module."""

    files: tuple[tuple[str, bytes], ...]

    @functools.cached_property
    def digest(self) -> str:
        digest = hashlib.blake2b(digest_size=12)
        for name, data in self.files:
            digest.update(f"{name}\0{len(data)}\0".encode() + data)
        return digest.hexdigest()


def keep_weights(model: str, network: Any) -> Kept:
    """What it takes to load this model where its folder is not at hand."""
    if is_factory(model):
        state = {k: v.detach().cpu().contiguous().clone() for k, v in _state(network)}
        return Kept(((_STATE, save(state)),))
    folder = model_folder(model)
    if folder is None:
        raise OSError(
            f"store_weights=True: the files of model={model!r} are not in the hub's "
            "cache. Give the folder of the model."
        )
    files = model_files(folder, SETTINGS | {".safetensors"})
    return Kept(tuple((name, path.read_bytes()) for name, path in files))


def _state(network: Any) -> list[tuple[str, Any]]:
    return list(network.module.state_dict().items())


def put_back(model: str, kept: Kept | None) -> str:
    """The name to load a model by: its own, or that of kept files put on disk."""
    if kept is None:
        return model
    folder = _unpacked(kept.digest, kept)
    return f"{model}@{folder}/{_STATE}" if is_factory(model) else folder


_folders: dict[str, str] = {}


def _unpacked(digest: str, kept: Kept) -> str:
    if digest not in _folders:
        folder = tempfile.mkdtemp(prefix="skmultimodal_")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        for name, data in kept.files:
            path = Path(folder, name)
            if not path.resolve().is_relative_to(Path(folder).resolve()):
                raise ValueError(f"kept weights name a file outside: {name!r}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        _folders[digest] = folder
    return _folders[digest]
