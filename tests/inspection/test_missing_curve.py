"""Scores while modalities go missing: what is taken away, how often, and from whom."""

import itertools

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from skmultimodal import pack
from skmultimodal.compose import ModalityTransformer
from skmultimodal.heads import FusionClassifier
from skmultimodal.inspection import missing_modality_curve

WIDTHS = {"text": 3, "image": 2, "sound": 4}
SHARES = (0, 0.25, 0.5, 0.75, 1)


class Encoder(TransformerMixin, BaseEstimator):
    """Text lengths; counts how often it encodes."""

    calls: list = []

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        self.calls.append(len(X))
        cells = np.asarray(X, dtype=object).reshape(len(X), -1)
        return np.array([[float(len(str(c))) for c in row] for row in cells])

    def get_feature_names_out(self, input_features=None):
        return np.array([str(k) for k in range(len(input_features))], dtype=object)


class Fitted(BaseEstimator):
    """Any estimator: only the scorer looks at X."""

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return np.zeros(len(X))


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    blocks = {m: rng.normal(size=(40, d)) for m, d in WIDTHS.items()}
    return pack(blocks, index=np.arange(100, 140)), rng.integers(2, size=40)


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(1)
    y = np.arange(160) % 2
    loud = rng.normal(size=(160, 3)) + 3 * y[:, None]
    X = pack({"text": loud, "noise": rng.normal(size=(160, 3))})
    head = FusionClassifier(
        "gated", max_epochs=5, modality_dropout=0.2, batch_size=32, random_state=0
    )
    return head.fit(X[:80], y[:80]), X[80:], y[80:]


def seen(scored, X, y, **params):
    """The frames that are scored, in the order of the table's distinct cases."""
    frames = []

    def keep(estimator, X, y):
        frames.append(X)
        return 0.0

    curve = missing_modality_curve(scored, X, y, scoring=keep, **params)
    return frames, curve


def gone(X, modality):
    columns = [c for c in X.columns if c.startswith(f"{modality}__")]
    absent = X[columns].isna()
    assert (absent.all(axis=1) == absent.any(axis=1)).all()  # whole blocks or nothing
    return absent.all(axis=1).to_numpy()


class TestWhatIsTakenAway:
    def test_of_one_modality_the_share_of_rows_and_nothing_else(self, data):
        X, y = data

        def absent(estimator, X, y):
            found = {m: gone(X, m).mean() for m in WIDTHS}
            return 100 * found["text"] + 10 * found["image"] + found["sound"]

        curve = missing_modality_curve(Fitted(), X, y, scoring=absent, random_state=0)
        for name, unit in {"text": 100, "image": 10, "sound": 1}.items():
            rows = curve[curve["modality"] == name]
            np.testing.assert_allclose(rows["score"], unit * rows["fraction"])

    def test_of_any_the_share_of_all_modalities_of_all_rows(self, data):
        X, y = data

        def absent(estimator, X, y):
            return np.mean([gone(X, m) for m in WIDTHS])

        curve = missing_modality_curve(Fitted(), X, y, scoring=absent, random_state=0)
        rows = curve[curve["modality"] == "any"]
        np.testing.assert_allclose(rows["score"], rows["fraction"])

    def test_what_is_absent_stays_absent_at_larger_shares(self, data):
        frames, _ = seen(Fitted(), *data, n_repeats=1, random_state=0)
        masks = [np.array([gone(X, m) for m in WIDTHS]) for X in frames]
        for before, after in itertools.pairwise(masks[:5]):  # "any" comes first
            assert (after >= before).all()
            assert after.sum() > before.sum()

    def test_repeats_differ_and_the_seed_repeats_them(self, data):
        first, _ = seen(Fitted(), *data, fractions=[0.5], n_repeats=2, random_state=3)
        again, _ = seen(Fitted(), *data, fractions=[0.5], n_repeats=2, random_state=3)
        other, _ = seen(Fitted(), *data, fractions=[0.5], n_repeats=2, random_state=4)
        assert not first[0].equals(first[1])
        assert all(a.equals(b) for a, b in zip(first, again))
        assert not first[0].equals(other[0])

    def test_values_rows_and_the_callers_frame_stay_as_they_are(self, data):
        X, y = data
        X.iloc[:10, :3] = np.nan
        before = X.copy()
        frames, _ = seen(Fitted(), X, y, random_state=0)
        pd.testing.assert_frame_equal(X, before)
        for frame in frames:
            assert frame.index.equals(X.index)
            assert frame.iloc[:10, :3].isna().all(axis=None)
            kept = frame.notna()
            assert (frame.where(kept, 0) == X.where(kept, 0)).all(axis=None)

    def test_a_sequence_goes_with_all_its_steps(self):
        rng = np.random.default_rng(0)
        X = pack({"sound": rng.normal(size=(8, 3, 2)), "text": np.ones((8, 1))})
        frames, _ = seen(
            Fitted(), X, np.zeros(8), modalities="sound", fractions=[0.5], n_repeats=1
        )
        for frame in frames:  # at random, and by itself: the same with one modality
            assert gone(frame, "sound").sum() == 4
            assert not gone(frame, "text").any()

    def test_a_nameless_array_has_the_modalities_of_the_head(self):
        x = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
        head = FusionClassifier(
            max_epochs=1, modalities={"text": [0, 3], "image": [1, 2, 4]}
        )
        head.fit(x, np.arange(40) % 2)
        frames, curve = seen(head, x, np.arange(40) % 2, fractions=[1])
        assert list(curve["modality"].unique()) == ["any", "text", "image"]
        absent = [np.flatnonzero(np.isnan(X).all(axis=0)).tolist() for X in frames]
        assert absent == [[0, 1, 2, 3, 4], [0, 3], [1, 2, 4]]


