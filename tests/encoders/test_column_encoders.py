"""scikit-learn's habits, for encoders of one column of media cells."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import (
    check_estimator_repr,
    check_get_params_invariance,
    check_no_attributes_set_in_init,
    check_param_validation,
    check_parameters_default_constructible,
    check_set_params,
)

from skmultimodal.encoders import (
    AudioEncoder,
    DialogueHistoryEncoder,
    ImageEncoder,
    SeriesEncoder,
    TextEncoder,
    VideoEncoder,
)

TEXTS = [
    "a small red house",
    "a large blue house in town",
    "the cat sleeps on the sofa",
    "the dog barks at the cat",
    "red boats on a blue sea",
    "a small red house",
]


def _pictures():
    rng = np.random.default_rng(0)
    cells = [rng.integers(0, 256, (12, 10, 3), dtype=np.uint8) for _ in range(4)]
    return [*cells, Image.fromarray(cells[0]), cells[1][:, :, 0]]


def _waves(n_channels=None):
    rng = np.random.default_rng(0)
    shape = () if n_channels is None else (n_channels,)
    return [rng.normal(size=(300 + 40 * k, *shape)) for k in range(6)]


def _clips():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (3 + k, 12, 10, 3), dtype=np.uint8) for k in range(6)]


def _dialogues():
    return [[("ann", text), ("bob", f"no, {text}")] for text in TEXTS]


CASES = {
    "text": (TextEncoder(n_components=3, random_state=0), TEXTS),
    "image": (ImageEncoder(), _pictures()),
    "image reduced": (ImageEncoder(n_components=3, random_state=0), _pictures()),
    "image sequence": (ImageEncoder(output="sequence", grid=2), _pictures()),
    "text sequence": (TextEncoder(output="sequence", random_state=0), TEXTS),
    "audio": (AudioEncoder(sample_rate=4000), _waves()),
    "audio sequence": (AudioEncoder(output="sequence", sample_rate=4000), _waves()),
    "video": (VideoEncoder(), _clips()),
    "video sequence": (VideoEncoder(output="sequence", n_frames=4), _clips()),
    "dialogue": (DialogueHistoryEncoder(), _dialogues()),
    "series": (SeriesEncoder(), _waves(2)),
    "series sequence": (SeriesEncoder(output="sequence", max_steps=20), _waves(2)),
}


PLAIN = [
    TextEncoder(),
    ImageEncoder(),
    AudioEncoder(),
    VideoEncoder(),
    SeriesEncoder(),
    DialogueHistoryEncoder(),
]


def assert_held(z, encoder):
    """Rows are finite, but for the steps behind the last one."""
    steps = z.reshape(len(z), encoder.n_steps_ or 1, -1)
    held = np.isfinite(steps).all(axis=2)
    assert held[:, 0].all()
    assert (held | np.isnan(steps).all(axis=2)).all()
    assert (held[:, :-1] >= held[:, 1:]).all()


@pytest.fixture(params=CASES)
def case(request):
    encoder, cells = CASES[request.param]
    column = pd.Series(cells, dtype=object, index=range(10, 16), name="cell")
    return clone(encoder), column.to_frame()


@pytest.mark.parametrize(
    "check",
    [
        check_estimator_repr,
        check_get_params_invariance,
        check_no_attributes_set_in_init,
        check_param_validation,
        check_set_params,
    ],
    ids=lambda check: check.__name__,
)
@pytest.mark.parametrize("encoder", PLAIN, ids=repr)
def test_checks_that_need_no_data(encoder, check):
    check(type(encoder).__name__, encoder)


@pytest.mark.parametrize("encoder", PLAIN, ids=repr)
def test_default_constructible(encoder):
    check_parameters_default_constructible(type(encoder).__name__, encoder)


def test_output_is_float32_with_a_row_a_cell(case):
    encoder, X = case
    z = encoder.fit_transform(X)
    assert z.shape == (6, encoder.n_features_out_)
    assert z.dtype == np.float32
    assert_held(z, encoder)


def test_fit_transform_is_fit_then_transform(case):
    encoder, X = case
    np.testing.assert_allclose(
        encoder.fit_transform(X), clone(encoder).fit(X).transform(X), atol=1e-5
    )


def test_a_row_alone_is_encoded_as_in_the_batch(case):
    encoder, X = case
    together = encoder.fit(X).transform(X)
    alone = np.vstack([encoder.transform(X.iloc[[i]]) for i in range(len(X))])
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_order_of_rows_does_not_matter_at_transform(case):
    encoder, X = case
    order = [4, 1, 5, 0, 3, 2]
    z = encoder.fit(X).transform(X)
    np.testing.assert_allclose(encoder.transform(X.iloc[order]), z[order], atol=1e-5)


def test_turns_of_a_dialogue_are_several_texts():
    turns = [("doctor", "where does it hurt"), ("patient", "the knee")]
    z = TextEncoder(random_state=0).fit_transform([turns, "the knee", "doctor: a"])
    flat = [": ".join(turn) for turn in turns]
    same = TextEncoder(random_state=0).fit_transform([flat, "the knee", "doctor: a"])
    np.testing.assert_array_equal(z, same)


def test_several_sounds_of_a_cell_are_averaged():
    waves = [(4000, wave) for wave in _waves()]
    z = AudioEncoder().fit_transform([waves[:2], waves[0], waves[1]])
    np.testing.assert_allclose(z[0], z[1:].mean(axis=0), rtol=1e-5, atol=1e-6)


def test_the_same_seed_gives_the_same_encoding(case):
    encoder, X = case
    np.testing.assert_array_equal(
        clone(encoder).fit_transform(X), clone(encoder).fit_transform(X)
    )


def test_global_random_states_are_left_alone(case):
    encoder, X = case
    before, torch_before = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    encoder.fit_transform(X)
    after = np.random.get_state()  # noqa: NPY002
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2] == after[2]
    assert torch.equal(torch_before, torch.get_rng_state())


def test_pickles_and_stays_small(case):
    encoder, X = case
    z = encoder.fit_transform(X)
    stored = pickle.dumps(encoder)
    assert len(stored) < 100_000
    np.testing.assert_allclose(pickle.loads(stored).transform(X), z, atol=1e-5)


def test_missing_cells_give_rows_of_nan_at_fit_and_transform(case):
    encoder, X = case
    gaps = X.copy()
    gaps["cell"] = gaps["cell"].where([True, False, True, False, True, True], None)
    z = encoder.fit_transform(gaps)
    np.testing.assert_array_equal(
        np.isnan(z).all(axis=1), [False, True, False, True, False, False]
    )
    assert_held(z[[0, 2, 4, 5]], encoder)
    np.testing.assert_allclose(encoder.transform(gaps), z, atol=1e-5)


@pytest.mark.parametrize("missing", [None, np.nan, "", pd.NA, []])
def test_whatever_is_missing_is_missing(case, missing):
    encoder, X = case
    z = encoder.fit(X).transform(pd.Series([missing], dtype=object))
    assert z.shape == (1, encoder.n_features_out_)
    assert np.isnan(z).all()


def test_all_cells_missing_at_fit_is_an_error(case):
    encoder, X = case
    X = X.assign(cell=pd.Series([None] * 6, dtype=object, index=X.index))
    with pytest.raises(ValueError, match="all 6 cells of column 'cell' are missing"):
        encoder.fit(X)


def test_no_rows(case):
    encoder, X = case
    with pytest.raises(ValueError, match="cannot be fitted on no rows"):
        encoder.fit(X.iloc[:0])
    assert encoder.fit(X).transform(X.iloc[:0]).shape == (0, encoder.n_features_out_)


def test_not_fitted(case):
    encoder, X = case
    with pytest.raises(NotFittedError):
        encoder.transform(X)
    with pytest.raises(NotFittedError):
        encoder.get_feature_names_out()


def test_names_and_set_output(case):
    encoder, X = case
    frame = encoder.set_output(transform="pandas").fit_transform(X)
    assert list(frame.columns) == list(encoder.get_feature_names_out())
    assert list(frame.index) == list(X.index)
    first = "0" if encoder.n_steps_ is None else "t0__0"
    if isinstance(encoder, DialogueHistoryEncoder):
        first = "t0__utf8"
    assert frame.columns[0] == f"{encoder._kind}__{first}"
    assert (frame.dtypes == np.float32).all()
    assert list(encoder.feature_names_in_) == ["cell"]
    assert encoder.n_features_in_ == 1


def test_whatever_holds_the_column_gives_the_same(case):
    encoder, X = case
    z = encoder.fit_transform(X)
    cells = np.empty(6, dtype=object)
    cells[:] = list(X["cell"])
    for column in (X["cell"], list(cells), cells, cells[:, None], tuple(cells)):
        np.testing.assert_allclose(encoder.transform(column), z, atol=1e-5)
        np.testing.assert_allclose(clone(encoder).fit_transform(column), z, atol=1e-5)


def test_polars_frames_and_series():
    pl = pytest.importorskip("polars")
    encoder = TextEncoder(n_components=3, random_state=0)
    z = encoder.fit_transform(TEXTS)
    frame = pl.DataFrame({"cell": TEXTS})
    for column in (frame, frame["cell"]):
        np.testing.assert_array_equal(clone(encoder).fit_transform(column), z)


def test_more_than_one_column_says_what_to_do(case):
    encoder, X = case
    message = (
        rf"{type(encoder).__name__} takes one column, got 2 \('cell', 'other'\): give "
        "each its own entry in ModalityTransformer"
    )
    with pytest.raises(ValueError, match=message):
        encoder.fit(X.assign(other="x"))


def test_a_renamed_column_is_named(case):
    encoder, X = case
    encoder.fit(X)
    with pytest.raises(ValueError, match="cell"):
        encoder.transform(X.rename(columns={"cell": "other"}))


def test_something_else_than_a_column(case):
    encoder, _ = case
    with pytest.raises(TypeError, match=r"takes one column: .* got int"):
        encoder.fit(3)
    with pytest.raises(ValueError, match="a single value: put it in a list"):
        encoder.fit(np.array("text"))


def test_a_failed_fit_leaves_the_fitted_encoder_usable(case):
    encoder, X = case
    z = encoder.fit(X).transform(X)
    with pytest.raises(ValueError, match="missing"):
        encoder.fit([None, None])
    np.testing.assert_array_equal(encoder.transform(X), z)


def test_the_input_is_left_as_it_was(case):
    encoder, X = case
    before = pickle.dumps(list(X["cell"]))
    encoder.fit_transform(X)
    assert pickle.dumps(list(X["cell"])) == before


def test_tags_say_that_the_input_is_one_column_of_cells(case):
    tags = case[0].__sklearn_tags__()
    assert not tags.input_tags.two_d_array
    assert tags.input_tags.string
    assert tags.input_tags.allow_nan
