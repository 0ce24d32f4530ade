"""Several processes, and a fitted pipeline in a fresh one."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from imblearn.over_sampling import SMOTE
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    cross_val_score,
)

from skmultimodal.fusion import (
    CrossAttentionFusion,
)

from ._models import head, pipeline


class TestProcesses:
    def test_two_processes_give_what_one_gives(self, vqa):
        model = pipeline("gated", max_epochs=3)
        scores = [
            cross_val_score(model, vqa.data, vqa.target, cv=2, n_jobs=n_jobs)
            for n_jobs in (1, 2)
        ]
        np.testing.assert_allclose(*scores, atol=0.02)

    def test_a_worker_computes_on_its_share_of_the_cores(
        self, encoded, vqa, monkeypatch
    ):
        joblib = pytest.importorskip("joblib")
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            monkeypatch.delenv(name, raising=False)

        def threads(estimator, X, y):  # travels by value, as a lambda does

            estimator.predict(X)
            return torch.get_num_threads()

        found = cross_val_score(
            head(max_epochs=1), encoded, vqa.target, cv=2, n_jobs=2, scoring=threads
        )
        assert (found == max(1, joblib.cpu_count() // 2)).all()

    def test_a_fitted_pipeline_travels_into_a_fresh_process(self, vqa, tmp_path):
        model = pipeline(
            CrossAttentionFusion(n_heads=2), sampler=SMOTE(random_state=0)
        ).fit(vqa.data, vqa.target)
        rows = vqa.data.iloc[:40]
        (tmp_path / "in.pickle").write_bytes(pickle.dumps((model, rows)))
        code = (
            "import pickle, sys\n"
            "model, rows = pickle.load(open('in.pickle', 'rb'))\n"
            "assert 'tests' not in sys.modules\n"
            "found = model.predict_proba(rows), model.predict(rows)\n"
            "pickle.dump(found, open('out.pickle', 'wb'))\n"
        )
        subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            cwd=tmp_path,
            check=True,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        )
        proba, labels = pickle.loads((tmp_path / "out.pickle").read_bytes())
        np.testing.assert_allclose(proba, model.predict_proba(rows), atol=1e-6)
        np.testing.assert_array_equal(labels, model.predict(rows))
