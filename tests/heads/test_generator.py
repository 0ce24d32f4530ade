"""FusionGenerator on small data whose replies need every modality."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline

from skmultimodal import pack
from skmultimodal.compose import ModalitySelector
from skmultimodal.heads import FusionGenerator

NUMBERS = np.array(["one", "two", "three"])
COLORS = np.array(["red", "blue"])
PARAMS = {
    "embed_dim": 16,
    "dropout": 0.0,
    "lr": 1e-2,
    "batch_size": 32,
    "max_epochs": 15,
    "random_state": 0,
    "device": "cpu",
}
decoders = pytest.mark.parametrize("decoder", ["lstm", "transformer"])


def make(n=180, seed=0, noise=0.1):
    """A picture that shows a color, a sound of two steps that tells a number."""
    rng = np.random.default_rng(seed)
    number, color = rng.integers(3, size=n), rng.integers(2, size=n)
    image = np.eye(2)[color] + noise * rng.normal(size=(n, 2))
    audio = np.eye(3)[number][:, None] + noise * rng.normal(size=(n, 2, 3))
    y = np.array([f"{NUMBERS[k]} {COLORS[c]} ones" for k, c in zip(number, color)])
    return pack({"image": image, "audio": audio}), y.astype(object)


@pytest.fixture(scope="module", params=["lstm", "transformer"])
def fitted(request):
    X, y = make()
    return FusionGenerator(decoder=request.param, **PARAMS).fit(X, y)


def test_writes_what_the_modalities_tell(fitted):
    X, y = make(60, seed=1)
    found = fitted.predict(X)
    assert found.shape == (60,)
    assert all(isinstance(text, str) for text in found)
    assert np.mean(found == y) > 0.95


def test_score_is_the_mean_log_likelihood_a_token(fitted):
    X, y = make(60, seed=1)
    total = fitted.log_likelihood(X, y)
    n_tokens = 3 + 1  # three words and the end
    assert total.shape == (60,)
    assert fitted.score(X, y) == pytest.approx(total.sum() / (60 * n_tokens))
    assert fitted.perplexity(X, y) == pytest.approx(np.exp(-fitted.score(X, y)))
    assert 1 < fitted.perplexity(X, y) < 1.2
    weight = np.arange(60.0)
    weighted = (weight @ total) / (weight.sum() * n_tokens)
    assert fitted.score(X, y, sample_weight=weight) == pytest.approx(weighted)


def test_the_log_likelihood_is_that_of_one_token_after_the_other(fitted):
    X, y = make(8, seed=1)
    total = np.zeros(len(X))
    for place in range(4):
        prefix = [" ".join(text.split()[:place]) for text in y]
        tokens, probability = fitted.predict_proba_next(X, prefix)
        np.testing.assert_allclose(probability.sum(axis=1), 1)
        ends = [*(" " + text for text in y[0].split()), "<end>"]
        assert set(ends) <= set(tokens)
        following = [[*(f" {w}" for w in text.split()), "<end>"][place] for text in y]
        column = [list(tokens).index(token) for token in following]
        total += np.log(probability[np.arange(len(X)), column])
    np.testing.assert_allclose(fitted.log_likelihood(X, y), total, rtol=1e-4, atol=1e-6)


def test_nothing_is_as_likely_as_the_end_at_once(fitted):
    X, _ = make(4, seed=1)
    _, probability = fitted.predict_proba_next(X)
    ends = probability[:, -1]  # of the reply that says nothing
    nothing = fitted.log_likelihood(X, np.full(len(X), "", dtype=object))
    np.testing.assert_allclose(np.exp(nothing), ends, rtol=1e-4)


def test_one_beam_is_greedy_and_more_find_what_is_at_least_as_probable(fitted):
    X, _ = make(20, seed=2, noise=0.7)
    greedy = fitted.predict(X)
    beams = clone(fitted)
    beams.__setstate__(fitted.__getstate__())
    beams.set_params(n_beams=6, length_penalty=0.0)
    better = fitted.log_likelihood(X, beams.predict(X))
    assert (better >= fitted.log_likelihood(X, greedy) - 1e-4).all()


def test_a_row_alone_is_the_row_in_a_batch(fitted):
    X, y = make(40, seed=3, noise=0.5)
    together, likely = fitted.predict(X), fitted.log_likelihood(X, y)
    for row in (0, 7, 39):
        assert fitted.predict(X.iloc[[row]]) == together[[row]]
        one = fitted.log_likelihood(X.iloc[[row]], y[[row]])
        np.testing.assert_allclose(one, likely[[row]], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_shuffling_a_modality_hurts(fitted, modality):
    X, y = make(60, seed=1)
    columns = [c for c in X if c.startswith(modality)]
    shuffled = X.copy()
    shuffled[columns] = X[columns].to_numpy()[::-1]
    assert fitted.score(shuffled, y) < fitted.score(X, y) - 0.3
    assert np.mean(fitted.predict(shuffled) == y) < 0.8


@decoders
@pytest.mark.parametrize("fusion", ["concat", "bottleneck", "cross_attention", "film"])
def test_gradient_reaches_every_modality(decoder, fusion):
    X, y = make(32)
    head = FusionGenerator(fusion, decoder=decoder, **PARAMS | {"max_epochs": 1})
    head.fit(X, y)
    part = head._inputs(X.to_numpy(), list(y))
    part.x.requires_grad_()
    part.y = part.y.long()
    head.module_(*part.inputs).output.square().sum().backward()
    assert (part.x.grad.abs().sum(0) > 0).all()


def test_an_absent_modality_has_no_value(fitted):
    X, y = make(40, seed=1)
    for modality in ("image", "audio"):
        columns = [c for c in X if c.startswith(modality)]
        gone = X.copy()
        gone[columns] = np.nan
        part = fitted._inputs(gone.to_numpy(), list(y))
        part.y = part.y.long()
        with torch.no_grad():
            before = fitted.module_(*part.inputs).output
            where = fitted._inputs.layout.slices()[modality]
            part.x[:, where] += 100.0
            after = fitted.module_(*part.inputs).output
        torch.testing.assert_close(after, before, rtol=0, atol=0)
        assert np.isfinite(fitted.log_likelihood(gone, y)).all()


def test_a_row_that_lacks_everything_gets_a_reply_too(fitted):
    X, y = make(6, seed=1)
    nothing = X * np.nan
    assert all(isinstance(text, str) for text in fitted.predict(nothing))
    assert np.isfinite(fitted.score(nothing, y))


def test_modalities_that_come_and_go_in_training():
    X, y = make()
    X = X.copy()
    X.iloc[::3, :2] = np.nan
    X.iloc[1::3, 2:] = np.nan
    head = FusionGenerator(modality_dropout=0.1, **PARAMS).fit(X, y)
    whole = np.arange(2, len(X), 3)
    assert np.mean(head.predict(X.iloc[whole]) == y[whole]) > 0.9


def test_allowed_replies_are_chosen_by_their_likelihood(fitted):
    X, _ = make(40, seed=1, noise=0.4)
    replies = [f"{number} {color} ones" for number in NUMBERS for color in COLORS]
    replies += ["", "one", "something that was never said"]
    head = clone(fitted)
    head.__setstate__(fitted.__getstate__())
    found = head.set_params(allowed=replies).predict(X)
    likely = [fitted.log_likelihood(X, [reply] * len(X)) for reply in replies]
    expected = np.array(replies, dtype=object)[np.argmax(likely, axis=0)]
    np.testing.assert_array_equal(found, expected)
    assert (
        list(head.set_params(allowed=["two blue ones"]).predict(X[:2]))
        == ["two blue ones"] * 2
    )


def test_samples_follow_the_probabilities(fitted):
    X, y = make(3, seed=1)
    drawn = fitted.sample(X, 50, random_state=0)
    assert drawn.shape == (3, 50)
    np.testing.assert_array_equal(drawn, fitted.sample(X, 50, random_state=0))
    assert np.mean(drawn == y[:, None]) > 0.6
    sure = fitted.sample(X, 5, temperature=0.01, random_state=0)
    assert (sure == fitted.predict(X)[:, None]).all()
    assert (fitted.sample(X, 5, top_p=0.01) == fitted.predict(X)[:, None]).all()
    wild = fitted.sample(X, 20, temperature=50.0, random_state=1)
    assert len(set(wild.ravel())) > 30


def test_mbr_gives_the_sample_most_like_the_others(fitted):
    X, y = make(60, seed=1)
    head = clone(fitted)
    head.__setstate__(fitted.__getstate__())
    head.set_params(mbr_samples=8)
    found = head.predict(X)
    np.testing.assert_array_equal(found, head.predict(X))
    np.testing.assert_array_equal(head.predict(X[40:45]), found[40:45])
    assert np.mean(found == y) > 0.9
    state = torch.get_rng_state()
    head.predict(X[:3])
    assert torch.equal(torch.get_rng_state(), state)


def test_mbr_says_what_most_replies_share():
    rng = np.random.default_rng(0)
    X = rng.integers(2, size=(400, 2))  # tells nothing
    said = ["no", "a red house", "the red house", "my red house"]
    y = rng.choice(said, 400, p=[0.4, 0.2, 0.2, 0.2]).astype(object)
    head = FusionGenerator(**PARAMS | {"max_epochs": 5}).fit(X, y)
    assert np.mean(head.predict(X[:50]) == "no") > 0.8
    agreed = head.set_params(mbr_samples=30).predict(X[:50])
    assert np.mean([text.endswith("red house") for text in agreed]) > 0.8


def test_replies_stop_at_max_length(fitted):
    X, _ = make(5, seed=1)
    head = clone(fitted)
    head.__setstate__(fitted.__getstate__())
    for n_beams in (1, 3):
        head.set_params(max_length=2, n_beams=n_beams)
        assert all(len(text.split()) == 2 for text in head.predict(X))
    assert all(len(t.split()) <= 2 for t in head.sample(X, 3, random_state=0).ravel())


def test_empty_replies_are_learned():
    X, y = make()
    color = np.array([text.split()[1] for text in y])
    y = np.where(color == "red", "", y)
    head = FusionGenerator(**PARAMS).fit(X, y)
    assert np.mean((head.predict(X) == "") == (color == "red")) > 0.95
    head.set_params(n_beams=3)
    assert np.mean((head.predict(X) == "") == (color == "red")) > 0.95


@decoders
def test_byte_pairs_and_two_layers_learn_too(decoder):
    X, y = make()
    params = PARAMS | {"max_epochs": 25}
    head = FusionGenerator(
        decoder=decoder, tokenizer="bpe", vocabulary_size=270, n_layers=2, **params
    ).fit(X, y)
    assert np.mean(head.predict(X) == y) > 0.9


def test_early_stopping_keeps_the_epoch_of_the_best_perplexity():
    X, y = make(120, noise=1.0)
    X_val, y_val = make(60, seed=5, noise=1.0)
    params = PARAMS | {"max_epochs": 60, "lr": 2e-2}
    head = FusionGenerator(early_stopping=True, n_iter_no_change=5, **params)
    head.fit(X, y, X_val=X_val, y_val=y_val)
    assert head.n_iter_ < 60
    best = min(epoch["valid_loss"] for epoch in head.history_)
    assert head.perplexity(X_val, y_val) == pytest.approx(np.exp(best), rel=1e-4)


def test_groups_stay_on_one_side_of_the_internal_split(monkeypatch):
    from skmultimodal.heads import _generator

    X, y = make(60)
    groups = np.arange(60) // 6
    kept = []
    draw = _generator.draw_validation

    def look(*args, **kwargs):
        kept.append(draw(*args, **kwargs))
        return kept[-1]

    monkeypatch.setattr(_generator, "draw_validation", look)
    params = PARAMS | {"max_epochs": 1}
    FusionGenerator(early_stopping=True, **params).fit(X, y, groups=groups)
    ((train, valid),) = kept
    assert not set(groups[train]) & set(groups[valid])
    assert len(train) + len(valid) == 60


def test_label_smoothing_keeps_the_net_from_being_sure():
    X, y = make()
    sharp = FusionGenerator(**PARAMS).fit(X, y)
    smooth = FusionGenerator(label_smoothing=0.2, **PARAMS).fit(X, y)
    assert smooth.perplexity(X, y) > sharp.perplexity(X, y) + 0.05
    assert np.mean(smooth.predict(X) == y) > 0.95


def test_rows_without_weight_teach_nothing():
    X, y = make(120)
    wrong = np.arange(120) % 2 == 1
    bad = np.where(wrong, "nonsense", y)
    head = FusionGenerator(**PARAMS).fit(X, bad, sample_weight=~wrong)
    assert "nonsense" not in set(head.predict(X))
    assert head._inputs.tokenizer.encode(["nonsense"])[0] != [0]
    assert len(head._inputs.tokenizer.encode(["nonsense"])[0]) > 1


def test_the_same_seed_gives_the_same_and_another_does_not():
    X, y = make(60)
    params = PARAMS | {"max_epochs": 2, "dropout": 0.3}
    one = FusionGenerator(**params).fit(X, y).log_likelihood(X, y)
    before = torch.get_rng_state()
    two = FusionGenerator(**params).fit(X, y).log_likelihood(X, y)
    np.testing.assert_array_equal(one, two)
    assert torch.equal(torch.get_rng_state(), before)
    other = FusionGenerator(**params | {"random_state": 1}).fit(X, y)
    assert not np.allclose(other.log_likelihood(X, y), one)


def test_warm_start_goes_on_with_the_tokeniser_that_there_is():
    X, y = make(90)
    params = PARAMS | {"max_epochs": 5}
    head = FusionGenerator(warm_start=True, **params).fit(X, y)
    first, tokenizer = head.score(X, y), head._inputs.tokenizer
    head.fit(X, y)
    assert head.n_iter_ == 10
    assert head.score(X, y) > first
    assert head._inputs.tokenizer is tokenizer


# --- with scikit-learn ----------------------------------------------------------------


def test_pickles_hold_no_torch_and_give_the_same(fitted):
    X, y = make(20, seed=1)
    data = pickle.dumps(fitted)
    assert b"torch" not in data
    assert b"tokenizers\n" not in data
    again = pickle.loads(data)
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
    np.testing.assert_array_equal(
        again.log_likelihood(X, y), fitted.log_likelihood(X, y)
    )


def test_a_grid_search_compares_by_likelihood():
    X, y = make(90)
    search = GridSearchCV(
        FusionGenerator(**PARAMS | {"max_epochs": 4}),
        {"decoder": ["lstm", "transformer"], "fusion": ["concat", "gated"]},
        cv=2,
        error_score="raise",
    ).fit(X, y)
    assert (search.cv_results_["mean_test_score"] < 0).all()
    assert search.best_estimator_.predict(X[:2]).shape == (2,)


def test_behind_other_steps_of_a_pipeline():
    X, y = make()
    model = make_pipeline(ModalitySelector(["image"]), FusionGenerator(**PARAMS))
    model.fit(X, y)
    words = [text.split() for text in model.predict(X)]
    assert np.mean([w[1] == t.split()[1] for w, t in zip(words, y)]) > 0.95
    assert model.score(X, y) < 0


def test_metadata_is_routed():
    X, y = make(60)
    with config_context(enable_metadata_routing=True):
        head = FusionGenerator(early_stopping=True, **PARAMS | {"max_epochs": 2})
        head = head.set_fit_request(groups=True, X_val=True, y_val=True)
        model = Pipeline([("head", head)], transform_input=["X_val"])
        X_val, y_val = make(30, seed=2)
        model.fit(X, y, X_val=X_val, y_val=y_val)
        assert "valid_loss" in model[-1].history_[0]


def test_y_may_be_a_series_a_list_or_of_pandas_strings():
    X, y = make(40)
    params = PARAMS | {"max_epochs": 1}
    expected = FusionGenerator(**params).fit(X, y).log_likelihood(X, y)
    for given in (list(y), pd.Series(y, dtype="str"), np.array(y, dtype=str)):
        head = FusionGenerator(**params).fit(X, given)
        np.testing.assert_array_equal(head.log_likelihood(X, given), expected)


# --- real data ------------------------------------------------------------------------


def test_the_picture_is_seen_on_easy_vqa(real_data):
    raw = real_data("easy_vqa")
    rng = np.random.default_rng(0)
    asked = np.array(raw["modalities"]["text"], dtype=object)
    about_color = np.array(["color" in text for text in asked])
    train, test = (
        np.flatnonzero((raw["split"] == part) & about_color)[:600]
        for part in ("train", "test")
    )

    words = sorted({word for text in asked[train] for word in text.lower().split()})

    def encode(rows):
        pictures = raw["image_bank"][raw["modalities"]["image"][rows]] / 255
        means = pictures.reshape(len(rows), 8, 8, 8, 8, 3).mean(axis=(2, 4))
        told = np.array([[w in asked[r] for w in words] for r in rows], dtype=float)
        return pack({"image": means.reshape(len(rows), -1), "question": told})

    head = FusionGenerator(max_epochs=30, random_state=0, device="cpu")
    head.fit(encode(train), raw["y"][train])
    X, y = encode(test), raw["y"][test]
    shuffled = X.copy()
    image = [c for c in X if c.startswith("image")]
    shuffled[image] = X[image].to_numpy()[rng.permutation(len(X))]
    assert head.score(X, y) > head.score(shuffled, y) + 0.2
    right, wrong = head.predict(X) == y, head.predict(shuffled) == y
    assert right.mean() > wrong.mean() + 0.2
