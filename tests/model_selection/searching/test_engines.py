"""Workers in other processes, on Dask and on Ray, some of which die."""

import contextlib
import logging
import os
import pickle
import signal
import sys
import warnings

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
from joblib.externals.loky import get_reusable_executor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skmultimodal.compose import ModalityTransformer
from skmultimodal.model_selection import FusionSearchCV
from skmultimodal.model_selection.searching._engine import Engine, JoblibEngine
from skmultimodal.model_selection.searching._shared import Mapped

from .._searching import Stateless, head, pipeline, same_results, table

# what is written here is sent to workers, which do not find the tests
cloudpickle.register_pickle_by_value(sys.modules[__name__])

X, Y = table()
GRID = {"encode__one__with_mean": [True, False], "head__lr": [0.01, 0.03, 0.1]}


def search(**params):
    given = {"cv": 3, "return_train_score": True, "error_score": "raise", **params}
    return FusionSearchCV(pipeline(dropout=0.0), GRID, **given)


@pytest.fixture(scope="module")
def expected():
    return search(batched=False).fit(X, Y)


def agrees(found, expected):
    # stacked or not, the same but for rounding
    same_results(found.cv_results_, expected.cv_results_, tolerance=0.101)
    scores = found.cv_results_["mean_test_score"]
    np.testing.assert_allclose(
        scores, expected.cv_results_["mean_test_score"], atol=0.005
    )


@contextlib.contextmanager
def loky():
    get_reusable_executor().shutdown(wait=True)  # workers of other tests
    with joblib.parallel_config(backend="loky", n_jobs=2):
        yield
    get_reusable_executor().shutdown(wait=True)


@contextlib.contextmanager
def dask():
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        yield


@contextlib.contextmanager
def local_ray():
    import ray
    from ray.util.joblib import register_ray

    register_ray()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own start
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    with joblib.parallel_config(backend="ray"):
        yield
    ray.shutdown()


slow = pytest.mark.slow
ENGINES = [
    pytest.param(loky, marks=slow, id="loky"),
    pytest.param(local_ray, marks=slow, id="ray"),
    pytest.param(dask, id="dask"),
]


class Deadly:
    """A score that kills its worker once."""

    def __init__(self, mark):
        self.mark, self.home = str(mark), os.getpid()

    def __call__(self, estimator, X, y):
        if os.getpid() != self.home and not os.path.exists(self.mark):
            with open(self.mark, "w"):
                os.kill(os.getpid(), signal.SIGKILL)
        return estimator.score(X, y)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_on_every_engine_and_nothing_missing_where_a_worker_dies(
    engine, expected, tmp_path
):
    path = tmp_path / "search.jsonl"
    with engine():
        agrees(search(checkpoint=path).fit(X, Y), expected)
        deadly = search(scoring=Deadly(tmp_path / "mark"))
        agrees(deadly.fit(X, Y), expected)
    assert os.path.exists(tmp_path / "mark")
    assert len(path.read_text().splitlines()) == 1 + 18


@pytest.mark.slow
@pytest.mark.parametrize("engine", [e.values[0] for e in ENGINES])
def test_an_error_of_a_task_is_raised_as_it_was(engine):
    with engine(), pytest.raises(ValueError, match="'lr' parameter of"):
        FusionSearchCV(head(), {"lr": [-1.0]}, error_score="raise").fit(X, Y)


