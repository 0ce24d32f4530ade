"""Names of output columns: letters, digits and single underscores, each once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_OTHER = re.compile(r"[^A-Za-z0-9]+")


def feature_names(names: Iterable[Any]) -> list[str]:
    """Make names that LightGBM takes and that never read as a step of a sequence.

    >>> feature_names(["price (EUR)", "t3__x", "größe", "価格", "price_EUR"])
    ['price_EUR', 't3_x', 'gr_e', 'column', 'price_EUR_2']
    """
    taken: dict[str, int] = {}
    out = []
    for name in names:
        base = _OTHER.sub("_", str(name)).strip("_") or "column"
        unique = base
        while unique in taken:
            taken[base] += 1
            unique = f"{base}_{taken[base]}"
        taken[unique] = 1
        out.append(unique)
    return out
