"""imbalanced-learn's own suite of checks."""

import imblearn.over_sampling as over
import imblearn.under_sampling as under
import pytest
from imblearn.combine import SMOTEENN
from imblearn.utils.estimator_checks import parametrize_with_checks

from skmultimodal.sampling import ModalitySampler

INSTANCES = [
    ModalitySampler(over.RandomOverSampler(random_state=0)),
    ModalitySampler(over.SMOTE(random_state=0)),
    ModalitySampler(over.SMOTE(random_state=0), missing="drop"),
    ModalitySampler(over.ADASYN(random_state=0)),
    ModalitySampler(SMOTEENN(random_state=0)),
    ModalitySampler(under.RandomUnderSampler(random_state=0)),
    ModalitySampler(under.NearMiss()),
    ModalitySampler(under.TomekLinks()),
]
EXPECTED_FAILURES: dict[type, dict[str, str]] = {}


suite = parametrize_with_checks(
    INSTANCES,
    expected_failed_checks=lambda sampler: EXPECTED_FAILURES.get(type(sampler), {}),
)
names, checks = suite.args


# pytest wants a list where imbalanced-learn gives a generator
@pytest.mark.parametrize(names, list(checks), **suite.kwargs)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_imbalanced_learn(estimator, check):
    check(estimator)
