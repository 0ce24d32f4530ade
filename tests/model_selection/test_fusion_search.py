"""The answer of GridSearchCV, with each fold encoded once."""

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import Pipeline as ImblearnPipeline
from scipy.stats import uniform
from sklearn.decomposition import PCA
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    RandomizedSearchCV,
    ShuffleSplit,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skmultimodal.compose import ModalityTransformer
from skmultimodal.model_selection import FusionRandomizedSearchCV, FusionSearchCV

from ._searching import (
    CALLS,
    Counting,
    CrossFitting,
    EncodesInFit,
    Stateless,
    head,
    pipeline,
    same_results,
    table,
)

X, Y = table()
LRS = {"head__lr": [0.01, 0.1]}


@pytest.fixture(autouse=True)
def _no_calls():
    CALLS.clear()


def search(estimator, grid, **params):
    return FusionSearchCV(estimator, grid, **{"cv": 3, "batched": False, **params})


def both(estimator, grid, X=X, y=Y, fit=None, **params):
    """The search and scikit-learn's, fitted on the same."""
    fit = fit or {}
    expected = GridSearchCV(estimator, grid, **{"cv": 3, **params}).fit(X, y, **fit)
    CALLS.clear()
    return search(estimator, grid, **params).fit(X, y, **fit), expected


def agree(found, expected):
    same_results(found.cv_results_, expected.cv_results_)
    for name in ("best_index_", "best_score_", "best_params_", "n_splits_"):
        assert hasattr(found, name) == hasattr(expected, name)
        if hasattr(expected, name):
            assert repr(getattr(found, name)) == repr(getattr(expected, name))
    assert found.multimetric_ == expected.multimetric_


# --- the same answer ------------------------------------------------------------------

GRIDS = {
    "head": (pipeline(), LRS),
    "prefix": (pipeline(), {"encode__one__with_mean": [True, False], **LRS}),
    "head alone": (head(), {"lr": [0.01, 0.1], "fusion": ["concat", "gated"]}),
    "two grids": (
        pipeline(),
        [{"head__lr": [0.1]}, {"encode__two": ["drop"], "head__dropout": [0.0, 0.2]}],
    ),
    "step replaced": (
        Pipeline([("scale", StandardScaler()), ("head", head())]),
        {"scale": [StandardScaler(), PCA(2, random_state=0), "passthrough", None]},
    ),
    "head replaced": (
        pipeline(),
        {"head": [head(), LogisticRegression(), head(fusion="gated")]},
    ),
    "other end": (
        Pipeline([("scale", StandardScaler()), ("end", LogisticRegression())]),
        {"scale__with_std": [True, False], "end__C": [0.1, 1.0]},
    ),
    "no pipeline": (LogisticRegression(), {"C": [0.1, 1.0, 10.0]}),
    "all of different shape": (head(), {"embed_dim": [2, 3, 4]}),
}


@pytest.mark.parametrize("name", GRIDS)
def test_the_same_answer_as_grid_search(name):
    estimator, grid = GRIDS[name]
    rows = X.to_numpy() if "encode" not in str(estimator) else X
    found, expected = both(estimator, grid, rows, return_train_score=True)
    agree(found, expected)
    np.testing.assert_array_equal(found.predict(rows), expected.predict(rows))
    assert found.score(rows, Y) == expected.score(rows, Y)


def test_the_same_answer_as_randomized_search():
    asked = {"n_iter": 3, "random_state": 0, "cv": 3}
    spread = {"head__lr": uniform(0.01, 0.1)}
    found = FusionRandomizedSearchCV(pipeline(), spread, batched=False, **asked)
    expected = RandomizedSearchCV(pipeline(), spread, **asked)
    agree(found.fit(X, Y), expected.fit(X, Y))


def low(estimator, X, y):
    return {"good": estimator.score(X, y), "bad": 1 - estimator.score(X, y)}


def the_second(results):
    return 1


