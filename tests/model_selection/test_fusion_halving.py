"""Rounds of more and more epochs, in which survivors go on."""

import pickle

import numpy as np
import pytest
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import HalvingGridSearchCV

from skmultimodal.model_selection import FusionHalvingSearchCV, FusionSearchCV

from ._searching import head, pipeline, same_results, table

X, Y = table()
RATES = [0.0001, 0.001, 0.01, 0.1]


def halving(estimator=None, name="head__lr", **params):
    estimator = pipeline(dropout=0.0) if estimator is None else estimator
    given = {"factor": 2, "max_resources": 8, "cv": 3, **params}
    return FusionHalvingSearchCV(estimator, {name: RATES}, **given)


@pytest.mark.parametrize("batched", [True, False])
def test_survivors_end_as_without_a_break(batched):
    asked = {"scoring": "neg_log_loss", "batched": batched}
    found = halving(**asked).fit(X, Y)
    assert found.n_candidates_ == [4, 2, 1]
    assert found.n_resources_ == [2, 4, 8]
    whole = pipeline(dropout=0.0, max_epochs=8)
    grid = {"head__lr": [found.best_params_["head__lr"]]}
    expected = FusionSearchCV(whole, grid, cv=3, scoring="neg_log_loss").fit(X, Y)
    assert found.best_score_ == pytest.approx(expected.best_score_, abs=1e-5)
    np.testing.assert_allclose(
        found.predict_proba(X), expected.predict_proba(X), atol=1e-5
    )


def test_survivors_do_not_start_again(monkeypatch):
    from skmultimodal.model_selection.searching import _evaluation

    asked = []
    original = _evaluation.fit_together

    def spy(fits, **params):
        for fit in fits:
            before = 0 if fit.paused is None else fit.paused.n_epochs
            asked.append((before, fit.until))
        return original(fits, **params)

    monkeypatch.setattr(_evaluation, "fit_together", spy)
    halving(refit=False).fit(X, Y)
    assert asked == [(0, 2)] * 12 + [(2, 4)] * 6 + [(4, 8)] * 3


def test_results_have_the_form_of_scikit_learn():
    found = halving(head(dropout=0.0), "lr", return_train_score=True).fit(X, Y)
    expected = HalvingGridSearchCV(
        head(dropout=0.0),
        {"lr": RATES},
        resource="max_epochs",
        factor=2,
        max_resources=8,
        cv=3,
    ).fit(X, Y)
    assert set(found.cv_results_) == set(expected.cv_results_)
    for name in ("iter", "n_resources"):
        np.testing.assert_array_equal(
            found.cv_results_[name], expected.cv_results_[name]
        )
    assert set(found.best_params_) == {"lr", "max_epochs"}
    for name in (
        "n_candidates_",
        "n_resources_",
        "n_iterations_",
        "n_remaining_candidates_",
        "min_resources_",
        "max_resources_",
    ):
        assert getattr(found, name) == getattr(expected, name)
    assert found.resource == "max_epochs"
    assert len(found.report_) == 7
    assert found.report_.loc[0, "candidate"] == found.best_index_


@pytest.mark.parametrize(
    "params", [{"resource": "n_samples", "max_resources": 60, "random_state": 0}]
)
def test_other_resources_are_those_of_scikit_learn(params):
    asked = {"factor": 2, "cv": 3, "return_train_score": True, **params}
    grid = {"C": RATES}
    found = FusionHalvingSearchCV(LogisticRegression(), grid, **asked).fit(X, Y)
    expected = HalvingGridSearchCV(LogisticRegression(), grid, **asked).fit(X, Y)
    same_results(found.cv_results_, expected.cv_results_)
    assert found.best_params_ == expected.best_params_


def test_aggressive_elimination():
    found = halving(max_resources=4, min_resources=2, aggressive_elimination=True)
    found.fit(X, Y)
    assert found.n_resources_ == [2, 2, 4]
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()


def test_a_checkpoint_of_rounds(tmp_path):
    path = tmp_path / "rounds.jsonl"
    first = halving(checkpoint=path).fit(X, Y)
    lines = path.read_text().splitlines()
    assert len(lines) == 3 + 12 + 6 + 3
    again = halving(checkpoint=path).fit(X, Y)
    same_results(again.cv_results_, first.cv_results_)
    path.write_text("\n".join(lines[:16]) + "\n")  # in the second round
    third = halving(checkpoint=path).fit(X, Y)
    same_results(third.cv_results_, first.cv_results_, tolerance=0.051)
    with pytest.raises(ValueError, match="its candidates, stage differ"):
        halving(checkpoint=path, factor=2).set_params(
            param_grid={"head__lr": RATES[:3]}
        ).fit(X, Y)


def test_nothing_of_the_training_is_kept():
    found = halving().fit(X, Y)
    assert all("paused" not in name for name in vars(found))
    assert len(pickle.dumps(found)) < 200_000


def test_the_resource_is_not_searched():
    search = FusionHalvingSearchCV(head(), {"max_epochs": [1, 2]}, cv=3)
    with pytest.raises(ValueError, match="part of the searched parameters"):
        search.fit(X, Y)
    assert search.resource == "max_epochs"
