"""One submodule a modality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn


class PerModality(nn.Module):
    """A dict of modules whose keys may be any modality's name.

    `nn.ModuleDict` refuses names that are attributes of its own ("type", "values"). A
    modality's name never ends in an underscore, so one behind it makes it safe. No
    name in torch may hold a dot, which a modality read from column names may.
    """

    def __init__(self, modules: Mapping[str, nn.Module]):
        super().__init__()
        for name, module in modules.items():
            self.add_module(_key(name), module)

    def __getitem__(self, name: str) -> Any:
        return self._modules[_key(name)]


def _key(name: str) -> str:
    return f"{name}_".replace(".", "·")