@pytest.mark.parametrize(
    "asked",
    [
        {"scoring": "neg_log_loss"},
        {"scoring": ["accuracy", "roc_auc"], "refit": "roc_auc"},
        {"scoring": {"a": "accuracy"}, "refit": False},
        {"scoring": low, "refit": "bad"},
        {"scoring": low, "refit": False},
        {"refit": the_second},
        {"cv": ShuffleSplit(2, random_state=0)},
        {"cv": [(np.arange(40), np.arange(40, 60)), (np.arange(20, 60), [0, 1, 2])]},
    ],
    ids=[
        "name",
        "names",
        "dict",
        "callable",
        "no_refit",
        "refit",
        "splitter",
        "splits",
    ],
)
def test_scores_refit_and_splits(asked):
    agree(*both(pipeline(), LRS, return_train_score=True, **asked))


def test_groups_go_to_the_splitter():
    groups = np.arange(60) // 7
    agree(*both(head(), {"lr": [0.1]}, fit={"groups": groups}, cv=GroupKFold(3)))


def test_weights_reach_the_head_and_the_scorer():
    weight = np.random.default_rng(0).uniform(0.1, 3, 60)
    found, expected = both(head(), {"lr": [0.1]}, fit={"sample_weight": weight})
    agree(found, expected)
    flat = search(head(), {"lr": [0.1]}).fit(X, Y)
    assert found.best_score_ != flat.best_score_


def test_weights_of_one_step_of_a_pipeline():
    weight = np.random.default_rng(0).uniform(0.1, 3, 60)
    agree(*both(pipeline(), LRS, fit={"head__sample_weight": weight}))


def test_metadata_are_routed_as_by_the_pipeline():
    weight = np.random.default_rng(0).uniform(0.1, 3, 60)
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        last = head().set_fit_request(sample_weight=True)
        other = head().set_fit_request(sample_weight=False)
        steps = Pipeline([("scale", scaler), ("head", last)])
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        fit = {"sample_weight": weight}
        grid = {"head": [last, other]}
        agree(*both(steps, grid, X.to_numpy(), fit=fit, scoring=scorer))


def test_a_validation_set_goes_through_the_prefix():
    with sklearn.config_context(enable_metadata_routing=True):
        last = head(early_stopping=True, max_epochs=4)
        last.set_fit_request(X_val=True, y_val=True)
        steps = Pipeline(
            [("scale", StandardScaler()), ("head", last)], transform_input=["X_val"]
        )
        fit = {"X_val": X.to_numpy()[:20] + 1.0, "y_val": Y[:20]}
        agree(*both(steps, LRS, X.to_numpy(), fit=fit))


def test_samplers_resample_once_a_fold():
    class Sampler(RandomOverSampler):
        def _fit_resample(self, X, y, **params):
            CALLS["sampler"] += 1
            return super()._fit_resample(X, y, **params)

    y = np.where(np.arange(60) % 5, 0, 1)
    steps = ImblearnPipeline(
        [
            ("scale", Counting()),
            ("sample", Sampler(random_state=0)),
            ("head", head()),
        ]
    )
    found, expected = both(steps, LRS, X.to_numpy(), y, return_train_score=True)
    agree(found, expected)
    assert CALLS["sampler"] == 3 + 1  # folds, and the refit
    assert CALLS["counting fit"] == 3 + 1


# --- what is saved --------------------------------------------------------------------


def test_a_prefix_is_fitted_once_a_fold_and_parameters_of_its_own():
    grid = {"encode__one__factor": [1.0, 2.0], "head__lr": [0.01, 0.03, 0.1]}
    search(pipeline(Counting()), grid, refit=False).fit(X, Y)
    assert CALLS["counting fit"] == 3 * 2  # not 3 * 6
    # training rows, and the rows to score
    assert CALLS["counting rows"] == 2 * (60 * 2 + 60)


def test_training_rows_are_encoded_again_for_train_scores_only():
    found, expected = both(
        pipeline(CrossFitting()), LRS, return_train_score=True, refit=False
    )
    agree(found, expected)  # training rows are scored as `transform` gives them
    assert CALLS["counting transform"] == 3 * 3


@pytest.mark.parametrize("kind", [Stateless, EncodesInFit])
def test_an_encoder_that_learns_nothing_encodes_once_in_all(kind):
    grid = {"encode__two__with_std": [True, False], **LRS}
    found, expected = both(pipeline(kind(factor=3.0)), grid, refit=False)
    agree(found, expected)
    # all rows once, and three to see that a row stands for itself
    assert CALLS["counting rows"] == 60 + 3
    assert CALLS["counting fit"] == 1


