"""ModalityTransformer with an explicit list: a ColumnTransformer in every habit."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from skmultimodal._layout import layout_from_names
from skmultimodal.compose import ModalityTransformer
from skmultimodal.encoders import TextEncoder


class Recorder(TransformerMixin, BaseEstimator):
    """Remembers what reached it; learns the weighted mean of its column."""

    def fit(self, X, y=None, sample_weight=None):
        self.n_features_in_ = X.shape[1]
        self.index_ = list(X.index)
        self.y_ = None if y is None else list(y)
        self.weight_ = None if sample_weight is None else list(sample_weight)
        self.mean_ = np.average(np.asarray(X, float), axis=0, weights=sample_weight)
        return self

    def transform(self, X):
        return np.asarray(X, float) - self.mean_

    def get_feature_names_out(self, input_features=None):
        return np.asarray(input_features, dtype=object)


class Vectors(TransformerMixin, BaseEstimator):
    """Gives whatever `func` makes of X."""

    def __init__(self, func=None, names=None):
        self.func = func
        self.names = names

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return self.func(X)

    def get_feature_names_out(self, input_features=None):
        if self.names is None:
            raise AttributeError("no names")
        return np.asarray(self.names, dtype=object)


class Kind(Vectors):
    """An encoder that names its kind, as ours do."""

    _kind = "noise"


@pytest.fixture
def X():
    return pd.DataFrame(
        {
            "age": [1.0, 2.0, None, 4.0, 5.0],
            "size": [10.0, None, None, 40.0, 60.0],
            "review": ["good", None, "not good", "", "bad"],
            "country": ["France", "Peru", "Peru", None, "France"],
        },
        index=["a", ("b", 2), "c", 4, "a"],
    )


@pytest.fixture
def encode():
    return ModalityTransformer(
        [
            ("tabular", SimpleImputer(), ["age", "size"]),
            ("text", TfidfVectorizer(), "review"),
            ("place", OneHotEncoder(), ["country"]),
        ]
    )


def test_output_is_one_float32_block_with_the_index_of_x(encode, X):
    Z = encode.fit_transform(X)
    assert isinstance(Z, pd.DataFrame)
    assert Z.index.equals(X.index)
    assert list(Z.columns) == [
        "tabular__age",
        "tabular__size",
        "text__bad",
        "text__good",
        "text__not",
        "place__country_France",
        "place__country_Peru",
    ]
    assert set(Z.dtypes) == {np.dtype(np.float32)}
    assert np.shares_memory(Z.to_numpy(), Z.to_numpy())
    assert Z.to_numpy().flags.c_contiguous
    assert list(encode.get_feature_names_out()) == list(Z.columns)
    assert layout_from_names(Z.columns).names == ["tabular", "text", "place"]
    assert encode.output_indices_ == {
        "tabular": slice(0, 2),
        "text": slice(2, 5),
        "place": slice(5, 7),
        "remainder": slice(0, 0),
    }


def test_encoders_see_only_rows_that_have_their_modality(encode, X):
    Z = encode.fit_transform(X)
    absent = Z.isna()
    # half a row is a missing value, and the encoder's own business
    assert absent["tabular__age"].tolist() == [False, False, True, False, False]
    assert Z["tabular__size"].iloc[1] == pytest.approx(110 / 3)
    assert absent["text__good"].tolist() == [False, True, False, True, False]
    assert absent["place__country_Peru"].tolist() == [False, False, False, True, False]
    alone = TfidfVectorizer().fit_transform(["good", "not good", "bad"]).toarray()
    text = Z.filter(like="text__").to_numpy()[[0, 2, 4]]
    np.testing.assert_allclose(text, alone, rtol=1e-6)


def test_agrees_with_columntransformer_where_nothing_is_missing():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(20, 3)), columns=list("abc"))
    entries = [("u", StandardScaler(), ["a", "b"]), ("v", StandardScaler(), ["c"])]
    theirs = ColumnTransformer(entries).set_output(transform="pandas").fit_transform(X)
    ours = ModalityTransformer(entries).fit_transform(X)
    pd.testing.assert_frame_equal(ours, theirs.astype(np.float32))


def test_transform_repeats_fit_transform_and_row_alone_is_row_in_batch(encode, X):
    Z = encode.fit_transform(X)
    pd.testing.assert_frame_equal(encode.transform(X), Z)
    for k in range(len(X)):
        alone = encode.transform(X.iloc[[k]])
        pd.testing.assert_frame_equal(alone, Z.iloc[[k]])


def test_columns_are_put_right_by_name_and_may_be_more(encode, X):
    Z = encode.fit_transform(X)
    shuffled = X[["review", "country", "size", "age"]].assign(more=1)
    pd.testing.assert_frame_equal(encode.transform(shuffled), Z)


def test_a_missing_or_renamed_column_is_named_with_its_modality(encode, X):
    encode.fit(X)
    with pytest.raises(ValueError, match=r"columns are missing") as error:
        encode.transform(X.rename(columns={"review": "reviews"}))
    assert "modality 'text' (column 'review')" in str(error.value)
    assert "renamed to 'reviews'" in str(error.value)
    with pytest.raises(ValueError, match=r"modality 'place' \(column 'country'\)"):
        clone(encode).fit(X.drop(columns="country"))


def test_modality_missing_in_all_rows_of_transform(encode, X):
    Z = encode.fit_transform(X)
    silent = encode.transform(X.assign(review=None))
    assert silent.filter(like="text__").isna().all(axis=None)
    assert list(silent.columns) == list(Z.columns)
    pd.testing.assert_frame_equal(
        silent.filter(like="tabular"), Z.filter(like="tabular")
    )


def test_modality_missing_in_all_rows_of_fit(encode, X):
    with pytest.warns(UserWarning, match=r"Modality 'text' \(column 'review'\)"):
        Z = encode.fit_transform(X.assign(review=None))
    assert not any(name.startswith("text") for name in Z.columns)
    assert encode.named_transformers_["text"] == "drop"
    assert encode.output_indices_["text"] == slice(0, 0)
    assert encode.output_indices_["place"] == slice(2, 4)
    assert list(encode.transform(X).columns) == list(Z.columns)
    assert "OneHotEncoder" in encode._repr_html_()


def test_no_entry_gives_a_frame_without_columns(X):
    encode = ModalityTransformer([("tabular", "drop", ["age"])])
    for Z in (encode.fit_transform(X), encode.transform(X)):
        assert isinstance(Z, pd.DataFrame)
        assert Z.shape == (5, 0)
        assert Z.index.equals(X.index)
    assert len(encode.get_feature_names_out()) == 0
    assert encode.set_output(transform="polars").fit_transform(X).width == 0


def test_y_is_cut_to_the_rows_of_the_modality(X):
    encode = ModalityTransformer(
        [("a", Recorder(), ["age"]), ("s", Recorder(), ["size"])]
    )
    encode.fit(X, [10, 20, 30, 40, 50])
    assert encode.named_transformers_["a"].y_ == [10, 20, 40, 50]
    assert encode.named_transformers_["s"].y_ == [10, 40, 50]
    assert encode["s"].index_ == ["a", 4, "a"]


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_sample_weight_reaches_an_encoder_cut_to_its_rows(X, n_jobs):
    asks = StandardScaler().set_fit_request(sample_weight=True)
    encode = ModalityTransformer(
        [("a", asks, ["age"]), ("text", TfidfVectorizer(), "review")], n_jobs=n_jobs
    )
    Z = encode.fit_transform(X, sample_weight=np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert encode["a"].mean_[0] == pytest.approx((1 + 4 + 16 + 25) / 12)
    pd.testing.assert_frame_equal(encode.transform(X), Z)


@pytest.mark.usefixtures("routing")
def test_metadata_is_routed_through_a_pipeline(X):
    asks = Recorder().set_fit_request(sample_weight=True)
    encode = ModalityTransformer([("a", asks, ["age"])])
    model = make_pipeline(
        encode, SimpleImputer(), LogisticRegression().set_fit_request(sample_weight=0)
    )
    model.fit(X, [0, 1, 0, 1, 1], sample_weight=np.arange(1.0, 6.0))
    assert model[0]["a"].weight_ == [1.0, 2.0, 4.0, 5.0]


def test_metadata_without_routing_is_an_error(encode, X):
    with pytest.raises(ValueError, match="enable_metadata_routing=True"):
        encode.fit(X, sample_weight=np.ones(5))


@pytest.mark.parametrize("how", ["pandas", "polars", "default"])
@pytest.mark.parametrize("source", ["estimator", "config"])
def test_containers(encode, X, how, source):
    expected = encode.fit_transform(X)
    if source == "config":
        with sklearn.config_context(transform_output=how):
            results = [encode.fit_transform(X), encode.transform(X)]
    else:
        encode.set_output(transform=how)
        results = [encode.fit_transform(X), encode.transform(X)]
    for Z in results:
        if how == "polars":
            assert isinstance(Z, pl.DataFrame)
            assert set(Z.dtypes) == {pl.Float32}
            assert Z.columns == list(expected.columns)
            np.testing.assert_array_equal(Z.to_numpy(), expected.to_numpy())
        else:
            pd.testing.assert_frame_equal(Z, expected)


def test_set_output_is_not_handed_to_encoders(encode, X):
    scaler = StandardScaler()
    encode.set_params(tabular=scaler).set_output(transform="polars")
    encode.fit(X)
    assert not hasattr(scaler, "_sklearn_output_config")
    fitted = encode.named_transformers_["tabular"]
    assert isinstance(fitted.transform(X[["age", "size"]]), np.ndarray)


@pytest.mark.parametrize("how", ["pandas", "polars"])
def test_encoders_may_have_an_output_of_their_own(X, how):
    encode = ModalityTransformer(
        [("a", StandardScaler().set_output(transform=how), ["age"])]
    )
    plain = ModalityTransformer([("a", StandardScaler(), ["age"])])
    pd.testing.assert_frame_equal(encode.fit_transform(X), plain.fit_transform(X))


def test_polars_frames_come_in(encode, X):
    expected = encode.fit_transform(X).reset_index(drop=True)
    P = pl.DataFrame({c: [*X[c].astype(object).where(X[c].notna(), None)] for c in X})
    pd.testing.assert_frame_equal(clone(encode).fit_transform(P), expected)
    pd.testing.assert_frame_equal(encode.transform(P), expected)
    pd.testing.assert_frame_equal(encode.transform(P.lazy()), expected)


def test_arrays_come_in_by_position(X):
    entries = [("n", SimpleImputer(), [0, 1]), ("text", TfidfVectorizer(), 2)]
    A = X.to_numpy(dtype=object)
    A[1, 2] = None
    Z = ModalityTransformer(entries).fit_transform(A)
    assert list(Z.columns) == ["n__x0", "n__x1", "text__bad", "text__good", "text__not"]
    assert isinstance(Z.index, pd.RangeIndex)
    numbers = ModalityTransformer([("n", StandardScaler(), [0, 1])])
    Z = numbers.fit_transform(X[["age", "size"]].to_numpy())
    assert Z.isna().all(axis=1).tolist() == [False, False, True, False, False]
    rows = numbers.fit_transform([[1, 2], [3, 4]])
    assert rows.to_numpy().tolist() == [[-1, -1], [1, 1]]
    assert list(numbers.get_feature_names_out(["u", "v"])) == ["n__u", "n__v"]


def test_an_array_after_a_frame_is_taken_by_position(encode, X):
    expected = encode.fit_transform(X).reset_index(drop=True)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        Z = encode.transform(X.to_numpy(dtype=object))
    pd.testing.assert_frame_equal(Z, expected)
    with pytest.raises(ValueError, match="3 features, but"):
        encode.transform(X.to_numpy(dtype=object)[:, :3])


@pytest.mark.parametrize("dtype", ["str", "object", "category", "string"])
def test_strings_of_every_dtype(X, dtype):
    column = X["country"].astype(dtype)
    encode = ModalityTransformer([("p", OneHotEncoder(), ["country"])])
    Z = encode.fit_transform(X.assign(country=column))
    assert Z.isna().all(axis=1).tolist() == [False, False, False, True, False]


def test_two_workers_give_the_same(encode, X):
    expected = encode.fit_transform(X)
    encode.set_params(n_jobs=2)
    pd.testing.assert_frame_equal(encode.fit_transform(X), expected)
    pd.testing.assert_frame_equal(encode.transform(X), expected)
    with pytest.raises(ValueError, match="Modality 'place'"):
        encode.transform(X.assign(country="Mars"))


def test_pickle_and_clone(encode, X):
    expected = encode.fit_transform(X)
    again = pickle.loads(pickle.dumps(encode))
    pd.testing.assert_frame_equal(again.transform(X), expected)
    fresh = clone(encode)
    assert not hasattr(fresh, "transformers_")
    pd.testing.assert_frame_equal(fresh.fit_transform(X), expected)


def test_nested_parameters_are_set_and_searched(encode, X):
    encode.set_params(text__lowercase=False, place="drop", n_jobs=1)
    assert encode.get_params()["text__lowercase"] is False
    assert encode.fit(X).named_transformers_["text"].lowercase is False
    assert "place" not in layout_from_names(encode.get_feature_names_out()).names
    X = pd.concat([X] * 4, ignore_index=True)
    model = Pipeline(
        [("encode", encode), ("fill", SimpleImputer()), ("lr", LogisticRegression())]
    )
    grid = {"encode__text__ngram_range": [(1, 1), (1, 2)], "encode__place": ["drop"]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise")
    assert search.fit(X, [0, 1] * 10).best_score_ >= 0


@pytest.mark.parametrize("columns", ["callable", "mask", "slice", "names"])
def test_columns_are_given_as_in_columntransformer(X, columns):
    columns = {
        "callable": make_column_selector(dtype_include=float),
        "mask": [True, True, False, False],
        "slice": slice("age", "size"),
        "names": ["age", "size"],
    }[columns]
    Z = ModalityTransformer([("n", SimpleImputer(), columns)]).fit_transform(X)
    assert list(Z.columns) == ["n__age", "n__size"]


def test_entries_without_columns_give_none(X):
    encode = ModalityTransformer(
        [("none", StandardScaler(), []), ("n", SimpleImputer(), ["age"])]
    )
    assert list(encode.fit_transform(X).columns) == ["n__age"]
    assert list(encode.transform(X).columns) == ["n__age"]
    assert encode.output_indices_["none"] == slice(0, 0)


def test_weights_scale_and_keep_absence(encode, X):
    plain = encode.fit_transform(X)
    heavy = encode.set_params(transformer_weights={"text": 3}).fit_transform(X)
    np.testing.assert_allclose(
        heavy.filter(like="text__"), 3 * plain.filter(like="text__"), rtol=1e-6
    )
    pd.testing.assert_frame_equal(encode.transform(X), heavy)
    pd.testing.assert_frame_equal(heavy.filter(like="pl"), plain.filter(like="pl"))


def test_verbose_prints_the_modalities(encode, X, capsys):
    encode.set_params(verbose=True).fit(X)
    out = capsys.readouterr().out
    assert "[ModalityTransformer]" in out
    assert "(2 of 3) Processing text" in out


def test_html_picture_before_and_after_fit(encode, X):
    for html in (encode._repr_html_(), encode.fit(X)._repr_html_()):
        assert "TfidfVectorizer" in html
        assert "place" in html


def test_remainder_passes_numbers(X):
    encode = ModalityTransformer(
        [("text", TfidfVectorizer(), "review"), ("place", "drop", ["country"])],
        remainder="passthrough",
    )
    Z = encode.fit_transform(X)
    assert list(Z.columns)[-2:] == ["remainder__age", "remainder__size"]
    np.testing.assert_array_equal(Z["remainder__age"], X["age"].astype(np.float32))
    assert encode.transformers_[-1][0] == "remainder"
    assert "remainder" in encode._repr_html_()
    encode.set_params(remainder=SimpleImputer())
    assert encode.fit_transform(X)["remainder__size"].isna().sum() == 1


def test_passthrough_of_lists_and_encoded_columns():
    X = pd.DataFrame(
        {
            "vector": [[1.0, 2.0], None, np.array([3.0, np.nan])],
            "text__0": [1, 2, 3],
            "text__5": [True, False, True],
            "seq__t0__a": [1.0, 2.0, 3.0],
            "seq__t1__a": [1.0, 2.0, np.nan],
        }
    )
    encode = ModalityTransformer(
        [
            ("vec", "passthrough", ["vector"]),
            ("words", "passthrough", ["text__0", "text__5"]),
            ("walk", "passthrough", ["seq__t0__a", "seq__t1__a"]),
        ]
    )
    Z = encode.fit_transform(X)
    assert list(Z.columns) == [
        "vec__0",
        "vec__1",
        "words__0",
        "words__5",
        "walk__t0__a",
        "walk__t1__a",
    ]
    assert layout_from_names(Z.columns)["walk"].n_steps == 2
    assert Z["vec__0"].isna().tolist() == [False, True, False]
    P = pl.DataFrame({"vector": [[1.0, 2.0], None, [3.0, None]]})
    one = ModalityTransformer([("vec", "passthrough", "vector")])
    np.testing.assert_array_equal(one.fit_transform(P), Z[["vec__0", "vec__1"]])
    numbers = ModalityTransformer([("n", "passthrough", [0])])
    assert numbers.fit_transform(np.array([[1], ["2"]], object)[:1]).iloc[0, 0] == 1


@pytest.mark.parametrize("cells", ["str", "category", "date", "array"])
def test_words_cannot_pass_through(X, cells):
    X = X[["age", "country"]]
    if cells == "category":
        X = X.astype({"country": "category"})
    if cells == "date":
        X = X.assign(country=pd.Timestamp("2024-01-01"))
    encode = ModalityTransformer([("n", SimpleImputer(), ["age"])])
    encode.set_params(remainder="passthrough")
    if cells == "array":
        encode.set_params(transformers=[("n", SimpleImputer(), [0])])
        X = X.to_numpy(dtype=object)
    column = "1" if cells == "array" else "'country'"
    with pytest.raises(ValueError, match="cannot pass through") as error:
        encode.fit(X)
    assert f"odality 'remainder' (column {column}) holds" in str(error.value)
    assert "TabularEncoder()" in str(error.value)
    assert "remainder='drop'" in str(error.value)


def test_words_that_come_at_transform_cannot_pass_either(X):
    encode = ModalityTransformer([("n", "passthrough", ["age"])]).fit(X)
    with pytest.raises(ValueError, match=r"'n' \(column 'age'\) holds strings"):
        encode.transform(X.assign(age="old"))


def test_names_lose_the_kind_and_what_lightgbm_refuses():
    n = 3
    X = pd.DataFrame({"a": np.arange(n), "b": np.ones(n)})

    def columns(encoder, name="m"):
        Z = ModalityTransformer([(name, encoder, ["a", "b"])]).fit_transform(X)
        return list(Z.columns)

    def give(k):
        return lambda X: np.zeros((len(X), k))

    assert columns(Kind(give(2), ["noise__0", "noise__1"])) == ["m__0", "m__1"]
    piped = make_pipeline(StandardScaler(), Kind(give(1), ["noise__0"]))
    assert columns(piped) == ["m__0"]
    assert columns(Vectors(give(2), ["m__0", "m__1"])) == ["m__0", "m__1"]
    assert columns(Vectors(give(2), ["t0__0", "t1__0"])) == ["m__t0__0", "m__t1__0"]
    assert columns(Vectors(give(3))) == ["m__0", "m__1", "m__2"]
    assert columns(FunctionTransformer(lambda X: X)) == ["m__a", "m__b"]
    assert columns(make_pipeline(FunctionTransformer(np.asarray))) == ["m__0", "m__1"]
    odd = ["price (€)", "price [€]", "größe", "価格", "", "t1_[x"]
    assert columns(Vectors(give(6), odd)) == [
        "m__price_",
        "m__price__2",
        "m__groe",
        "m___",
        "m____2",
        "m__t1_x",
    ]


def test_our_text_encoder_and_a_stock_pipeline_on_the_same_column(X):
    X = pd.concat([X] * 3, ignore_index=True)
    encode = ModalityTransformer(
        [
            ("words", TextEncoder(), ["review"]),
            ("svd", make_pipeline(TfidfVectorizer(), TruncatedSVD(2)), "review"),
        ]
    )
    Z = encode.fit_transform(X)
    assert [c for c in Z.columns if c.startswith("svd")] == [
        "svd__truncatedsvd0",
        "svd__truncatedsvd1",
    ]
    assert "words__0" in Z.columns
    assert Z["words__0"].isna().equals(X["review"].isna() | (X["review"] == ""))


def test_a_failed_fit_keeps_the_fitted_state(encode, X):
    expected = encode.fit_transform(X)
    with pytest.raises(ValueError, match="Modality"):
        encode.fit(X.assign(age="old"))
    pd.testing.assert_frame_equal(encode.transform(X), expected)
    assert list(encode.feature_names_in_) == list(X.columns)


@pytest.mark.parametrize("dtype", ["Float64", "Int64", "boolean", "float32"])
def test_numbers_of_every_dtype_pass_and_are_copied(dtype):
    X = pd.DataFrame({"a": [1, None, 0], "b": [1, None, 1]}).astype(dtype)
    Z = ModalityTransformer([("n", "passthrough", ["a", "b"])]).fit_transform(X)
    np.testing.assert_array_equal(Z, np.array([[1, 1], [np.nan, np.nan], [0, 1]]))
    plain = np.ones((2, 2), dtype=np.float32)
    Z = ModalityTransformer([("n", "passthrough", [0, 1])]).fit_transform(plain)
    assert not np.shares_memory(Z.to_numpy(), plain)


def test_wide_blocks_keep_their_absent_rows():
    X = pd.DataFrame(np.ones((4, 50)), columns=[f"c{k}" for k in range(50)])
    X.iloc[0, 0] = X.iloc[1] = np.nan
    Z = ModalityTransformer([("n", StandardScaler(), list(X))]).fit_transform(X)
    assert Z.isna().all(axis=1).tolist() == [False, True, False, False]
    X["c49"] = X["c49"].astype(object)
    assert Z.isna().equals(
        ModalityTransformer([("n", StandardScaler(), list(X))]).fit_transform(X).isna()
    )


def test_fit_leaves_x_alone(encode, X):
    before = X.copy()
    encode.fit(X)
    encode.transform(X)
    pd.testing.assert_frame_equal(X, before)


class BadInput(BaseEstimator, TransformerMixin):
    def __init__(self, error):
        self.error = error

    def __sklearn_clone__(self):
        return type(self)(self.error)  # copies lose their text once Dask is loaded

    def fit(self, X, y=None):
        raise self.error

    def transform(self, X):
        return X


class TwoPartError(Exception):
    def __init__(self, a, b):
        super().__init__(a, b)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (ValueError("broken row"), ValueError),
        (FileNotFoundError("broken"), FileNotFoundError),
        (KeyError("broken"), KeyError),
        (UnicodeDecodeError("utf8", b"x", 0, 1, "broken"), UnicodeError),
        (TwoPartError("broken", 1), Exception),
    ],
)
def test_errors_of_an_encoder_name_modality_and_column(X, raised, kind):
    encode = ModalityTransformer([("n", BadInput(raised), ["age", "size"])])
    with pytest.raises(kind, match="broken") as caught:
        encode.fit(X)
    assert "Modality 'n' (columns 'age', 'size'): " in str(caught.value)
    counted = "Rows are counted among the 4 of 5" in str(caught.value)
    assert counted == ("row" in str(raised))
    assert isinstance(caught.value.__cause__, type(raised))


def test_messages_of_bad_encoders(X):
    def failure(encoder, columns):
        with pytest.raises((ValueError, TypeError)) as caught:
            ModalityTransformer([("m", encoder, columns)]).fit(X[["age", "review"]])
        assert "odality 'm'" in str(caught.value)
        return str(caught.value)

    full = ["age", "review"]
    message = failure(TfidfVectorizer(), full)
    assert "gave 2 rows for 5" in message
    assert "'a' in place of ['a']" in message
    assert "Give its columns as a list" in failure(StandardScaler(), "age")
    flat = Vectors(lambda X: np.zeros(len(X)))
    assert "should be 2D" in failure(flat, full)
    assert "t1__0" in failure(Vectors(lambda X: np.zeros((len(X), 2, 2))), full)
    words = Vectors(lambda X: np.full((len(X), 1), "word"))
    assert "not numbers" in failure(words, full)
    words = Vectors(lambda X: np.full((len(X), 1), "word", dtype=object))
    assert "not numbers" in failure(words, full)
    huge = Vectors(lambda X: np.full((len(X), 1), 1e300))
    assert "range of float32" in failure(huge, full)
    unnamed = Vectors(lambda X: np.zeros((len(X), 2)), ["one"])
    assert "names 1 features and gives 2 columns" in failure(unnamed, full)


def test_an_encoder_keeps_its_number_of_columns(X):
    growing = Vectors(lambda X: np.zeros((len(X), len(X))))
    encode = ModalityTransformer([("m", growing, ["age"])]).fit(X)
    with pytest.raises(ValueError, match=r"'m' .*gave 1 columns, at fit it gave 4"):
        encode.transform(X.iloc[[0]])


def test_messages_of_bad_lists_and_data(encode, X):
    def failure(transformers, X=X, **params):
        with pytest.raises((ValueError, TypeError)) as caught:
            ModalityTransformer(transformers, **params).fit(X)
        return str(caught.value)

    scale = StandardScaler()
    assert "cannot name a modality" in failure([("a__b", scale, ["age"])])
    assert "cannot name a modality" in failure([("remainder", scale, ["age"])])
    assert "conflict" in failure([("n_jobs", scale, ["age"])])
    assert "not unique" in failure([("a", scale, ["age"]), ("a", scale, ["size"])])
    assert "(name, encoder, columns)" in failure([("a", scale)])
    assert "should implement fit" in failure([("a", object(), ["age"])])
    assert "'transformers' parameter" in failure("automatic")
    assert "explicit list" in failure([("a", scale, ["age"])], modalities={"age": "x"})
    assert "Modality 'a'" in failure([("a", scale, [17])])
    assert "0 sample(s)" in failure(encode.transformers, X.iloc[:0])
    assert "0 feature(s)" in failure(encode.transformers, X[[]])
    assert "Expected 2D array, got 1D" in failure(encode.transformers, X["age"])
    encode.fit(X)
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        encode.transform(X.iloc[:0])


def test_sparse_matrices_go_to_encoders_that_take_them():
    from scipy import sparse

    A = sparse.random_array((10, 4), density=0.5, rng=np.random.default_rng(0))
    encode = ModalityTransformer(
        [("m", StandardScaler(with_mean=False), slice(0, None))]
    )
    expected = StandardScaler(with_mean=False).fit_transform(A.tocsr()).toarray()
    for made in (A, A.todia(), A.tocsc()):
        np.testing.assert_allclose(encode.fit_transform(made), expected, rtol=1e-6)
