"""The layout is read from column names, and arrays go to a frame and back."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skmultimodal import pack, unpack
from skmultimodal._layout import (
    check_modality_name,
    layout_from_modalities,
    layout_from_names,
    presence,
    read_layout,
)

names = st.from_regex(r"[A-Za-z0-9](_?[A-Za-z0-9]){0,6}", fullmatch=True)


@st.composite
def blocks(draw):
    """Arrays of some modalities, vectors and sequences, with gaps."""
    n = draw(st.integers(1, 4))
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    found = {}
    for name in draw(st.lists(names, min_size=1, max_size=4, unique=True)):
        if draw(st.booleans()):
            shape = (n, draw(st.integers(1, 12)), draw(st.integers(1, 3)))
        else:
            shape = (n, draw(st.integers(1, 5)))
        array = rng.normal(size=shape).astype(np.float32)
        array[rng.random(n) < 0.3] = np.nan
        found[name] = array
    return found


class TestRoundTrip:
    @given(blocks())
    def test_pack_then_unpack(self, arrays):
        frame = pack(arrays)
        assert (frame.dtypes == np.float32).all()
        back = unpack(frame)
        assert list(back) == list(arrays)
        for name, array in arrays.items():
            assert back[name].dtype == np.float32
            np.testing.assert_array_equal(back[name], array)
        pd.testing.assert_frame_equal(pack(back), frame)

    @given(blocks(), st.randoms(use_true_random=False))
    def test_columns_in_any_order(self, arrays, random):
        """A block's columns may stand anywhere; every value keeps its step."""
        frame = pack(arrays)
        order = list(frame.columns)
        random.shuffle(order)
        back = unpack(frame[order])
        layout = layout_from_names(order)
        assert set(back) == set(arrays)
        for name, array in arrays.items():
            features = [int(f) for f in layout[name].features]
            np.testing.assert_array_equal(back[name], array[..., features])

    @given(blocks())
    def test_the_layout_covers_every_column_once(self, arrays):
        frame = pack(arrays)
        layout = layout_from_names(frame.columns)
        assert sorted(layout.order) == list(range(frame.shape[1]))
        assert layout.is_ordered
        assert layout.n_columns == frame.shape[1]
        for name, part in layout.slices().items():
            assert part.stop - part.start == layout[name].width
            assert all(c.startswith(f"{name}__") for c in frame.columns[part])

    def test_through_polars(self):
        arrays = {"text": np.ones((2, 3)), "audio": np.zeros((2, 4, 1))}
        back = unpack(pl.from_pandas(pack(arrays)))
        for name, array in arrays.items():
            np.testing.assert_array_equal(back[name], array)

    def test_keeps_the_index(self):
        assert list(pack({"a": [[1], [2]]}, index=["p", "q"]).index) == ["p", "q"]

    def test_names_and_order_of_steps(self):
        frame = pack({"v": [[1, 2]], "s": [[[3, 4], [5, 6], [7, 8]]]})
        assert list(frame.columns) == [
            *("v__0", "v__1"),
            *("s__t0__0", "s__t0__1", "s__t1__0", "s__t1__1", "s__t2__0", "s__t2__1"),
        ]
        np.testing.assert_array_equal(frame.to_numpy()[0], [1, 2, 3, 4, 5, 6, 7, 8])

    def test_more_than_ten_steps_are_ordered_by_number(self):
        columns = sorted(pack({"s": np.zeros((1, 12, 1))}).columns)  # t10 before t2
        X = pd.DataFrame(
            [[int(c.split("__")[1][1:]) for c in columns]], columns=columns
        )
        np.testing.assert_array_equal(unpack(X)["s"][0, :, 0], np.arange(12))

    def test_no_rows(self):
        frame = pack({"a": np.zeros((0, 2)), "s": np.zeros((0, 3, 2))})
        assert frame.shape == (0, 8)
        assert unpack(frame)["s"].shape == (0, 3, 2)