def test_a_step_that_learns_nothing_encodes_once_in_all():
    steps = Pipeline([("a", Stateless()), ("b", Counting(name="b")), ("head", head())])
    found, expected = both(steps, LRS, X.to_numpy(), refit=False)
    agree(found, expected)
    assert CALLS["counting rows"] == 60 + 3
    assert CALLS["b fit"] == 3


def test_text_that_is_hashed_is_hashed_once():
    words = np.random.default_rng(0).choice(["a b", "b c d", None], 60)
    rows = X.assign(text=pd.Series(words, dtype=object))
    entries = [
        ("table", StandardScaler(), ["a", "b"]),
        ("text", HashingVectorizer(n_features=8, token_pattern=r"\w"), "text"),
    ]
    steps = Pipeline([("encode", ModalityTransformer(entries)), ("head", head())])
    agree(*both(steps, LRS, rows, return_train_score=True))


@pytest.mark.parametrize("kind", ["datetime64[ns]", "period[h]", "category"])
def test_rows_are_known_by_cells_that_are_made_when_they_are_read(kind):
    def day(rows):
        CALLS["day"] += 1
        column = pd.DataFrame(rows).iloc[:, 0]
        return np.array([[cell.day, cell.hour] for cell in column], dtype=float)

    times = pd.Timestamp(2024, 1, 1) + pd.to_timedelta(np.arange(60) * 7, unit="h")
    column = pd.Series(times).astype("datetime64[ns]")
    column = column.dt.to_period("h") if kind == "period[h]" else column.astype(kind)
    entries = [
        ("table", StandardScaler(), ["a", "b"]),
        ("time", FunctionTransformer(day), ["time"]),
    ]
    steps = Pipeline([("encode", ModalityTransformer(entries)), ("head", head())])
    agree(*both(steps, LRS, X.assign(time=column), refit=False))
    assert CALLS["day"] == 2  # all rows, and a few to see that they stand alone


def test_rows_that_depend_on_each_other_are_left_to_the_folds():
    def centred(rows):
        CALLS["centred"] += 1
        return rows - rows.mean(axis=0)

    steps = Pipeline([("centre", FunctionTransformer(centred)), ("head", head())])
    found, expected = both(steps, LRS, X.to_numpy(), refit=False)
    agree(found, expected)
    assert CALLS["centred"] > 2


def test_scorers_get_the_whole_pipeline_and_raw_rows():
    seen = []

    def look(estimator, rows, y):
        steps = dict(estimator.steps)
        seen.append((type(estimator), list(steps), list(rows.columns)))
        assert isinstance(steps["encode"], ModalityTransformer)
        moved = rows + 5.0  # rows that nobody knows are encoded honestly
        assert (
            not estimator[:-1].transform(moved).equals(estimator[:-1].transform(rows))
        )
        first = estimator.predict_proba(rows)
        encoded = estimator[:-1].transform(rows)
        encoded.iloc[:] = 0.0  # whatever is done to them
        np.testing.assert_array_equal(estimator.predict_proba(rows), first)
        rows.iloc[:, 0] = 9.0
        assert not np.array_equal(estimator.predict_proba(rows), first)
        return estimator.score(rows, y)

    found, expected = both(pipeline(), LRS, scoring=look, refit=False)
    agree(found, expected)
    assert seen[0] == (Pipeline, ["encode", "head"], ["a", "b", "c", "d"])


def test_times_are_those_of_a_fit_alone_and_the_report_has_the_real_ones():
    class Slow(Counting):
        def fit(self, X, y=None):
            import time

            time.sleep(0.05)
            return super().fit(X)

    found = search(pipeline(Slow()), {"head__lr": [0.01, 0.02, 0.03]}).fit(X, Y)
    assert (found.cv_results_["mean_fit_time"] > 0.05).all()
    assert (found.report_["seconds"] > 0.05).all()  # three folds, a third of each
    heads = 3 * (found.cv_results_["mean_fit_time"] - 0.05)
    assert found.report_["seconds"].sum() < 3 * 3 * 0.05 + heads.sum()
    assert list(found.report_.columns[:6]) == [
        "candidate",
        "rank",
        "mean",
        "sd",
        "seconds",
        "group",
    ]
    assert found.report_["rank"].is_monotonic_increasing


# --- chance ---------------------------------------------------------------------------


