"""Pretrained models: where they run, where they come from, and which they are."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from skmultimodal._optional import import_optional

_FACTORY = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_][\w.]*)(?:@(.+))?")


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


def is_factory(model: str) -> bool:
    """Whether a name reads as ``"package.module:function"`` and is no folder."""
    return _FACTORY.fullmatch(model) is not None and not Path(model).exists()


def load_factory(model: str, owner: str) -> nn.Module:
    """The module that ``"package.module:function"`` returns.

    Behind an ``@`` may stand the file of a state that is put into it.
    """
    match = _FACTORY.fullmatch(model)
    assert match is not None
    module_name, function, state = match.groups()
    try:
        factory: Any = importlib.import_module(module_name)
        for name in function.split("."):
            factory = getattr(factory, name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{owner}: model={model!r} reads as 'package.module:function', but it "
            f"cannot be imported ({error})."
        ) from error
    with untouched_rng(seed=0):
        module = factory()
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"{owner}: model={model!r} returned {type(module).__name__}, expected an "
            "nn.Module."
        )
    if state is not None:
        module.load_state_dict(load_file(state))
    return module


def load_transformer(
    model: str, *, extra: str, local_files_only: bool, owner: str
) -> tuple[nn.Module, list[str]]:
    """A transformers model of a folder or hub name, and the weights that it lacks."""
    package = import_optional(
        "transformers", extra=extra, purpose=f"{owner}(model=...)"
    )
    with untouched_rng(seed=0), quiet_loading():
        module, info = package.AutoModel.from_pretrained(
            model,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=local_files_only,
            output_loading_info=True,
        )
    return module, sorted(info["missing_keys"])


def has_pooler(lacking: Sequence[str]) -> bool:
    """Whether a model's pooler was trained; lacking anything else is an error."""
    other = [name for name in lacking if not name.startswith("pooler.")]
    if other:
        raise OSError(f"its weights lack {other[0]!r}")
    return not lacking


def read_settings(
    model: str, names: Sequence[str], *, extra: str, local_files_only: bool
) -> dict[str, Any]:
    """The first of these JSON files that a model has."""
    hub = import_optional("transformers.utils.hub", extra=extra, purpose="a model")
    for name in names:
        found = hub.cached_file(
            model,
            name,
            local_files_only=local_files_only,
            _raise_exceptions_for_missing_entries=False,
        )
        if found is not None:
            return json.loads(Path(found).read_text(encoding="utf-8"))
    raise OSError(f"it has no {' or '.join(names)}, which says how to prepare a cell")


def on_device(x: Tensor, device: str) -> Tensor:
    """x on the device a model runs on; to CUDA through pinned memory."""
    if device.startswith("cuda"):
        return x.pin_memory().to(device, non_blocking=True)
    return x.to(device)


def half_precision(device: str) -> contextlib.AbstractContextManager[Any]:
    """Half precision where it is quicker: on CUDA."""
    if device.startswith("cuda"):
        return torch.autocast("cuda", dtype=torch.float16)
    return contextlib.nullcontext()


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
            "or is in the local cache" + _about_network(offline)
        )
    reason = str(error).strip().split("\n")[0]
    return OSError(f"{owner}: model={model!r} could not be loaded ({reason}). {remedy}")


def _about_network(offline: bool) -> str:
    if offline:
        return " (local_files_only=True looks only there; False downloads)."
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return (
            " (HF_HUB_OFFLINE is set, so nothing is downloaded; unset it, or download "
            "the model where there is a network, with `hf download`)."
        )
    return "; check the name and the network."


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
def quiet_loading() -> Iterator[None]:
    """Load a transformers model without its progress bar and its report."""
    logging = import_optional(
        "transformers.utils.logging", extra="text", purpose="a pretrained model"
    )
    shown, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()


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
