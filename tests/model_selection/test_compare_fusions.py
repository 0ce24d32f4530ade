"""A comparison that one can trust: same folds, no leaks, honest words."""

import gc
import warnings

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import Pipeline as SamplingPipeline
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import ShuffleSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skmultimodal import multimodal_pipeline
from skmultimodal.compose import ModalitySelector, ModalityTransformer
from skmultimodal.fusion import (
    BottleneckFusion,
    CCAFusion,
    ConcatFusion,
    NeuralFusion,
)
from skmultimodal.fusion._base import known_fusions
from skmultimodal.heads import FusionClassifier
from skmultimodal.model_selection import compare_fusions
from skmultimodal.model_selection._candidates import Question, list_candidates
from skmultimodal.sampling import ModalitySampler

from ._comparing import QUICK, samples


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


# --- no leaks -------------------------------------------------------------------------


class Counting(StandardScaler):
    """Writes down what it is fitted on."""

    fitted: list = []

    def fit(self, X, y=None, sample_weight=None):
        Counting.fitted.append(tuple(X.index))
        return super().fit(X, y, sample_weight)


def raw(n=90):
    X, y = samples(n)
    X = pd.DataFrame(X.to_numpy(), columns=list("abcde"))
    encode = ModalityTransformer(
        [("left", Counting(), ["a", "b", "c"]), ("right", Counting(), ["d", "e"])]
    )
    return X, y, encode


def test_encoders_are_fitted_once_a_fold_on_its_training_rows(seen):
    X, y, encode = raw()
    Counting.fitted = []
    found = compare_fusions(
        X,
        y,
        {"one": Recorder("one"), "two": Recorder("two"), "concat": "concat"},
        estimator=Pipeline([("encode", encode), ("head", QUICK)]),
        cv=3,
        random_state=0,
    )
    assert len(Counting.fitted) == 3 * 2  # folds, modalities
    trained = {train for _, train, _, _ in seen}
    assert set(Counting.fitted) == trained
    for _, train, _, test in seen:
        assert sorted(train + test) == sorted(X.index)
    assert list(found.index[:2]) == ["left alone", "right alone"]


def test_a_raw_frame_is_encoded_by_itself():
    _, y = samples(60)
    X = pd.DataFrame(
        {
            "age": np.arange(60.0),
            "note": [
                f"we had {['bad', 'good'][k]} luck today {i}" for i, k in enumerate(y)
            ],
        }
    )
    found = compare_fusions(X, y, ["concat"], estimator=QUICK, cv=3, random_state=0)
    assert {"tabular alone", "note alone", "concat"} <= set(found.index)
    assert found.loc["note alone, linear", "mean"] > found.loc["tabular alone", "mean"]


def test_samplers_change_training_rows_only(seen):
    X, y = samples(90)
    few = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:15]]
    X, y = X.iloc[few], y[few]
    X.index = [f"row{k}" for k in range(len(X))]
    model = SamplingPipeline(
        [
            ("sample", ModalitySampler(RandomOverSampler(random_state=0))),
            ("head", QUICK),
        ]
    )
    compare_fusions(
        X, y, {"one": Recorder("one")}, estimator=model, cv=3, random_state=0
    )
    label = dict(zip(X.index, y))
    tested = [row for _, _, _, test in seen for row in test]
    assert sorted(tested) == sorted(X.index)
    for _, train, _, test in seen:
        counts = np.bincount([label[row] for row in train])
        assert counts[0] == counts[1]
        assert not set(train) & set(test)


def test_groups_are_never_parted_and_reach_the_fit(seen):
    X, y = samples()
    groups = np.arange(len(y)) // 4
    rivals = {
        "plain": Recorder("plain"),
        "pipe": make_pipeline(ModalitySelector("text"), Recorder("pipe")),
    }
    compare_fusions(X, y, rivals, estimator=QUICK, cv=3, groups=groups, random_state=0)
    assert len(seen) == 6
    for _, train, given, test in seen:
        assert not set(groups[list(train)]) & set(groups[list(test)])
        np.testing.assert_array_equal(given, groups[list(train)])


def test_a_splitter_of_ones_own_is_drawn_once(seen):
    X, y = samples(60)
    splitter = ShuffleSplit(2, test_size=0.25)  # another draw at every call
    rivals = {"one": Recorder("one"), "two": Recorder("two")}
    compare_fusions(X, y, rivals, estimator=QUICK, cv=splitter)
    folds = [train for who, train, _, _ in seen if who == "one"]
    assert folds == [train for who, train, _, _ in seen if who == "two"]
    assert [len(train) for train in folds] == [45, 45]


# --- what is compared -----------------------------------------------------------------


