"""What a head makes of X: scaling, gaps, absent modalities, and what it refuses."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skmultimodal import pack
from skmultimodal.heads import FusionClassifier, FusionRegressor


@pytest.fixture
def data(make_data):
    X, signal = make_data()
    return X, (signal > 0).astype(int)


def net_inputs(head, X):
    """What the net is given: (n, p) columns block after block, and presence."""
    columns, present = head._inputs(np.asarray(X, dtype=np.float32))
    return columns.numpy(), present.numpy()


class TestStandardising:
    def reference(self, column):
        """Column by column in float64: centre, divide, squash."""
        values = np.sort(column[~np.isnan(column)].astype(np.float64))

        def rank(q):
            return values[round(q * (len(values) - 1))]

        spread = max((rank(0.75) - rank(0.25)) / 1.35, (rank(0.98) - rank(0.02)) / 4.11)
        if spread == 0:
            spread = (values[-1] - values[0]) / 2
        z = (column - rank(0.5)) / (spread or 1)
        return z / np.sqrt(1 + (z / 3) ** 2)

    def test_against_numpy(self, quick):
        rng = np.random.default_rng(0)
        n = 201
        values = np.column_stack(
            [
                rng.normal(5, 2, n),
                rng.lognormal(0, 2, n),
                rng.uniform(1e6, 2e6, n),
                rng.normal(0, 1e-6, n),
                rng.integers(0, 2, n),
                rng.random(n) < 0.005,
                np.full(n, 7.0),
                np.where(np.arange(n) == 3, 100.0, 0.0),
            ]
        ).astype(np.float32)
        values[3:9, 0] = np.nan
        X = pack({"a": values[:, :3], "b": values[:, 3:]})
        with pytest.warns(UserWarning, match="missing values"):
            head = FusionRegressor(**quick(max_epochs=1)).fit(X, rng.normal(size=n))
        found, _ = net_inputs(head, X)
        for k in range(8):
            expected = self.reference(values[:, k])
            here = ~np.isnan(values[:, k])
            np.testing.assert_allclose(
                found[here, k], expected[here], rtol=1e-3, atol=1e-3, err_msg=str(k)
            )
            if not here.all():
                mean = np.nanmean(values[:, k].astype(np.float64))
                expected = self.reference(np.append(values[:, k], mean))[-1]
                np.testing.assert_allclose(found[~here, k], expected, rtol=0.02)
        assert np.abs(found).max() <= 3

    def test_learned_on_the_training_rows_alone(self, data, quick):
        X, y = data
        head = FusionClassifier(**quick(max_epochs=1)).fit(X, y)
        before, _ = net_inputs(head, X)
        after, _ = net_inputs(head, pd.concat([X, X * 1000]))
        np.testing.assert_array_equal(after[:160], before)
        split = [(np.arange(100), np.arange(100, 160))]
        held = FusionClassifier(
            early_stopping=True, validation_split=split, **quick(max_epochs=1)
        ).fit(X, y)
        part = FusionClassifier(**quick(max_epochs=1)).fit(X[:100], y[:100])
        np.testing.assert_array_equal(net_inputs(held, X)[0], net_inputs(part, X)[0])

    def test_a_feature_of_a_sequence_has_one_scale_for_all_steps(self, quick):
        """Also for steps that few samples have, or none in training."""
        rng = np.random.default_rng(0)
        values = rng.normal([5, -100], [2, 30], size=(300, 4, 2))
        late = values.copy()
        late[1:, 2], late[:, 3] = np.nan, np.nan  # one sample, none
        X, y = pack({"a": late, "b": rng.normal(size=(300, 1))}), np.arange(300) % 2
        head = FusionClassifier(**quick(max_epochs=1)).fit(X, y)
        found, present = net_inputs(head, pack({"a": values, "b": X[["b__0"]]}))
        assert present.all()
        column = np.concatenate([late[:, t, 1] for t in range(4)])
        squash = self.reference(column)
        np.testing.assert_allclose(found[:, 1], squash[:300], rtol=1e-3, atol=1e-3)
        for step in range(4):
            part = found[:, 2 * step : 2 * step + 2]
            np.testing.assert_allclose(np.median(part, axis=0), 0, atol=0.2)
            np.testing.assert_allclose(part.std(axis=0), 0.9, atol=0.15)

    def test_the_unit_of_a_column_does_not_matter(self, data, quick):
        X, y = data
        factors = 10.0 ** np.array([-4, -1, 2, *[3, -3] * 3])  # one unit a feature
        one = FusionClassifier(**quick()).fit(X, y).predict_proba(X)
        scaled = X.astype(np.float64) * factors + factors
        two = FusionClassifier(**quick()).fit(scaled, y).predict_proba(scaled)
        np.testing.assert_allclose(two, one, atol=1e-2)

    def test_switched_off(self, data, quick):
        X, y = data
        head = FusionClassifier(standardize=False, **quick(max_epochs=1)).fit(X, y)
        np.testing.assert_array_equal(net_inputs(head, X)[0], X.to_numpy())

    @pytest.mark.parametrize("standardize", [True, False])
    def test_a_wide_block_does_not_drown_a_narrow_one(self, quick, standardize):
        rng = np.random.default_rng(0)
        narrow, wide = rng.normal(size=(300, 1)), rng.normal(size=(300, 300))
        X = pack({"narrow": narrow, "wide": wide})
        y = (narrow[:, 0] > 0).astype(int)
        head = FusionClassifier(standardize=standardize, **quick(max_epochs=15))
        assert head.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.8

    def test_huge_numbers_stay_finite(self, data, quick):
        """Anything far enough out is as far as can be, up to the end of float32."""
        X, y = data
        head = FusionClassifier(**quick()).fit(X, y)
        far = []
        for value in (1e8, 1e15, 1e25, 3.4e38):
            other = X.copy()
            other["text__0"] = np.float32(value)
            far.append(head.predict_proba(other))
            assert np.isfinite(far[-1]).all()
        for found in far[1:]:
            np.testing.assert_allclose(found, far[0], rtol=1e-5, atol=1e-6)

    def test_columns_of_every_range(self, data, quick):
        X, y = data
        X = X.copy()
        X["text__1"] = np.random.default_rng(0).choice([-3e38, 3e38], 160)
        X["text__2"] = np.float32(1e-40)
        X["audio__t0__1"] = np.float32(3e38)
        head = FusionClassifier(**quick()).fit(X, y)
        assert np.isfinite(head.predict_proba(X)).all()
        assert np.isfinite(net_inputs(head, X)[0]).all()

    def test_constant_columns_say_nothing(self, data, quick):
        X, y = data
        dull = X.assign(dull__0=np.float32(1e7), dull__1=np.float32(-0.3))
        head = FusionClassifier(**quick()).fit(dull, y)
        columns, _ = net_inputs(head, dull)
        np.testing.assert_array_equal(columns[:, -2:], 0)
        assert head.score(dull, y) > 0.85


class TestGaps:
    def test_values_are_filled_with_the_training_mean_and_said_once(self, data, quick):
        X, y = data
        X = X.copy()
        X.iloc[:30, 1] = np.nan
        X.iloc[5:9, 4] = np.nan
        with pytest.warns(UserWarning, match="training mean") as said:
            head = FusionClassifier(**quick(max_epochs=2)).fit(X, y)
        assert len(said) == 1
        message = str(said[0].message)
        assert "30 in modality 'text' (first column 'text__1')" in message
        assert "4 in modality 'audio' (first column 'audio__t0__1')" in message
        means = X.mean()
        steps = [f"audio__t{t}__1" for t in range(3)]
        means[steps] = X[steps].stack().mean()  # of a feature, over all steps
        filled = X.fillna(means)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # nothing is said at predict
            found = head.predict_proba(X)
        np.testing.assert_allclose(found, head.predict_proba(filled), atol=1e-5)
        test = X.copy()
        test.iloc[50:, 2] = np.nan  # whole at fit
        expected = head.predict_proba(test.fillna(means))
        np.testing.assert_allclose(head.predict_proba(test), expected, atol=2e-2)

    def test_a_modality_missing_in_a_row_is_no_missing_value(self, data, quick):
        X, y = data
        X = X.copy()
        X.iloc[:40, :3] = np.nan
        X.iloc[60:80, -2:] = np.nan  # the last step
        head = FusionClassifier(**quick(max_epochs=2)).fit(X, y)  # no warning
        _, present = net_inputs(head, X)
        assert present.tolist() == [
            [not k < 40, True, True, not 60 <= k < 80] for k in range(160)
        ]

    def test_absence_tells_and_is_learned(self, quick):
        """Where it carries signal, that a modality is absent is a feature."""
        rng = np.random.default_rng(0)
        a, b = rng.normal(size=(300, 2)), rng.normal(size=(300, 2))
        y = rng.integers(2, size=300)
        a[y == 1] = np.nan
        X = pack({"a": a, "b": b})
        head = FusionClassifier(**quick()).fit(X[:200], y[:200])
        assert head.score(X[200:], y[200:]) > 0.95

    def test_absent_in_every_row_at_fit(self, data, quick):
        X, y = data
        gone = X.copy()
        gone.iloc[:, :3] = np.nan
        with pytest.warns(
            UserWarning, match=r"Every row lacks the modality 'text'.*pred"
        ):
            head = FusionClassifier(**quick()).fit(gone, y)
        assert head.score(gone, y) > 0.6
        loud = X.copy()
        loud.iloc[:, :3] *= 1e6
        expected = head.predict_proba(gone)
        np.testing.assert_array_equal(head.predict_proba(X), expected)
        np.testing.assert_array_equal(head.predict_proba(loud), expected)

    def test_nothing_at_all_at_fit(self, data, quick):
        X, y = data
        with pytest.warns(UserWarning, match="Every row lacks") as said:
            head = FusionClassifier(**quick()).fit(X * np.nan, y)
        assert len(said) == 2
        proba = head.predict_proba(X)
        np.testing.assert_allclose(proba[:, 1], y.mean(), atol=0.15)

    def test_absent_at_predict(self, data, quick):
        X, y = data
        head = FusionClassifier(modality_dropout=0.3, **quick(max_epochs=20)).fit(X, y)
        for columns in (slice(0, 3), slice(3, None)):
            gone = X.copy()
            gone.iloc[:, columns] = np.nan
            assert 0.6 < head.score(gone, y) < head.score(X, y)

    @pytest.mark.parametrize(
        "fusion", ["concat", "gated", "bottleneck", "cross_attention"]
    )
    def test_a_row_alone_is_the_row_in_a_batch(self, data, quick, fusion):
        X, y = data
        X = X.copy()
        X.iloc[3, :3], X.iloc[4, 3:], X.iloc[5], X.iloc[6, 7:] = (np.nan,) * 4
        head = FusionClassifier(fusion, **quick(max_epochs=2)).fit(X, y)
        together = head.predict_proba(X)
        for row in range(12):
            alone = head.predict_proba(X.iloc[[row]])[0]
            np.testing.assert_allclose(alone, together[row], rtol=1e-5, atol=1e-5)

    def test_more_rows_than_are_predicted_at_a_time(self, data, quick):
        X, y = data
        X = X.copy()
        X.iloc[:5, :3] = np.nan
        head = FusionClassifier(**quick(max_epochs=2)).fit(X, y)
        many = pd.concat([X] * 30, ignore_index=True)  # 4,800
        np.testing.assert_allclose(
            head.predict_proba(many), np.tile(head.predict_proba(X), (30, 1)), atol=1e-6
        )


class TestRefused:
    @pytest.mark.parametrize("method", ["fit", "predict"])
    @pytest.mark.parametrize(
        "cells",
        [[np.inf], [-np.inf], [np.inf, -np.inf], [np.nan, np.inf, -np.inf]],
        ids=str,
    )
    @pytest.mark.parametrize("standardize", [True, False])
    @pytest.mark.filterwarnings("ignore:.*filled missing values")
    def test_infinite_values(self, data, quick, method, cells, standardize):
        X, y = data
        head = FusionClassifier(standardize=standardize, **quick(max_epochs=1)).fit(
            X, y
        )
        bad = X.copy()
        bad.iloc[17 : 17 + len(cells), 4] = cells
        row = 17 + int(np.isnan(cells[0]))
        with pytest.raises(
            ValueError,
            match=rf"infinity: row {row}, column 'audio__t0__1' "
            r"\(modality 'audio'\) is -?inf.*Replace it",
        ):
            head.fit(bad, y) if method == "fit" else head.predict(bad)

    def test_the_row_of_infinity_far_down(self, data, quick):
        X, y = data
        head = FusionClassifier(**quick(max_epochs=1)).fit(X, y)
        many = pd.concat([X] * 40, ignore_index=True)
        many.iloc[5555, 0] = np.inf
        with pytest.raises(ValueError, match="row 5555, column 'text__0'"):
            head.predict(many)
        many.iloc[5555:, 0] = np.inf  # of these, some weigh the modalities
        with pytest.raises(ValueError, match="row 5555, column 'text__0'"):
            head.fit(many, np.tile(y, 40))

    def test_too_large_for_float32(self, data, quick):
        X, y = data
        with pytest.raises(
            ValueError, match=r"infinity: row 0, column 'text__0'.*float32"
        ):
            FusionClassifier(**quick()).fit(X.astype(float).assign(text__0=1e300), y)

    @pytest.mark.parametrize(
        "spoil",
        [lambda X: X.iloc[:, ::-1], lambda X: X.rename(columns={"text__1": "text__9"})],
        ids=["reordered", "renamed"],
    )
    def test_other_columns_at_predict(self, data, quick, spoil):
        X, y = data
        head = FusionClassifier(**quick(max_epochs=1)).fit(X, y)
        with pytest.raises(ValueError, match="feature names should match"):
            head.predict(spoil(X))

    @pytest.mark.parametrize(
        "cells",
        [
            pd.Series(["a house"] * 160),
            pd.Series(["a"] * 160, dtype="category"),
            pd.Series([b"a"] * 160),
            pd.Series([[1.0, 2.0]] * 160),
            pd.date_range("2024-01-01", periods=160).to_series(index=range(160)),
        ],
        ids=["text", "category", "bytes", "lists", "dates"],
    )
    @pytest.mark.parametrize("method", ["fit", "predict"])
    def test_raw_columns(self, data, quick, cells, method):
        X, y = data
        raw = X.assign(text__1=cells)
        head = FusionClassifier(**quick(max_epochs=1)).fit(X, y)
        call = (
            (lambda: head.fit(raw, y)) if method == "fit" else lambda: head.predict(raw)
        )
        with pytest.raises(
            ValueError, match=r"Column 'text__1' holds .* cells; .*Put a ModalityTransf"
        ):
            call()

    def test_a_sequence_with_a_hole(self, data, quick):
        X, y = data
        with pytest.raises(
            ValueError, match=r"'audio' reads as a sequence.*audio__t1__0"
        ):
            FusionClassifier(**quick()).fit(X.drop(columns="audio__t1__0"), y)

    @pytest.mark.parametrize(
        ("modalities", "message"),
        [
            ({"text": slice(0, 3)}, r"column 'audio__t0__0'.* in none"),
            ({"a": slice(0, 5), "b": slice(4, 9)}, r"'audio__t0__1' in more than one"),
            ({"a": ["text__7"], "b": slice(0, 9)}, r"'text__7', which X does not have"),
            ({"a__b": slice(None)}, r"'a__b' cannot name"),
        ],
    )
    def test_modalities(self, data, quick, modalities, message):
        X, y = data
        with pytest.raises(ValueError, match=message):
            FusionClassifier(modalities=modalities, **quick()).fit(X, y)

    @pytest.mark.parametrize(
        ("fusion", "message"),
        [
            ("concta", r"Known fusions: \['attention_pool', 'bottleneck', 'concat'"),
            (dict, r"neither the name of a fusion"),
        ],
    )
    def test_fusions(self, data, quick, fusion, message):
        with pytest.raises(ValueError, match=message):
            FusionClassifier(fusion, **quick()).fit(*data)

    def test_a_class_of_fusion(self, data, quick):
        from skmultimodal.fusion import GatedFusion

        with pytest.raises(ValueError, match=r"is a class; give an instance"):
            FusionClassifier(GatedFusion, **quick()).fit(*data)

    def test_heads_that_do_not_divide(self, data, quick):
        with pytest.raises(ValueError, match=r"n_heads=4\) cannot split embed_dim=6"):
            FusionClassifier("cross_attention", **quick(embed_dim=6)).fit(*data)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("embed_dim", 0), ("dropout", 1.0), ("lr", 0), ("lr", "fast")),
            *(("max_epochs", 0), ("batch_size", "all"), ("batch_size", 0)),
            *(("lr_schedule", "step"), ("standardize", "yes"), ("max_time", 0)),
            *(("validation_fraction", 1.0), ("n_iter_no_change", 0)),
            *(("modality_dropout", -0.1), ("weight_decay", -1), ("modalities", [0])),
        ],
    )
    def test_parameters(self, data, quick, name, value):
        with pytest.raises(ValueError, match=f"The '{name}' parameter of FusionClass"):
            FusionClassifier(**quick() | {name: value}).fit(*data)


class TestContainers:
    @pytest.fixture
    def expected(self, data, quick):
        X, y = data
        return FusionClassifier(**quick(max_epochs=2)).fit(X, y).predict_proba(X)

    @pytest.mark.parametrize(
        "convert",
        [
            lambda X: X.astype(np.float64),
            lambda X: X.astype(object),
            lambda X: X.astype("Float32"),
            lambda X: X.set_axis([f"r{k}" for k in range(160)]),
            lambda X: pd.DataFrame(np.asfortranarray(X), columns=X.columns),
            pl.from_pandas,
            lambda X: pl.from_pandas(X).cast(pl.Float64),
        ],
        ids=["float64", "object", "Float32", "index", "fortran", "polars", "polars64"],
    )
    def test_frames(self, data, quick, expected, convert):
        X, y = data
        found = FusionClassifier(**quick(max_epochs=2)).fit(convert(X), y)
        np.testing.assert_array_equal(found.predict_proba(convert(X)), expected)

    def test_objects_of_mixed_numbers_and_none(self, data, quick):
        X, y = data
        mixed = X.copy()
        mixed["text__0"] = np.round(X["text__0"])
        cells = [int(v) if k % 2 else float(v) for k, v in enumerate(mixed["text__0"])]
        plain = (
            FusionClassifier(**quick(max_epochs=2)).fit(mixed, y).predict_proba(mixed)
        )
        mixed["text__0"] = pd.Series(cells, dtype=object)
        found = FusionClassifier(**quick(max_epochs=2)).fit(mixed, y)
        np.testing.assert_array_equal(found.predict_proba(mixed), plain)

    def test_none_and_na_are_missing(self, data, quick):
        X, y = data
        gone = X.copy()
        gone.iloc[:9, :3] = np.nan
        expected = FusionClassifier(**quick(max_epochs=2)).fit(gone, y)
        for other in (
            gone.astype(object).where(gone.notna(), None),
            gone.astype("Float32"),
            pl.from_pandas(gone, nan_to_null=True),
        ):
            found = FusionClassifier(**quick(max_epochs=2)).fit(other, y)
            np.testing.assert_array_equal(
                found.predict_proba(other), expected.predict_proba(gone)
            )

    def test_columns_in_any_order_at_fit(self, data, quick):
        """Blocks may lie scattered; the grid is put right by the names."""
        X, y = data
        order = np.random.default_rng(0).permutation(X.columns)
        head = FusionClassifier(**quick()).fit(X[order], y)
        assert head.score(X[order], y) > 0.85
        columns, present = net_inputs(head, X[order])
        assert columns.shape == (160, 9)
        assert present.shape == (160, 4)
        gone = X.copy()
        gone[["audio__t1__0", "audio__t1__1"]] = np.nan
        audio = 1 if head._inputs.layout.names[0] == "text" else 0
        hidden = net_inputs(head, gone[order])[1]
        assert (~hidden).sum(axis=0).tolist() == (
            [0, 0, 160, 0] if audio else [0, 160, 0, 0]
        )

    def test_an_array_is_one_modality_or_what_it_is_said_to_be(self, data, quick):
        X, y = data
        head = FusionClassifier(**quick(max_epochs=2)).fit(X.to_numpy(), y)
        assert head._recipe.layout.names == ["x"]
        split = {"text": slice(0, 3), "audio": range(3, 9)}
        head = FusionClassifier(modalities=split, **quick()).fit(X.to_numpy(), y)
        assert head.score(X.to_numpy(), y) > 0.85
        assert not hasattr(head, "feature_names_in_")

    def test_an_array_with_nan_warns(self, data, quick):
        X, y = data
        gone = X.to_numpy().copy()
        gone[:9, :3] = np.nan
        with (
            pytest.warns(
                UserWarning, match=r"X holds NaN.*one modality.*pack makes one"
            ),
            pytest.warns(UserWarning, match="training mean"),
        ):
            FusionClassifier(**quick(max_epochs=1)).fit(gone, y)
        split = {"text": slice(0, 3), "audio": range(3, 9)}
        FusionClassifier(modalities=split, **quick(max_epochs=1)).fit(gone, y)

    def test_memory_that_is_read_only(self, data, quick, tmp_path, expected):
        X, y = data
        np.save(tmp_path / "X.npy", X.to_numpy())
        mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
        frame = pd.DataFrame(mapped, columns=X.columns, copy=False)
        head = FusionClassifier(**quick(max_epochs=2)).fit(frame, y)
        np.testing.assert_array_equal(head.predict_proba(frame), expected)
        split = {"text": slice(0, 3), "audio": range(3, 9)}
        FusionClassifier(modalities=split, **quick(max_epochs=1)).fit(mapped, y)

    def test_x_is_left_alone(self, data, quick):
        X, y = data
        X.iloc[:9, :3] = np.nan
        before = X.copy()
        FusionClassifier(**quick(max_epochs=1)).fit(X, y).predict(X)
        pd.testing.assert_frame_equal(X, before)
