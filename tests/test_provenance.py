"""Labels that tell where a row came from survive whatever a pipeline does to them."""

import io
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from skmultimodal._provenance import (
    Synthetic,
    align_sample_weight,
    is_original,
    label_index,
    origins,
)

PLAIN = pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=["p", "q", "r"])
MADE = pd.DataFrame(
    {"a": [1.5, 2.5]},
    index=label_index([Synthetic(["p", "q"]), Synthetic(["q", "r"])]),
)


def joblib_round_trip(frame):
    memory = io.BytesIO()
    joblib.dump(frame, memory)
    memory.seek(0)
    return joblib.load(memory)


@pytest.mark.parametrize(
    "step",
    [
        lambda f: pd.concat([f, PLAIN]).iloc[:2],
        lambda f: pd.concat([f, f]).iloc[2:],
        lambda f: f.iloc[[0, 1]],
        lambda f: f.loc[f.index],
        lambda f: StandardScaler().set_output(transform="pandas").fit_transform(f),
        lambda f: pickle.loads(pickle.dumps(f)),
        joblib_round_trip,
        lambda f: f.reset_index().set_index("index"),
        lambda f: pd.concat([f, f.add_suffix("_2")], axis=1),
        lambda f: f.sort_index(ascending=False).sort_index(),
        lambda f: f.groupby(level=0).mean(),
    ],
)
def test_a_synthetic_label_survives(step):
    out = step(MADE)
    assert not isinstance(out.index, pd.MultiIndex)
    assert list(origins(out.index)) == [{"p", "q"}, {"q", "r"}]


def test_plain_and_synthetic_labels_sort_together():
    both = pd.concat([MADE, PLAIN]).sort_index()
    assert list(both.index[:3]) == ["p", "q", "r"]
    assert len(PLAIN.index.union(MADE.index)) == 5


def test_synthetic_of_synthetic_names_the_originals():
    label = Synthetic([Synthetic([1, 2]), Synthetic([2, 3]), 4])
    assert label.parents == (1, 2, 3, 4)
    assert label == Synthetic([1, 2, 3, 4])
    assert hash(label) == hash(Synthetic([1, 2, 3, 4]))
    assert label != (1, 2, 3, 4)


def test_a_label_cannot_be_changed():
    with pytest.raises(AttributeError, match="cannot be changed"):
        Synthetic([1]).parents = (2,)


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(3),
        pd.Index([1.5, np.nan, 2.0]),
        pd.date_range("2024", periods=3),
        pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)]),
        label_index([("a", 1), ("a", 2), 7]),
        pd.CategoricalIndex(["x", "y", "z"]),
        pd.Index(["x", "y", "z"]),
    ],
)
def test_every_row_of_a_plain_index_is_original(index):
    assert is_original(index).all()
    assert [len(found) for found in origins(index)] == [1, 1, 1]
    again = is_original(index.take([0, 1, 0, 2, 2]))
    assert again.tolist() == [True, True, False, True, False]


def test_synthetic_rows_are_never_original():
    index = label_index([Synthetic([0, 1]), 0, 1, 0])
    assert is_original(index).tolist() == [False, True, True, False]


class TestAlignSampleWeight:
    weight = pd.Series([1.0, 2.0, 4.0], index=["p", "q", "r"])

    def test_by_label(self):
        index = label_index(["r", "p", "r", Synthetic(["p", "r"])])
        aligned = align_sample_weight(self.weight, index, 4)
        np.testing.assert_array_equal(aligned, [4, 1, 4, 2.5])

    def test_equal_index_goes_row_by_row(self):
        index = pd.Index(["p", "p", "q"])
        weight = pd.Series([1.0, 2.0, 3.0], index=index)
        np.testing.assert_array_equal(align_sample_weight(weight, index, 3), [1, 2, 3])

    def test_multi_index(self):
        index = pd.MultiIndex.from_tuples([("a", 1), ("b", 1)])
        weight = pd.Series([1.0, 3.0], index=index)
        rows = label_index([("b", 1), Synthetic([("a", 1), ("b", 1)])])
        np.testing.assert_array_equal(align_sample_weight(weight, rows, 2), [3, 2])

    @pytest.mark.parametrize(
        ("given", "dtype"),
        [
            (np.ones(3, dtype=np.float32), np.float32),
            ([1, 2, 3], np.float64),
            (2, np.float64),
            (np.array([1, 2, 3]), np.float64),
        ],
    )
    def test_dtype(self, given, dtype):
        aligned = align_sample_weight(given, None, 3)
        assert aligned.shape == (3,)
        assert aligned.dtype == dtype

    def test_a_missing_label_is_named(self):
        with pytest.raises(ValueError, match="without the label 's'"):
            align_sample_weight(self.weight, pd.Index(["p", "s"]), 2)

    def test_a_doubled_label_is_named(self):
        twice = pd.Series([1.0, 2.0], index=["p", "p"])
        with pytest.raises(ValueError, match="'p' more than once"):
            align_sample_weight(twice, pd.Index(["p"]), 1)

    def test_other_lengths_raise(self):
        with pytest.raises(ValueError, match=r"2 entries.*3 rows.*pandas Series"):
            align_sample_weight([1, 2], PLAIN.index, 3)

    def test_two_dimensions_raise(self):
        with pytest.raises(ValueError, match="1D array"):
            align_sample_weight(np.ones((3, 2)), None, 3)
