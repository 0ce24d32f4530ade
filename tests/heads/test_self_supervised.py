"""Nets that learn without y: modalities aligned, modalities told from others."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import log_softmax
from sklearn.linear_model import Ridge

from skmultimodal import pack, unpack
from skmultimodal.fusion import EvidentialFusion
from skmultimodal.heads import FusionTransformer
from skmultimodal.heads._objectives import contrast

every_objective = pytest.mark.parametrize(
    "objective", ["contrastive", "reconstruction"]
)


def shared_latent(n=400, seed=0):
    """Three noisy views of the same three numbers; one of them is a sequence."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, 3))
    maps = np.random.default_rng(99)
    text = latent @ maps.normal(size=(3, 8))
    image = np.tanh(latent @ maps.normal(size=(3, 12)))
    audio = (latent @ maps.normal(size=(3, 4)))[:, None, :].repeat(3, axis=1)
    blocks = {"text": text, "image": image, "audio": audio}
    return {m: z + 0.1 * rng.normal(size=z.shape) for m, z in blocks.items()}


def recall(queries, keys, k=1):
    """Share of queries whose own key is among the k most alike."""
    alike = queries @ keys.T
    ahead = (alike > alike.diagonal()[:, None]).sum(axis=1)
    return (ahead < k).mean()


@pytest.fixture(scope="module")
def aligned():
    """Trained on 400 rows; some lack text, some audio, some a step of it."""
    blocks = shared_latent()
    blocks["text"][:40] = np.nan
    blocks["audio"][30:80] = np.nan
    blocks["audio"][80:100, 2:] = np.nan
    return FusionTransformer(
        objective="contrastive",
        output="per_modality",
        embed_dim=16,
        dropout=0.0,
        max_epochs=20,
        batch_size=64,
        random_state=0,
        device="cpu",
    ).fit(pack(blocks))


@pytest.fixture(scope="module")
def new_rows():
    return shared_latent(200, seed=1)


# --- contrastive ----------------------------------------------------------------------


