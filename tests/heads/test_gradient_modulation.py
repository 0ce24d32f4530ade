"""OGM-GE: a modality that is ahead takes smaller steps."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from skmultimodal.heads import FusionClassifier
from skmultimodal.heads._balance import (
    GradientModulation,
)
from skmultimodal.nn._losses import CrossEntropy

from ._modality_losses import (
    a_batch,
    loud_and_quiet,
    outputs,
    rows_of,
)


@pytest.fixture
def data(make_data):
    X, signal = make_data()
    X.iloc[:20, :3] = np.nan
    X.iloc[15:30, 3:] = np.nan
    return X, (signal > 0).astype(int)


def factors_by_hand(logits, present, y, alpha=0.5):
    """1 - tanh(α r) where r > 1; r: mean probability of y against the others' mean."""
    score = {}
    for m, z in logits.items():
        right = np.exp(log_softmax(z, axis=1))[np.arange(len(y)), y]
        if present[m].any():
            score[m] = right[present[m]].mean()
    found = []
    for m in logits:
        others = [s for other, s in score.items() if other != m]
        ratio = score[m] / np.mean(others) if m in score and others else 0
        found.append(1 - np.tanh(alpha * ratio) if ratio > 1 else 1.0)
    return found


@pytest.mark.parametrize("n_modalities", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_factors(n_modalities, seed):
    logits, present, y = a_batch(n_modalities, seed=seed)
    found = GradientModulation()._factors(
        outputs(logits, present), rows_of(y), CrossEntropy()
    )
    expected = factors_by_hand(logits, present, y)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert (min(expected) < 1) == (n_modalities > 1)


def test_a_modality_that_no_row_of_a_batch_has_does_not_count():
    logits, present, y = a_batch(3)
    present["m1"][:] = False
    found = GradientModulation()._factors(
        outputs(logits, present), rows_of(y), CrossEntropy()
    )
    two = {m: logits[m] for m in ("m0", "m2")}
    expected = factors_by_hand(two, present, y)
    np.testing.assert_allclose(found[[0, 2]], expected, rtol=1e-6)
    assert found[1] == 1


def test_probes_change_nothing_in_the_net(data, quick, monkeypatch):
    """Where no modality is slowed, the net is that of a training without balance."""
    monkeypatch.setattr(
        GradientModulation, "_factors", lambda self, out, *_: torch.ones(2)
    )
    plain = FusionClassifier(**quick(max_epochs=3)).fit(*data)
    probed = FusionClassifier(modality_balance="ogm_ge", **quick(max_epochs=3))
    weights = probed.fit(*data).module_.state_dict()
    for name, value in plain.module_.state_dict().items():
        torch.testing.assert_close(weights[name], value, rtol=1e-3, atol=1e-5)
    more = set(weights) - set(plain.module_.state_dict())
    assert len(more) == 4
    assert all(name.startswith("auxiliary.") for name in more)


def test_probes_learn(data, quick):
    """They tell how far a modality is: by the end better than by guessing."""
    X, y = data
    head = FusionClassifier(modality_balance="ogm_ge", **quick(max_epochs=15))
    head.fit(X, y)
    x, present = head._inputs(X.to_numpy())
    with torch.no_grad():
        out = head.module_(x, present)
    for m, z in out.per_modality.items():
        here = out.present[m].any(1).numpy()
        assert ((z.argmax(1).numpy() == y)[here]).mean() > 0.65, m


def test_a_step_is_scaled_and_noise_makes_up_for_it(data, quick, monkeypatch):
    """k of the step, and noise of √(1 - k²) of its spread."""
    factor = torch.tensor([0.6, 1.0])
    monkeypatch.setattr(GradientModulation, "_factors", lambda self, out, *_: factor)
    params = quick(max_epochs=1, batch_size=160, embed_dim=64)
    start = FusionClassifier(**params | {"lr": 1e-30}).fit(*data)
    plain = FusionClassifier(**params).fit(*data)
    slowed = FusionClassifier(modality_balance="ogm_ge", **params).fit(*data)
    name = "tokens.{}_.project.weight"

    def step(head, modality):
        return (
            head.module_.state_dict()[name.format(modality)]
            - start.module_.state_dict()[name.format(modality)]
        )

    whole = step(plain, "text")
    noise = step(slowed, "text") - 0.6 * whole
    assert abs(float(noise.mean())) < 0.2 * float(whole.std())
    assert float(noise.std()) == pytest.approx(0.8 * float(whole.std()), rel=0.15)
    assert abs(np.corrcoef(noise.ravel(), whole.ravel())[0, 1]) < 0.25
    torch.testing.assert_close(step(slowed, "audio"), step(plain, "audio"))


def test_what_is_ahead_is_slowed(quick, monkeypatch):
    X, y = loud_and_quiet(shift=0.1)
    seen = []
    draw = GradientModulation._factors

    def record(self, *args):
        seen.append(draw(self, *args))
        return seen[-1]

    monkeypatch.setattr(GradientModulation, "_factors", record)
    params = quick(max_epochs=8, block_scale="equal")
    FusionClassifier(modality_balance="ogm_ge", **params).fit(X, y)
    loud, quiet = torch.stack(seen).mean(0)
    assert loud < 0.7
    assert quiet > 0.75


def test_one_modality_has_nobody_to_wait_for(quick):
    X, y = loud_and_quiet(120)
    X = X[[c for c in X if c.startswith("quiet")]]
    plain = FusionClassifier(**quick(max_epochs=3)).fit(X, y)
    alone = FusionClassifier(modality_balance="ogm_ge", **quick(max_epochs=3)).fit(X, y)
    np.testing.assert_allclose(
        alone.predict_proba(X), plain.predict_proba(X), rtol=1e-3, atol=1e-4
    )