class TestRawFrames:
    @pytest.fixture
    def raw(self):
        X = pd.DataFrame(
            {
                "title": ["a" * (k % 4 + 1) for k in range(60)],
                "body": ["b" * (k % 3 + 1) for k in range(60)],
                "stars": [float(k % 5) for k in range(60)],
            }
        )
        y = (np.arange(60) % 5 > 2).astype(int)
        encode = ModalityTransformer(
            [
                ("text", Encoder(), ["title", "body"]),
                ("tabular", "passthrough", ["stars"]),
            ]
        )
        head = HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=3)
        model = Pipeline([("encode", encode), ("head", head)]).fit(X, y)
        Encoder.calls.clear()
        return model, X, y

    def test_is_encoded_once(self, raw):
        model, X, y = raw
        missing_modality_curve(model, X, y, random_state=0)
        assert Encoder.calls == [60]

    def test_scores_are_those_of_cells_that_are_missing(self, raw):
        model, X, y = raw
        once = missing_modality_curve(model, X, y, random_state=0)
        columns = {"text": ["title", "body"], "tabular": "stars"}
        each = missing_modality_curve(model, X, y, modalities=columns, random_state=0)
        pd.testing.assert_frame_equal(once, each)
        without = model.score(X.assign(stars=np.nan), y)
        rows = once[(once["modality"] == "tabular") & (once["fraction"] == 1)]
        assert (rows["score"] == without).all()
        assert without < model.score(X, y)

    def test_cells_of_every_kind_become_missing(self):
        X = pd.DataFrame(
            {
                "count": [1, 2, 3, 4],
                "flag": [True, False, True, False],
                "kind": pd.Categorical(list("abab")),
                "day": pd.to_datetime(["2020-01-01"] * 4),
                "words": ["one", "two", "three", "four"],
                "photo": [np.zeros((2, 2)) for _ in range(4)],
            }
        )
        every = {name: name for name in X.columns}
        frames, _ = seen(
            Fitted(), X, np.zeros(4), modalities=every, fractions=[1], n_repeats=1
        )
        assert frames[0].isna().all(axis=None)
        for frame, name in zip(frames[1:], every):
            assert frame[name].isna().all()
            assert frame.drop(columns=name).notna().all(axis=None)

    def test_nothing_tells_its_modalities(self, raw):
        _, X, y = raw
        with pytest.raises(ValueError, match=r"X is raw.*modalities=\{'text'"):
            missing_modality_curve(Fitted(), X, y)