def test_all_are_all_that_suit():
    X, y = samples(60)
    found = compare_fusions(X, y, estimator=QUICK, cv=2, random_state=0)
    neural = {n for n, c in known_fusions().items() if "classification" in c.tasks}
    closed = {"block_pca", "cca", "kernel", "similarity_network"}
    assert neural | closed | {"auto", "voting", "stacking"} <= set(found.index)
    assert found.loc["cca", "level"] == "relational"
    assert found.loc["bottleneck", "level"] == "hierarchical"
    assert found.loc["auto", "level"] == "decision"
    assert (found[["fit_seconds", "predict_seconds"]] > 0).all(axis=None)
    nets = found.loc[[*neural, "text alone"], "n_parameters"]
    assert (nets > 0).all()
    assert np.isnan(found.loc["voting", "n_parameters"])


@pytest.fixture
def own_fusion():
    """A class of a user's own that says no more than it has to."""

    class OwnFusion(NeuralFusion):
        def build(self, modalities, embed_dim, dropout):
            return ConcatFusion().build(modalities, embed_dim, dropout)

    yield
    del OwnFusion
    gc.collect()  # one that is still there is one of "all" in other tests


@pytest.mark.usefixtures("own_fusion")
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_fusion_of_a_users_own_by_its_name(n_jobs):
    """Workers have not imported its class."""
    X, y = samples(60)
    found = compare_fusions(
        X, y, ["own", "concat"], estimator=QUICK, cv=2, n_jobs=n_jobs, random_state=0
    )
    assert found.loc["own", "level"] == "feature"
    assert found.loc["own", "mean"] == found.loc["concat", "mean"]


def test_a_fusion_without_defaults_is_none_of_all():
    class RankedFusion(ConcatFusion):
        def __init__(self, rank):
            self.rank = rank

    question = Question("classes", QUICK, ["text", "image"], 60)
    assert "ranked" not in {c.label for c in list_candidates("all", question)}
    assert "ranked" in known_fusions()
    with pytest.raises(ValueError, match=r"'ranked' stands for .*\['rank'\] have none"):
        list_candidates(["ranked"], question)
    labels = [c.label for c in list_candidates([RankedFusion(2)], question)]
    assert labels[-1] == "ranked(rank=2)"
    del RankedFusion
    gc.collect()


def test_specifications_transformers_and_estimators_by_their_own_names():
    X, y = samples(60)
    mine = [
        BottleneckFusion(n_tokens=2),
        CCAFusion(n_components=1),
        DummyClassifier(),
        make_pipeline(ModalitySelector("text"), DummyClassifier()),
    ]
    found = compare_fusions(X, y, mine, estimator=QUICK, cv=2, random_state=0)
    levels = found["level"].iloc[-4:].to_dict()
    assert levels == {
        "bottleneck(n_tokens=2)": "hierarchical",
        "cca(n_components=1)": "relational",
        "DummyClassifier": "feature",
        "ModalitySelector(modalities='text') + DummyClassifier": "single",
    }


def test_a_single_modality_is_scored_on_its_columns_alone():
    X, y = samples(60)
    text = X.filter(like="text")
    same = {"estimator": QUICK, "cv": 2, "random_state": 0}
    found = compare_fusions(X, y, ["concat"], **same)
    alone = compare_fusions(text, y, **same)
    for label in ("text alone", "text alone, linear"):
        assert found.loc[label, "mean"] == alone.loc[label, "mean"]
        expected = alone.loc[label, "n_parameters"]
        np.testing.assert_equal(found.loc[label, "n_parameters"], expected)


def test_parameters_of_the_head_are_kept():
    X, y = samples(60)
    wide = FusionClassifier("gated", embed_dim=12, hidden_layer_sizes=(), max_epochs=1)
    found = compare_fusions(X, y, ["concat"], estimator=wide, cv=2, random_state=0)
    alone = clone(wide).set_params(fusion="concat").fit(X, y)
    expected = sum(weights.numel() for weights in alone.module_.parameters())
    assert found.loc["concat", "n_parameters"] == expected


def test_numbers_get_regressors_and_r2():
    X, _ = samples(60)
    y = X["text__0"].to_numpy(dtype=float).round()  # floats, whole ones too
    found = compare_fusions(X, y, ["block_pca"], cv=2, random_state=0)
    assert found.attrs["scoring"] == "r2"
    assert found.loc["text alone, linear", "mean"] > 0.5


def test_labels_of_several_kinds_at_once():
    X, y = samples(60)
    y = np.stack([y, X["image__0"] > 0], axis=1).astype(int)
    found = compare_fusions(
        X, y, ["block_pca", "concat"], estimator=QUICK, cv=2, random_state=0
    )
    assert found["mean"].between(0, 1).all()
    assert "evidential" not in found.index


