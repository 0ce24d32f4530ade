"""Which model it is, besides its weights: files of settings, or code of a factory."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from pathlib import Path
from typing import Any

from skmultimodal._optional import import_optional, library_version
from skmultimodal.encoders.pretrained._loading import is_factory, stamp

SETTINGS = {".json", ".txt", ".model", ".jinja"}


def model_folder(model: str) -> Path | None:
    """The folder of a model: its own, or that of the hub's cache; None if unknown."""
    if Path(model).is_dir():
        return Path(model)
    hub = import_optional("huggingface_hub", extra="text", purpose="a hub name")
    for name in (model, f"sentence-transformers/{model}"):
        try:
            found = hub.try_to_load_from_cache(name, "config.json")
        except ValueError:  # no name of a hub
            continue
        if isinstance(found, str):
            return Path(found).parent
    return None


def model_files(folder: Path, suffixes: set[str]) -> list[tuple[str, Path]]:
    """Files of a model by their names in its folder."""
    found = (p for p in folder.rglob("*") if p.suffix in suffixes and p.is_file())
    return sorted((p.relative_to(folder).as_posix(), p) for p in found)


def settings_digest(model: str) -> str:
    """What decides a model's output besides its weights, as a short hash.

    The settings in its folder (preprocessing, tokeniser, pooling), or the source file
    of a factory: what that imports from elsewhere is not looked at.
    """
    if is_factory(model):
        name = model.partition("@")[0]
        spec = importlib.util.find_spec(name.partition(":")[0])
        origin = Path(spec.origin) if spec is not None and spec.origin else None
        if origin is None or not origin.is_file():
            return _digest((name.encode(),))
        return _digest((name.encode(), origin.read_bytes()))
    folder = model_folder(model)
    if folder is None:
        return _digest((model.encode(),))
    return _of_folder(folder, stamp(str(folder)))


@functools.lru_cache(maxsize=8)
def _of_folder(folder: Path, _: tuple[Any, ...]) -> str:
    parts: list[bytes] = []
    for name, path in model_files(folder, SETTINGS):
        parts += [name.encode(), path.read_bytes()]
    return _digest(tuple(parts))


def _digest(parts: tuple[bytes, ...]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)} ".encode() + part)
    return digest.hexdigest()[:16]


def run_identity(model: str, device: str) -> dict[str, Any]:
    """What else decides the numbers: settings, libraries, and precision."""
    return {
        "settings": settings_digest(model),
        "torch": library_version("torch"),
        "transformers": library_version("transformers"),
        "half": device.startswith("cuda"),
    }
