"""Values are sent once, and arrays are mapped."""

import numpy as np
import pandas as pd

from skmultimodal.model_selection.searching import _shared
from skmultimodal.model_selection.searching._shared import Mapped


def test_what_is_written_comes_back(tmp_path):
    cells = np.empty(2, dtype=object)
    cells[:] = [np.arange(3), "text"]
    frame = pd.DataFrame({"a": [1.5, np.nan], "b": ["x", None], "c": cells})
    value = {"frame": frame, "call": lambda x: x + 1, "empty": np.empty((0, 3))}
    found = Mapped.write(value, str(tmp_path), "1").get()
    pd.testing.assert_frame_equal(found["frame"], frame)
    assert found["call"](1) == 2
    assert found["empty"].shape == (0, 3)


def test_arrays_are_mapped_and_a_change_stays_here(tmp_path):
    value = np.arange(1000.0)
    shared = Mapped.write(value, str(tmp_path), "1")
    found = shared.get()
    assert shared.get() is found  # read once by this process
    found[0] = 7.0
    _shared._loaded.clear()
    np.testing.assert_array_equal(shared.get(), value)


def test_nothing_but_plain_values(tmp_path):
    assert Mapped.write(("a", 1), str(tmp_path), "1").get() == ("a", 1)
