"""Pictures: what stands where, and that all of it can be read."""

import itertools
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color, to_rgba
from matplotlib.text import Text

from skmultimodal.heads import FusionClassifier
from skmultimodal.inspection import (
    FusionComparisonDisplay,
    MissingModalityDisplay,
    TrainingCurveDisplay,
)

COLUMNS = ["level", "mean", "difference", "low", "high", "fit_seconds"]


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def table():
    rows = {
        "image alone": ("single", 0.60, -0.10, -0.16, -0.04, 0.21),
        "text alone": ("single", 0.70, 0.0, 0.0, 0.0, 0.2),
        "voting": ("decision", 0.72, 0.02, -0.03, 0.07, 0.01),
        "gated": ("feature", 0.80, 0.10, 0.04, 0.16, 14.2),
        "concat": ("feature", 0.74, 0.04, -0.01, 0.09, 660.0),
    }
    results = pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS)
    for k, shift in enumerate((-0.02, 0.02)):
        results[f"fold_{k}"] = results["mean"] + shift
    results.attrs["scoring"] = "balanced_accuracy"
    return results


def many(n_rows=25):
    """As many candidates as there are ever likely to be, with long names."""
    rng = np.random.default_rng(0)
    levels = ["single", "decision", "feature", "hierarchical", "relational"]
    results = pd.DataFrame(
        {
            "level": [levels[k % 5] for k in range(n_rows)],
            "mean": np.linspace(0.5, 0.9, n_rows),
            "fit_seconds": rng.uniform(0, 900, n_rows),
        },
        index=[f"some_fusion(n_layers={k}, n_tokens=4)" for k in range(n_rows)],
    )
    best = results.loc[results["level"] == "single", "mean"].max()
    results["difference"] = results["mean"] - best
    results["low"] = results["difference"] - 0.1
    results["high"] = results["difference"] + 0.1
    results.loc[results["difference"] == 0, ["low", "high"]] = 0.0
    for k in range(5):
        results[f"fold_{k}"] = results["mean"] + rng.normal(size=n_rows) / 20
    return results


def names(display):
    """From the top of the picture down."""
    ticks = zip(display.ax_.get_yticks(), display.ax_.get_yticklabels())
    return [label.get_text() for _, label in sorted(ticks, key=lambda t: -t[0])]


def place_of(display, name):
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    return display.ax_.get_yticks()[labels.index(name)]


def point(display, name):
    """The large point of a candidate."""
    place = place_of(display, name)
    (found,) = (
        line
        for line in display.ax_.lines
        if line.get_marker() == "o" and list(line.get_ydata()) == [place]
    )
    return found


def written(display):
    """All text of a picture that is to be seen."""
    display.figure_.canvas.draw()
    found = display.figure_.findobj(Text)
    return [t for t in found if t.get_text() and t.get_visible()]


def assert_all_inside(figure):
    """Nothing is cut off."""
    figure.canvas.draw()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= width
    assert box.y1 <= height


