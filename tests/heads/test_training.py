"""How a head trains: validation, stopping, callbacks, seeds, memory, devices."""

import copy
import pickle
import random
import time
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GroupShuffleSplit, KFold
from skorch.callbacks import (
    Callback,
    EarlyStopping,
    EpochScoring,
    EpochTimer,
    GradientNormClipping,
    LRScheduler,
)

from skmultimodal.heads import FusionClassifier, FusionRegressor, _preparing
from skmultimodal.heads._trainer import Trainer


@pytest.fixture
def data(make_data):
    X, signal = make_data()
    return X, (signal > 0).astype(int)


class Spy(Callback):
    """Notes what it is told; raises where it is asked to."""

    def __init__(self, raises=None, at=None):
        self.raises, self.at = raises, at
        self.told, self.rows = [], 0

    def _note(self, what):
        self.told.append(what)
        if what == self.raises and self.told.count(what) == self.at:
            raise KeyboardInterrupt

    def on_train_begin(self, net, **kwargs):
        self._note("train_begin")

    def on_epoch_begin(self, net, **kwargs):
        self._note("epoch_begin")

    def on_batch_end(self, net, batch, training, **kwargs):
        self.rows += len(batch) if training else 0
        self._note("batch_end" if training else "valid_end")

    def on_epoch_end(self, net, **kwargs):
        self._note("epoch_end")

    def on_train_end(self, net, **kwargs):
        self._note("train_end")


def weights(head):
    return {k: v.clone() for k, v in head.module_.state_dict().items()}


def same_weights(one, other):
    return all(torch.equal(one[k], other[k]) for k in one)


class TestHistory:
    def test_contents(self, data, quick):
        X, y = data
        head = FusionClassifier(**quick(max_epochs=4))
        head.fit(X[:120], y[:120], X_val=X[120:], y_val=y[120:])
        assert [epoch["epoch"] for epoch in head.history_] == [1, 2, 3, 4]
        assert head.n_iter_ == 4
        for epoch in head.history_:
            assert set(epoch) == {
                *("epoch", "train_loss", "valid_loss", "valid_loss_best", "lr", "dur")
            }
            assert all(type(value) in (int, float, bool) for value in epoch.values())
            assert epoch["dur"] > 0

    def test_losses_are_what_they_say(self, data, quick):
        """The validation loss is the mean negative log-likelihood of its rows."""
        X, y = data
        head = FusionClassifier(**quick(batch_size=7))
        head.fit(X[:120], y[:120], X_val=X[120:], y_val=y[120:])
        proba = head.predict_proba(X[120:])[np.arange(40), y[120:]]
        expected = -np.log(proba).mean()
        assert head.history_[-1]["valid_loss"] == pytest.approx(expected, rel=1e-4)

    def test_cosine_falls_and_constant_stays(self, data, quick):
        def rates(schedule):
            head = FusionClassifier(lr_schedule=schedule, **quick(lr=0.004))
            return [epoch["lr"] for epoch in head.fit(*data).history_]

        falling = rates("cosine")
        assert all(a > b for a, b in pairwise(falling))
        assert falling[-1] < 0.0004
        assert rates("constant") == pytest.approx([0.004] * 10)

    def test_verbose_prints_a_line_an_epoch(self, data, quick, capsys):
        FusionClassifier(**quick(max_epochs=3)).fit(*data)
        assert capsys.readouterr().out == ""
        FusionClassifier(verbose=1, **quick(max_epochs=3)).fit(*data)
        out = capsys.readouterr().out
        assert "train_loss" in out
        assert len(out.strip().splitlines()) == 2 + 3


