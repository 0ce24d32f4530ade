"""scikit-learn's checks, those that its suite leaves out included."""

import warnings

import pytest
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmultimodal.compose import ModalitySelector, ModalityTransformer

ESTIMATORS = [
    ModalityTransformer([("x", StandardScaler(), slice(0, None))]),
    ModalityTransformer(),
    ModalitySelector(),
]
BY_HAND = [
    "check_param_validation",
    "check_dataframe_column_names_consistency",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
]


@parametrize_with_checks(ESTIMATORS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=["list", "auto", "selector"])
@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(estimator, name):
    if name == "check_dataframe_column_names_consistency" and isinstance(
        estimator, ModalityTransformer
    ):
        pytest.skip("puts reordered columns right, as ColumnTransformer does")
    with warnings.catch_warnings():
        # these checks fit on a frame and transform an array, and the other way round
        warnings.filterwarnings("ignore", ".*X (has|does not have valid) feature names")
        getattr(estimator_checks, name)(type(estimator).__name__, estimator)
