"""FusionGenerator with what was said before."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch

from skmultimodal import pack
from skmultimodal._dialogue_cells import DIALOGUE_FEATURES, pack_text
from skmultimodal.heads import FusionGenerator

PARAMS = {
    "vocabulary_size": 300,  # names are spelled
    "embed_dim": 32,
    "dropout": 0.0,
    "lr": 1e-2,
    "batch_size": 32,
    "max_epochs": 20,
    "random_state": 0,
    "device": "cpu",
}


def history(rows, n_steps=None):
    """The block of dialogues, each a list of (role, text)."""
    steps = [
        [
            (code, role, k)
            for k, (role, text) in enumerate(d)
            for code in pack_text(text)
        ]
        for d in rows
    ]
    width = n_steps or max(len(part) for part in steps)
    cells = np.full((len(rows), width, 3), np.nan, dtype=np.float32)
    for row, part in zip(cells, steps):
        if part:
            row[: len(part)] = part
    names = [f"history__t{t}__{f}" for t in range(width) for f in DIALOGUE_FEATURES]
    return pd.DataFrame(cells.reshape(len(rows), -1), columns=names)


def word(rng):
    return "".join(rng.choice(list("abcdefghij"), 3))


def make(n=400, seed=0, with_picture=True):
    """Somebody tells two names, the picture says which of them is asked for."""
    rng = np.random.default_rng(seed)
    left, right = ([word(rng) for _ in range(n)] for _ in range(2))
    side = rng.integers(2, size=n)
    talk = [[(0, f"left is {a}"), (1, f"right is {b}")] for a, b in zip(left, right)]
    y = np.array([(a, b)[s] for a, b, s in zip(left, right, side)], dtype=object)
    X = history(talk, n_steps=10)
    if with_picture:
        image = np.eye(2)[side] + 0.1 * rng.normal(size=(n, 2))
        X = pd.concat([pack({"image": image}), X], axis=1)
    return X, y


@pytest.fixture(scope="module", params=["lstm", "transformer"])
def fitted(request):
    X, y = make()
    return FusionGenerator(decoder=request.param, **PARAMS).fit(X, y)


def test_copies_names_that_no_reply_has_had(fitted):
    X, y = make(100, seed=7)
    seen = set(make()[1])
    new = np.array([text not in seen for text in y])
    assert new.sum() > 30
    assert np.mean(fitted.predict(X)[new] == y[new]) > 0.8


def test_without_copying_a_new_name_is_hard():
    X, y = make()
    X_new, y_new = make(100, seed=7)
    head = FusionGenerator(copy=False, **PARAMS).fit(X, y)
    assert head.module_.pointer is None
    copying = FusionGenerator(**PARAMS).fit(X, y)
    assert copying.perplexity(X_new, y_new) < head.perplexity(X_new, y_new) - 0.1


def test_the_history_is_no_number_to_the_net(fitted):
    X, y = make(10)
    assert fitted._inputs.layout.names == ["image"]
    part = fitted._inputs(X.to_numpy(), list(y))
    assert part.x.shape == (10, 2)
    assert part.present.shape == (10, 1)


def test_roles_and_order_of_turns_are_read(fitted):
    X, _ = make(20, seed=3)
    talk = [[(0, "left is abc"), (1, "right is def")]]
    turned = [[(1, "left is abc"), (0, "right is def")]]
    swapped = [talk[0][::-1]]
    image = X[["image__0", "image__1"]].iloc[[0]].reset_index(drop=True)
    told = [
        fitted.predict_proba_next(pd.concat([image, history(t, 10)], axis=1))[1]
        for t in (talk, turned, swapped)
    ]
    assert not np.allclose(told[0], told[1], atol=1e-4)
    assert not np.allclose(told[0], told[2], atol=1e-4)


def test_more_steps_of_nothing_change_nothing(fitted):
    X, y = make(20, seed=3)
    before = fitted.log_likelihood(X, y)
    part = fitted._inputs(X.to_numpy(), list(y))
    wide = torch.nn.functional.pad(part.history, (0, 0, 0, 7), value=-1)
    with torch.no_grad():
        inputs = part.x, part.present, part.history, part.y.long()
        one = fitted.module_(*inputs).output
        two = fitted.module_(inputs[0], inputs[1], wide, inputs[3]).output
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        [fitted.log_likelihood(X.iloc[[k]], y[[k]])[0] for k in range(5)],
        before[:5],
        rtol=1e-3,
        atol=1e-4,
    )


def test_nothing_was_said(fitted):
    X, y = make(8, seed=3)
    silent = X.copy()
    silent[[c for c in X if c.startswith("history")]] = np.nan
    assert all(isinstance(text, str) for text in fitted.predict(silent))
    assert np.isfinite(fitted.score(silent, y))
    assert fitted.score(silent, y) < fitted.score(X, y)
    assert np.isfinite(fitted.score(silent * np.nan, y))


def test_beams_samples_and_allowed_replies_copy_too(fitted):
    X, y = make(40, seed=7)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
    again.set_params(n_beams=4)
    assert np.mean(again.predict(X) == y) > 0.7
    assert np.mean(again.sample(X, 5, random_state=0) == y[:, None]) > 0.5
    again.set_params(allowed=list(dict.fromkeys(y)))
    assert np.mean(again.predict(X) == y) > 0.8


def test_a_dialogue_is_enough():
    X, _ = make(200, with_picture=False)
    y = np.array(
        ["one thing" if k % 2 else "another" for k in range(200)], dtype=object
    )
    talk = [[(k % 2, "what now?")] for k in range(200)]
    head = FusionGenerator(**PARAMS | {"max_epochs": 10}).fit(history(talk), y)
    assert np.mean(head.predict(history(talk)) == y) == 1
    X = history(talk) * np.nan
    assert len(head.predict(X)) == 200
    early = FusionGenerator(early_stopping=True, **PARAMS | {"max_epochs": 2})
    assert "valid_loss" in early.fit(history(talk), y).history_[0]


def test_a_role_never_seen_and_a_longer_window_are_no_error(fitted):
    talk = [[(9, "who is that?"), *[(0, "well")] * 40, (1, "right is abc")]]
    image = pack({"image": np.eye(2)[[0]]})
    X = pd.concat([image, history([talk[0][-2:]], 10)], axis=1)
    assert np.isfinite(fitted.score(X, ["abc"]))
    X = pd.concat([image, history([[(9, "left is abc")]], 10)], axis=1)
    assert np.isfinite(fitted.score(X, ["abc"]))


def test_a_scaler_between_encoder_and_head_is_an_error():
    X, y = make(20)
    scaled = X.copy()
    scaled["history__t0__utf8"] /= 7
    message = r"'history' is a dialogue.*row 0, step 0, feature 0.*Let no scaler"
    with pytest.raises(ValueError, match=message):
        FusionGenerator(**PARAMS).fit(scaled, y)


def test_two_dialogues_are_an_error():
    X, y = make(20)
    second = X[[c for c in X if c.startswith("history")]]
    second = second.rename(columns=lambda c: c.replace("history", "more"))
    with pytest.raises(ValueError, match=r"2 dialogues, \['history', 'more'\]"):
        FusionGenerator(**PARAMS).fit(pd.concat([X, second], axis=1), y)