class TestNames:
    def shapes(self, *columns):
        X = pd.DataFrame(np.zeros((2, len(columns))), columns=list(columns))
        return {name: block.shape[1:] for name, block in unpack(X).items()}

    def test_a_modality_ends_at_the_first_double_underscore(self):
        found = self.shapes("text__a__b", "text__c", "a_b__0")
        assert found == {"text": (2,), "a_b": (1,)}

    def test_columns_without_a_modality_are_one(self):
        assert self.shapes("age", "price", "text__0") == {"x": (2,), "text": (1,)}
        assert self.shapes("__0", "a__") == {"x": (2,)}
        assert self.shapes(0, 1, 2) == {"x": (3,)}

    def test_a_sequence_needs_every_column_to_be_a_step(self):
        assert self.shapes("s__t0__0", "s__t1__0") == {"s": (2, 1)}
        assert self.shapes("s__t0__0", "s__t1__0", "s__total") == {"s": (3,)}
        assert self.shapes("s__t0", "s__t1") == {"s": (2,)}
        assert self.shapes("s__T0__0", "s__tx__0") == {"s": (2,)}

    def test_features_of_steps_may_have_names(self):
        found = self.shapes(
            "s__t0__left__0", "s__t0__up", "s__t1__left__0", "s__t1__up"
        )
        assert found == {"s": (2, 2)}

    @pytest.mark.parametrize(
        ("columns", "hole"),
        [
            (["s__t0__0", "s__t2__0"], "s__t1__0"),
            (["s__t1__0"], "s__t0__0"),
            (["s__t0__a", "s__t0__b", "s__t1__a"], "s__t1__b"),
            (["s__t0__a", "s__t1__b"], "s__t0__b"),
        ],
    )
    def test_a_hole_in_the_grid(self, columns, hole):
        with pytest.raises(ValueError, match=rf"'s' reads as a seq.*{hole}.*NaN, not"):
            self.shapes(*columns, "other__0")

    @pytest.mark.parametrize("twin", ["s__t1__0", "s__t01__0"])
    def test_two_columns_for_one_step(self, twin):
        with pytest.raises(ValueError, match=f"step 1 of feature '0'.*'{twin}'"):
            self.shapes("s__t0__0", "s__t1__0", twin)


class TestPackErrors:
    @pytest.mark.parametrize(
        "name", ["", "a__b", "a_", "_a", "a b", "a.b", "é", 3, None, ("a",)]
    )
    def test_names(self, name):
        with pytest.raises(ValueError, match=rf"{re.escape(repr(name))} cannot name"):
            pack({name: np.zeros((2, 1))})

    @pytest.mark.parametrize("name", ["a", "A1", "a_b", "0", "x"])
    def test_fine_names(self, name):
        assert check_modality_name(name) == name

    @pytest.mark.parametrize("shape", [(), (3,), (3, 0), (3, 2, 0), (3, 1, 1, 1)])
    def test_shapes(self, shape):
        with pytest.raises(ValueError, match=rf"'a' has shape {re.escape(str(shape))}"):
            pack({"a": np.zeros(shape)})

    def test_lengths(self):
        with pytest.raises(ValueError, match=r"'b' has 3 samples, 'a' has 2"):
            pack({"a": np.zeros((2, 1)), "b": np.zeros((3, 1))})

    def test_nothing(self):
        with pytest.raises(ValueError, match="at least one modality"):
            pack({})

    def test_unpack_needs_two_dimensions(self):
        with pytest.raises(ValueError, match=r"2-D array, got shape \(3,\)"):
            unpack(np.zeros(3))


