"""One submodule a modality."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn


class PerModality(nn.Module):
    """A dict of modules whose keys may be any modality's name.

    `nn.ModuleDict` refuses names that are attributes of its own ("type", "values"). A
    modality's name never ends in an underscore, so one behind it makes it safe.
    """

    def __init__(self, modules: Mapping[str, nn.Module]):
        super().__init__()
        for name, module in modules.items():
            self.add_module(f"{name}_", module)

    def __getitem__(self, name: str) -> nn.Module:
        return self._modules[f"{name}_"]  # type: ignore[return-value]
