"""What all closed-form fusions promise: names, containers, steps, gaps, Pipelines."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline

from skmultimodal import pack
from skmultimodal.fusion import (
    BlockPCAFusion,
    CCAFusion,
    KernelFusion,
    SimilarityNetworkFusion,
)
from skmultimodal.fusion._blocks import ClosedFormFusion

FUSIONS = {
    "BlockPCAFusion": BlockPCAFusion(n_components=2),
    "BlockPCAFusion joint": BlockPCAFusion(n_components=3, n_joint_components=2),
    "CCAFusion": CCAFusion(n_components=2),
    "CCAFusion concat": CCAFusion(n_components=1, output="concat"),
    "KernelFusion": KernelFusion(n_components=20, random_state=0),
    "SimilarityNetworkFusion": SimilarityNetworkFusion(2, n_neighbors=6),
}
every = pytest.mark.parametrize("fusion", FUSIONS.values(), ids=FUSIONS)
needs_two = pytest.mark.parametrize(
    "fusion",
    [f for f in FUSIONS.values() if f.min_modalities == 2],
    ids=[name for name, f in FUSIONS.items() if f.min_modalities == 2],
)


def frame(n=60, seed=0):
    """Two vectors and a sequence whose later steps are often absent."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    audio = rng.normal(size=(n, 5, 3)) + 1.5 * y[:, None, None]
    audio[np.arange(5) >= rng.integers(1, 6, n)[:, None]] = np.nan
    X = pack(
        {
            "text": rng.normal(size=(n, 4)) + 1.5 * y[:, None],
            "audio": audio,
            "table": rng.normal(size=(n, 3)) + y[:, None],
        },
        index=[f"row{i}" for i in range(n)],
    )
    return X, y


def columns(X, modality):
    return [c for c in X if c.startswith(f"{modality}__")]


def same(found, expected, tolerance=1e-4):
    """Equal; directions of a kernel may turn in their space, which its values show."""
    found, expected = (np.asarray(a, dtype=float) for a in (found, expected))
    if found.shape[1] > 10:
        found, expected = found @ found.T, expected @ expected.T
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


def test_every_closed_form_fusion_is_tested_here():
    assert {type(f) for f in FUSIONS.values()} == set(ClosedFormFusion.__subclasses__())


class TestOutput:
    @every
    def test_a_frame_in_is_a_frame_out(self, fusion):
        X, y = frame()
        fused = clone(fusion).fit_transform(X, y)
        assert isinstance(fused, pd.DataFrame)
        assert list(fused.index) == list(X.index)
        assert list(fused) == [f"fused__{k}" for k in range(fused.shape[1])]
        assert set(fused.dtypes) == {np.dtype(np.float32)}
        assert fused.notna().all(axis=None)

    @every
    def test_other_containers(self, fusion):
        pl = pytest.importorskip("polars")
        X, y = frame()
        fusion = clone(fusion).fit(X, y)
        expected = fusion.transform(X)
        from_polars = fusion.transform(pl.DataFrame(X.to_dict("list")))
        assert isinstance(from_polars, pl.DataFrame)
        assert from_polars.columns == list(expected)
        np.testing.assert_allclose(from_polars.to_numpy(), expected, atol=1e-6)
        fusion.set_output(transform="polars")
        assert isinstance(fusion.transform(X), pl.DataFrame)

    def test_an_array_needs_to_be_told_its_modalities(self):
        X, _ = frame()
        vectors = X[columns(X, "text") + columns(X, "table")]
        named = CCAFusion().fit_transform(vectors)
        modalities = {"text": slice(0, 4), "table": [4, 5, 6]}
        told = CCAFusion(modalities=modalities).fit_transform(vectors.to_numpy())
        assert isinstance(told, np.ndarray)
        np.testing.assert_allclose(told, named, atol=1e-6)

    @every
    def test_pickled_and_cloned_it_does_the_same(self, fusion):
        X, y = frame()
        fusion = clone(fusion).fit(X, y)
        expected = fusion.transform(X)
        again = pickle.loads(pickle.dumps(fusion))
        pd.testing.assert_frame_equal(again.transform(X), expected)
        pd.testing.assert_frame_equal(clone(fusion).fit(X, y).transform(X), expected)


class TestVectors:
    @every
    def test_a_sequence_is_the_mean_of_the_steps_a_row_has(self, fusion):
        X, y = frame()
        audio = X[columns(X, "audio")].to_numpy().reshape(len(X), 5, 3)
        mean = np.nanmean(audio, axis=1)
        plain = pack(
            {
                "text": X[columns(X, "text")],
                "audio": mean,
                "table": X[columns(X, "table")],
            },
            index=X.index,
        )
        expected = clone(fusion).fit_transform(plain, y)
        same(clone(fusion).fit_transform(X, y), expected)

    @every
    def test_or_their_mean_and_deviation(self, fusion):
        X, y = frame()
        audio = X[columns(X, "audio")].to_numpy().reshape(len(X), 5, 3)
        both = np.hstack([np.nanmean(audio, axis=1), np.nanstd(audio, axis=1)])
        plain = pack(
            {
                "text": X[columns(X, "text")],
                "audio": both,
                "table": X[columns(X, "table")],
            },
            index=X.index,
        )
        expected = clone(fusion).fit_transform(plain, y)
        found = clone(fusion).set_params(pooling="mean_std").fit_transform(X, y)
        same(found, expected, 1e-3)

    @every
    def test_standardised_the_scale_of_columns_does_not_matter(self, fusion):
        X, y = frame()
        louder = X * np.where(X.columns.str.startswith("text"), 1000, 0.01) + 5
        expected = clone(fusion).fit_transform(X, y)
        found = clone(fusion).fit_transform(louder.astype(np.float32), y)
        same(found, expected, 1e-2)

    def test_without_standardising_it_does(self):
        X, _ = frame()
        louder = X.copy()
        louder["text__0"] *= 100
        plain = BlockPCAFusion(1, standardize=False)
        fused = plain.fit_transform(louder)["fused__0"]
        assert abs(np.corrcoef(fused, X["text__0"])[0, 1]) > 0.999

    def test_a_missing_value_counts_as_the_mean_and_is_told(self):
        X, _ = frame()
        gaps = X.copy()
        gaps.iloc[[3, 9], [0, 1]] = np.nan
        with pytest.warns(UserWarning, match="training mean: 4 in modality 'text'"):
            fusion = BlockPCAFusion(2).fit(gaps)
        filled = gaps.fillna(gaps[["text__0", "text__1"]].mean())
        text = ["fused__0", "fused__1"]
        pd.testing.assert_frame_equal(
            fusion.transform(gaps)[text], fusion.transform(filled)[text], atol=1e-5
        )