class TestComparison:
    @pytest.mark.parametrize(
        ("sort", "order"),
        [
            ("mean", ["gated", "concat", "voting", "text alone", "image alone"]),
            ("level", ["text alone", "image alone", "voting", "gated", "concat"]),
            (None, ["image alone", "text alone", "voting", "gated", "concat"]),
        ],
    )
    def test_order_of_rows(self, sort, order):
        assert names(FusionComparisonDisplay.from_results(table(), sort=sort)) == order

    def test_points_stand_at_means_and_folds(self):
        display = FusionComparisonDisplay.from_results(table())
        for name, row in table().iterrows():
            assert list(point(display, name).get_xdata()) == [row["mean"]]
        folds = [c.get_offsets()[:, 0] for c in display.ax_.collections]
        expected = table().sort_values("mean", ascending=False)[["fold_0", "fold_1"]]
        np.testing.assert_allclose(folds, expected)

    def test_a_bar_reaches_the_line_where_the_difference_is_within_noise(self):
        display = FusionComparisonDisplay.from_results(table())
        dashed = [line for line in display.ax_.lines if line.get_linestyle() == "--"]
        assert [line.get_xdata()[0] for line in dashed] == [0.70]
        bars = {
            line.get_ydata()[0]: line.get_xdata()
            for line in display.ax_.lines
            if len(line.get_xdata()) == 2 and line not in dashed
        }
        assert len(bars) == 4  # not of the best single modality
        expected = {
            "image alone": (0.54, 0.66),
            "voting": (0.67, 0.77),
            "gated": (0.74, 0.86),
            "concat": (0.69, 0.79),
        }
        for name, ends in expected.items():
            np.testing.assert_allclose(bars[place_of(display, name)], ends)

    def test_points_are_filled_where_the_difference_is_beyond_noise(self):
        display = FusionComparisonDisplay.from_results(table())
        filled = {
            name
            for name in table().index
            if not same_color(point(display, name).get_markerfacecolor(), "white")
        }
        assert filled == {"gated", "image alone", "text alone"}

    def test_levels_have_a_colour_each_and_stand_in_the_legend(self):
        display = FusionComparisonDisplay.from_results(table())
        colours = {
            level: {
                to_rgba(point(display, name).get_markeredgecolor())
                for name in table().index[table()["level"] == level]
            }
            for level in ("single", "decision", "feature")
        }
        assert all(len(found) == 1 for found in colours.values())
        assert len(set.union(*colours.values())) == 3
        legend = display.ax_.get_legend()
        shown = dict(
            zip([t.get_text() for t in legend.get_texts()], legend.get_lines())
        )
        assert list(shown)[:3] == ["single", "decision", "feature"]
        for level, found in colours.items():
            assert {to_rgba(shown[level].get_color())} == found

    def test_means_and_seconds_are_written(self):
        texts = [
            t.get_text() for t in FusionComparisonDisplay(table()).plot().ax_.texts
        ]
        assert {"0.800", "0.740", "0.720", "0.700", "0.600"} <= set(texts)
        assert {"14 s", "11 min", "<0.1 s", "0.2 s", "mean", "fit"} <= set(texts)

    def test_score_is_named(self):
        display = FusionComparisonDisplay.from_results(table())
        assert display.ax_.get_xlabel() == "balanced accuracy"
        assert FusionComparisonDisplay(many()).plot().ax_.get_xlabel() == "score"

    def test_highlighted_rows_are_bold(self):
        display = FusionComparisonDisplay.from_results(table(), highlight="gated")
        bold = [t.get_text() for t in written(display) if t.get_fontweight() == "bold"]
        assert sorted(bold) == ["0.800", "gated"]

    def test_a_candidate_that_failed_is_named_last(self):
        results = table()
        failed = ["mean", "difference", "low", "high", "fold_1"]
        results.loc["gated", failed] = np.nan
        display = FusionComparisonDisplay.from_results(results)
        assert names(display)[-1] == "gated"
        assert "failed" in [t.get_text() for t in display.ax_.texts]

    def test_a_score_far_below_does_not_press_the_others_together(self):
        results = table()
        scores = ["mean", "difference", "low", "high", "fold_0", "fold_1"]
        results.loc["concat", scores] -= 50
        display = FusionComparisonDisplay.from_results(results)
        left, right = display.ax_.get_xlim()
        assert right - left < 1
        arrows = [line for line in display.ax_.lines if line.get_marker() == "<"]
        assert [a.get_ydata()[0] for a in arrows] == [place_of(display, "concat")]
        assert left < arrows[0].get_xdata()[0] < right
        assert "-49.260" in [t.get_text() for t in display.ax_.texts]

    def test_twenty_five_rows_can_be_read(self):
        display = FusionComparisonDisplay.from_results(
            many(), highlight=list(many().index)
        )
        assert_all_inside(display.figure_)
        boxes = {t.get_text(): t.get_window_extent() for t in written(display)}
        rows = [boxes[name] for name in names(display)]
        assert len(rows) == 25
        for above, below in itertools.pairwise(rows):
            assert above.y0 >= below.y1
        assert display.ax_.get_position().width > 0.35

    def test_few_rows_with_short_names_can_be_read(self):
        assert_all_inside(FusionComparisonDisplay.from_results(table()[:2]).figure_)

    def test_given_axes_are_drawn_on(self):
        figure, axes = plt.subplots(1, 2)
        display = FusionComparisonDisplay.from_results(table(), ax=axes[1])
        assert display.ax_ is axes[1]
        assert display.figure_ is figure
        assert not axes[0].lines
        again = display.plot(ax=axes[0])
        assert again is display
        assert display.ax_ is axes[0]

    def test_without_single_modalities_there_is_no_line(self):
        results = table().loc[["gated", "concat"]]
        results[["difference", "low", "high"]] = np.nan
        display = FusionComparisonDisplay.from_results(results)
        assert not [line for line in display.ax_.lines if line.get_linestyle() == "--"]
        assert names(display) == ["gated", "concat"]

    @pytest.mark.parametrize(
        ("params", "match"),
        [
            ({"sort": "size"}, r"sort='size'.*'level'"),
            ({"highlight": "concta"}, r"'concta'.*no row.*'concat'"),
        ],
    )
    def test_bad_parameters(self, params, match):
        with pytest.raises(ValueError, match=match):
            FusionComparisonDisplay.from_results(table(), **params)

    def test_another_table(self):
        with pytest.raises(ValueError, match="no column 'low'"):
            FusionComparisonDisplay.from_results(table().drop(columns="low"))


