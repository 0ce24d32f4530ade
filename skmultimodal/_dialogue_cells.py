"""How the turns of a dialogue stand in a sequence block, exact in float32.

Each step holds up to three UTF-8 bytes of a turn's text as one number below 2**24, the
number of its role, and the number of its turn. The text of a turn is that of its steps
one after another; zero bytes at the end are padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

DIALOGUE_FEATURES = ("utf8", "role", "turn")
_BYTES = 3  # a step: what a float32 holds exactly


class Turn(NamedTuple):
    """What one partner said at once."""

    role: int
    text: str


def pack_text(text: str) -> list[int]:
    """The UTF-8 bytes of a text, three in a number, the first in the highest place.

    The character NUL, which pads, is left out, and half a surrogate pair becomes "?".
    """
    data = text.replace("\0", "").encode("utf-8", errors="replace")
    data += bytes(-len(data) % _BYTES)
    return [
        int.from_bytes(data[start : start + _BYTES], "big")
        for start in range(0, len(data), _BYTES)
    ]


def unpack_text(codes: Sequence[int]) -> str:
    """The text again; bytes that are no UTF-8 become the sign for that, U+FFFD."""
    return _decode(b"".join(int(code).to_bytes(_BYTES, "big") for code in codes))


def _decode(data: bytes) -> str:
    return data.replace(b"\0", b"").decode("utf-8", errors="replace")


def is_dialogue(features: Sequence[str]) -> bool:
    """Whether the features of a sequence block are those of a dialogue."""
    return tuple(features) == DIALOGUE_FEATURES


def unpack_turns(steps: np.ndarray) -> list[Turn]:
    """The turns in the steps of one sample; a step with a NaN in it is left out.

    Parameters
    ----------
    steps : ndarray of shape (n_steps, 3)
        Bytes, role and turn of each step; steps of one turn stand side by side.
    """
    here = steps[~np.isnan(steps).any(axis=1)]  # (T, 3)
    if not len(here):
        return []
    codes = here[:, 0].astype(">u4")
    data = codes[:, None].view(np.uint8)[:, 4 - _BYTES :].tobytes()  # (T, 4) -> (T, 3)
    whose = here[:, 1:].astype(np.int64)
    starts = np.flatnonzero((whose[1:] != whose[:-1]).any(axis=1)) + 1
    bounds = [0, *starts.tolist(), len(here)]
    return [
        Turn(
            int(whose[start, 0]),
            _decode(data[start * _BYTES : stop * _BYTES]),
        )
        for start, stop in pairwise(bounds)
    ]
