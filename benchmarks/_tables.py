"""Tables that are printed and kept."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
_PACKAGES = ("scikit-learn", "torch", "skorch", "numpy", "pandas", "imbalanced-learn")


def machine() -> str:
    """One line: where and with what a table was made."""
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in _PACKAGES)
    cores = f"{os.cpu_count()} cores ({platform.machine()})"
    python = f"Python {platform.python_version()}"
    return f"{datetime.date.today()}, {cores}, {python}, {versions}"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table whose columns are aligned as plain text too."""
    widths = [max(len(str(r[k])) for r in [header, *rows]) for k in range(len(header))]

    def line(cells: list[str]) -> str:
        padded = (str(cell).ljust(width) for cell, width in zip(cells, widths))
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([line(header), rule, *map(line, rows)])


def keep(name: str, text: str) -> None:
    """Write a result beside its benchmark."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / name).write_text(text + "\n")