class TestSeeds:
    def test_same_seed_same_net(self, data, quick):
        params = quick(dropout=0.3, max_epochs=3)
        one, two = (FusionClassifier(**params).fit(*data) for _ in range(2))
        other = FusionClassifier(**params | {"random_state": 1}).fit(*data)
        assert same_weights(weights(one), weights(two))
        assert not same_weights(weights(one), weights(other))

    def test_a_random_state_goes_on_and_none_is_fresh(self, data, quick):
        state = np.random.RandomState(0)
        for given in (state, None):
            params = quick(max_epochs=1, random_state=given)
            one, two = (FusionClassifier(**params).fit(*data) for _ in range(2))
            assert not same_weights(weights(one), weights(two))

    @pytest.mark.parametrize("seed", [0, None])
    def test_global_states_are_neither_read_nor_touched(self, data, quick, seed):
        def states():
            numpy = np.random.get_state()  # noqa: NPY002
            return numpy[1].tolist(), numpy[2], torch.get_rng_state(), random.getstate()

        X, y = data
        found = []
        for start in (1, 2):
            np.random.seed(start)  # noqa: NPY002
            torch.manual_seed(start)
            random.seed(start)
            before = states()
            head = FusionClassifier(
                early_stopping=True, **quick(dropout=0.2, random_state=seed)
            )
            head.fit(X, y).partial_fit(X, y)
            copy.deepcopy(head).predict(X)
            after = states()
            assert before[:2] == after[:2]
            assert torch.equal(before[2], after[2])
            assert before[3] == after[3]
            found.append(head.predict_proba(X))
        assert np.array_equal(*found) == (seed == 0)


class TestValidation:
    def test_given_rows_are_validated_on_and_not_learned(self, data, quick):
        X, y = data
        plain = FusionClassifier(**quick()).fit(X[:120], y[:120])
        head = FusionClassifier(**quick())
        head.fit(X[:120], y[:120], X_val=X[120:], y_val=1 - y[120:])
        np.testing.assert_array_equal(head.predict_proba(X), plain.predict_proba(X))
        assert head.history_[-1]["valid_loss"] > 1
        assert head.n_iter_ == 10  # without early stopping, all of them

    def test_both_or_neither(self, data, quick):
        X, y = data
        for given in ({"X_val": X}, {"y_val": y}):
            with pytest.raises(ValueError, match="X_val and y_val together"):
                FusionClassifier(**quick()).fit(X, y, **given)

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda X: pd.DataFrame({"text": ["a red house"] * len(X)}),
            lambda X: X.iloc[:, :4],
            lambda X: X.iloc[:, ::-1],
            lambda X: X.rename(columns={"text__0": "text__9"}),
        ],
        ids=["raw", "fewer", "reordered", "renamed"],
    )
    def test_raw_validation_rows(self, data, quick, spoil):
        X, y = data
        with pytest.raises(
            ValueError,
            match=r"X_val does not look like.*reach the head raw.*transform_",
        ):
            FusionClassifier(**quick()).fit(X, y, X_val=spoil(X), y_val=y)

    def test_validation_labels_that_training_lacks(self, data, quick):
        X, y = data
        with pytest.raises(ValueError, match=r"has not seen: \[2\]"):
            FusionClassifier(**quick()).fit(X, y, X_val=X, y_val=y + 1)

    def test_validation_rows_and_targets_that_do_not_fit(self, data, quick):
        X, y = data
        with pytest.raises(ValueError, match="X_val has 160 rows, y_val has 4"):
            FusionClassifier(**quick()).fit(X, y, X_val=X, y_val=y[:4])
        with pytest.raises(ValueError, match="X_val has no rows"):
            FusionClassifier(**quick()).fit(X, y, X_val=X[:0], y_val=y[:0])
        with pytest.raises(ValueError, match="y_val: Input y contains NaN in 1 rows"):
            FusionRegressor(**quick()).fit(
                X, y, X_val=X[:2], y_val=np.array([1.0, np.nan])
            )

    @pytest.mark.parametrize("fraction", [0.1, 0.4])
    def test_a_share_is_held_out(self, data, quick, fraction):
        X, y = data
        spy = Spy()
        head = FusionClassifier(
            early_stopping=True,
            validation_fraction=fraction,
            callbacks=[spy],
            **quick(max_epochs=1),
        ).fit(X, y)
        assert head.callbacks_[0].rows == 160 * (1 - fraction)
        assert "valid_end" in head.callbacks_[0].told

    def test_a_splitter_draws_instead(self, data, quick):
        X, y = data
        seen = []

        class Watched(KFold):
            def split(self, X, y=None, groups=None):
                for train, valid in super().split(X, y, groups):
                    seen.append((train, valid))
                    yield train, valid

        spy = Spy()
        head = FusionClassifier(
            early_stopping=True,
            validation_split=Watched(8),
            callbacks=[spy],
            **quick(max_epochs=1),
        ).fit(X, y)
        assert len(seen) == 1  # its first split
        assert head.callbacks_[0].rows == len(seen[0][0]) == 140

    @pytest.mark.parametrize("splitter", [None, GroupShuffleSplit(1, random_state=0)])
    def test_a_group_is_never_on_both_sides(self, data, quick, monkeypatch, splitter):
        X, y = data
        groups = np.random.default_rng(0).integers(0, 25, len(y))
        drawn = []

        def watch(*args, **kwargs):
            drawn.append(_draw(*args, **kwargs))
            return drawn[-1]

        _draw = _preparing.draw_validation
        monkeypatch.setattr(_preparing, "draw_validation", watch)
        for seed in range(5):
            params = quick(max_epochs=1) | {"random_state": seed}
            head = FusionClassifier(
                early_stopping=True,
                validation_fraction=0.3,
                validation_split=splitter,
                **params,
            ).fit(X, y, groups=groups)
            train, valid = drawn[-1]
            assert not set(groups[train]) & set(groups[valid])
            assert len(train) + len(valid) == 160
            assert len(valid) >= 16
            assert "valid_loss" in head.history_[0]
        assert len(drawn) == 5

    def test_validated_rows_teach_nothing(self, data, quick):
        """Other values and labels in the held-out rows leave an epoch as it is."""
        X, y = data
        split = [(np.arange(100), np.arange(100, 160))]
        params = quick(max_epochs=1)
        head = FusionClassifier(early_stopping=True, validation_split=split, **params)
        expected = clone(head).fit(X, y).predict_proba(X)
        other, labels = X.copy(), y.copy()
        other.iloc[100:] *= 50
        labels[100:] = 1 - y[100:]
        np.testing.assert_array_equal(
            head.fit(other, labels).predict_proba(X), expected
        )


