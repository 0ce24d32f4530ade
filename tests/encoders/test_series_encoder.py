import pickle
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline

from skmultimodal._layout import layout_from_names
from skmultimodal.compose import ModalityTransformer
from skmultimodal.encoders import EmbeddingStore, SeriesEncoder
from skmultimodal.encoders.features._series import N_PER_CHANNEL, series_features
from skmultimodal.heads import FusionClassifier


def _waves(n=8, channels=2, seed=0):
    rng = np.random.default_rng(seed)
    time = np.arange(60)[:, None]
    return [
        np.sin(time * rng.uniform(0.1, 2, channels)) + 0.1 * rng.normal(size=(60, 1))
        for _ in range(n)
    ]


# -- cells -----------------------------------------------------------------------------


def test_cells_of_one_series_are_alike(tmp_path):
    (series,) = _waves(1)
    np.save(tmp_path / "s.npy", series)
    frame = pd.DataFrame(series, columns=["x", "y"])
    cells = [
        series,
        series.tolist(),
        list(series),
        tuple(map(tuple, series)),
        frame,
        str(tmp_path / "s.npy"),
        tmp_path / "s.npy",
        (tmp_path / "s.npy").read_bytes(),
        [tmp_path / "s.npy", str(tmp_path / "s.npy")],
        [frame, frame],
    ]
    z = SeriesEncoder().fit_transform(cells)
    assert np.isfinite(z).all()
    np.testing.assert_array_equal(z, np.repeat(z[:1], len(cells), axis=0))


@pytest.mark.parametrize("dtype", [np.int16, np.float16, bool])
def test_one_channel_of_any_number_type(dtype):
    series = np.arange(20).astype(dtype)
    cells = [series, series[:, None], series.tolist(), pd.Series(series)]
    z = SeriesEncoder().fit_transform(cells)
    np.testing.assert_array_equal(z, np.repeat(z[:1], 4, axis=0))
    np.testing.assert_array_equal(z[0, 1], np.float32(series.astype(float).mean()))


def test_stacked_arrays_and_polars_lists():
    pl = pytest.importorskip("polars")
    stack = np.stack(_waves(3))
    z = SeriesEncoder().fit_transform(list(stack))
    np.testing.assert_array_equal(SeriesEncoder().fit_transform(stack), z)
    frame = pl.DataFrame({"s": [s.tolist() for s in stack]})
    np.testing.assert_array_equal(SeriesEncoder().fit_transform(frame), z)


def test_what_is_missing():
    cells = [_waves(1)[0], None, np.nan, [], [None, np.nan], np.full((5, 2), np.nan)]
    cells.append(pd.DataFrame({"a": [np.nan], "b": [np.nan]}))
    z = SeriesEncoder().fit_transform(cells)
    assert np.isfinite(z[0]).all()
    assert np.isnan(z[1:]).all()


def test_gaps_in_lists_are_missing_values():
    z = SeriesEncoder().fit_transform([[1, None, 3], np.array([1, np.nan, 3])])
    np.testing.assert_array_equal(z[0], z[1])
    assert z[0, 0] == np.float32(1 / 3)


def test_an_index_of_times_gives_an_even_grid():
    start = pd.Timestamp("2024-01-01")
    times = start + pd.to_timedelta([0, 1, 2, 5, 4, 4], unit="h")
    cell = pd.Series([0.0, 1, 2, 5, 3, 5], index=times)
    steps = SeriesEncoder(output="sequence").fit_transform([cell])
    np.testing.assert_array_equal(steps, [[0, 1, 2, np.nan, 4, 5]])
    order = pd.Series([0.0, 1, 2], index=[5, 9, 7])
    steps = SeriesEncoder(output="sequence").fit_transform([order])
    np.testing.assert_array_equal(steps, [[0, 1, 2]])


def test_a_time_index_with_a_long_pause_gives_no_endless_grid():
    times = pd.to_timedelta([0, 1, 2, 3, 10**9], unit="s")
    cell = pd.Series(np.arange(5.0), index=times)
    steps = SeriesEncoder(output="sequence", max_steps=100).fit_transform([cell])
    assert steps.shape == (1, 41)
    np.testing.assert_array_equal(steps[0, [0, -1]], [1.5, 4])


