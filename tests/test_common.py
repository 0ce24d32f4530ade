"""Every public estimator, every check: scikit-learn's, and ours on mixed frames."""

import functools
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from . import _conformance as table

# --- scikit-learn's suite -------------------------------------------------------------


@parametrize_with_checks(
    [
        estimator
        for cls, group in table.INSTANCES.items()
        if cls not in table.ONE_COLUMN
        for estimator in group
    ],
    expected_failed_checks=table.expected_failures,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn(estimator, check):
    check(estimator)


def _by_hand():
    for cls, group in table.INSTANCES.items():
        transforms = hasattr(cls, "transform") and cls not in table.ONE_COLUMN
        names = table.BY_HAND if cls not in table.ONE_COLUMN else table.BY_HAND[:1]
        known = table.EXPECTED_FAILURES_BY_HAND.get(cls, {})
        for k, estimator in enumerate(group):
            for name in [*names, *table.BY_HAND_TRANSFORMERS * transforms]:
                marks = [pytest.mark.xfail(reason=known[name])] if name in known else []
                case = f"{cls.__name__}-{k}-{name}"
                yield pytest.param(estimator, name, marks=marks, id=case)


@pytest.mark.parametrize(("estimator", "name"), list(_by_hand()))
def test_scikit_learn_by_hand(estimator, name):
    with warnings.catch_warnings():
        # these checks fit on a frame and transform an array, and the other way round
        warnings.filterwarnings("ignore", ".*X (has|does not have valid) feature names")
        getattr(estimator_checks, name)(type(estimator).__name__, clone(estimator))


def test_no_public_estimator_is_left_out():
    assert set(table.INSTANCES) == table.public_estimators()
    tested = {table.stands_for(case.estimator) for case in table.CASES.values()}
    assert table.public_estimators() <= tested


def test_few_failures_are_expected_and_each_says_why():
    assert set(table.EXPECTED_FAILURES) <= set(table.INSTANCES)
    for failures in [
        *table.EXPECTED_FAILURES.values(),
        *table.EXPECTED_FAILURES_BY_HAND.values(),
    ]:
        assert len(failures) <= table.MOST_FAILURES
        for check, reason in failures.items():
            assert hasattr(estimator_checks, check)
            assert len(reason) > 30


def test_only_encoders_of_one_column_opt_out():
    opted_out = {
        cls
        for cls, group in table.INSTANCES.items()
        if any(not get_tags(estimator).input_tags.two_d_array for estimator in group)
    }
    assert opted_out == set(table.ONE_COLUMN)


# --- ours, on mixed frames ------------------------------------------------------------


def outputs(estimator, X):
    """What an estimator says of rows, as floats."""
    for method in ("predict_proba", "transform", "predict"):
        if hasattr(estimator, method):
            return np.asarray(getattr(estimator, method)(X), dtype=float)
    raise AssertionError(f"{estimator} says nothing of rows")


@functools.cache
def fitted(name):
    case = table.CASES[name]
    return clone(case.estimator).fit(case.X, case.y)


def same(found, expected, tolerance=1e-5):
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def without(X, rows, columns):
    """X with nothing in some cells."""
    X = X.copy()
    for column in columns:
        blank = np.zeros(len(X), dtype=bool)
        blank[rows] = True
        X[column] = X[column].mask(blank)
    return X


every = pytest.mark.parametrize("name", table.CASES)
predicting = pytest.mark.parametrize("name", table.PREDICTORS)
modalities = pytest.mark.parametrize(
    ("name", "modality"),
    [
        pytest.param(name, modality, id=f"{name}-{modality}")
        for name, case in {**table.COMPOSITIONS, **table.HEADS}.items()
        for modality in case.modalities
    ],
)


@predicting
def test_a_row_alone_is_the_row_in_a_batch(name):
    case, estimator = table.CASES[name], fitted(name)
    together = outputs(estimator, case.X)
    assert len(together) == len(case.X)
    for row in [0, 1, 2, 7, 13, 19, 30, 47]:
        same(outputs(estimator, case.X.iloc[[row]]), together[[row]], case.tolerance)


@predicting
def test_the_order_of_rows_does_not_matter(name):
    case, estimator = table.CASES[name], fitted(name)
    order = np.random.default_rng(0).permutation(len(case.X))
    expected = outputs(estimator, case.X)[order]
    same(outputs(estimator, case.X.iloc[order]), expected, case.tolerance)


@pytest.mark.parametrize(
    "name", [name for name, c in table.PREDICTORS.items() if c.X.shape[1] > 1]
)
def test_reordered_columns_raise_or_are_put_right(name):
    case, estimator = table.CASES[name], fitted(name)
    turned = case.X[case.X.columns[::-1]]
    if case.reorders:
        same(outputs(estimator, turned), outputs(estimator, case.X), 0)
    else:
        with pytest.raises(ValueError, match="in the same order"):
            outputs(estimator, turned)


@predicting
def test_a_renamed_column_is_named(name):
    case, estimator = table.CASES[name], fitted(name)
    first = case.X.columns[0]
    with pytest.raises(ValueError, match=first):
        outputs(estimator, case.X.rename(columns={first: "other"}))


@modalities
def test_a_modality_missing_in_all_rows_at_predict(name, modality):
    case, estimator = table.CASES[name], fitted(name)
    X = without(case.X, slice(None), case.modalities[modality])
    found = outputs(estimator, X)
    if hasattr(estimator, "transform"):
        names = np.asarray(estimator.get_feature_names_out(), dtype=str)
        gone = np.char.startswith(names, f"{modality}__")
        assert gone.any()
        assert np.isnan(found[:, gone]).all()
        same(found[:, ~gone], outputs(estimator, case.X)[:, ~gone])
    else:
        assert np.isfinite(found).all()
        assert not np.allclose(found, outputs(estimator, case.X))


@modalities
def test_a_modality_missing_in_one_row(name, modality):
    case, estimator = table.CASES[name], fitted(name)
    X = without(case.X, [40], case.modalities[modality])
    found, before = outputs(estimator, X), outputs(estimator, case.X)
    others = np.arange(len(X)) != 40
    same(found[others], before[others])
    assert not np.allclose(found[40], before[40])
    if not hasattr(estimator, "transform"):
        assert np.isfinite(found[40]).all()


@modalities
def test_a_modality_missing_in_all_rows_at_fit(name, modality):
    case = table.CASES[name]
    X = without(case.X, slice(None), case.modalities[modality])
    estimator = clone(case.estimator)
    if name.startswith("ModalitySelector"):
        estimator.fit(X)  # it selects columns, and looks at no cell
        return
    columns = "|".join(case.modalities[modality])
    with pytest.warns(UserWarning, match=f"'({modality}|{columns})'.* missing|lacks"):
        estimator.fit(X, case.y)
    # and what comes later of it changes nothing
    same(outputs(estimator, case.X), outputs(estimator, X))


@pytest.mark.parametrize("name", table.SAMPLERS)
def test_samplers_leave_an_absent_modality_absent(name):
    case = table.CASES[name]
    for columns in case.modalities.values():
        X = without(case.X, slice(None), columns)
        X_new, y_new = clone(case.estimator).fit_resample(X, case.y)
        assert len(X_new) == len(y_new) != len(X)
        assert X_new[columns].isna().all(axis=None)


@pytest.mark.parametrize("name", table.SAMPLERS)
def test_samplers_give_whole_modalities_or_none(name):
    case = table.CASES[name]
    X_new, _ = clone(case.estimator).fit_resample(case.X, case.y)
    if "raw" in name:
        originals = case.X.loc[X_new.index]
        pd.testing.assert_frame_equal(X_new.isna(), originals.isna())
        if "Augmenter" not in name:
            pd.testing.assert_frame_equal(X_new, originals)
        return
    for columns in case.modalities.values():
        steps = X_new[columns].isna().to_numpy().reshape(len(X_new), -1, 1)
        if columns[0].startswith("audio"):
            steps = steps.reshape(len(X_new), 4, 2)
        else:
            steps = steps.reshape(len(X_new), 1, -1)
        assert (steps.all(axis=2) == steps.any(axis=2)).all()


def state_of_chance():
    numpy = np.random.get_state()  # noqa: NPY002
    return numpy[1].tolist(), numpy[2:], torch.get_rng_state().tolist()


def results(estimator, X, y):
    if hasattr(estimator, "fit_resample"):
        X_new, y_new = estimator.fit_resample(X, y)
        return X_new, np.asarray(y_new)
    return pd.DataFrame(outputs(estimator.fit(X, y), X)), y


@every
def test_the_same_seed_gives_the_same_and_no_global_state_is_touched(name):
    case = table.CASES[name]
    expected, labels = results(clone(case.estimator), case.X, case.y)
    np.random.seed(7)  # noqa: NPY002
    torch.manual_seed(7)
    before = state_of_chance()
    found, found_labels = results(clone(case.estimator), case.X, case.y)
    assert state_of_chance() == before
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    np.testing.assert_array_equal(found_labels, labels)


@pytest.mark.parametrize(
    "name",
    # samplers of imbalanced-learn draw from NumPy's state where they have no seed
    [
        name
        for name, case in table.PREDICTORS.items()
        if "random_state" in repr(case.estimator) and "sampler" not in name
    ],
)
def test_without_a_seed_no_global_state_is_touched_either(name):
    case = table.CASES[name]
    unseeded = {k: None for k in case.estimator.get_params() if "random_state" in k}
    before = state_of_chance()
    results(clone(case.estimator).set_params(**unseeded), case.X, case.y)
    assert state_of_chance() == before


@every
def test_the_frame_and_the_target_are_left_as_they_were(name):
    case = table.CASES[name]
    y = pd.Series(case.y, index=case.X.index)
    before = contents(case.X), contents(y.to_frame())
    results(clone(case.estimator), case.X, y)
    assert (contents(case.X), contents(y.to_frame())) == before


def contents(X):
    """Names, types and cells; a frame's own pickle changes with what it has cached."""
    if not isinstance(X, pd.DataFrame):
        return pickle.dumps(np.asarray(X))
    cells = [[pickle.dumps(cell) for cell in X[name]] for name in X]
    return list(X.columns), list(X.dtypes), list(X.index), cells


@every
def test_clones_are_equal_and_not_fitted(name):
    case = table.CASES[name]
    before = repr(case.estimator)
    copy = clone(fitted(name))
    assert repr(copy) == repr(case.estimator) == before
    assert not [a for a in vars(copy) if a.endswith("_") and not a.startswith("_")]
    assert set(copy.get_params()) == set(case.estimator.get_params())


@every
def test_pickles(name):
    case, estimator = table.CASES[name], fitted(name)
    again = pickle.loads(pickle.dumps(estimator))
    if hasattr(estimator, "fit_resample"):
        X_new, _ = again.fit_resample(case.X, case.y)
        expected, _ = clone(estimator).fit_resample(case.X, case.y)
        pd.testing.assert_frame_equal(X_new, expected)
    else:
        np.testing.assert_array_equal(
            outputs(again, case.X), outputs(estimator, case.X)
        )


def parts_of_sampler(estimator):
    names = "sampler_", "augmentations_"
    held = [vars(estimator).get(name) for name in names]
    return [None if part is None else pickle.dumps(part) for part in held]


@every
def test_a_failed_fit_leaves_the_fitted_estimator_usable(name):
    case = table.CASES[name]
    estimator = clone(case.estimator).fit(case.X, case.y)
    if hasattr(estimator, "fit_resample"):
        estimator.fit_resample(case.X, case.y)
    before = parts_of_sampler(estimator)
    y = case.y[:-1] if is_classifier(estimator) or is_regressor(estimator) else case.y
    with pytest.raises(ValueError, match=r"inconsistent|0 row|no rows|0 sample"):
        estimator.fit(case.X if len(y) < len(case.X) else case.X.iloc[:0], y)
    if hasattr(estimator, "fit_resample"):
        assert any(before)
        assert parts_of_sampler(estimator) == before
    else:
        expected = outputs(fitted(name), case.X)
        np.testing.assert_array_equal(outputs(estimator, case.X), expected)