class TestMissing:
    @pytest.fixture
    def curve(self):
        rows = [
            (name, share, repeat, 0.9 - fall * share + 0.01 * repeat * (0 < share < 1))
            for name, fall in [("any", 0.4), ("text", 0.3), ("image", 0.05)]
            for share in (0.0, 0.5, 1.0)
            for repeat in range(3)
        ]
        curve = pd.DataFrame(rows, columns=["modality", "fraction", "repeat", "score"])
        curve.attrs["scoring"] = "roc_auc"
        return curve

    def test_lines_are_means_and_bands_one_deviation(self, curve):
        ax = MissingModalityDisplay.from_results(curve).ax_
        lines = {line.get_label(): line for line in ax.lines}
        assert list(lines) == ["text", "image", "any, at random"]
        for name, scores in {
            "text": [0.9, 0.76, 0.6],
            "image": [0.9, 0.885, 0.85],
            "any, at random": [0.9, 0.71, 0.5],
        }.items():
            np.testing.assert_allclose(lines[name].get_xdata(), [0, 0.5, 1])
            np.testing.assert_allclose(lines[name].get_ydata(), scores)
        band = ax.collections[0].get_paths()[0].vertices
        middle = band[band[:, 0] == 0.5, 1]
        sd = np.std([0, 0.01, 0.02], ddof=1)
        np.testing.assert_allclose([middle.min(), middle.max()], [0.76 - sd, 0.76 + sd])

    def test_legend_has_the_order_of_the_ends(self, curve):
        legend = MissingModalityDisplay.from_results(curve).ax_.get_legend()
        texts = [text.get_text() for text in legend.get_texts()]
        assert texts == ["image", "text", "any, at random"]

    def test_axes_say_what_they_are_and_nothing_is_cut_off(self, curve):
        display = MissingModalityDisplay.from_results(curve)
        assert display.ax_.get_ylabel() == "roc auc"
        ticks = [label.get_text() for label in display.ax_.get_xticklabels()]
        assert ticks == ["0%", "50%", "100%"]
        assert_all_inside(display.figure_)

    def test_one_repeat_has_no_band(self, curve):
        display = MissingModalityDisplay.from_results(curve[curve["repeat"] == 0])
        band = display.ax_.collections[0].get_paths()[0].vertices
        middle = band[band[:, 0] == 0.5, 1]
        np.testing.assert_allclose(middle, 0.75)

    def test_given_axes_are_drawn_on(self, curve):
        _, ax = plt.subplots()
        assert MissingModalityDisplay(curve).plot(ax=ax).ax_ is ax

    def test_another_table(self, curve):
        with pytest.raises(ValueError, match="no column 'repeat'"):
            MissingModalityDisplay.from_results(curve.drop(columns="repeat"))


def training(valid=(0.9, 0.5, 0.6, 0.8), fold=0, kept=2):
    """Four epochs of a net."""
    curve = pd.DataFrame(
        {
            "fold": fold,
            "epoch": [1, 2, 3, 4],
            "train_loss": [0.8, 0.6, 0.3, 0.1],
            "valid_loss": valid,
            "lr": [0.002, 0.004, 0.003, 0.0],
        }
    )
    curve["kept"] = curve["epoch"] == kept
    curve.attrs["summary"] = "Validation loss was lowest long ago: it overfits. " * 3
    return curve