# -- errors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (np.zeros((5, 3)), r"has 3 channels, but series had 2 in fit"),
        (np.zeros((2, 5)), r"5 channels, .* Steps stand first: transpose it"),
        (np.zeros((5, 2, 2)), r"of shape \(5, 2, 2\), expected \(steps,\)"),
        (np.zeros((3, 300)), r"300 channels of 3 steps, more than max_channels=256"),
        ([[1, 2], [np.inf, 1]], r"holds inf at step 1 of channel 0"),
        ([[1, 2], [1, 1e300]], r"holds 1e\+300 at step 1 of channel 1"),
        ([[1, 2], [3]], r"steps of \[1, 2\] values"),
        ([np.zeros(3), np.zeros(4)], r"steps of \[3, 4\] values"),
        ([["a", "b"]], r"found a list of \[\['a', 'b'\]\], expected numbers"),
        (np.zeros((2, 2), complex), r"holds complex128, expected numbers"),
        (7.5, r"found 7.5 \(float\), expected a series"),
        ("nowhere.npy", r"the file 'nowhere.npy' does not exist"),
        (b"\x93NUMPY", r"a cell of 6 bytes is no .npy file"),
        (pd.DataFrame({"a": [1], "b": ["x"]}), r"DataFrame holds what is no number"),
    ],
)
def test_a_bad_cell_is_named(cell, message):
    good = _waves(1)[0]
    X = pd.Series([good, cell], index=["a", "b"], name="s", dtype=object)
    encoder = SeriesEncoder().fit(X[:1])
    place = r"SeriesEncoder: column 's', row 1 \(label 'b'\): .*"
    with pytest.raises(ValueError, match=place + message):
        encoder.transform(X)
    with pytest.warns(UserWarning, match=r"1 of 2 different .*" + message):
        z = encoder.set_params(on_error="warn").transform(X)
    assert np.isfinite(z[0]).all()
    assert np.isnan(z[1]).all()


def _npy(array):
    import io

    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_npy(np.array([{}, []], dtype=object)), "pickled objects, which are not read"),
        (_npy(np.zeros(9))[:-8], r"header says shape \(9,\), 72 bytes, but 64 follow"),
        (
            _npy(np.zeros(9)).replace(b"(9,), ", b"(9" + b"0" * 14 + b",), ")[:128],
            "is no .npy file|is truncated",
        ),
        (_npy(np.full((4, 2), np.nan)), "holds nothing but NaN"),
        (_npy(np.array(["a"])), "holds <U1, expected numbers"),
        (b"PK\x03\x04" + bytes(99), "is no .npy file"),
    ],
)
def test_hostile_files(data, message, tmp_path):
    (tmp_path / "s.npy").write_bytes(data)
    encoder = SeriesEncoder().fit([np.zeros((3, 2))])
    for cell in (data, tmp_path / "s.npy"):
        with pytest.raises(ValueError, match=message):
            encoder.transform([cell])


def test_root_and_size_confine_files(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    np.save(inside / "s.npy", np.arange(9.0))
    np.save(tmp_path / "s.npy", np.arange(9.0))
    encoder = SeriesEncoder(root=inside).fit(["s.npy"])
    with pytest.raises(ValueError, match="confines paths"):
        encoder.transform(["../s.npy"])
    with pytest.raises(ValueError, match="more than max_bytes=100"):
        SeriesEncoder(root=inside, max_bytes=100).fit(["s.npy"])


# -- features --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "series",
    [
        [5.0],
        [5.0, 5.0],
        [0.1] * 33,
        [1e30, -1e30, 2e30],
        [3.4e38, -3.4e38],
        [1e-40, 2e-40],
        [True, False, True],
        [1, 2],
        [np.nan, 1.0, np.nan],
        np.ones((7, 20)),
        [[np.nan, 1.0], [np.nan, 2.0]],
    ],
)
def test_features_are_finite_for_odd_series(series):
    assert np.isfinite(SeriesEncoder().fit_transform([series])).all()


def test_first_features_are_what_numpy_gives():
    x = np.random.default_rng(0).normal(5, 3, 77)
    x[7:20] = np.nan
    f = series_features([x[:, None]])[0]
    held = x[~np.isnan(x)]
    quantiles = np.quantile(held, [0.05, 0.25, 0.5, 0.75, 0.95])
    expected = [13 / 77, held.mean(), held.std(), held.min(), held.max(), np.ptp(held)]
    expected += [*quantiles, np.nanmean(np.abs(np.diff(x)))]
    np.testing.assert_allclose(f[: len(expected)], expected, rtol=1e-5)
    np.testing.assert_allclose(f[-1], np.log(77), rtol=1e-6)


