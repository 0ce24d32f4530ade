"""Axes to draw on, in one style."""

from __future__ import annotations

from typing import Any

from skmultimodal._optional import import_optional

GREY = "0.45"


def axes_for(ax: Any, size: tuple[float, float], purpose: str) -> Any:
    """`ax`, or the axes of a new figure of `size` in inches."""
    import_optional("matplotlib", extra="plot", purpose=purpose)
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(figsize=size, layout="constrained")
    return ax


def plain(ax: Any, grid: str) -> None:
    """Without a frame; faint lines along one axis, behind all else."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis=grid, color="0.92")
    ax.set_axisbelow(True)