def test_one_modality_works_and_is_said_to_be_one():
    X, y = samples(60)
    found = compare_fusions(
        X.filter(like="text"), y, estimator=QUICK, cv=2, random_state=0
    )
    assert list(found.index) == ["text alone", "text alone, linear"]
    assert found.attrs["summary"].startswith("X has one modality only")


def test_columns_of_an_array_by_the_heads_modalities():
    X, y = samples(60)
    head = clone(QUICK).set_params(modalities={"a": slice(0, 3), "b": slice(3, 5)})
    named = X.set_axis([f"{'aaabb'[k]}__{k}" for k in range(5)], axis=1)
    same = {"cv": 2, "random_state": 0}
    by_name = compare_fusions(named, y, "concat", estimator=QUICK, **same)
    nameless = pd.DataFrame(X.to_numpy(), columns=list("vwxyz"))
    for given in (X.to_numpy(), nameless):
        found = compare_fusions(given, y, "concat", estimator=head, **same)
        pd.testing.assert_frame_equal(
            found.filter(regex="mean|fold"), by_name.filter(regex="mean|fold")
        )


# --- running --------------------------------------------------------------------------


@pytest.mark.slow
def test_processes_change_nothing():
    X, y = samples(60)
    runs = [
        compare_fusions(
            X, y, ["gated"], estimator=QUICK, cv=2, n_jobs=n_jobs, random_state=0
        )
        for n_jobs in (1, 2)
    ]
    first, second = (run.filter(regex="mean|low|fold|param") for run in runs)
    pd.testing.assert_frame_equal(first, second)


def test_a_line_a_candidate_and_the_summary(capsys):
    X, y = samples(60)
    found = compare_fusions(
        X, y, ["concat"], estimator=QUICK, cv=2, random_state=0, verbose=1
    )
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(found) + 1
    assert lines[-1] == found.attrs["summary"]
    assert lines[0].startswith(f"[1/{len(found)}] text alone ")
    assert f"{found.loc['text alone', 'mean']:.4f} ±" in lines[0]
    assert lines[0].endswith(" s")


class Warns(DummyClassifier):
    """Complains at every fit."""

    def fit(self, X, y, sample_weight=None):
        warnings.warn("dull data", UserWarning, stacklevel=2)
        return super().fit(X, y, sample_weight)


def test_a_warning_is_given_once_with_those_it_comes_from():
    X, y = samples(60)
    rivals = {"a": Warns(), "b": Warns(strategy="most_frequent")}
    with pytest.warns(UserWarning, match="dull data") as caught:
        compare_fusions(X, y, rivals, estimator=QUICK, cv=3, random_state=0)
    assert [str(w.message) for w in caught] == ["[a, b] dull data"]


# --- bad input ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"fusions": ["glue"]}, "'glue', which is not known. Known are"),
        ({"fusions": []}, "asks for nothing"),
        ({"fusions": ["concat", "concat"]}, "'concat' more than once"),
        ({"fusions": [BottleneckFusion]}, r"give an instance, BottleneckFusion\(\)"),
        ({"fusions": [3]}, "neither the name of a fusion"),
        ({"fusions": [Ridge()]}, "'Ridge', a regressor"),
        ({"scoring": ["accuracy", "f1"]}, "asks for several scores"),
        ({"groups": [0, 1]}, r"groups has shape \(2,\)"),
        ({"groups": np.zeros(60), "cv": 3}, "cv=3 folds cannot be drawn"),
        ({"cv": 1}, "must be an int in the range"),
        ({"fusions": {"x": Breaks(row="no such")}, "error_score": "raise"}, "without"),
    ],
)
def test_what_cannot_be_compared_is_named(given, what):
    X, y = samples(60)
    given = {"fusions": ["concat"], "estimator": QUICK, "cv": 2, **given}
    error = RuntimeError if "error_score" in given else ValueError
    with pytest.raises(error, match=what):
        compare_fusions(X, y, **given)


def test_targets_and_estimators_that_do_not_suit():
    X, y = samples(60)
    with pytest.raises(ValueError, match="NaN in 1 rows, first in row 0"):
        compare_fusions(X, np.r_[np.nan, y[1:]])
    with pytest.raises(ValueError, match=r"estimator=FusionRegressor\(\)"):
        compare_fusions(X, y + 0.5 * X["text__0"], estimator=QUICK)
    with pytest.raises(TypeError, match="neither a FusionClassifier"):
        compare_fusions(X, y, estimator=DummyClassifier())
    with pytest.raises(ValueError, match="X is encoded already"):
        compare_fusions(X, y, estimator=multimodal_pipeline("classifier"))
