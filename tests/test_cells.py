"""Which cells are missing, and frames of polars read as frames of pandas."""

import datetime
import decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from PIL import Image
from scipy import sparse

from skmultimodal._cells import is_missing, missing_cells, to_pandas

MISSING = [
    None,
    float("nan"),
    np.nan,
    np.float32("nan"),
    np.float16("nan"),
    pd.NA,
    pd.NaT,
    "",
    b"",
    np.str_(""),
    [],
    (),
    [None, ""],
    [float("nan"), float("nan")],
    np.array([]),
    np.full((2, 3), np.nan),
    np.zeros((0, 4, 3), dtype=np.uint8),
    np.datetime64("NaT"),
    np.timedelta64("NaT"),
]
THERE = [
    0,
    0.0,
    -1,
    False,
    np.bool_(False),
    float("inf"),
    " ",
    "nan",
    "None",
    "NA",
    b"\x00",
    [0.0],
    ["", "a.png"],
    [1.0, float("nan")],
    np.array([np.nan, 1.0]),
    np.zeros((2, 2), dtype=np.uint8),
    np.array(["", ""]),
    datetime.date(2024, 1, 1),
    pd.Timestamp("2024-01-01"),
    np.datetime64("2024-01-01"),
    decimal.Decimal("0"),
    Image.new("L", (1, 1)),
    {},
    object(),
]


@pytest.mark.parametrize("cell", MISSING, ids=repr)
def test_missing(cell):
    assert is_missing(cell) is True


# names of their own: an id must be the same in every test process
@pytest.mark.parametrize("cell", THERE, ids=[type(cell).__name__ for cell in THERE])
def test_there(cell):
    assert is_missing(cell) is False


COLUMNS = {
    "float": (pd.Series([1.0, np.nan]), [0, 1]),
    "int": (pd.Series([0, 1]), [0, 0]),
    "bool": (pd.Series([False, True]), [0, 0]),
    "Int64": (pd.Series([0, None], dtype="Int64"), [0, 1]),
    "Float32": (pd.Series([None, 0.0], dtype="Float32"), [1, 0]),
    "boolean": (pd.Series([None, False], dtype="boolean"), [1, 0]),
    "str": (pd.Series(["", "a", None], dtype="str"), [1, 0, 1]),
    "string": (pd.Series(["a", "", pd.NA], dtype="string"), [0, 1, 1]),
    "object": (pd.Series(["a", "", None, np.nan], dtype=object), [0, 1, 1, 1]),
    "bytes": (pd.Series([b"", b"a"]), [1, 0]),
    "category": (pd.Series(["a", None, ""], dtype="category"), [0, 1, 1]),
    "category of ints": (pd.Series([1, 2, None], dtype="category"), [0, 0, 1]),
    "ordered": (
        pd.Series(pd.Categorical(["b", None], ["a", "b"], ordered=True)),
        [0, 1],
    ),
    "datetime": (pd.Series([pd.NaT, pd.Timestamp("2024-01-01")]), [1, 0]),
    "timezone": (pd.to_datetime(pd.Series(["2024-01-01", None]), utc=True), [0, 1]),
    "timedelta": (pd.Series([pd.Timedelta("1s"), pd.NaT]), [0, 1]),
    "period": (pd.Series(pd.PeriodIndex(["2024-01", "NaT"], freq="M")), [0, 1]),
    "complex": (pd.Series([1j, complex("nan")]), [0, 1]),
    "sparse": (pd.Series([0.0, np.nan], dtype=pd.SparseDtype(float)), [0, 1]),
    "lists": (pd.Series([[], [1.0], None]), [1, 0, 1]),
    "arrays": (pd.Series([np.zeros(2), np.full(2, np.nan)]), [0, 1]),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_columns_of_pandas(kind):
    column, expected = COLUMNS[kind]
    expected = np.array(expected, dtype=bool)[:, None]
    found = missing_cells(column)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(missing_cells(column.to_frame("c")), expected)


def test_frames_with_odd_labels():
    frame = pd.DataFrame({"a": [1.0, np.nan], "b": ["", "x"]}, index=["r", "r"])
    frame = pd.concat([frame, frame[["a"]]], axis=1)  # a label twice
    expected = [[False, True, False], [True, False, True]]
    np.testing.assert_array_equal(missing_cells(frame), expected)
    assert missing_cells(frame.iloc[:0]).shape == (0, 3)
    assert missing_cells(frame.iloc[:, :0]).shape == (2, 0)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([1.0, np.nan]), [[0], [1]]),
        (np.array([[1, 2]]), [[0, 0]]),
        (np.array([["", "a"]]), [[1, 0]]),
        (np.array([b"", b"a"]), [[1], [0]]),
        (
            np.array([None, "", "a", 3.0, np.nan], dtype=object),
            [[1], [1], [0], [0], [1]],
        ),
        (np.array(["NaT", "2024-01-01"], dtype="M8[D]"), [[1], [0]]),
        (np.array(["NaT", 1], dtype="m8[s]"), [[1], [0]]),
        (np.array(["", "a"], dtype=np.dtypes.StringDType()), [[1], [0]]),
        (sparse.csr_array([[0.0, np.nan]]), [[0, 1]]),
        (["a", None, ""], [[0], [1], [1]]),
    ],
    ids=str,
)
def test_arrays(array, expected):
    if isinstance(array, list):
        array = np.array(array, dtype=object)
    found = missing_cells(array)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, np.array(expected, dtype=bool))


