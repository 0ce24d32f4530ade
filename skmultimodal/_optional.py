"""Optional packages are imported where they are used."""

from __future__ import annotations

import importlib
from importlib import metadata
from types import ModuleType


def import_optional(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import `module`, or say what it is needed for and how to install it.

    A broken package counts as absent: it may raise more than ImportError.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == module
        state = "is not installed" if missing else f"does not import ({error})"
        raise ImportError(
            f"{purpose} needs the package {module!r}, which {state}. Install it with "
            f"`pip install 'skmultimodal[{extra}]'`."
        ) from error


def library_version(package: str) -> str | None:
    """The version of an installed package, without importing it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