class TestModalities:
    X = np.arange(8.0).reshape(2, 4)
    NAMES = ("p", "q", "r", "s")

    @pytest.mark.parametrize(
        ("selection", "positions"),
        [
            (slice(0, 2), [0, 1]),
            (slice(None, None, 3), [0, 3]),
            (slice(-2, None), [2, 3]),
            ([3, 0], [3, 0]),
            (range(1, 3), [1, 2]),
            (np.array([2, 1]), [2, 1]),
            ([True, False, False, True], [0, 3]),
            (np.array([False, True, False, False]), [1]),
            ([-1], [3]),
            (2, [2]),
            (np.int64(-1), [3]),
            (["s", "p"], [3, 0]),
            ("q", [1]),
        ],
        ids=str,
    )
    def test_selections(self, selection, positions):
        rest = [c for c in range(4) if c not in positions]
        given = {"some": selection, "rest": rest}
        X = pd.DataFrame(self.X, columns=self.NAMES)
        found = unpack(X, modalities=given)
        np.testing.assert_array_equal(found["some"], self.X[:, positions])
        np.testing.assert_array_equal(found["rest"], self.X[:, rest])

    def test_an_array_without_names_is_one_modality(self):
        assert list(unpack(self.X)) == ["x"]
        assert read_layout(4, None).names == ["x"]

    def test_they_overrule_names(self):
        X = pack({"a": np.zeros((1, 2)), "b": np.zeros((1, 1))})
        assert list(unpack(X, modalities={"all": slice(None)})) == ["all"]

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"a": [0, 1]}, r"4 columns of X once each: column '2', '3' in none"),
            ({"a": [0, 1], "b": [1, 2, 3]}, r"column '1' in more than one"),
            ({"a": [0, 0], "b": [2, 3]}, r"'1' in none, column '0' in more than one"),
            ({}, r"column '0', '1', '2' and 1 more in none"),
            ({"a": [0, 1, 2, 3], "b": []}, r"\{'b': ...\} selects no column"),
            ({"a": slice(4, 9), "b": slice(0, 4)}, r"\{'a': ...\} selects no column"),
            ({"a": [4]}, r"asks for column 4, but X has 4"),
            ({"a": [-5]}, r"asks for column -5, but X has 4"),
            ({"a": ["p"]}, r"names the column 'p', which X does not have"),
            ({"a": slice("p", "q")}, r"slices by name"),
            ({"a": slice(None, "q")}, r"slices by name"),
            ({"a__b": slice(None)}, r"'a__b' cannot name a modality"),
        ],
        ids=str,
    )
    def test_errors(self, given, message):
        with pytest.raises(ValueError, match=message):
            layout_from_modalities(given, 4)

    def test_unknown_names_show_the_known(self):
        with pytest.raises(ValueError, match=r"'z', which X does not have.*'p', 'q'"):
            layout_from_modalities({"a": ["z"]}, 4, self.NAMES)


def steps_there(X):
    layout = layout_from_names(X.columns)
    there = presence(np.isnan(X.to_numpy()[:, layout.order]), layout)
    ends = np.cumsum([block.n_steps for block in layout])[:-1]
    return dict(zip(layout.names, np.split(there, ends, axis=1)))


class TestPresence:
    def test_nan_as_a_whole_is_absent_and_in_a_part_is_not(self):
        gap = np.nan
        X = pack(
            {
                "v": [[1, 2], [gap, 2], [gap, gap]],
                "s": [
                    [[1, 1], [1, gap], [gap, gap]],
                    [[gap, gap], [1, 1], [gap, gap]],
                    [[gap, gap], [gap, gap], [gap, gap]],
                ],
            }
        )
        found = steps_there(X)
        assert found["v"].tolist() == [[True], [True], [False]]
        assert found["s"].tolist() == [
            [True, True, False],
            [False, True, False],
            [False, False, False],
        ]

    def test_unordered_columns(self):
        X = pack({"s": [[[1.0], [np.nan]]], "v": [[np.nan]]})[
            ["s__t1__0", "v__0", "s__t0__0"]
        ]
        found = steps_there(X)
        assert found["s"].tolist() == [[True, False]]
        assert found["v"].tolist() == [[False]]


def test_unknown_block():
    layout = layout_from_names(["a__0"])
    with pytest.raises(KeyError):
        layout["b"]


@pytest.mark.parametrize(
    ("blocks", "error", "message"),
    [
        ([np.zeros((2, 2))], TypeError, "a dict of one array a modality.*got list"),
        ({"text": [["x", "y"]]}, ValueError, "'text' is no array of numbers"),
        ({"text": [[1, 2], [1]]}, ValueError, "'text'.*filled up with NaN"),
    ],
)
def test_pack_names_what_is_no_block(blocks, error, message):
    with pytest.raises(error, match=message):
        pack(blocks)


def test_pack_with_an_index_of_another_length():
    with pytest.raises(ValueError, match="index has 1 labels for 2 rows"):
        pack({"text": np.zeros((2, 2))}, index=["a"])


@pytest.mark.parametrize("selection", [None, 1.5, [0.5, 1]])
def test_modalities_that_select_by_something_else(selection):
    with pytest.raises(TypeError, match=r"modalities=\{'a': .*expected a slice"):
        unpack(np.zeros((2, 3)), modalities={"a": selection})
