"""The scores of a search, by one of its parameters."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from skmultimodal.fusion import BottleneckFusion
from skmultimodal.inspection import SearchDisplay

X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X[:, 0] + 0.3 * X[:, 1] > 0).astype(int)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def results(**params):
    """As a search gives them: three candidates on two folds."""
    n = len(next(iter(params.values())))
    first, second = np.arange(n) / 10, np.arange(n) / 10 + 0.2
    columns = {}
    for name, values in params.items():
        column = np.ma.MaskedArray(np.empty(n, dtype=object), mask=True)
        for k, value in enumerate(values):
            if value is not None:
                column[k] = value
        columns[f"param_{name}"] = column
    rows = [
        {name: values[k] for name, values in params.items() if values[k] is not None}
        for k in range(n)
    ]
    return {
        **columns,
        "params": rows,
        "split0_test_score": first,
        "split1_test_score": second,
        "mean_test_score": (first + second) / 2,
    }


def labels(display):
    """From the top down."""
    return [tick.get_text() for tick in display.ax_.get_yticklabels()][::-1]


def test_a_row_a_value_best_first():
    found = results(head__fusion=["concat", "gated", "gated"], head__lr=[1, 1, 2])
    display = SearchDisplay(found, "head__fusion").plot()
    assert labels(display) == ["gated", "concat"]
    assert display.ax_.get_ylabel() == "head__fusion"
    said = [text.get_text() for text in display.ax_.texts]
    assert said == ["0.100  lr=1", "0.300  lr=2"]


def test_folds_and_means_are_where_they_belong():
    found = results(lr=[0.1, 0.2])
    display = SearchDisplay(found, "lr").plot()
    folds = [np.sort(c.get_offsets()[:, 0]) for c in display.ax_.collections]
    np.testing.assert_allclose(np.sort(folds, axis=0), [[0.0, 0.2], [0.1, 0.3]])
    means = sorted(float(line.get_xdata()[0]) for line in display.ax_.lines[1::2])
    assert means == pytest.approx([0.1, 0.2])


def test_numbers_stand_in_their_order():
    display = SearchDisplay(results(lr=[0.1, 0.001, 0.01]), "lr").plot()
    assert labels(display) == ["0.001", "0.01", "0.1"]


def test_fusions_are_named_in_short_and_what_was_not_set_says_so():
    found = results(fusion=[BottleneckFusion(n_tokens=8), "concat", None])
    assert labels(SearchDisplay(found, "fusion").plot()) == [
        "(not set)",
        "concat",
        "bottleneck(n_tokens=8)",
    ]


def test_what_failed_has_no_point():
    found = results(lr=[0.1, 0.2])
    for name in ("split0_test_score", "split1_test_score", "mean_test_score"):
        found[name] = found[name].copy()
        found[name][0] = np.nan
    display = SearchDisplay(found, "lr").plot()
    assert len(display.ax_.collections) == 1
    assert "failed" in [text.get_text() for text in display.ax_.texts]


def test_from_any_search():
    search = GridSearchCV(
        LogisticRegression(),
        {"C": [0.1, 1.0], "fit_intercept": [True, False]},
        scoring=["accuracy", "roc_auc"],
        refit="roc_auc",
        cv=3,
    ).fit(X, Y)
    display = SearchDisplay.from_search(search)
    assert labels(display) == ["0.1", "1"]
    assert display.ax_.get_xlabel() == "roc auc"
    other = SearchDisplay.from_search(
        search, parameter="fit_intercept", score="accuracy", ax=display.ax_
    )
    assert other.figure_ is display.figure_
    with pytest.raises(ValueError, match=r"parameter='lr' .* has \['C', 'fit_inte"):
        SearchDisplay.from_search(search, parameter="lr")
    with pytest.raises(ValueError, match="score='f1'"):
        SearchDisplay.from_search(search, score="f1")


def test_the_best_of_a_halving_search_is_that_of_the_last_round():
    found = results(lr=[0.1, 0.2, 0.3])
    found["iter"] = np.array([1, 0, 0])
    display = SearchDisplay(found, "lr").plot()
    colours = {text.get_text(): text.get_color() for text in display.ax_.texts}
    assert colours["0.100"] != colours["0.200"] == colours["0.300"]
