import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_set_output_transform,
    check_set_output_transform_pandas,
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
    parametrize_with_checks,
)

from skmultimodal._layout import layout_from_names
from skmultimodal.encoders import PrecomputedEncoder


@parametrize_with_checks([PrecomputedEncoder()])
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check",
    [
        check_dataframe_column_names_consistency,
        check_set_output_transform,
        check_set_output_transform_pandas,
        check_transformer_get_feature_names_out,
        check_transformer_get_feature_names_out_pandas,
    ],
    ids=lambda check: check.__name__,
)
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
def test_checks_that_are_called_by_hand(check):
    check("PrecomputedEncoder", PrecomputedEncoder())


def _names(columns):
    X = pd.DataFrame(np.zeros((2, len(columns))), columns=columns)
    names = PrecomputedEncoder().fit(X).get_feature_names_out()
    assert all(name.startswith("precomputed__") for name in names)
    return [name.removeprefix("precomputed__") for name in names]


def test_columns_keep_their_names_without_the_modality():
    assert _names(["text__3", "text__1"]) == ["3", "1"]
    assert _names(["a", "b (cm)"]) == ["a", "b_cm"]
    assert _names(["a__0", "b__0"]) == ["0", "0_2"]


def test_a_sequence_stays_a_sequence():
    columns = ["s__t0__a", "s__t0__b", "s__t1__a", "s__t1__b"]
    assert _names(columns) == ["t0__a", "t0__b", "t1__a", "t1__b"]
    assert _names([name.removeprefix("s__") for name in columns]) == _names(columns)
    X = pd.DataFrame(np.zeros((2, 4)), columns=columns)
    names = PrecomputedEncoder().fit(X).get_feature_names_out()
    assert layout_from_names(names)["precomputed"].n_steps == 2


def test_a_sequence_with_a_hole_is_an_error():
    with pytest.raises(ValueError, match="its grid of 2 steps x 2 features has a hole"):
        _names(["s__t0__a", "s__t0__b", "s__t1__a"])


def test_numbers_come_through_as_float32_with_their_gaps():
    X = pd.DataFrame({"a": [1, 2], "b": [np.nan, 0.5], "c": [True, False]})
    z = PrecomputedEncoder().fit_transform(X)
    assert z.dtype == np.float32
    np.testing.assert_array_equal(z, [[1, np.nan, 1], [2, 0.5, 0]])


def test_numbers_in_an_object_column():
    X = pd.DataFrame({"a": pd.Series([1, None, 2.5], dtype=object)})
    z = PrecomputedEncoder().fit_transform(X)
    np.testing.assert_array_equal(z, [[1], [np.nan], [2.5]])


@pytest.mark.parametrize(
    "make", [list, tuple, np.asarray, lambda v: np.asarray(v, dtype=np.float16)]
)
def test_cells_of_lists_and_arrays(make):
    cells = [make([1.0, 2.0]), None, make([3.0, 4.0])]
    column = pd.Series(cells, name="vector", dtype=object)
    array = np.empty(3, dtype=object)
    array[:] = cells
    expected = np.array([[1, 2], [np.nan, np.nan], [3, 4]])
    for X in (column, column.to_frame(), array, array[:, None]):
        encoder = PrecomputedEncoder()
        np.testing.assert_array_equal(encoder.fit_transform(X), expected)
        np.testing.assert_array_equal(encoder.transform(X[:1]), expected[:1])
        assert list(encoder.get_feature_names_out()) == [
            "precomputed__0",
            "precomputed__1",
        ]
        assert encoder.n_features_in_ == 1


@pytest.mark.parametrize(
    "make",
    [
        list,
        np.asarray,
        lambda v: [np.asarray(step) for step in v],
        lambda v: tuple(map(tuple, v)),
    ],
)
def test_cells_of_sequences(make):
    cells = [make([[1.0, 2], [3, 4], [5, 6]]), None, make([[7.0, 8]])]
    X = pd.DataFrame({"v": pd.Series(cells, dtype=object)})
    expected = np.full((3, 6), np.nan)
    expected[0], expected[2, :2] = range(1, 7), [7, 8]
    encoder = PrecomputedEncoder()
    z = encoder.fit_transform(X)
    np.testing.assert_array_equal(z, expected)
    assert z.dtype == np.float32
    block = layout_from_names(encoder.get_feature_names_out())["precomputed"]
    assert (block.is_sequence, block.n_steps, block.n_features) == (True, 3, 2)
    longer = pd.DataFrame({"v": [make(np.arange(10.0).reshape(5, 2).tolist())]})
    np.testing.assert_array_equal(encoder.transform(longer), [range(6)])
    short = PrecomputedEncoder(max_steps=2).fit(X)
    assert short.n_steps_ == 2
    np.testing.assert_array_equal(short.transform(X), expected[:, :4])


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ([[1.0, 2, 3]], r"shape \(1, 3\); expected 2 numbers a step"),
        ([1.0, 2.0], r"shape \(2,\); expected 2 numbers a step"),
        ([[1.0, 2.0], [3.0]], r"expected a list or array of numbers, or of vectors"),
        ([[1.0, "2"]], r"expected a list or array of numbers"),
        (np.ones((2, 2), complex), r"(?s:.*)expected a list or array of numbers"),
        ([[1.0, 2], [3, np.inf]], r"infinite number \(inf\), .* at position 1, 1"),
        (np.zeros((1, 1, 2)), r"shape \(1, 1, 2\)"),
    ],
)
def test_a_bad_sequence_is_named(cell, message):
    X = pd.Series([[[1.0, 2.0]], cell], name="v", dtype=object)
    place = r"PrecomputedEncoder: column 'v', row 1 \(label 1\) .*"
    with pytest.raises(ValueError, match=place + message):
        PrecomputedEncoder().fit(X)
    with pytest.raises(ValueError, match=place + message):
        PrecomputedEncoder().fit(X[:1]).transform(X)


