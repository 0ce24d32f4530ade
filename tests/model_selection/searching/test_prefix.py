"""What prefixes have in common, and what a head would be fitted on."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skmultimodal.model_selection.searching._prefix import (
    content,
    has_prefix,
    prefix_key,
    prepare,
)


def steps(first, last=None, **params):
    last = LogisticRegression() if last is None else last
    return Pipeline([("first", first), ("last", last)], **params)


def double(X):
    return 2 * X


SAME = [
    (steps(StandardScaler()), steps(StandardScaler())),
    (steps(StandardScaler()), steps(StandardScaler(), LogisticRegression(C=3.0))),
    (steps(PCA(random_state=np.random.RandomState(0))),) * 2,
    (steps(FunctionTransformer(double)), steps(FunctionTransformer(double))),
    (LogisticRegression(), LogisticRegression(C=2.0)),
]
OTHER = [
    (steps(StandardScaler()), steps(StandardScaler(with_mean=False))),
    (steps(StandardScaler()), steps("passthrough")),
    (steps(PCA(2)), steps(PCA(2.0))),
    (steps(PCA(1)), steps(PCA(True))),
    (steps(StandardScaler()), steps(StandardScaler(), transform_input=["X_val"])),
    (
        steps(FunctionTransformer(lambda X: X)),
        steps(FunctionTransformer(lambda X: 2 * X)),
    ),
    (steps(StandardScaler()), LogisticRegression()),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_same_prefix(a, b):
    assert prefix_key(a) == prefix_key(b)


@pytest.mark.parametrize(("a", "b"), OTHER)
def test_other_prefix(a, b):
    assert prefix_key(a) != prefix_key(b)


def test_arrays_count_by_what_they_hold():
    assert content([np.arange(3), {"a": None}]) == content([np.arange(3), {"a": None}])
    assert content([np.arange(3)]) != content([np.arange(4)])


class Own(Pipeline):
    def fit(self, X, y=None, **params):
        return super().fit(X, y, **params)


def test_a_pipeline_that_fits_in_its_own_way_is_left_whole():
    assert has_prefix(steps(StandardScaler()))
    assert not has_prefix(Own([("last", LogisticRegression())]))
    assert not has_prefix(Pipeline([("a", StandardScaler()), ("last", "passthrough")]))


def test_the_head_is_given_what_the_pipeline_gives_it():
    X = np.random.default_rng(0).normal(size=(20, 3))
    y = np.arange(20) % 2
    weight = np.ones(20)
    prepared = prepare(steps(StandardScaler()), X, y, {"last__sample_weight": weight})
    np.testing.assert_allclose(prepared.X, StandardScaler().fit_transform(X))
    assert prepared.y is y
    assert list(prepared.params) == ["sample_weight"]
    whole = prepared.whole(
        steps(StandardScaler()), LogisticRegression().fit(prepared.X, prepared.y)
    )
    expected = steps(StandardScaler()).fit(X, y)
    np.testing.assert_array_equal(whole.predict(X), expected.predict(X))