def test_info_nce():
    """Cross entropy of the own partner, among those of all rows that have both."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 6, 4))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    both = np.array([True, True, False, True, False, True])
    score = 7.0 * a[both] @ b[both].T
    expected = np.zeros(6)
    there = log_softmax(score, axis=1).diagonal()
    back = log_softmax(score, axis=0).diagonal()
    expected[both] = -(there + back) / 2
    found = contrast(
        torch.tensor(a), torch.tensor(b), torch.tensor(both), torch.tensor(7.0)
    )
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6, atol=1e-9)


def test_the_loss_is_the_mean_over_all_pairs_of_views(aligned):
    """Three modalities and all of them together: six pairs, weighed by their rows."""
    blocks = shared_latent(12, seed=2)
    blocks["text"][:3] = np.nan
    blocks["image"][2:5] = np.nan
    blocks["audio"][4:6] = np.nan
    X = pack(blocks)
    views = {m: z.astype(float) for m, z in unpack(aligned.transform(X)).items()}
    whole = copy.deepcopy(aligned).set_params(output="fused")
    has = {m: ~np.isnan(z[:, 0]) for m, z in views.items()}
    has["all"] = np.sum(list(has.values()), axis=0) > 1
    views["all"] = np.asarray(whole.transform(X), dtype=float)
    scale = np.exp(float(aligned.module_.scale.detach()))
    total, count, names = 0.0, 0, list(views)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            both = has[one] & has[other]
            score = scale * views[one][both] @ views[other][both].T
            for axis in (0, 1):
                total -= log_softmax(score, axis=axis).diagonal().sum() / 2
            count += both.sum()
    with torch.no_grad():
        x, present = aligned._inputs(X.to_numpy())
        found = float(aligned.module_(x, present).output.mean())
    assert found == pytest.approx(total / count, rel=1e-4)


def test_rows_lie_on_the_sphere(aligned, new_rows):
    for z in unpack(aligned.transform(pack(new_rows))).values():
        np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("query", "key"), [("text", "image"), ("image", "text"), ("audio", "image")]
)
def test_the_own_partner_of_a_new_row_is_found(aligned, new_rows, query, key):
    """Chance is 1 in 200."""
    Z = unpack(aligned.transform(pack(new_rows)))
    assert recall(Z[query], Z[key]) > 0.3
    assert recall(Z[query], Z[key], k=10) > 0.9
    order = np.random.default_rng(0).permutation(200)
    assert recall(Z[query], Z[key][order], k=10) < 0.15


def test_a_row_with_one_modality_lies_where_that_modality_lies(aligned, new_rows):
    """So a text alone, whatever else its frame has no value for, finds its picture."""
    Z = unpack(aligned.transform(pack(new_rows)))
    lone = {m: z if m == "text" else z * np.nan for m, z in new_rows.items()}
    alone = unpack(aligned.transform(pack(lone)))
    np.testing.assert_allclose(alone["text"], Z["text"], rtol=1e-5, atol=1e-5)
    fused = copy.deepcopy(aligned).set_params(output="fused")
    found = np.asarray(fused.transform(pack(lone)))
    np.testing.assert_allclose(found, Z["text"], rtol=1e-5, atol=1e-5)


def test_a_row_is_the_same_among_any_others(aligned, new_rows):
    X = pack(new_rows)
    whole = aligned.transform(X)
    part = aligned.transform(X.iloc[[150, 3, 77]])
    pd.testing.assert_frame_equal(part, whole.iloc[[150, 3, 77]], atol=1e-5)


def test_contrast_needs_two_modalities(quick):
    X = pack({"text": np.random.default_rng(0).normal(size=(20, 3))})
    made = FusionTransformer(objective="contrastive", **quick())
    with pytest.raises(ValueError, match="X has one modality, 'text'"):
        made.fit(X)
    with pytest.raises(ValueError, match=r"for an array: modalities=\{...\}"):
        made.fit(X.to_numpy())


def test_contrast_needs_rows_with_two_modalities(quick):
    blocks = shared_latent(20)
    X = pack({"text": blocks["text"], "image": blocks["image"]})
    X.iloc[:10, :8] = np.nan
    X.iloc[10:, 8:] = np.nan
    made = FusionTransformer(objective="contrastive", **quick())
    with pytest.raises(ValueError, match="None of the 20 rows has two of the modal"):
        made.fit(X)


# --- reconstruction -------------------------------------------------------------------


def test_the_error_is_the_mean_square_of_what_is_there(quick):
    """Worked out from the net's own decoders, a hidden modality at a time."""
    blocks = shared_latent(40)
    blocks["text"][:5] = np.nan
    blocks["audio"][3:9, 1:] = np.nan
    X = pack(blocks)
    made = FusionTransformer(objective="reconstruction", **quick(max_epochs=2)).fit(X)
    x, present = made._inputs(X.to_numpy())
    net, n = made.module_, len(X)
    steps = {"text": [0], "image": [1], "audio": [2, 3, 4]}
    widths = {"text": 8, "image": 12, "audio": 4}
    starts = {"text": 0, "image": 8, "audio": 20}
    expected = np.zeros(n)
    for hidden in steps:
        here = {m: present[:, s].clone() for m, s in steps.items()}
        here[hidden][:] = False
        with torch.no_grad():
            fused = net.fuse(x, here)[1].fused
            told = {m: net.decode[m](fused).numpy() for m in steps}
        for row in range(n):
            errors = []
            for m, where in steps.items():
                known = np.flatnonzero(present[row, where])
                if not len(known):
                    continue
                columns = np.concatenate(
                    [np.arange(t * widths[m], (t + 1) * widths[m]) for t in known]
                )
                true = x[row, starts[m] + columns].numpy()
                errors.append(((told[m][row, columns] - true) ** 2).mean())
            expected[row] += np.mean(errors) / 3
    with torch.no_grad():
        found = net(x, present).output.numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_hidden_modality_is_told_by_the_others(quick):
    """Much better than by its mean, on rows that were not trained on."""
    made = FusionTransformer(
        objective="reconstruction", **quick(max_epochs=30, embed_dim=16)
    ).fit(pack(shared_latent()))
    x, present = made._inputs(pack(shared_latent(200, seed=1)).to_numpy())
    for hidden, columns, step in [
        ("text", slice(0, 8), slice(0, 1)),
        ("image", slice(8, 20), slice(1, 2)),
        ("audio", slice(20, 32), slice(2, 5)),
    ]:
        shown = present.clone()
        shown[:, step] = False
        here = made.module_.presence(shown)
        with torch.no_grad():
            fused = made.module_.fuse(x, here)[1].fused
            told = made.module_.decode[hidden](fused)
        true = x[:, columns]
        assert (told - true).square().mean() < 0.5 * (true - true.mean(0)).var(), hidden