class TestTraining:
    def test_lines_are_losses_and_the_rate(self):
        display = TrainingCurveDisplay(training()).plot()
        lines = {line.get_label(): line for line in display.ax_.lines}
        for label, losses in {
            "training": [0.8, 0.6, 0.3, 0.1],
            "validation": [0.9, 0.5, 0.6, 0.8],
        }.items():
            np.testing.assert_array_equal(lines[label].get_xdata(), [1, 2, 3, 4])
            np.testing.assert_array_equal(lines[label].get_ydata(), losses)
        (rate,) = display.lr_ax_.lines
        np.testing.assert_array_equal(rate.get_ydata(), [0.002, 0.004, 0.003, 0.0])
        assert display.lr_ax_.get_xlim() == display.ax_.get_xlim()

    def test_the_epoch_kept_is_marked_and_named(self):
        display = TrainingCurveDisplay(training()).plot()
        lines = {line.get_label(): line for line in display.ax_.lines}
        point = lines["epoch 2, kept"]
        assert (point.get_xdata().tolist(), point.get_ydata().tolist()) == ([2], [0.5])

    def test_the_rise_of_validation_loss_is_tinted(self):
        display = TrainingCurveDisplay(training()).plot()
        band = display.ax_.collections[0].get_paths()[0].vertices
        assert band[:, 0].min() == 2
        last = band[band[:, 0] == 4, 1]
        assert (last.min(), last.max()) == (0.5, 0.8)

    def test_without_validation_the_training_loss_is_marked(self):
        display = TrainingCurveDisplay(training([np.nan] * 4, kept=4)).plot()
        lines = {line.get_label(): line for line in display.ax_.lines}
        assert "validation" not in lines
        assert lines["epoch 4, kept"].get_ydata().tolist() == [0.1]
        assert not display.ax_.collections

    def test_several_nets_share_a_legend(self):
        nets = [training(fold=fold, kept=fold + 1) for fold in range(3)]
        both = pd.concat(nets)
        display = TrainingCurveDisplay(both).plot()
        texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
        assert texts == ["training", "validation", "kept"]
        assert len(display.lr_ax_.lines) == 3

    @pytest.mark.parametrize("n_axes", [1, 2])
    def test_nothing_is_cut_off(self, n_axes):
        figure, axes = plt.subplots(
            1, n_axes, figsize=(7.2 * n_axes, 4.6), layout="constrained", squeeze=False
        )
        for ax in axes.flat:
            TrainingCurveDisplay(training()).plot(ax=ax)
        assert_all_inside(figure)
        titles = [ax.title.get_window_extent() for ax in axes.flat]
        for left, right in itertools.pairwise(titles):
            assert left.x1 < right.x0

    def test_axes_of_a_subfigure(self):
        figure = plt.figure(layout="constrained")
        ax = figure.subfigures(1, 2)[0].subplots()
        display = TrainingCurveDisplay(training()).plot(ax=ax)
        assert display.figure_ is figure
        assert_all_inside(figure)

    def test_words_are_the_title(self):
        display = TrainingCurveDisplay(training()).plot()
        title = display.ax_.get_title(loc="left")
        assert " ".join(title.split()) == display.summary_.strip()
        assert display.summary_ == training().attrs["summary"]

    def test_from_a_head_on_given_axes(self):
        X = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 4)))
        X.columns = ["a__0", "a__1", "b__0", "b__1"]
        head = FusionClassifier(max_epochs=3, random_state=0).fit(X, [0, 1] * 20)
        _, ax = plt.subplots()
        display = TrainingCurveDisplay.from_estimator(head, ax=ax)
        assert display.ax_ is ax
        expected = [epoch["train_loss"] for epoch in head.history_]
        assert ax.lines[0].get_ydata().tolist() == expected

    def test_another_table(self):
        with pytest.raises(ValueError, match="no column 'lr'"):
            TrainingCurveDisplay(training().drop(columns="lr")).plot()


@pytest.mark.parametrize(
    ("display", "results"),
    [
        (FusionComparisonDisplay, table()),
        (
            MissingModalityDisplay,
            pd.DataFrame(
                {"modality": ["any"], "fraction": 0.0, "repeat": 0, "score": 1.0}
            ),
        ),
        (TrainingCurveDisplay, training()),
    ],
)
def test_matplotlib_is_asked_for_by_name(display, results, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'skmultimodal\[plot\]'"):
        display(results).plot()