def test_what_is_encoded_once_is_known_to_workers(tmp_path, monkeypatch):
    """Also cells that are told apart by identity, and a function of a script."""
    log = tmp_path / "log"

    def means(rows):
        cells = np.asarray(rows)[:, 0]
        with log.open("a") as file:
            file.write(f"{len(cells)}\n")
        return np.stack([cell.mean(axis=0) for cell in cells])

    def share(self, value):
        return Mapped.write(value, str(tmp_path), "value")

    monkeypatch.setattr(JoblibEngine, "share", share)
    pictures = pd.Series(list(np.random.default_rng(0).normal(size=(60, 5, 2))))
    entries = [
        ("table", StandardScaler(), ["a", "b"]),
        ("picture", FunctionTransformer(means), ["picture"]),
    ]
    steps = Pipeline([("encode", ModalityTransformer(entries)), ("head", head())])
    search = FusionSearchCV(steps, {"head__lr": [0.1, 0.2]}, cv=3, refit=False)
    search.fit(X.assign(picture=pictures), Y)
    assert log.read_text().split() == ["60", "3"]


@pytest.mark.slow
def test_processes_are_sent_data_once_and_no_file_is_left(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    wide = np.random.default_rng(0).normal(size=(60, 200_000))
    with loky(), JoblibEngine(2, "2*n_jobs") as engine:
        shared = engine.share(wide)
        sizes = list(engine.run(np.shape, [(shared,)] * 6))
        assert {size for _, size in sizes} == {(60, 200_000)}
        assert len(pickle.dumps(shared)) < 1000
        assert len(os.listdir(engine._folder.name)) == 2  # arrays, how to read them
    assert not [f for f in os.listdir(tmp_path) if f.startswith("skmultimodal")]


@pytest.mark.parametrize("backend", ["threading", "sequential"])
def test_threads_give_the_same(backend, expected):
    with joblib.parallel_config(backend=backend, n_jobs=2):
        agrees(search().fit(X, Y), expected)


def test_a_backend_that_gives_all_results_at_the_end(expected):
    with joblib.parallel_config(backend="multiprocessing", n_jobs=2):
        agrees(search().fit(X, Y), expected)


def test_pieces_of_a_fold_share_its_prefix(expected):
    """Three folds on two workers: the third is cut, its prefix fitted once."""
    from .._searching import CALLS, Counting

    CALLS.clear()
    grid = {"head__lr": [0.01, 0.03, 0.1, 0.3]}
    asked = {"cv": 3, "refit": False, "batched": False, "return_train_score": True}
    alone = FusionSearchCV(pipeline(Counting()), grid, **asked).fit(X, Y)
    CALLS.clear()
    with joblib.parallel_config(backend="threading", n_jobs=2):
        found = FusionSearchCV(pipeline(Counting()), grid, **asked).fit(X, Y)
    same_results(found.cv_results_, alone.cv_results_)
    assert CALLS["counting fit"] == 3
    assert CALLS["counting transform"] == 3 * 3


class Fickle(Engine):
    """Loses its worker now and then."""

    _losses = (ConnectionError,)
    n_workers = 1

    def __init__(self, n_losses, after):
        self.left, self.after, self.ran = n_losses, after, []

    def share(self, value):
        raise NotImplementedError

    def _attempt(self, work, tasks):
        for k, (number, args) in enumerate(tasks.items()):
            if self.left and k == self.after:
                self.left -= 1
                raise ConnectionError
            self.ran.append(number)
            yield number, work(*args)


def test_lost_tasks_run_again_and_finished_ones_do_not():
    engine = Fickle(n_losses=2, after=2)
    found = dict(engine.run(abs, [(-k,) for k in range(6)]))
    assert found == {k: k for k in range(6)}
    assert engine.ran == list(range(6))
    assert engine.lost == 2


def test_a_task_that_always_kills_is_an_error():
    engine = Fickle(n_losses=99, after=0)
    with pytest.raises(
        RuntimeError, match=r"Workers died 4 times in a row, and 3 of 3"
    ):
        list(engine.run(abs, [(1,), (2,), (3,)]))


def test_encoders_that_learn_nothing_are_sent_with_what_they_made(expected):
    with joblib.parallel_config(backend="threading", n_jobs=2):
        found = FusionSearchCV(
            pipeline(Stateless()), {"head__lr": [0.01, 0.1]}, cv=3, refit=False
        ).fit(X, Y)
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()