DAY, MOMENT = datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 12, 30)
POLARS = {
    "int": (pl.Series([1, 2, 3]), "i"),
    "int with gaps": (pl.Series([1, None, 3]), "f"),
    "uint8": (pl.Series([1, 2, 3], dtype=pl.UInt8), "u"),
    "float": (pl.Series([1.5, None, float("nan")]), "f"),
    "float32": (pl.Series([1.5, None, 2.5], dtype=pl.Float32), "f"),
    "bool": (pl.Series([True, False, True]), "b"),
    "bool with gaps": (pl.Series([True, None, False]), "O"),
    "string": (pl.Series(["a", None, ""]), "O"),
    "categorical": (pl.Series(["a", None, "b"], dtype=pl.Categorical), None),
    "enum": (pl.Series(["a", None, "b"], dtype=pl.Enum(["a", "b"])), None),
    "date": (pl.Series([DAY, None, DAY]), "M"),
    "datetime": (pl.Series([MOMENT, None, MOMENT]), "M"),
    "timezone": (
        pl.Series([MOMENT, None, MOMENT]).dt.replace_time_zone("Europe/Berlin"),
        "M",
    ),
    "duration": (pl.Series([datetime.timedelta(hours=1), None, None]), "m"),
    "time": (pl.Series([datetime.time(1, 2), None, None]), "O"),
    "decimal": (pl.Series([decimal.Decimal("1.5"), None, None]), "O"),
    "binary": (pl.Series([b"a", None, b""]), "O"),
    "list": (pl.Series([[1.0, 2.0], None, []]), "O"),
    "paths": (pl.Series([["a.png"], None, []]), "O"),
    "array": (pl.Series([[1.0, 2.0], None, None], dtype=pl.Array(pl.Float32, 2)), "O"),
    "struct": (pl.Series([{"a": 1}, None, {"a": None}]), "O"),
    "null": (pl.Series([None, None, None]), "O"),
    "object": (pl.Series([object(), None, None], dtype=pl.Object), "O"),
}


@pytest.mark.parametrize("kind", POLARS)
def test_every_dtype_of_polars(kind):
    column, expected = POLARS[kind]
    frame = to_pandas(pl.DataFrame({"c": column, "other": [1, 2, 3]}))
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == ["c", "other"]
    found = frame["c"]
    if expected is None:
        assert isinstance(found.dtype, pd.CategoricalDtype)
    else:
        assert found.dtype.kind == expected
    # missing where polars says null, or where the cell itself is empty
    cells = column.to_list()
    gone = [c is None or c in ("", b"", []) or c != c for c in cells]
    np.testing.assert_array_equal(missing_cells(frame)[:, 0], gone)
    for here, cell in zip(found, cells):
        if cell is None or cell != cell:
            assert is_missing(here)
        elif kind == "date":
            assert here.date() == cell
        elif kind == "array":
            assert list(here) == cell
        else:
            assert here == cell


def test_lazy_frames_and_series_of_polars():
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    pd.testing.assert_frame_equal(to_pandas(frame.lazy()), to_pandas(frame))
    column = to_pandas(frame["b"])
    assert column.name == "b"
    assert list(missing_cells(column)[:, 0]) == [False, True]


@pytest.mark.parametrize("X", [pd.DataFrame({"a": [1]}), np.zeros((2, 2)), [[1]], None])
def test_all_else_passes_as_it_is(X):
    assert to_pandas(X) is X
