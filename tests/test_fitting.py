"""A method that fails leaves the estimator as it was."""

import pytest

from skmultimodal._fitting import keep_state_on_error


class Learner:
    def __init__(self, alpha=1):
        self.alpha = alpha

    @keep_state_on_error
    def fit(self, X, error=None):
        """Learn."""
        self.half_ = X
        self.__dict__.pop("learned_", None)
        if error is not None:
            raise error
        self.learned_ = X
        return self


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit()])
def test_attributes_come_back(error):
    learner = Learner().fit(1)
    before = dict(vars(learner))
    with pytest.raises(type(error)) as info:
        learner.fit(2, error=error)
    assert info.value is error
    assert vars(learner) == before == {"alpha": 1, "half_": 1, "learned_": 1}
    assert learner.fit(3).learned_ == 3


def test_a_first_fit_that_fails_leaves_nothing():
    learner = Learner()
    with pytest.raises(ValueError, match="x"):
        learner.fit(2, error=ValueError("x"))
    assert vars(learner) == {"alpha": 1}


def test_the_method_keeps_its_face():
    assert Learner.fit.__name__ == "fit"
    assert Learner.fit.__doc__ == "Learn."