def test_parts_without_a_seed_draw_once_a_fold():
    steps = pipeline(Counting(noise=1.0), random_state=None)
    grid = {"head__lr": [0.1, 0.1], "head__dropout": [0.3]}
    found = search(steps, grid).fit(X, Y)
    results = found.cv_results_
    for fold in range(3):
        a, b = results[f"split{fold}_test_score"]
        assert a == b
    assert all("random_state" not in name for name in results)
    assert found.best_estimator_["head"].random_state is None


def test_another_fit_without_a_seed_draws_anew_and_leaves_the_global_state():
    steps = head(random_state=None, dropout=0.5, max_epochs=1)
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    asked = {"lr": [0.1]}, {"scoring": "neg_log_loss", "refit": False}
    scores = {
        search(steps, asked[0], **asked[1]).fit(X, Y).cv_results_["mean_test_score"][0]
        for _ in range(2)
    }
    assert len(scores) == 2
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


# --- bad input ------------------------------------------------------------------------


def test_parameters_that_do_not_exist_have_the_message_of_scikit_learn():
    grid = {"head__nonsense": [1]}
    with pytest.raises(ValueError, match="Invalid parameter 'nonsense'") as found:
        search(pipeline(), grid).fit(X, Y)
    with pytest.raises(ValueError, match="Invalid parameter") as expected:
        GridSearchCV(pipeline(), grid).fit(X, Y)
    assert str(found.value) == str(expected.value)


class Failing(Counting):
    def fit(self, X, y=None):
        if self.factor > 1:
            raise ValueError("no such factor")
        return super().fit(X)


FAILING = {
    "in the prefix": ({"encode__one__factor": [1.0, 2.0]}, "no such factor"),
    "in the head": ({"head__lr": [0.1, -1.0]}, "'lr' parameter"),
}


@pytest.mark.parametrize("where", FAILING)
def test_a_fit_that_fails_stops_no_other(where):
    grid, message = FAILING[where]
    grid = {**grid, "head__weight_decay": [0.0, 0.1]}
    with pytest.warns() as heard:
        found, expected = both(
            pipeline(Failing()), grid, error_score=0.25, return_train_score=True
        )
    agree(found, expected)
    texts = [str(w.message) for w in heard if w.category is FitFailedWarning]
    assert len(texts) == 2
    for text in texts:
        assert "6 fits failed out of a total of 12" in text
        assert message in text
        assert "will be set to 0.25" in text


@pytest.mark.parametrize("where", FAILING)
def test_error_score_raise_raises(where):
    grid, message = FAILING[where]
    with pytest.raises(ValueError, match=message):
        search(pipeline(Failing()), grid, error_score="raise").fit(X, Y)


def test_all_fits_fail():
    with pytest.raises(ValueError, match="All the 3 fits failed"):
        search(pipeline(), {"head__lr": [-1.0]}).fit(X, Y)


def test_scores_that_fail():
    def bad(estimator, X, y):
        raise RuntimeError("no score today")

    with (
        pytest.warns(UserWarning, match="no score today"),
        pytest.warns(UserWarning, match="scores are non-finite"),
    ):
        found = search(pipeline(), LRS, scoring=bad, refit=False).fit(X, Y)
    assert np.isnan(found.cv_results_["mean_test_score"]).all()