def test_frequency_of_a_sine_is_found():
    time = np.arange(200)
    frequencies = np.array([0.05, 0.1, 0.3, 0.6])  # of the Nyquist frequency
    waves = [np.sin(np.pi * f * time)[:, None] for f in frequencies]
    found = series_features(waves)[:, N_PER_CHANNEL - 1]
    np.testing.assert_allclose(found, frequencies, atol=0.01)


def test_correlation_of_channels_is_found():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    x[:, 1] += x[:, 0]
    f = series_features([x])[0]
    expected = np.corrcoef(x.T)[np.triu_indices(3, k=1)]
    np.testing.assert_allclose(f[3 * N_PER_CHANNEL : -1], expected, atol=1e-6)


def test_order_of_steps_counts():
    x = np.random.default_rng(0).normal(size=(64, 1)) + np.linspace(0, 3, 64)[:, None]
    f, back = series_features([x, x[::-1]])
    np.testing.assert_allclose(f[:12], back[:12], rtol=1e-6)
    assert np.abs(f - back).max() > 0.5


def test_a_series_alone_has_the_features_it_has_among_others():
    rng = np.random.default_rng(0)
    cells = [rng.normal(size=(rng.integers(1, 90), 2)) for _ in range(40)]
    encoder = SeriesEncoder().fit(cells)
    together = encoder.transform(cells)
    alone = np.vstack([encoder.transform([cell]) for cell in cells])
    np.testing.assert_allclose(alone, together, rtol=1e-5, atol=1e-6)


def test_an_empty_channel_has_the_features_of_the_others_in_fit():
    cells = _waves(6)
    broken = cells[0].copy()
    broken[:, 1] = np.nan
    encoder = SeriesEncoder().fit(cells)
    z = encoder.transform([cells[0], broken])
    first, second = slice(N_PER_CHANNEL), slice(N_PER_CHANNEL, 2 * N_PER_CHANNEL)
    np.testing.assert_array_equal(z[0, first], z[1, first])
    assert z[1, N_PER_CHANNEL] == 1
    mean = encoder.transform(cells)[:, second].mean(axis=0)
    np.testing.assert_allclose(z[1, second][1:], mean[1:], rtol=1e-4, atol=1e-6)
    again = SeriesEncoder().fit([*cells, broken]).transform([broken])
    np.testing.assert_allclose(again[0, second], z[1, second], rtol=1e-4, atol=1e-6)


# -- sequences -------------------------------------------------------------------------


def test_steps_are_handed_on_and_padded_behind():
    long, short = np.arange(10.0).reshape(5, 2), np.array([[1, np.nan], [3, 4.0]])
    encoder = SeriesEncoder(output="sequence")
    z = encoder.fit_transform([long, short, None])
    assert encoder.n_steps_ == 5
    np.testing.assert_array_equal(z[0], long.ravel())
    np.testing.assert_array_equal(z[1], [1, np.nan, 3, 4] + 6 * [np.nan])
    assert np.isnan(z[2]).all()
    block = layout_from_names(encoder.get_feature_names_out())["series"]
    assert (block.n_steps, block.n_features) == (5, 2)


def test_long_series_are_averaged_evenly():
    series = np.arange(10.0)
    series[[0, 4, 5]] = np.nan
    z = SeriesEncoder(output="sequence", max_steps=5).fit_transform([series])
    np.testing.assert_array_equal(z, [[1, 2.5, np.nan, 6.5, 8.5]])


def test_components_of_each_step():
    encoder = SeriesEncoder(output="sequence", n_components=2, random_state=0)
    z = encoder.fit_transform(_waves(4, channels=5))
    assert z.shape == (4, 60 * 2)


# -- models ----------------------------------------------------------------------------


class _Doubled(torch.nn.Module):
    def forward(self, x):
        return torch.cat([x, 2 * x], dim=2)


def make_doubled():
    """A factory of a network that gives steps."""
    return _Doubled()


def make_mean():
    """A factory of a network that gives vectors."""

    class Mean(torch.nn.Module):
        def forward(self, x):
            return x.mean(dim=1)

    return Mean()


def test_a_factory_gives_a_network():
    cells = [np.arange(6.0).reshape(3, 2), np.array([[1, 2], [np.nan, 2], [3, 2]])]
    cells.append(np.ones((7, 2)))
    expected = [[2, 3, 4, 6], [2, 2, 4, 4], [1, 1, 2, 2]]
    encoder = SeriesEncoder(model=f"{__name__}:make_doubled", batch_size=1)
    np.testing.assert_array_equal(encoder.fit_transform(cells), expected)
    again = pickle.loads(pickle.dumps(encoder))
    np.testing.assert_array_equal(again.transform(cells), expected)
    encoder.set_params(output="sequence", max_steps=3)
    assert encoder.fit_transform(cells).shape == (3, 3 * 4)
    vectors = SeriesEncoder(model=f"{__name__}:make_mean")
    assert vectors.fit_transform(cells).shape == (3, 2)
    with pytest.raises(ValueError, match=r"gives one vector a series"):
        vectors.set_params(output="sequence").fit(cells)