class TestEarlyStopping:
    def test_stops_and_restores_the_best_weights(self, data, quick):
        X, y = data
        rng = np.random.default_rng(0)
        noise = rng.permutation(y[:120])  # nothing to learn: overfits soon
        head = FusionClassifier(
            early_stopping=True,
            n_iter_no_change=3,
            **quick(max_epochs=200, hidden_layer_sizes=(64,)),
        ).fit(X[:120], noise, X_val=X[120:], y_val=y[120:])
        losses = [epoch["valid_loss"] for epoch in head.history_]
        best = int(np.argmin(losses))
        assert head.n_iter_ == best + 1 + 3 < 200
        proba = head.predict_proba(X[120:])[np.arange(40), y[120:]]
        assert -np.log(proba).mean() == pytest.approx(losses[best], rel=1e-4)
        assert losses[-1] > losses[best]
        bests = [epoch["valid_loss_best"] for epoch in head.history_]
        expected = [x == min(losses[: k + 1]) for k, x in enumerate(losses)]
        assert bests == expected

    def test_regression(self, make_data, quick):
        X, signal = make_data()
        head = FusionRegressor(
            early_stopping=True, n_iter_no_change=2, **quick(max_epochs=100)
        ).fit(X, 1e6 * signal)
        losses = [epoch["valid_loss"] for epoch in head.history_]
        assert head.n_iter_ == int(np.argmin(losses)) + 1 + 2 or head.n_iter_ == 100

    def test_off_by_default(self, data, quick):
        assert "valid_loss" not in FusionClassifier(**quick()).fit(*data).history_[0]

    def test_max_time(self, data, quick):
        start = time.monotonic()
        head = FusionClassifier(max_time=0.2, **quick(max_epochs=10**6)).fit(*data)
        assert time.monotonic() - start < 20
        assert 1 <= head.n_iter_ < 10**6
        assert head.predict(data[0]).shape == (160,)

    def test_max_time_stops_inside_an_epoch(self, data, quick):
        X, y = data
        head = FusionClassifier(
            max_time=1e-9, callbacks=[Spy()], **quick(batch_size=1)
        ).fit(X, y)
        assert head.n_iter_ == 1
        assert head.callbacks_[0].rows == 1


