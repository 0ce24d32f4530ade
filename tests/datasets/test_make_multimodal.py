"""Drawn data hold the information that they say they hold, where they say it is."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare, multivariate_normal
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from skmultimodal import unpack
from skmultimodal.datasets import (
    make_multimodal_classification,
    make_multimodal_regression,
)
from skmultimodal.heads import FusionClassifier

TWO = {"a": 3, "b": 4}
MAKERS = [make_multimodal_classification, make_multimodal_regression]


def drawn(n=3000, modalities=TWO, **options):
    shares = {"redundant": 0, "unique": 0, "synergistic": 0}
    options = {"random_state": 0, "return_X_y": False, **shares, **options}
    return make_multimodal_classification(n, modalities, **options)


def drawn_number(n=3000, modalities=TWO, **options):
    shares = {"redundant": 0, "unique": 0, "synergistic": 0}
    options = {"random_state": 0, "return_X_y": False, **shares, **options}
    return make_multimodal_regression(n, modalities, **options)


def score(model, X, y):
    """On the second half of the rows, by a model of the first."""
    half = len(y) // 2
    return model.fit(X[:half], y[:half]).score(X[half:], y[half:])


def products(X):
    blocks = [block.reshape(len(X), -1) for block in unpack(X).values()]
    return np.einsum("ni,nj->nij", *blocks).reshape(len(X), -1)


# -- who can tell ---------------------------------------------------------------------


def test_redundant_each_modality_tells_the_same():
    data = drawn(redundant=0.8)
    blocks = unpack(data.X)
    for block in [blocks["a"], blocks["b"], data.X]:
        assert score(LogisticRegression(), np.asarray(block), data.y) > 0.85
    told = data.source != "nobody"
    assert np.mean(told) == pytest.approx(0.8, abs=0.02)
    guesses = [
        LogisticRegression().fit(b[told], data.y[told]).predict(b[told])
        for b in blocks.values()
    ]
    assert np.mean(guesses[0] == guesses[1]) > 0.99


def test_unique_only_one_modality_tells():
    data = drawn(unique={"a": 0.8})
    blocks = unpack(data.X)
    assert score(LogisticRegression(), blocks["a"], data.y) > 0.85
    for model in [LogisticRegression(), SVC(), KNeighborsClassifier(20)]:
        assert score(model, blocks["b"], data.y) == pytest.approx(0.5, abs=0.04)


def test_unique_is_split_evenly_and_speaks_in_different_rows():
    data = drawn(unique=1.0)
    for name, block in unpack(data.X).items():
        mine = data.source == f"unique: {name}"
        assert np.mean(mine) == pytest.approx(0.5, abs=0.03)
        model = LogisticRegression().fit(block, data.y)
        assert model.score(block[mine], data.y[mine]) > 0.99
        assert model.score(block[~mine], data.y[~mine]) < 0.56
    assert data.bayes.loc["a + b", "accuracy"] > 0.99


def test_synergistic_no_modality_alone_tells_anything():
    data = drawn(synergistic=0.8)
    for block in unpack(data.X).values():
        for model in [LogisticRegression(), SVC(), KNeighborsClassifier(20)]:
            assert score(model, block, data.y) == pytest.approx(0.5, abs=0.04)
    together = data.X.to_numpy()
    assert score(LogisticRegression(), together, data.y) < 0.55
    assert score(LogisticRegression(), products(data.X), data.y) > 0.85
    assert score(SVC(), together, data.y) > 0.85


def test_synergy_of_three_needs_all_three():
    data = drawn(modalities={"a": 1, "b": 1, "c": 1}, synergistic=1, noise=0)
    signs = data.X.to_numpy() > 0
    y = data.y.astype(bool)
    for left_out in range(3):
        pair = np.delete(signs, left_out, axis=1) @ [1, 2]
        counts = np.bincount(pair * 2 + y, minlength=8)
        assert chisquare(counts).pvalue > 0.01
    parity = np.logical_xor.reduce(signs, axis=1)
    assert np.mean(parity == y) in (0, 1)
    assert data.bayes["share"].round(6).tolist() == [0] * 7 + [1]


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_without_noise_shares_add_up(n_classes):
    shares = {"redundant": 0.2, "unique": {"a": 0.1, "b": 0.3}, "synergistic": 0.25}
    data = drawn(
        20_000, {"a": 12, "b": 12}, n_classes=n_classes, noise=0, **shares
    ).bayes
    expected = {"nothing": 0, "a": 0.3, "b": 0.5, "a + b": 0.85}
    assert data["share"].to_dict() == pytest.approx(expected, abs=0.015)
    chance = 1 / n_classes
    accuracy = {k: v + (1 - v) * chance for k, v in expected.items()}
    assert data["accuracy"].to_dict() == pytest.approx(accuracy, abs=0.015)
    bits = {k: v * np.log2(n_classes) for k, v in expected.items()}
    assert data["information"].to_dict() == pytest.approx(bits, abs=0.03)


def test_groups_share_what_a_dict_says():
    three = {"a": 4, "b": 4, "c": 4}
    data = drawn(
        20_000,
        three,
        noise=0,
        redundant={("a", "b"): 0.3},
        synergistic={("b", "c"): 0.4},
    )
    share = data.bayes["share"].round(2).to_dict()
    expected = {"nothing": 0, "a": 0.3, "b": 0.3, "c": 0}
    expected |= {"a + b": 0.3, "a + c": 0.3, "b + c": 0.7, "a + b + c": 0.7}
    assert share == pytest.approx(expected, abs=0.015)
    assert data.sources["share"].to_dict() == pytest.approx(
        {"redundant: a + b": 0.3, "synergistic: b + c": 0.4, "nobody": 0.3}
    )


# -- the probabilities are exact ------------------------------------------------------


def test_probabilities_are_those_of_the_mixture():
    """Against densities of all features, summed over every way to draw a row."""
    noise = 0.7
    data = drawn(
        400,
        {"a": 3, "b": 3},
        redundant=0.3,
        unique={"b": 0.2},
        synergistic=0.3,
        noise=noise,
        weights=[0.7, 0.3],
        missing={"a": [0.1, 0.5]},
    )
    blocks = unpack(data.X)
    # Directions are learned from rows without noise that the same seed gives.
    quiet = drawn(
        400,
        {"a": 3, "b": 3},
        redundant=0.3,
        unique={"b": 0.2},
        synergistic=0.3,
        noise=0,
        weights=[0.7, 0.3],
    )
    clean = unpack(quiet.X)

    def centre(modality, source, sign):
        rows = (quiet.source == source) & (quiet.y == 1)
        points = np.unique(clean[modality][rows].round(4), axis=0)
        return sign * points[-1]

    def density(modality, centre):
        x = blocks[modality]
        found = multivariate_normal(centre, noise**2 * np.eye(3)).pdf(np.nan_to_num(x))
        return np.where(np.isnan(x).any(axis=1), 1.0, found)

    nil = np.zeros(3)
    likelihood = np.zeros((400, 2))
    for y, sign in enumerate([-1, 1]):
        r, u = "redundant: a + b", "unique: b"
        s = "synergistic: a + b"
        told = [density(m, centre(m, r, sign)) for m in "ab"]
        likelihood[:, y] += 0.3 * told[0] * told[1]
        likelihood[:, y] += 0.2 * density("a", nil) * density("b", centre("b", u, sign))
        likelihood[:, y] += 0.2 * density("a", nil) * density("b", nil)
        rows = (quiet.source == s) & (quiet.y == y)
        pairs = np.unique(np.hstack([clean["a"], clean["b"]])[rows].round(4), axis=0)
        assert len(pairs) == 2
        for pair in pairs:
            likelihood[:, y] += 0.15 * density("a", pair[:3]) * density("b", pair[3:])
    gone = np.isnan(blocks["a"]).any(axis=1)
    for y, (prior, rate) in enumerate([(0.7, 0.1), (0.3, 0.5)]):
        likelihood[:, y] *= prior * np.where(gone, rate, 1 - rate)
    expected = likelihood / likelihood.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(data.proba, expected, atol=2e-3)


@pytest.mark.parametrize("missing", [0, 0.3, {"a": [0.1, 0.2, 0.8]}])
def test_probabilities_are_calibrated(missing):
    options = {"redundant": 0.25, "unique": 0.25, "synergistic": 0.25}
    data = drawn(
        20_000,
        {"a": 6, "b": (4, 7)},
        n_classes=3,
        noise=0.4,
        missing=missing,
        **options,
    )
    np.testing.assert_allclose(data.proba.sum(axis=1), 1)
    bins = np.digitize(data.proba, np.linspace(0, 1, 11)[1:-1])
    for k in np.unique(bins):
        inside = bins == k
        hit = (data.y[:, None] == np.arange(3))[inside]
        assert hit.mean() == pytest.approx(data.proba[inside].mean(), abs=0.035)
    right = np.mean(data.proba.argmax(axis=1) == data.y)
    assert data.bayes.loc["a + b", "accuracy"] == pytest.approx(right, abs=0.01)


def test_no_model_beats_the_best_possible_one():
    data = drawn(6000, redundant=0.3, unique=0.2, synergistic=0.3, noise=0.5)
    half = np.arange(6000) >= 3000
    best = np.mean(data.proba[half].argmax(axis=1) == data.y[half])
    joint = np.hstack([data.X, products(data.X)])
    models = [score(SVC(), joint, data.y), score(LogisticRegression(), joint, data.y)]
    assert best - 0.06 < max(models) < best + 0.01


def test_noise_costs_information():
    levels = [0, 0.25, 0.5, 1, 3]
    told = [drawn(redundant=1, noise=k).bayes["share"] for k in levels]
    joint = [share["a + b"] for share in told]
    assert joint == sorted(joint, reverse=True)
    assert joint[0] == pytest.approx(1)
    assert joint[-1] < 0.2
    assert told[2]["a"] < told[2]["a + b"]  # two noisy copies are better than one


# -- balance and absence --------------------------------------------------------------


def test_weights_are_the_proportions_of_the_classes():
    data = drawn(20_000, n_classes=3, weights=[0.7, 0.2], unique={"b": 0.5})
    np.testing.assert_allclose(
        np.bincount(data.y) / 20_000, [0.7, 0.2, 0.1], atol=0.015
    )
    assert data.bayes.loc["nothing", "accuracy"] == 0.7
    lopsided = drawn(weights=[1, 0], redundant=0.5)
    assert set(lopsided.y) == {0}
    assert not lopsided.bayes.isna().any(axis=None)


@pytest.mark.parametrize("make", MAKERS)
def test_a_missing_modality_is_missing_as_a_whole(make):
    X, _ = make(
        5000, {"a": 4, "b": (3, 4)}, missing={"a": 0.2, "b": 0.5}, random_state=0
    )
    gone = {n: np.isnan(b.reshape(5000, -1)) for n, b in unpack(X).items()}
    for name, rate in [("a", 0.2), ("b", 0.5)]:
        assert (gone[name].all(axis=1) == gone[name].any(axis=1)).all()
        assert gone[name].mean() == pytest.approx(rate, abs=0.02)
    both = gone["a"].any(axis=1) & gone["b"].any(axis=1)
    assert both.mean() == pytest.approx(0.1, abs=0.015)


def test_absence_may_depend_on_the_class_and_then_tells():
    data = drawn(10_000, missing={"a": [0.1, 0.9]})
    gone = np.isnan(unpack(data.X)["a"]).any(axis=1)
    rates = [gone[data.y == k].mean() for k in range(2)]
    np.testing.assert_allclose(rates, [0.1, 0.9], atol=0.02)
    assert data.bayes.loc["a", "accuracy"] == pytest.approx(0.9, abs=0.001)
    assert data.bayes.loc["b", "accuracy"] == pytest.approx(0.5, abs=0.001)


def test_absence_may_depend_on_the_number():
    data = drawn_number(10_000, redundant=0.5, missing={"a": (0.0, 1.0)})
    gone = np.isnan(unpack(data.X)["a"]).any(axis=1)
    rank = pd.Series(data.y).rank(pct=True).to_numpy()
    for low in [0, 0.25, 0.5, 0.75]:
        part = (rank > low) & (rank <= low + 0.25)
        assert gone[part].mean() == pytest.approx(low + 0.125, abs=0.03)


def test_a_partner_that_is_missing_leaves_synergy_untold():
    data = drawn(4000, synergistic=1.0, noise=0, missing={"a": 0.5})
    gone = np.isnan(unpack(data.X)["a"]).any(axis=1)
    np.testing.assert_allclose(data.proba[gone], 0.5)
    np.testing.assert_allclose(data.proba[~gone].max(axis=1), 1)


# -- sequences ------------------------------------------------------------------------


def test_a_sequence_tells_as_much_as_a_vector_by_its_mean():
    options = {"redundant": 0.9, "noise": 0.5}
    data = drawn(modalities={"a": 4, "b": (16, 4)}, **options)
    blocks = unpack(data.X)
    assert blocks["b"].shape == (3000, 16, 4)
    mean = score(LogisticRegression(), blocks["b"].mean(axis=1), data.y)
    step = score(LogisticRegression(), blocks["b"][:, 3], data.y)
    assert mean == pytest.approx(
        score(LogisticRegression(), blocks["a"], data.y), abs=0.02
    )
    assert 0.5 < step < mean - 0.1
    assert data.bayes.loc["a", "share"] == pytest.approx(
        data.bayes.loc["b", "share"], abs=0.02
    )


# -- regression -----------------------------------------------------------------------


def test_variance_without_noise_adds_up():
    data = drawn_number(
        20_000,
        noise=0,
        redundant=0.2,
        unique={"a": 0.1, "b": 0.3},
        synergistic=0.25,
    )
    expected = {"nothing": 0, "a": 0.3, "b": 0.5, "a + b": 0.85}
    assert data.bayes["r2"].to_dict() == pytest.approx(expected, abs=1e-3)
    assert data.y.var() == pytest.approx(1, abs=0.03)
    np.testing.assert_allclose(data.parts.sum(axis=1), data.y)
    shares = data.sources["share"]
    assert data.parts.var().to_dict() == pytest.approx(shares.to_dict(), abs=0.02)
    assert abs(np.corrcoef(data.parts.T) - np.eye(5)).max() < 0.03


def test_single_modalities_tell_their_part_of_the_number():
    data = drawn_number(redundant=0.3, unique={"a": 0.3}, synergistic=0.3, noise=0.2)
    blocks = unpack(data.X)
    joint = np.hstack([data.X, products(data.X)])
    for X, name in [(blocks["a"], "a"), (blocks["b"], "b"), (joint, "a + b")]:
        assert score(Ridge(), X, data.y) == pytest.approx(
            data.bayes.loc[name, "r2"], abs=0.05
        )


def test_synergy_in_regression_is_independent_of_each_modality():
    data = drawn_number(8000, {"a": 1, "b": 1}, synergistic=0.9, noise=0)
    a, b = (np.sign(block[:, 0]) for block in unpack(data.X).values())
    for sign in [a, b]:
        for moment in [1, 2, 4]:
            powers = data.y**moment
            gap = powers[sign > 0].mean() - powers[sign < 0].mean()
            assert abs(gap) < 4 * powers.std() / np.sqrt(2000)
    assert abs(np.corrcoef(a * b, data.y)[0, 1]) > 0.9


def test_the_expectation_is_that_of_the_model():
    data = drawn_number(
        20_000, redundant=0.3, unique=0.2, synergistic=0.4, noise=0.6, missing=0.2
    )
    residual = data.y - data.expected
    assert abs(residual.mean()) < 0.03
    assert abs(np.mean(residual * data.expected)) < 0.02
    r2 = 1 - np.mean(residual**2) / data.y.var()
    assert data.bayes.loc["a + b", "r2"] == pytest.approx(r2, abs=0.015)


# -- conventions ----------------------------------------------------------------------


@pytest.mark.parametrize("make", MAKERS)
def test_a_seed_gives_the_same_rows_with_and_without_who_knows_what(make):
    X, y = make(50, missing=0.3, random_state=3)
    data = make(50, missing=0.3, random_state=3, return_X_y=False)
    pd.testing.assert_frame_equal(X, data.X)
    np.testing.assert_array_equal(y, data.y)
    other, _ = make(50, missing=0.3, random_state=4)
    assert not other.equals(X)
    assert (X.dtypes == np.float32).all()
    assert [block.shape for block in unpack(X).values()] == [(50, 8), (50, 8)]


@pytest.mark.parametrize("make", MAKERS)
def test_the_global_random_state_is_left_alone(make):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    make(10, random_state=0)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_a_head_learns_what_is_there():
    data = drawn(600, unique={"a": 0.9}, missing=0.1)
    head = FusionClassifier(max_epochs=20, random_state=0).fit(
        data.X[:400], data.y[:400]
    )
    assert head.score(data.X[400:], data.y[400:]) > 0.75


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_samples": 0}, ValueError, "n_samples=0"),
        ({"modalities": {}}, TypeError, "modalities= is a dict"),
        ({"modalities": {"a": 0}}, ValueError, "Modality 'a' is 0"),
        ({"modalities": {"a": (1, 2, 3)}}, ValueError, r"\(n_steps, n_features\)"),
        ({"modalities": {"a__b": 3}}, ValueError, "cannot name a modality"),
        ({"modalities": {"a": 9}}, ValueError, "redundant information is of two"),
        ({"modalities": {"a": 2, "b": 9}}, ValueError, "'a' has 2 features; 3 sources"),
        ({"redundant": 0.6}, ValueError, "shares add up to 1.2"),
        ({"unique": {"c": 0.1}}, ValueError, "names the modality 'c'"),
        ({"unique": {("text", "image"): 0.1}}, ValueError, "is of one modality"),
        ({"synergistic": {"text": 0.1}}, ValueError, "is of two modalities or more"),
        ({"synergistic": {("text", "text"): 0.1}}, ValueError, "is of two modalities"),
        ({"synergistic": -0.1}, ValueError, "has the share -0.1"),
        ({"redundant": None}, TypeError, "expected a share between 0 and 1"),
        ({"noise": -1}, ValueError, "noise=-1"),
        ({"missing": 2}, ValueError, "missing= of modality 'text' is 2"),
        ({"missing": {"c": 0.1}}, ValueError, "missing= names the modality 'c'"),
        ({"missing": {"text": [0.1] * 5}}, ValueError, "or 2 of them"),
    ],
)
def test_odd_arguments_say_what_is_expected(make, options, error, message):
    with pytest.raises(error, match=message):
        make(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_classes": 1}, "n_classes=1"),
        ({"weights": [0.5, 0.2, 0.3]}, "expected 2 proportions"),
        ({"weights": [0.5, 0.6]}, "expected 2 proportions"),
        ({"weights": [1.5]}, "expected 2 proportions"),
        ({"n_classes": 4}, r"8 features; 3 sources.*need 9 \(3 each\)"),
    ],
)
def test_odd_classes_say_what_is_expected(options, message):
    with pytest.raises(ValueError, match=message):
        make_multimodal_classification(**options)
