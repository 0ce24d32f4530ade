"""Where to compute, and what to do when memory runs out."""

from __future__ import annotations

from typing import Any

import torch


def choose_device(device: Any) -> torch.device:
    """``"auto"`` is CUDA where there is one, else the CPU."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device={device!r} is not a device; give 'auto', 'cpu' or 'cuda:0'."
        ) from error
    if chosen.type == "cuda":
        n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (chosen.index or 0) >= n_devices:
            raise ValueError(
                f"device={device!r} was asked for, but torch {torch.__version__} sees "
                f"{n_devices} CUDA devices. Use device='auto' to take the CPU where "
                "there is none."
            )
    elif chosen.type != "cpu":
        try:
            torch.zeros((), device=chosen).item()
        except (RuntimeError, AssertionError) as error:
            raise ValueError(
                f"device={device!r} was asked for, but torch {torch.__version__} "
                f"cannot compute on it ({error}). Use device='auto' or 'cpu'."
            ) from error
    return chosen


def is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in said or "not enough memory" in said
    )
