"""A comparison that one can trust: same folds, no leaks, honest words."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import FitFailedWarning

from skmultimodal import pack
from skmultimodal.heads import FusionClassifier
from skmultimodal.model_selection import compare_fusions, summarize_comparison

QUICK = FusionClassifier(
    embed_dim=8, hidden_layer_sizes=(16,), max_epochs=3, batch_size=64
)


def samples(n=120, seed=0):
    """Text knows the class, image knows less of it."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    text = rng.normal(size=(n, 3)) + 1.5 * y[:, None]
    image = rng.normal(size=(n, 2)) + 0.5 * y[:, None]
    return pack({"text": text, "image": image}), y


class Recorder(ClassifierMixin, BaseEstimator):
    """Says the most frequent class, and keeps what it was given."""

    seen: list = []

    def __init__(self, name="a"):
        self.name = name

    def fit(self, X, y, groups=None):
        self.classes_ = np.unique(y)
        self.given_ = (self.name, tuple(X.index), None if groups is None else groups)
        return self

    def predict(self, X):
        Recorder.seen.append((*self.given_, tuple(X.index)))
        return np.full(len(X), self.classes_[0])


@pytest.fixture
def seen():
    Recorder.seen = []
    return Recorder.seen


def test_all_candidates_see_the_same_folds(seen):
    X, y = samples()
    X.index = [f"row{k}" for k in range(len(X))]
    rivals = {"one": Recorder("one"), "two": Recorder("two")}
    compare_fusions(X, y, rivals, estimator=QUICK, cv=4, random_state=0)
    folds = {
        name: [(train, test) for who, train, _, test in seen if who == name]
        for name in ("one", "two")
    }
    assert len(folds["one"]) == 4
    assert folds["one"] == folds["two"]
    tested = [row for _, test in folds["one"] for row in test]
    assert sorted(tested) == sorted(X.index)
    assert all(not set(train) & set(test) for train, test in folds["one"])


def test_difference_and_interval_are_those_of_the_formula():
    X, y = samples()
    found = compare_fusions(X, y, ["concat"], estimator=QUICK, cv=4, random_state=0)
    scores = found.filter(like="fold_").to_numpy()
    single = found.index.get_loc(found[found.level == "single"]["mean"].idxmax())
    for row, gaps in zip(found.to_dict("records"), scores - scores[single]):
        error = np.sqrt(gaps.var(ddof=1) * (1 / 4 + 30 / 90))
        low, high = stats.t.interval(0.95, df=3, loc=gaps.mean(), scale=error or 1)
        if error:
            np.testing.assert_allclose([row["low"], row["high"]], [low, high])
        np.testing.assert_allclose(row["difference"], gaps.mean(), atol=1e-12)
    np.testing.assert_allclose(found["sd"], scores.std(axis=1, ddof=1))


class Breaks(ClassifierMixin, BaseEstimator):
    """Fits no fold that lacks a row."""

    def __init__(self, row="row0"):
        self.row = row

    def fit(self, X, y):
        if self.row not in X.index:
            raise RuntimeError("cannot do without")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def test_what_fails_is_named_and_stops_nobody():
    X, y = samples()
    X.index = [f"row{k}" for k in range(len(X))]
    with pytest.warns(FitFailedWarning, match=r"'frail' failed on fold \d of 3"):
        found = compare_fusions(
            X, y, {"frail": Breaks(), "concat": "concat"}, estimator=QUICK, cv=3
        )
    assert found.loc["frail"].filter(like="fold_").isna().sum() == 1
    assert np.isnan(found.loc["frail", "mean"])
    assert found["mean"].drop("frail").notna().all()
    with pytest.raises(RuntimeError, match="cannot do without"):
        compare_fusions(
            X, y, {"frail": Breaks()}, estimator=QUICK, cv=3, error_score="raise"
        )


def test_summary_does_not_depend_on_the_order_of_rows():
    X, y = samples()
    found = compare_fusions(X, y, ["concat"], estimator=QUICK, cv=3, random_state=0)
    said = found.attrs["summary"]
    assert summarize_comparison(found.sort_values("mean")) == said
    assert isinstance(found, pd.DataFrame)