class TestAbsence:
    @every
    @pytest.mark.parametrize("modality", ["text", "audio", "table"])
    def test_a_row_without_a_modality(self, fusion, modality):
        """Its row changes, is finite, and the other rows stay as they were."""
        X, y = frame()
        fusion = clone(fusion).fit(X[8:], y[8:])
        before = fusion.transform(X)
        X.loc["row7", columns(X, modality)] = np.nan
        after = fusion.transform(X)
        assert np.isfinite(after.to_numpy()).all()
        assert not np.allclose(after.loc["row7"], before.loc["row7"], atol=1e-3)
        others = X.index != "row7"
        pd.testing.assert_frame_equal(after[others], before[others])

    @every
    def test_a_row_without_any_modality_is_zero(self, fusion):
        X, y = frame()
        fusion = clone(fusion).fit(X, y)
        X.loc["row7"] = np.nan
        fused = fusion.transform(X).loc["row7"]
        if fusion.__class__ is not BlockPCAFusion or fusion.n_joint_components is None:
            assert (fused == 0).all()
        np.testing.assert_allclose(fused, 0, atol=1e-6)

    @every
    def test_it_stays_close_to_what_it_was(self, fusion):
        """Of three modalities that agree, one tells little that the others do not."""
        rng = np.random.default_rng(0)
        hidden = rng.normal(size=(200, 1))
        X = pack({m: hidden + 0.3 * rng.normal(size=(200, 3)) for m in "abc"})
        y = hidden[:, 0]
        fusion = clone(fusion).fit(X[:150], y[:150])
        ridge = RidgeCV().fit(fusion.transform(X[:150]), y[:150])
        gaps = X[150:].copy()
        for k in range(3):
            gaps.iloc[k::3, 3 * k : 3 * k + 3] = np.nan
        assert ridge.score(fusion.transform(X[150:]), y[150:]) > 0.85
        assert ridge.score(fusion.transform(gaps), y[150:]) > 0.75

    @every
    def test_a_modality_that_every_row_lacks(self, fusion):
        X, y = frame()
        gone = X.copy()
        gone[columns(X, "table")] = np.nan
        with pytest.warns(UserWarning, match="Every row lacks the modality 'table'"):
            fusion = clone(fusion).fit(gone, y)
        assert fusion.modalities_ == ["text", "audio"]
        without = X.drop(columns=columns(X, "table"))
        expected = clone(fusion).fit_transform(without, y)
        pd.testing.assert_frame_equal(fusion.transform(X), expected)

    @needs_two
    def test_one_modality_where_two_are_needed(self, fusion):
        X, y = frame()
        words = "needs 2 modalities.*found 'text'.*BlockPCAFusion and KernelFusion"
        with pytest.raises(ValueError, match=words):
            clone(fusion).fit(X[columns(X, "text")], y)
        with pytest.raises(ValueError, match="found 'x'"):
            clone(fusion).fit(X[columns(X, "text")].to_numpy(), y)

    @every
    def test_no_value_at_all(self, fusion):
        X, y = frame()
        with (
            pytest.warns(UserWarning, match="Every row lacks"),
            pytest.raises(ValueError, match="nothing to fuse"),
        ):
            clone(fusion).fit(X * np.nan, y)

    @every
    def test_infinity_and_other_columns_are_refused(self, fusion):
        X, y = frame()
        fusion = clone(fusion).fit(X, y)
        with pytest.raises(ValueError, match="feature names should match"):
            fusion.transform(X.rename(columns={"text__0": "text__a"}))
        X.iloc[2, 0] = np.inf
        with pytest.raises(ValueError, match="infinity"):
            fusion.transform(X)
        with pytest.raises(ValueError, match="infinity"):
            clone(fusion).fit(X, y)


class TestPipelines:
    @every
    def test_cross_validated_with_gaps_before_a_classifier(self, fusion):
        X, y = frame(240)
        rng = np.random.default_rng(0)
        for modality in ("text", "audio", "table"):
            X.loc[rng.random(240) < 0.2, columns(X, modality)] = np.nan
        model = make_pipeline(clone(fusion), LogisticRegression())
        scores = cross_validate(model, X, y, cv=3)["test_score"]
        assert scores.mean() > 0.9

    @pytest.mark.parametrize("name", ["BlockPCAFusion", "CCAFusion", "KernelFusion"])
    def test_searched(self, name):
        X, y = frame()
        model = Pipeline([("fusion", FUSIONS[name]), ("head", LogisticRegression())])
        search = GridSearchCV(model, {"fusion__n_components": [1, 2]}, cv=3).fit(X, y)
        assert search.best_score_ > 0.7
        assert search.best_params_["fusion__n_components"] in (1, 2)
        assert search.predict(X).shape == y.shape
