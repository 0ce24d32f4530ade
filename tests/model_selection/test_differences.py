"""Differences to the best single modality: their interval, and what is said of them."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from skmultimodal import pack
from skmultimodal.model_selection import compare_fusions, summarize_comparison

from ._comparing import QUICK, samples


def test_difference_and_interval_are_those_of_the_formula():
    X, y = samples()
    found = compare_fusions(X, y, ["concat"], estimator=QUICK, cv=4, random_state=0)
    scores = found.filter(like="fold_").to_numpy()
    single = found.index.get_loc(found[found.level == "single"]["mean"].idxmax())
    for row, gaps in zip(found.to_dict("records"), scores - scores[single]):
        error = np.sqrt(gaps.var(ddof=1) * (1 / 4 + 30 / 90))
        low, high = stats.t.interval(0.95, df=3, loc=gaps.mean(), scale=error or 1)
        if error:
            np.testing.assert_allclose([row["low"], row["high"]], [low, high])
        np.testing.assert_allclose(row["difference"], gaps.mean(), atol=1e-12)
    np.testing.assert_allclose(found["sd"], scores.std(axis=1, ddof=1))


def test_summary_does_not_depend_on_the_order_of_rows():
    X, y = samples()
    found = compare_fusions(X, y, ["concat"], estimator=QUICK, cv=3, random_state=0)
    said = found.attrs["summary"]
    assert summarize_comparison(found.sort_values("mean")) == said


def test_fusion_that_alone_can_tell_is_better_beyond_noise():
    """The signs of two modalities agree or not: neither knows anything alone."""
    rng = np.random.default_rng(0)
    left, right = rng.choice([-1.0, 1.0], (2, 240))
    noise = 0.2 * rng.normal(size=(2, 240, 2))
    X = pack({"left": left[:, None] + noise[0], "right": right[:, None] + noise[1]})
    product = make_pipeline(
        PolynomialFeatures(2, include_bias=False), LogisticRegression()
    )
    found = compare_fusions(
        X, left == right, {"product": product}, estimator=QUICK, cv=4, random_state=0
    )
    assert found.loc["product", "low"] > 0.2
    said = found.attrs["summary"]
    assert said.startswith("Fusion beats the best single modality beyond noise.")
    assert "product, accuracy 1, is" in said
    assert "Of 3 fusions, better beyond noise: 1; worse: 0." in said


def test_a_modality_of_noise_adds_nothing_and_the_words_say_so():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=200)
    text = rng.normal(size=(200, 3)) + y[:, None]
    X = pack({"text": text, "noise": rng.normal(size=(200, 3))})
    found = compare_fusions(X, y, ["block_pca"], estimator=QUICK, random_state=0)
    assert found.attrs["best_single"].startswith("text alone")
    assert (found["low"][found.level != "single"] <= 0).all()
    said = found.attrs["summary"]
    assert said.startswith("No fusion beats the best single modality beyond noise.")


TABLE = pd.DataFrame(
    {
        "level": ["single", "single", "feature", "relational", "relational"],
        "mean": [0.70, 0.60, 0.81, 0.55, np.nan],
        "difference": [0.0, -0.10, 0.11, -0.15, np.nan],
        "low": [0.0, -0.15, 0.04, -0.20, np.nan],
        "high": [0.0, -0.05, 0.18, -0.10, np.nan],
        **{f"fold_{k}": [0.7, 0.6, 0.8, 0.55, np.nan] for k in range(5)},
    },
    index=["text alone", "image alone", "concat", "cca", "kernel"],
)


def test_summary_tells_better_worse_and_failed():
    said = summarize_comparison(TABLE)
    assert "concat, score 0.81, is 0.11 above the best single modality" in said
    assert "95 % interval +0.04 to +0.18" in said
    assert "Of 2 fusions, better beyond noise: 1; worse: 1. Failed: kernel." in said


def test_summary_warns_of_luck_among_many():
    # two fusions, four degrees of freedom: 97.5 % and 98.75 % quantiles of Student's t
    one, both = stats.t.ppf([0.975, 0.9875], 4)
    luck = "the interval that holds for all of them at once contains zero"
    for low, lucky in ((0.01, True), (0.04, False)):
        table = TABLE.copy()
        table.loc["concat", "low"] = low
        assert bool(0.11 - (0.11 - low) * both / one < 0) is lucky
        assert (luck in summarize_comparison(table)) is lucky


def test_summary_of_a_table_without_its_reference_is_refused():
    with pytest.raises(ValueError, match="lost the row of the best single modality"):
        summarize_comparison(TABLE.drop(index="text alone"))
    with pytest.raises(ValueError, match="no column 'low'"):
        summarize_comparison(TABLE.drop(columns="low"))