def test_a_fold_that_lacks_a_class():
    y = np.zeros(60, dtype=int)
    y[:4] = 1
    folds = [(np.arange(10, 60), np.arange(10)), (np.arange(50), np.arange(50, 60))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        agree(*both(head(), {"lr": [0.1, 0.2]}, y=y, cv=folds))


def test_no_candidates():
    for grid in ({"head__lr": []}, []):
        with pytest.raises(ValueError, match=r"empty|No fits") as found:
            search(pipeline(), grid).fit(X, Y)
        with pytest.raises(ValueError, match=r"empty|No fits") as expected:
            GridSearchCV(pipeline(), grid).fit(X, Y)
        assert str(found.value) == str(expected.value)


def test_batched_needs_a_head():
    grid = {"alpha": [1.0]}
    with pytest.raises(ValueError, match="got Ridge"):
        FusionSearchCV(Ridge(), grid, batched=True).fit(X, Y)
    found = FusionSearchCV(Ridge(), grid).fit(X, Y)
    assert found.report_.loc[0, "alone"] == "Ridge is no head"


@pytest.mark.parametrize(
    ("name", "value"), [("batched", "yes"), ("max_models", 0), ("checkpoint", 3)]
)
def test_parameters_are_checked(name, value):
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        FusionSearchCV(head(), {"lr": [0.1]}, **{name: value}).fit(X, Y)


def test_a_prefix_that_cannot_be_pickled_is_still_reused():
    steps = Pipeline(
        [
            ("pick", FunctionTransformer(lambda rows: rows[:, :2])),
            ("scale", Counting()),
            ("head", head()),
        ]
    )
    agree(*both(steps, LRS, X.to_numpy(), refit=False))
    assert CALLS["counting fit"] == 3


# --- a person can watch ---------------------------------------------------------------


def test_progress_is_shown(capsys):
    search(pipeline(), LRS, verbose=1).fit(X, Y)
    said = capsys.readouterr().out
    assert "Fitting 3 folds for each of 2 candidates, totalling 6 fits" in said
    assert "6/6 fits  best 0." in said
    assert " left" in said
    assert "6 of 6 fits trained alone: batched=False" in said
    search(pipeline(), LRS).fit(X, Y)
    assert capsys.readouterr().out == ""


def test_each_fit_is_shown(capsys):
    search(pipeline(), LRS, verbose=2, refit=False).fit(X, Y)
    said = capsys.readouterr().out
    for candidate in (0, 1):
        for fold in range(3):
            assert f"candidate {candidate}, fold {fold}: 0." in said
    for line in said.splitlines():
        if line.startswith("[search] candidate 1"):
            assert line.endswith(f"s; head__lr={LRS['head__lr'][1]}")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_a_fit_that_fails_is_shown_with_its_reason(capsys):
    grid = {"head__lr": [0.01, -1.0]}
    search(pipeline(), grid, verbose=2, refit=False).fit(X, Y)
    said = capsys.readouterr().out
    assert "candidate 1, fold 2: failed (sklearn." in said
    assert "'lr' parameter of FusionClassifier must be" in said


def test_the_report_reads_well():
    from skmultimodal.fusion import BottleneckFusion

    grid = {"fusion": ["concat", BottleneckFusion(n_tokens=3)], "lr": [np.float64(0.1)]}
    report = search(head(), grid).fit(X, Y).report_
    assert set(report["fusion"]) == {"concat", "bottleneck(n_tokens=3)"}
    assert list(report["lr"]) == [0.1, 0.1]
    assert report["group"].isna().all()


class Interrupting(Counting):
    def fit(self, X, y=None):
        if self.factor > 1 and CALLS["counting fit"] >= 4:
            raise KeyboardInterrupt
        return super().fit(X)


@pytest.mark.parametrize("scoring", [None, ["accuracy"]])
def test_interrupting_leaves_what_is_finished(scoring):
    grid = {"encode__one__factor": [1.0, 2.0], **LRS}
    found = search(
        pipeline(Interrupting()),
        grid,
        scoring=scoring,
        refit=False,
        return_train_score=True,
    )
    with pytest.raises(KeyboardInterrupt):
        found.fit(X, Y)
    results = found.cv_results_
    name = "accuracy" if scoring else "score"
    first = results[f"split0_test_{name}"]
    assert np.isfinite(first).all()
    assert np.isfinite(results[f"split1_train_{name}"]).all()
    assert np.isfinite(results[f"split2_test_{name}"][:2]).all()
    assert np.isnan(results[f"split2_test_{name}"][2:]).all()
    assert list(results[f"rank_test_{name}"][2:]) == [3, 3]
    assert len(found.report_) == 4


def test_interrupting_leaves_no_best_candidate_of_an_earlier_fit():
    def score(estimator, X, y):
        CALLS["score"] += 1
        if CALLS["score"] == 6 + 4:
            raise KeyboardInterrupt
        return estimator.score(X, y)

    found = search(pipeline(), LRS, scoring=score).fit(X, Y)
    with pytest.raises(KeyboardInterrupt):
        found.fit(X, Y)
    assert np.isnan(found.cv_results_["split2_test_score"]).all()
    assert not hasattr(found, "best_params_")
    assert not hasattr(found, "best_estimator_")
