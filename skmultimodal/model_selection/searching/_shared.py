"""Values that are sent to a worker once, not once a task."""

from __future__ import annotations

import os
import pickle
from abc import ABC, abstractmethod
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

try:
    import cloudpickle
except ImportError:  # joblib before 1.6 has a copy of its own
    from joblib.externals import cloudpickle

_ALIGNED = 64  # bytes
_MOST_LOADED = 8
_loaded: OrderedDict[str, Any] = OrderedDict()  # of this process


class Shared(ABC):
    """A value that lies where workers find it."""

    @abstractmethod
    def get(self) -> Any:
        """The value, in a worker."""


@dataclass(frozen=True)
class Here(Shared):
    """A value in the memory that all workers share."""

    value: Any

    def get(self) -> Any:
        return self.value


@dataclass(frozen=True)
class Mapped(Shared):
    """A value in a file: its arrays are mapped, by all workers of a machine at once."""

    path: str

    @classmethod
    def write(cls, value: Any, folder: str, name: str) -> Mapped:
        buffers: list[pickle.PickleBuffer] = []
        # pickled as joblib does it: what a script defines can be read by a worker
        said = cloudpickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        path = os.path.join(folder, name)
        places = []
        with open(path, "wb") as file:
            for buffer in buffers:
                file.write(b"\0" * (-file.tell() % _ALIGNED))
                raw = buffer.raw()
                places.append((file.tell(), raw.nbytes))
                file.write(raw)
        with open(path + ".pickle", "wb") as file:
            pickle.dump((said, places), file)
        return cls(path)

    def get(self) -> Any:
        return recall(self.path, self._read)

    def _read(self) -> Any:
        with open(self.path + ".pickle", "rb") as file:
            said, places = pickle.load(file)
        whole: Any = b""
        if os.path.getsize(self.path):
            whole = np.memmap(self.path, mode="c")  # a change stays with its worker
        return pickle.loads(said, buffers=[whole[a : a + size] for a, size in places])


def recall(name: str, read: Any) -> Any:
    """What this process has read before, or reads now."""
    if name not in _loaded:
        _loaded[name] = read()
        while len(_loaded) > _MOST_LOADED:
            _loaded.popitem(last=False)
    _loaded.move_to_end(name)
    return _loaded[name]
