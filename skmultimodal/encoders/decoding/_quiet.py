"""No warnings while strangers' files are decoded, in as many threads as there are."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image


class _Silence:
    """How many threads decode, and the filters of warnings from before the first."""

    lock = threading.Lock()
    users = 0
    filters: Any = None


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings about what a decoder mends; those about bombs are errors.

    Filters belong to the process: they change with the first thread that comes here,
    and are put back with the last that leaves.
    """
    with _Silence.lock:
        if _Silence.users == 0:
            _Silence.filters = warnings.catch_warnings()
            _Silence.filters.__enter__()
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
        _Silence.users += 1
    try:
        yield
    finally:
        with _Silence.lock:
            _Silence.users -= 1
            if _Silence.users == 0:
                _Silence.filters.__exit__(None, None, None)