class TestCallbacks:
    def test_copies_are_told_and_the_users_object_is_left_alone(self, data, quick):
        spy = Spy()
        head = FusionClassifier(callbacks=[spy], **quick(max_epochs=2)).fit(*data)
        assert spy.told == []
        assert head.callbacks == [spy]
        (told,) = head.callbacks_
        assert told is not spy
        batches = ["batch_end"] * 5
        epoch = ["epoch_begin", *batches, "epoch_end"]
        assert told.told == ["train_begin", *epoch, *epoch, "train_end"]

    def test_one_alone_or_with_a_name(self, data, quick):
        for given in (Spy(), [("mine", Spy())]):
            head = FusionClassifier(callbacks=given, **quick(max_epochs=1)).fit(*data)
            assert head.callbacks_[0].told[-1] == "train_end"

    def test_watching_changes_nothing(self, data, quick):
        X, y = data
        plain = FusionClassifier(**quick(dropout=0.2)).fit(X, y)
        watched = FusionClassifier(
            callbacks=[Spy(), EpochTimer()], **quick(dropout=0.2)
        )
        watched.fit(X, y)
        np.testing.assert_array_equal(plain.predict_proba(X), watched.predict_proba(X))

    def test_skorchs_own(self, data, quick):
        X, y = data
        stop = EarlyStopping(monitor="train_loss", patience=2, threshold=1e3, sink=str)
        head = FusionClassifier(callbacks=[stop], **quick(max_epochs=50)).fit(X, y)
        assert head.n_iter_ < 10
        clip = GradientNormClipping(1e-12)
        still = FusionClassifier(
            callbacks=[clip], weight_decay=0.0, **quick(lr=1e-4, max_epochs=1)
        ).fit(X, y)
        free = FusionClassifier(weight_decay=0.0, **quick(lr=1e-4, max_epochs=1)).fit(
            X, y
        )
        assert not same_weights(weights(still), weights(free))

    def test_keyboard_interrupt_at_the_end_of_an_epoch_stops(self, data, quick):
        spy = Spy("epoch_end", at=3)
        head = FusionClassifier(callbacks=[spy], **quick()).fit(*data)
        assert head.n_iter_ == 3
        assert head.callbacks_[0].told[-1] == "train_end"

    @pytest.mark.parametrize("method", ["fit", "partial_fit"])
    @pytest.mark.parametrize("warm_start", [False, True])
    def test_a_real_interruption_goes_through_and_keeps_what_was(
        self, data, quick, method, warm_start
    ):
        X, y = data
        head = FusionClassifier(warm_start=warm_start, **quick()).fit(X, y)
        head.partial_fit(X, y)
        twin, before = copy.deepcopy(head), dict(vars(head))
        head.set_params(callbacks=[Spy("batch_end", at=2)])
        with pytest.raises(KeyboardInterrupt):
            getattr(head, method)(X, 1 - y)
        head.set_params(callbacks=None)
        assert dict(vars(head)) == before
        np.testing.assert_array_equal(head.predict_proba(X), twin.predict_proba(X))
        # and goes on as if nothing had been
        head.partial_fit(X, y)
        twin.partial_fit(X, y)
        np.testing.assert_array_equal(head.predict_proba(X), twin.predict_proba(X))