def test_an_unknown_model_says_what_there_is():
    with pytest.raises(ValueError, match=r"Take None, 'minirocket', or 'package"):
        SeriesEncoder(model="rocket").fit(_waves())


def test_minirocket_without_aeon_gives_the_install_line(monkeypatch):
    monkeypatch.setitem(
        sys.modules, "aeon.transformations.collection.convolution_based", None
    )
    with pytest.raises(ImportError, match=r"pip install 'skmultimodal\[series\]'"):
        SeriesEncoder(model="minirocket").fit(_waves())


@pytest.fixture
def aeon():
    return pytest.importorskip("aeon.transformations.collection.convolution_based")


def test_minirocket_is_that_of_aeon(aeon):
    cells = [s / s.std() for s in _waves(10, channels=1)]
    encoder = SeriesEncoder(model="minirocket", n_kernels=168, random_state=0)
    z = encoder.fit_transform(cells)
    assert z.shape == (10, 168)
    rocket = encoder._rocket
    X = (np.stack(cells) - rocket.mean) / rocket.scale
    seed = rocket.transformer.random_state
    other = aeon.MiniRocket(168, random_state=seed)
    state = np.random.get_state()  # noqa: NPY002
    expected = other.fit_transform(X.transpose(0, 2, 1))
    np.random.set_state(state)  # noqa: NPY002
    np.testing.assert_allclose(z, expected, atol=1e-6)


def test_minirocket_is_seeded_pickles_and_leaves_the_global_state(aeon, tmp_path):
    cells = _waves(10)
    cells[1] = cells[1][:23]
    cells[2][4:9, 0] = np.nan
    cells[3][:, 1] = np.nan
    cells[4] = cells[4][:1]
    store = EmbeddingStore(tmp_path / "store")
    encoder = SeriesEncoder(
        model="minirocket", n_kernels=84, store=store, random_state=0
    )
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    z = encoder.fit_transform(cells)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert np.isfinite(z).all()
    np.testing.assert_array_equal(encoder.fit_transform(cells), z)
    again = pickle.loads(pickle.dumps(encoder))
    np.testing.assert_array_equal(again.transform(cells[:5]), z[:5])
    assert store.info()["n_vectors"] == 0
    for refused in ({"output": "sequence"}, {"store_weights": True}):
        with pytest.raises(ValueError, match=r"takes no (output|store_weights)="):
            SeriesEncoder(model="minirocket", **refused).fit(cells)


# -- store and real data ---------------------------------------------------------------


def test_the_store_gives_the_same_and_knows_the_channels(tmp_path):
    cells = _waves(4)
    encoder = SeriesEncoder(store=tmp_path / "store")
    z = encoder.fit_transform(cells)
    lists = [cell.tolist() for cell in cells]
    np.testing.assert_array_equal(encoder.transform(lists), z)
    other = SeriesEncoder(store=tmp_path / "store").fit(_waves(2, channels=3))
    with pytest.raises(ValueError, match="has 2 channels, but series had 3 in fit"):
        other.transform(cells)


def test_movements_are_told_apart(real_data):
    data = real_data("basic_motions")
    train = np.flatnonzero(data["split"] == "train")
    X = pd.DataFrame(
        {
            name: [series.T for series in modality[train]]
            for name, modality in data["modalities"].items()
        }
    )
    encode = ModalityTransformer([(name, SeriesEncoder(), name) for name in X])
    model = Pipeline([("encode", encode), ("head", FusionClassifier(random_state=0))])
    cv = RepeatedStratifiedKFold(n_splits=5, n_repeats=2, random_state=0)
    assert cross_val_score(model, X, data["y"][train], cv=cv).mean() >= 0.97


def test_a_series_that_seems_to_lie_on_its_side_is_warned_of():
    rng = np.random.default_rng(0)
    upright = list(rng.normal(size=(6, 50, 3)))
    SeriesEncoder().fit(upright)  # a warning would be an error
    with pytest.warns(UserWarning, match=r"3 steps of 50 channels.*series\.T"):
        SeriesEncoder().fit([series.T for series in upright])