def test_the_representation_keeps_what_the_modalities_share(quick):
    blocks = shared_latent(600)
    latent = np.random.default_rng(0).normal(size=(600, 3))  # as it was drawn there
    made = FusionTransformer(
        "bottleneck", objective="reconstruction", **quick(max_epochs=15)
    )
    Z = made.fit_transform(pack(blocks))
    assert Ridge().fit(Z[:300], latent[:300]).score(Z[300:], latent[300:]) > 0.8


def test_one_modality_is_an_autoencoder(quick):
    X = pack({"text": shared_latent(100)["text"]})
    made = FusionTransformer(objective="reconstruction", **quick(max_epochs=10)).fit(X)
    losses = [epoch["train_loss"] for epoch in made.history_]
    assert losses[-1] < 0.7 * losses[0]


# --- both -----------------------------------------------------------------------------


@every_objective
def test_y_is_not_looked_at(quick, objective):
    X = pack(shared_latent(80))
    made = FusionTransformer(objective=objective, **quick(max_epochs=2))
    expected = made.fit_transform(X)
    rng = np.random.default_rng(0)
    for y in (rng.integers(2, size=80), rng.normal(size=80), np.full(80, "a"), -1):
        y = np.full(80, y) if np.ndim(y) == 0 else y
        pd.testing.assert_frame_equal(made.fit_transform(X, y), expected)


@every_objective
def test_fit_transform_is_transform(quick, objective):
    """No y has been seen, so that training rows give none away."""
    X = pack(shared_latent(80))
    made = FusionTransformer(objective=objective, **quick(max_epochs=1))
    pd.testing.assert_frame_equal(made.fit_transform(X), made.transform(X))


@every_objective
def test_stops_early_on_its_own_loss(quick, objective):
    X = pack(shared_latent(120))
    made = FusionTransformer(
        objective=objective,
        early_stopping=True,
        validation_fraction=0.25,
        n_iter_no_change=2,
        **quick(max_epochs=40, lr=0.05),
    ).fit(X)
    losses = [epoch["valid_loss"] for epoch in made.history_]
    assert made.n_iter_ < 40
    assert min(losses) < losses[0]
    assert min(losses) < min(losses[-2:])  # two epochs without a better one


@every_objective
def test_rows_of_no_weight_take_no_part(quick, objective):
    X = pack(shared_latent(80))
    weight = (np.arange(80) >= 20).astype(float)
    wild = X.copy()
    wild.iloc[:20] *= 1e3
    made = FusionTransformer(objective=objective, **quick(max_epochs=2))
    one = made.fit(wild, sample_weight=weight).transform(X)
    pd.testing.assert_frame_equal(one, made.fit(X[20:]).transform(X))


@every_objective
@pytest.mark.parametrize(
    "params", [{"aux_loss_weight": 0.5}, {"modality_balance": "ogm_ge"}]
)
def test_no_loss_of_single_modalities(quick, objective, params):
    made = FusionTransformer(objective=objective, **quick(**params))
    with pytest.raises(ValueError, match=f"objective='{objective}' has no loss of"):
        made.fit(pack(shared_latent(20)))


@every_objective
def test_evidence_is_for_classes(quick, objective):
    made = FusionTransformer(EvidentialFusion(), objective=objective, **quick())
    with pytest.raises(ValueError, match="EvidentialFusion is for classification"):
        made.fit(pack(shared_latent(20)))


@every_objective
def test_goes_on_from_the_previous_fit(quick, objective):
    X = pack(shared_latent(80))
    made = FusionTransformer(
        objective=objective, warm_start=True, **quick(max_epochs=3)
    )
    first = made.fit(X).history_[0]["train_loss"]
    assert made.fit(X).n_iter_ == 6
    assert made.history_[3]["train_loss"] < first