class TestGoingOn:
    def test_warm_start_continues(self, data, quick):
        X, y = data
        head = FusionClassifier(warm_start=True, **quick(max_epochs=3)).fit(X, y)
        first = head.history_[-1]["train_loss"]
        head.fit(X, y)
        assert [epoch["epoch"] for epoch in head.history_] == [1, 2, 3, 4, 5, 6]
        assert head.history_[3]["train_loss"] < first + 0.05
        cold = FusionClassifier(**quick(max_epochs=3)).fit(X, y).fit(X, y)
        assert cold.n_iter_ == 3

    def test_warm_start_knows_its_labels(self, data, quick):
        X, y = data
        head = FusionClassifier(warm_start=True, **quick(max_epochs=1)).fit(X, y)
        head.fit(X[:4], y[:4] * 0 + 1)  # one of the known classes is fine
        with pytest.raises(ValueError, match=r"has not seen: \[5\]"):
            head.fit(X, np.where(y > 0, 5, 0))
        with pytest.raises(ValueError, match="feature names"):
            head.fit(X.iloc[:, ::-1], y)

    def test_partial_fit_calls_differ_but_repeat(self, data, quick):
        X, y = data
        heads = [FusionClassifier(**quick(dropout=0.2)) for _ in range(2)]
        for head in heads:
            for _ in range(3):
                head.partial_fit(X, y, classes=[0, 1])
        assert same_weights(*(weights(head) for head in heads))

    @pytest.mark.parametrize("method", ["fit", "partial_fit"])
    @pytest.mark.parametrize("warm_start", [False, True])
    def test_a_failure_leaves_what_was(self, data, quick, method, warm_start):
        X, y = data
        head = FusionClassifier(warm_start=warm_start, **quick(max_epochs=2)).fit(X, y)
        before, expected = dict(vars(head)), head.predict_proba(X)
        bad = X.copy()
        bad.iloc[3, 1] = np.inf
        for args in ((bad, y), (X, y[:-1]), (X.iloc[:0], y[:0]), (X, y * np.nan)):
            with pytest.raises(ValueError, match=r".+"):
                getattr(head, method)(*args)
            assert dict(vars(head)) == before
            np.testing.assert_array_equal(head.predict_proba(X), expected)

    def test_a_failing_net_leaves_what_was(self, data, quick, monkeypatch):
        X, y = data
        head = FusionClassifier(**quick(max_epochs=2)).fit(X, y)
        expected = head.predict_proba(X)

        def fail(self, batch, **kwargs):
            raise RuntimeError("CUDA error: an illegal memory access")

        monkeypatch.setattr(Trainer, "train_step", fail)
        for method in (head.fit, head.partial_fit):
            with pytest.raises(RuntimeError, match="illegal memory access"):
                method(X, 1 - y)
            np.testing.assert_array_equal(head.predict_proba(X), expected)


