"""imbalanced-learn's own suite of checks."""

import imblearn.over_sampling as over
import imblearn.under_sampling as under
import pytest
from imblearn.combine import SMOTEENN
from imblearn.utils.estimator_checks import parametrize_with_checks

from skmultimodal.sampling import ModalityAugmenter, ModalitySampler

INSTANCES = [
    ModalitySampler(over.RandomOverSampler(random_state=0)),
    ModalitySampler(over.SMOTE(random_state=0)),
    ModalitySampler(over.SMOTE(random_state=0), missing="drop"),
    ModalitySampler(over.ADASYN(random_state=0)),
    ModalitySampler(SMOTEENN(random_state=0)),
    ModalitySampler(under.RandomUnderSampler(random_state=0)),
    ModalitySampler(under.NearMiss()),
    ModalitySampler(under.TomekLinks()),
    ModalityAugmenter(random_state=0),
    ModalityAugmenter(sampling_strategy="not majority", random_state=0),
]
_ANY_TARGET = (
    "copies of all rows are made for any target, regression and multilabel included; "
    "with a sampling_strategy, which needs classes, the check passes"
)
EXPECTED_FAILURES = dict.fromkeys(
    ["check_target_type", "check_samplers_one_label"], _ANY_TARGET
)


def expected_failures(sampler):
    if isinstance(sampler, ModalityAugmenter) and sampler.sampling_strategy is None:
        return EXPECTED_FAILURES
    return {}


suite = parametrize_with_checks(INSTANCES, expected_failed_checks=expected_failures)
names, checks = suite.args


# pytest wants a list where imbalanced-learn gives a generator
@pytest.mark.parametrize(names, list(checks), **suite.kwargs)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_imbalanced_learn(estimator, check):
    check(estimator)
