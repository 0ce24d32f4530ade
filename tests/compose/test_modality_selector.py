"""ModalitySelector keeps whole modalities, in the container they came in."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from skmultimodal import pack
from skmultimodal.compose import ModalitySelector


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    blocks = {
        "text": rng.normal(size=(12, 3)),
        "walk": rng.normal(size=(12, 2, 2)),
        "image": rng.normal(size=(12, 1)),
    }
    X = pack(blocks, index=[f"row {k}" for k in range(12)])
    X.iloc[3, :3] = np.nan
    return X


def test_keeps_what_is_named_in_the_order_of_x(X):
    select = ModalitySelector(["image", "text"])
    Z = select.fit_transform(X)
    pd.testing.assert_frame_equal(Z, X[["text__0", "text__1", "text__2", "image__0"]])
    assert select.modalities_ == ["text", "image"]
    assert list(select.get_feature_names_out()) == list(Z.columns)


def test_one_name_keeps_a_whole_sequence_and_none_keeps_all(X):
    Z = ModalitySelector("walk").fit_transform(X)
    assert list(Z.columns) == [c for c in X if c.startswith("walk")]
    pd.testing.assert_frame_equal(ModalitySelector().fit_transform(X), X)


def test_interleaved_columns_keep_their_places(X):
    mixed = X[X.columns[[0, 7, 1, 3, 2, 4, 5, 6]]]
    Z = ModalitySelector(["text", "image"]).fit_transform(mixed)
    assert list(Z.columns) == ["text__0", "image__0", "text__1", "text__2"]


def test_containers(X):
    select = ModalitySelector("text")
    P = pl.DataFrame({c: X[c].to_numpy() for c in X})
    Z = select.fit_transform(P)
    assert isinstance(Z, pl.DataFrame)
    assert Z.schema == {f"text__{k}": pl.Float32 for k in range(3)}
    whole = ModalitySelector().fit_transform(X.to_numpy())
    assert isinstance(whole, np.ndarray)
    assert whole.dtype == np.float32
    assert ModalitySelector("x").fit_transform(X.to_numpy()).shape == X.shape
    pd.testing.assert_frame_equal(
        select.set_output(transform="pandas").fit_transform(X), X.iloc[:, :3]
    )
    assert isinstance(
        select.set_output(transform="polars").fit_transform(X), pl.DataFrame
    )


def test_is_searched_in_a_pipeline(X):
    model = Pipeline(
        [("keep", ModalitySelector()), ("head", HistGradientBoostingClassifier())]
    )
    grid = {"keep__modalities": [None, "text", ["walk", "image"]]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise")
    search.fit(X, [0, 1] * 6)
    assert len(search.cv_results_["params"]) == 3


def test_bad_input_says_what_is_known(X):
    with pytest.raises(ValueError, match=r"no modality 'sound'; its .* 'text', 'walk'"):
        ModalitySelector(["text", "sound"]).fit(X)
    with pytest.raises(ValueError, match="keeps nothing"):
        ModalitySelector([]).fit(X)
    with pytest.raises(ValueError, match="no modality 'text'; its modalities are 'x'"):
        ModalitySelector("text").fit(X.to_numpy())
    select = ModalitySelector("text").fit(X)
    with pytest.raises(ValueError, match="feature names should match"):
        select.transform(X[X.columns[::-1]])
    with pytest.raises(ValueError, match="no modality"):
        select.set_params(modalities="sound").fit(X)
    pd.testing.assert_frame_equal(select.transform(X), X.iloc[:, :3])
    assert not hasattr(clone(select), "modalities_")