@pytest.mark.parametrize("cell", [["1", "2"], [1j, 2], np.array([1j, 2])])
def test_only_numbers_make_a_vector(cell):
    with pytest.raises(ValueError, match="expected a list or array of numbers"):
        PrecomputedEncoder().fit(pd.Series([cell, [1.0, 2.0]], dtype=object))


def test_a_gap_in_a_list_is_a_missing_value():
    X = pd.Series([[1.0, None], [2.0, np.nan]])
    np.testing.assert_array_equal(
        PrecomputedEncoder().fit_transform(X), [[1, np.nan], [2, np.nan]]
    )


def test_only_missing_cells_at_transform():
    encoder = PrecomputedEncoder().fit(pd.Series([[1.0, 2.0]]))
    z = encoder.transform(pd.Series([None, np.nan], dtype=object))
    assert z.shape == (2, 2)
    assert np.isnan(z).all()


def test_polars_lists_and_arrays():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"v": [[1.0, 2.0], None, [3.0, 4.0]]})
    expected = [[1, 2], [np.nan, np.nan], [3, 4]]
    np.testing.assert_array_equal(PrecomputedEncoder().fit_transform(frame), expected)
    fixed = frame.with_columns(pl.col("v").cast(pl.Array(pl.Float32, 2)))
    np.testing.assert_array_equal(PrecomputedEncoder().fit_transform(fixed), expected)


def test_pickles():
    encoder = PrecomputedEncoder().fit(pd.Series([[1.0, 2.0]], name="v"))
    again = pickle.loads(pickle.dumps(encoder))
    np.testing.assert_array_equal(
        again.transform(pd.Series([[3, 4]], name="v")), [[3, 4]]
    )


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ([1.0], r"holds an array of shape \(1,\); expected 2 numbers"),
        ([[1.0, 2.0]], r"holds an array of shape \(1, 2\)"),
        (["a", "b"], r"holds \['a', 'b'\]; expected a list or array of numbers"),
        (7.0, "holds 7.0; expected a list or array of numbers"),
        ([1.0, np.inf], r"holds an infinite number \(inf\), .* at position 1"),
    ],
)
def test_a_bad_cell_is_named(cell, message):
    good = pd.Series([[1.0, 2.0]], name="v", index=["a"])
    bad = pd.Series([[1.0, 2.0], cell], name="v", index=["a", "b"], dtype=object)
    place = r"PrecomputedEncoder: column 'v', row 1 \(label 'b'\) "
    with pytest.raises(ValueError, match=place + message):
        PrecomputedEncoder().fit(bad)
    with pytest.raises(ValueError, match=place + message):
        PrecomputedEncoder().fit(good).transform(bad)


def test_bad_columns_are_named():
    X = pd.DataFrame({"a": [1.0, np.inf]})
    with pytest.raises(ValueError, match=r"column 'a', row 1 .* infinite number"):
        PrecomputedEncoder().fit(X)
    X = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    with pytest.raises(
        ValueError, match=r"column 'b', row 0 .* holds 'x' .*TextEncoder"
    ):
        PrecomputedEncoder().fit(X)
    X = pd.DataFrame({"a": [[1.0], [2.0]], "b": [[1.0], [2.0]]})
    with pytest.raises(ValueError, match="got 2 columns and lists in the first"):
        PrecomputedEncoder().fit(X)


def test_dates_are_no_numbers():
    X = pd.DataFrame({"a": pd.date_range("2024-01-01", periods=2)})
    with pytest.raises(TypeError, match=r"column 'a', row 0 .* must be numeric"):
        PrecomputedEncoder().fit(X)


def test_a_column_of_missing_cells_has_no_width():
    X = pd.DataFrame({"a": pd.Series([None, None], dtype=object)})
    with pytest.raises(ValueError, match="all 2 cells of column 'a' are missing"):
        PrecomputedEncoder().fit(X)


def test_a_renamed_or_missing_column_is_named():
    X = pd.DataFrame({"a": [1.0], "b": [2.0]})
    encoder = PrecomputedEncoder().fit(X)
    with pytest.raises(ValueError, match="now missing:\n- b"):
        encoder.transform(X[["a"]])


def test_a_failed_fit_leaves_the_fitted_encoder_usable():
    X = pd.DataFrame({"a": [1.0], "b": [2.0]})
    encoder = PrecomputedEncoder().fit(X)
    with pytest.raises(ValueError, match="infinite"):
        encoder.fit(pd.DataFrame({"c": [np.inf]}))
    np.testing.assert_array_equal(encoder.transform(X), [[1, 2]])
