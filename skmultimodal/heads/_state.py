"""How a fitted head is pickled: weights as safetensors bytes, the rest as it is."""

from __future__ import annotations

from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from skmultimodal._version import __version__


def freeze(state: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a head without any torch object in them."""
    state = dict(state, _skmultimodal_version=__version__)
    state.pop("callbacks_", None)  # they may hold the optimizer and its tensors
    if "module_" in state:
        module = state.pop("module_")
        tensors = {k: v.cpu().contiguous() for k, v in module.state_dict().items()}
        state["_weights"] = save_tensors(tensors)
    if state.get("_optimizer_state") is not None:
        state["_optimizer_state"] = _freeze_optimizer(state["_optimizer_state"])
    return state


def thaw(state: dict[str, Any]) -> dict[str, Any]:
    """Build the module again, on the CPU."""
    state = dict(state)
    state.pop("_skmultimodal_version", None)
    if "_weights" in state:
        with torch.random.fork_rng(devices=[]):
            module = state["_recipe"].build()
        module.load_state_dict(load_tensors(state.pop("_weights")))
        state["module_"] = module.eval()
    if state.get("_optimizer_state") is not None:
        state["_optimizer_state"] = _thaw_optimizer(state["_optimizer_state"])
    return state


def _freeze_optimizer(optimizer: dict[str, Any]) -> dict[str, Any]:
    tensors = {
        f"{number}.{name}": value.cpu().contiguous()
        for number, values in optimizer["state"].items()
        for name, value in values.items()
    }
    return {"tensors": save_tensors(tensors), "param_groups": optimizer["param_groups"]}


def _thaw_optimizer(frozen: dict[str, Any]) -> dict[str, Any]:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in load_tensors(frozen["tensors"]).items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = value
    return {"state": state, "param_groups": frozen["param_groups"]}
