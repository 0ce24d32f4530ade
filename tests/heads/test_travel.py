"""Fitted heads are pickled, copied, and predict the same elsewhere."""

import copy
import io
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone

from skmultimodal.fusion import BottleneckFusion
from skmultimodal.heads import FusionClassifier, FusionRegressor


def by_joblib(head):
    file = io.BytesIO()
    joblib.dump(head, file)
    file.seek(0)
    return joblib.load(file)


WAYS = [
    copy.deepcopy,
    by_joblib,
    lambda head: pickle.loads(pickle.dumps(head)),
    lambda head: pickle.loads(pickle.dumps(head, protocol=2)),
    lambda head: copy.deepcopy(pickle.loads(pickle.dumps(head))),
]


@pytest.fixture
def data(make_data):
    X, signal = make_data()
    X.iloc[:10, :3] = np.nan
    X.iloc[20:30, 3:] = np.nan
    return X, signal


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "fusion", ["concat", "gated", BottleneckFusion(n_tokens=2), "cross_attention"]
)
def test_predicts_the_same(data, quick, way, fusion):
    X, signal = data
    head = FusionClassifier(fusion, **quick(max_epochs=2)).fit(X, signal > 0)
    again = way(head)
    np.testing.assert_array_equal(again.predict_proba(X), head.predict_proba(X))
    assert again.history_ == head.history_
    assert repr(again) == repr(head)
    assert list(again.feature_names_in_) == list(X.columns)
    assert not again.module_.training


def test_into_a_fresh_process(data, quick, tmp_path):
    X, signal = data
    head = FusionRegressor("bottleneck", **quick(max_epochs=2)).fit(X, 1e6 * signal)
    X.to_pickle(tmp_path / "X.pkl")
    (tmp_path / "head.pkl").write_bytes(pickle.dumps(head))
    code = """
import pickle, sys, warnings
warnings.simplefilter("error")
folder = sys.argv[1]
head = pickle.load(open(folder + "/head.pkl", "rb"))
X = pickle.load(open(folder + "/X.pkl", "rb"))
import torch
before = torch.get_rng_state().clone()
pickle.loads(pickle.dumps(head))
assert torch.equal(before, torch.get_rng_state())
pickle.dump(head.predict(X), open(folder + "/y.pkl", "wb"))
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=120)
    found = pickle.loads((tmp_path / "y.pkl").read_bytes())
    np.testing.assert_allclose(found, head.predict(X), rtol=1e-5)


class NoTorch(pickle.Unpickler):
    def find_class(self, module, name):
        assert not module.startswith(("torch", "skorch")), f"{module}.{name}"
        return super().find_class(module, name)


@pytest.mark.parametrize("warm_start", [False, True])
def test_no_torch_object_in_the_pickle(data, quick, warm_start):
    X, signal = data
    head = FusionClassifier(warm_start=warm_start, **quick(max_epochs=2))
    head.fit(X, signal > 0).partial_fit(X, signal > 0)
    again = NoTorch(io.BytesIO(pickle.dumps(head))).load()
    np.testing.assert_array_equal(again.predict(X), head.predict(X))


def test_weights_come_to_the_cpu(data, quick):
    """A state on another device is written as if it were on the CPU."""
    X, signal = data
    head = FusionClassifier(**quick(max_epochs=1)).fit(X, signal > 0)
    again = pickle.loads(pickle.dumps(head))
    state = again.module_.state_dict()
    assert {v.device.type for v in state.values()} == {"cpu"}
    for key, value in head.module_.state_dict().items():
        assert torch.equal(state[key], value), key


@pytest.mark.parametrize("way", WAYS)
def test_learning_goes_on(data, quick, way):
    X, signal = data
    y = (signal > 0).astype(int)
    head = FusionClassifier(**quick(dropout=0.2))
    for _ in range(3):
        head.partial_fit(X, y, classes=[0, 1])
    again = way(head)
    for _ in range(2):
        head.partial_fit(X, y)
        again.partial_fit(X, y)
    np.testing.assert_allclose(again.predict_proba(X), head.predict_proba(X), atol=1e-6)
    assert again.n_iter_ == head.n_iter_ == 5


def test_warm_start_goes_on_with_its_optimizer(data, quick):
    X, signal = data
    y = (signal > 0).astype(int)
    head = FusionClassifier(warm_start=True, **quick(max_epochs=3)).fit(X, y)
    again = pickle.loads(pickle.dumps(head))
    head.fit(X, y)
    again.fit(X, y)
    np.testing.assert_allclose(again.predict_proba(X), head.predict_proba(X), atol=1e-6)


def test_a_copy_learns_by_itself(data, quick):
    X, signal = data
    y = (signal > 0).astype(int)
    head = FusionClassifier(**quick(max_epochs=2)).fit(X, y)
    before = head.predict_proba(X)
    copy.deepcopy(head).partial_fit(X, 1 - y)
    np.testing.assert_array_equal(head.predict_proba(X), before)


def test_other_parameters_after_fit_change_nothing_fitted(data, quick):
    X, signal = data
    head = FusionClassifier(**quick(max_epochs=2)).fit(X, signal > 0)
    before = head.predict_proba(X)
    head.set_params(
        fusion=BottleneckFusion(), embed_dim=4, hidden_layer_sizes=(3, 3), dropout=0.7
    )
    again = pickle.loads(pickle.dumps(head))
    np.testing.assert_array_equal(again.predict_proba(X), before)
    assert again.embed_dim == 4
    assert again.fit(X, signal > 0).module_.fusion.d_out == 12


def test_the_spec_given_is_not_the_one_used(data, quick):
    X, signal = data
    spec = BottleneckFusion(n_tokens=2)
    head = FusionClassifier(spec, **quick(max_epochs=1)).fit(X, signal > 0)
    before = head.predict_proba(X)
    spec.set_params(n_tokens=5)
    again = pickle.loads(pickle.dumps(head))
    np.testing.assert_array_equal(again.predict_proba(X), before)


def test_unfitted_heads(quick):
    head = FusionClassifier(BottleneckFusion(n_tokens=3), **quick())
    for way in WAYS:
        assert repr(way(head)) == repr(head)
    assert clone(head).fusion == head.fusion
    assert clone(head).fusion is not head.fusion