class TestMemory:
    @pytest.fixture
    def small_memory(self, monkeypatch):
        """Steps of more than 20 rows do not fit; `tried` are the sizes of batches."""
        tried, step = [], Trainer.train_step

        def train_step(self, batch, **kwargs):
            tried.append(len(batch))
            if len(batch) > 20:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
            return step(self, batch, **kwargs)

        monkeypatch.setattr(Trainer, "train_step", train_step)
        return tried

    def test_auto_backs_off(self, make_data, quick, small_memory):
        X, signal = make_data(4000)
        y = (signal > 0).astype(int)
        with pytest.warns(UserWarning, match="Memory ran out on cpu.*batch_size=") as w:
            head = FusionClassifier(**quick(batch_size="auto", max_epochs=1)).fit(X, y)
        sizes = [int(str(warning.message).split("=")[-1].strip(".")) for warning in w]
        assert head.batch_size_ == sizes[-1] == 16
        assert all(a == 2 * b for a, b in pairwise(sizes))
        assert max(small_memory[len(sizes) :]) == 16
        again = FusionClassifier(**quick(batch_size=16, max_epochs=1)).fit(X, y)
        np.testing.assert_array_equal(head.predict_proba(X), again.predict_proba(X))

    def test_a_given_size_is_an_error_with_advice(self, data, quick, small_memory):
        with pytest.raises(
            torch.OutOfMemoryError,
            match=r"batch_size=64 on cpu. Use batch_size='auto' or a sm.*embed_dim",
        ):
            FusionClassifier(**quick(batch_size=64)).fit(*data)

    def test_not_even_one_row(self, data, quick, monkeypatch):
        def train_step(self, batch, **kwargs):
            raise RuntimeError("DefaultCPUAllocator: not enough memory")

        monkeypatch.setattr(Trainer, "train_step", train_step)
        with (
            pytest.warns(UserWarning, match="Memory ran out"),
            pytest.raises(RuntimeError, match="Memory ran out with batch_size=1 on"),
        ):
            FusionClassifier(**quick(batch_size="auto")).fit(*data)

    def test_other_errors_are_not_tried_again(self, data, quick, monkeypatch):
        calls = []

        def train_step(self, batch, **kwargs):
            calls.append(1)
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

        monkeypatch.setattr(Trainer, "train_step", train_step)
        with pytest.raises(RuntimeError, match="mat1 and mat2"):
            FusionClassifier(**quick(batch_size="auto")).fit(*data)
        assert len(calls) == 1

    @pytest.mark.parametrize(("n", "size"), [(20, 16), (2000, 64), (20_000, 256)])
    def test_auto_gives_about_32_steps(self, make_data, quick, n, size):
        X, signal = make_data(n)
        head = FusionRegressor(**quick(batch_size="auto", max_epochs=1)).fit(X, signal)
        assert head.batch_size_ == size


class TestDevices:
    @pytest.mark.skipif(
        torch.cuda.is_available(), reason="needs a machine without CUDA"
    )
    @pytest.mark.parametrize("device", ["cuda", "cuda:1", torch.device("cuda", 0)])
    def test_cuda_asked_for_and_not_there(self, data, quick, device):
        with pytest.raises(ValueError, match=r"sees 0 CUDA devices. Use device='auto'"):
            FusionClassifier(**quick(device=device)).fit(*data)

    @pytest.mark.parametrize("device", ["gpu", "", "cpu:x"])
    def test_nonsense(self, data, quick, device):
        with pytest.raises(ValueError, match="is not a device; give 'auto', 'cpu'"):
            FusionClassifier(**quick(device=device)).fit(*data)

    def test_a_device_that_computes_nothing(self, data, quick):
        with pytest.raises(ValueError, match=r"device='meta' was asked for.*cannot"):
            FusionClassifier(**quick(device="meta")).fit(*data)

    def test_torch_devices(self, data, quick):
        for device in ("auto", torch.device("cpu")):
            head = FusionClassifier(**quick(device=device, max_epochs=1)).fit(*data)
            assert head.predict(data[0]).shape == (160,)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
    def test_cuda_learns_and_travels(self, data, quick):
        X, y = data
        head = FusionClassifier(**quick(device="cuda")).fit(X, y)
        assert head.score(X, y) > 0.85
        home = copy.deepcopy(head)
        assert next(home.module_.parameters()).device.type == "cpu"
        np.testing.assert_allclose(
            home.predict_proba(X), head.predict_proba(X), atol=1e-3
        )


def test_scoring_callbacks_are_refused_with_a_reason(data):
    X, y = data
    with pytest.raises(ValueError, match="EpochScoring scores a net's predictions"):
        FusionClassifier(callbacks=[EpochScoring("accuracy")]).fit(X, y)


def test_a_pickle_holds_no_callback(data):
    X, y = data
    head = FusionClassifier(callbacks=[LRScheduler()], max_epochs=2).fit(X, y)
    assert head.callbacks_
    assert not hasattr(pickle.loads(pickle.dumps(head)), "callbacks_")