class TestScores:
    def test_are_the_estimators_on_such_rows(self, trained):
        head, X, y = trained
        curve = missing_modality_curve(head, X, y, random_state=0)
        means = curve.groupby(["modality", "fraction"])["score"].mean()
        blind = X.copy()
        blind.loc[:, ["text__0", "text__1", "text__2"]] = np.nan
        assert means["text", 0] == accuracy_score(y, head.predict(X))
        assert means["text", 1] == accuracy_score(y, head.predict(blind))
        blind.loc[:, :] = np.nan
        assert means["any", 1] == accuracy_score(y, head.predict(blind)) == 0.5

    def test_fall_without_what_tells_y_and_stay_without_noise(self, trained):
        curve = missing_modality_curve(*trained, random_state=0)
        means = curve.groupby(["modality", "fraction"])["score"].mean()
        assert means["text", 0] > 0.95
        assert means["text", 1] < 0.7
        assert means["noise", 1] > 0.9
        assert means["any", 0.25] > means["any", 0.75] > means["any", 1]

    def test_table_holds_every_case(self, trained):
        curve = missing_modality_curve(
            *trained, fractions=[0.5, 0, 1, 0.5], n_repeats=3, random_state=0
        )
        assert list(curve.columns) == ["modality", "fraction", "repeat", "score"]
        cases = [
            (m, f, r)
            for m in ("any", "text", "noise")
            for f in (0, 0.5, 1)
            for r in range(3)
        ]
        assert list(curve.iloc[:, :3].itertuples(index=False, name=None)) == cases
        assert curve["score"].notna().all()

    def test_named_scorer_and_several_workers(self, trained):
        head, X, y = trained
        score = {"scoring": "balanced_accuracy", "random_state": 0, "n_repeats": 2}
        curve = missing_modality_curve(head, X, y, **score)
        assert curve.attrs["scoring"] == "balanced_accuracy"
        assert curve["score"][0] == balanced_accuracy_score(y, head.predict(X))
        with parallel_config("threading"):
            pd.testing.assert_frame_equal(
                missing_modality_curve(head, X, y, n_jobs=2, **score), curve
            )

    def test_a_search_is_scored_by_its_own_scorer(self, data):
        X, y = data
        model = HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=2)
        search = GridSearchCV(model, {"max_leaf_nodes": [3]}, scoring="neg_log_loss")
        search.fit(X, y)
        curve = missing_modality_curve(search, X, y, n_repeats=1)
        assert curve["score"][0] == search.score(X, y) < 0


class TestBadInput:
    @pytest.mark.parametrize(
        ("params", "match"),
        [
            ({"fractions": [0, 1.5]}, r"fractions has 1\.5"),
            ({"fractions": [np.nan]}, "fractions has nan"),
            ({"fractions": []}, "fractions is empty"),
            ({"modalities": ["video"]}, r"no modality 'video'.*\['text'"),
            ({"modalities": []}, "loses none"),
            ({"n_repeats": 0}, "n_repeats"),
            ({"scoring": "nonsense"}, "scoring"),
        ],
    )
    def test_is_refused(self, data, params, match):
        with pytest.raises(ValueError, match=match):
            missing_modality_curve(Fitted(), *data, **params)

    def test_not_fitted(self, data):
        with pytest.raises(NotFittedError):
            missing_modality_curve(FusionClassifier(), *data)

    def test_a_modality_called_any(self, data):
        X, y = data
        X.columns = [c.replace("text", "any") for c in X.columns]
        with pytest.raises(ValueError, match="called 'any'"):
            missing_modality_curve(Fitted(), X, y)

    def test_other_length_of_y(self, data):
        X, y = data
        with pytest.raises(ValueError, match="inconsistent"):
            missing_modality_curve(Fitted(), X, y[:-1])
