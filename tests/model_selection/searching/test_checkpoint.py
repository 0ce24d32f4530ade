"""A killed search goes on from what it had."""

import json
from functools import partial

import numpy as np
import pytest
from sklearn.model_selection import ShuffleSplit

from skmultimodal.model_selection import FusionSearchCV

from .._searching import CALLS, Counting, head, pipeline, same_results, table

X, Y = table()
GRID = {"encode__one__factor": [1.0, 2.0], "head__lr": [0.01, 0.1]}


def search(path, estimator=None, grid=GRID, **params):
    # dropout of nets that train together depends on who is among them
    given = {"cv": 3, "refit": False, "checkpoint": path, "batched": False, **params}
    return FusionSearchCV(estimator or pipeline(Counting()), grid, **given)


@pytest.fixture
def path(tmp_path):
    CALLS.clear()
    return tmp_path / "search.jsonl"


def lines(path):
    return path.read_text().splitlines()


def test_what_is_finished_is_not_fitted_again(path):
    first = search(path).fit(X, Y)
    CALLS.clear()
    second = search(str(path)).fit(X.copy(), Y.copy())
    assert not CALLS
    same_results(second.cv_results_, first.cv_results_)
    assert second.report_.equals(first.report_)


@pytest.mark.parametrize("cut", [0, 10, -1])
def test_a_search_that_was_killed_goes_on(path, cut):
    whole = search(path, return_train_score=True).fit(X, Y)
    kept = lines(path)[:6]
    # the last line was being written
    path.write_text("\n".join(kept) + "\n" + (lines(path)[6] + "\n")[:cut])
    n_kept = 6 if cut == -1 else 5
    assert len(path.read_text().splitlines()) in (6, 7)
    CALLS.clear()
    again = search(path, return_train_score=True).fit(X, Y)
    same_results(again.cv_results_, whole.cv_results_)
    assert len(lines(path)) == 1 + 12
    for line in lines(path):
        json.loads(line)
    assert 0 < CALLS["counting fit"] < 6
    assert n_kept


def test_interrupted_and_gone_on_with(path):
    class Stopping(Counting):
        def fit(self, X, y=None):
            if CALLS["counting fit"] == 4:
                CALLS["counting fit"] += 1
                raise KeyboardInterrupt
            return super().fit(X)

    with pytest.raises(KeyboardInterrupt):
        search(path, pipeline(Stopping())).fit(X, Y)
    n_before = len(lines(path)) - 1
    assert n_before == 8
    again = search(path, pipeline(Stopping())).fit(X, Y)
    expected = search(None, pipeline(Stopping())).fit(X, Y)
    same_results(again.cv_results_, expected.cv_results_)


OTHERS = {
    "X": lambda: search_other(X=X + 1),
    "y": lambda: search_other(y=1 - Y),
    "estimator": lambda: search_other(estimator=pipeline(Counting(), max_epochs=3)),
    "candidates": lambda: search_other(grid={"head__lr": [0.3]}),
    "splits": lambda: search_other(cv=ShuffleSplit(3, random_state=1)),
    "scoring": lambda: search_other(scoring="roc_auc"),
    "return_train_score": lambda: search_other(return_train_score=True),
}


def search_other(X=X, y=Y, **params):
    return lambda path: search(path, **params).fit(X, y)


@pytest.mark.parametrize("what", OTHERS)
def test_the_file_of_another_search_is_refused(path, what):
    search(path).fit(X, Y)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=f"of another search: its .*{what}"):
        OTHERS[what]()(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "{}\n", "[1]\n", "no line"])
def test_another_file_is_refused_and_left_alone(path, text):
    path.write_text(text)
    with pytest.raises(ValueError, match="not one that a search has written"):
        search(path).fit(X, Y)
    assert path.read_text() == text


def test_failed_fits_and_several_scores_are_kept(path):
    grid = {"head__lr": [0.1, -1.0]}
    asked = {"scoring": ["accuracy", "roc_auc"], "grid": grid}
    results = []
    for _ in range(2):
        with pytest.warns() as heard:
            results.append(search(path, **asked).fit(X, Y).cv_results_)
        assert "3 fits failed out of a total of 6" in str(heard[0].message)
    same_results(results[1], results[0])


def test_a_fold_keeps_its_draw(path):
    """What has no seed has the fold's, also in the part that comes later."""
    estimator = head(random_state=None, dropout=0.5)
    grid = {"lr": [0.1, 0.1]}
    asked = {"scoring": "neg_log_loss"}
    search(path, estimator, grid, **asked).fit(X, Y)
    path.write_text("\n".join(lines(path)[:2]) + "\n")
    results = search(path, estimator, grid, **asked).fit(X, Y).cv_results_
    for fold in range(3):
        assert len(set(np.round(results[f"split{fold}_test_score"], 12))) == 1


def test_failed_fits_get_the_error_score_of_now(path):
    grid = {"head__lr": [0.1, -1.0]}
    with pytest.warns(match="3 fits failed"), pytest.warns(match="non-finite"):
        search(path, grid=grid).fit(X, Y)
    with pytest.warns(match="3 fits failed"):
        again = search(path, grid=grid, error_score=0.0).fit(X, Y)
    assert again.cv_results_["mean_test_score"][1] == 0
    with pytest.raises(ValueError, match="'lr' parameter of"):
        search(path, grid=grid, error_score="raise").fit(X, Y)


def scaled(estimator, X, y, by):
    return by * estimator.score(X, y)


def test_a_score_is_told_from_another_by_what_it_holds(path):
    search(path, scoring=partial(scaled, by=1.0)).fit(X, Y)
    CALLS.clear()
    search(path, scoring=partial(scaled, by=1.0)).fit(X, Y)
    assert not CALLS
    with pytest.raises(ValueError, match="its scoring differs"):
        search(path, scoring=partial(scaled, by=2.0)).fit(X, Y)


def test_folds_at_random_are_said_to_need_a_seed(path):
    search(path, cv=ShuffleSplit(3)).fit(X, Y)
    with pytest.raises(ValueError, match=r"its splits differ .* random_state"):
        search(path, cv=ShuffleSplit(3)).fit(X, Y)
