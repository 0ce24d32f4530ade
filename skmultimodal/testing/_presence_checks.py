"""What a fusion promises of modalities and steps that are absent."""

from __future__ import annotations

import numpy as np
import torch

from skmultimodal import pack
from skmultimodal.fusion._base import NeuralFusion
from skmultimodal.testing._bare_net import (
    EMBED_DIM,
    make_batch,
    make_net,
    modality_steps,
    outputs,
    wake,
    width,
)
from skmultimodal.testing._head_checks import make_head, make_target
from skmultimodal.testing._require import require, require_close

_MASKS = (
    "Take means over the steps that are there (pool_tokens), and leave the others out "
    "of attention (present=, or scores of -inf)."
)


def check_absent_values(fusion: NeuralFusion) -> None:
    """What stands in an absent modality or step changes nothing."""
    for training in (False, True):
        net = wake(make_net(fusion)).train(training)
        x, present = make_batch(modality_steps(fusion))
        changed = {}
        for m, values in x.items():
            wide = present[m].repeat_interleave(width(m), dim=1)
            changed[m] = torch.where(wide, values, 1e3 * torch.randn_like(values))
        require(
            torch.equal(outputs(net, changed, present), outputs(net, x, present)),
            "Other values where nothing is present change the output "
            f"{'in training' if training else 'at predict'}. The module may know of "
            "absent steps only what tokens and present say, and may keep nothing from "
            "one call to the next.",
        )


def check_masked_steps(fusion: NeuralFusion) -> None:
    """Tokens of masked steps change nothing, and the mask decides which those are."""
    module = wake(make_net(fusion)).fusion
    generator = torch.Generator().manual_seed(0)
    steps = modality_steps(fusion)
    tokens = {
        m: torch.randn(4, t, EMBED_DIM, generator=generator) for m, t in steps.items()
    }
    present = {m: torch.ones(4, t, dtype=torch.bool) for m, t in steps.items()}
    present["audio"][1, 2:] = False
    present["audio"][2] = torch.tensor([False, True, False, True])
    other = torch.where(present["audio"][:, :, None], tokens["audio"], 50.0)
    shown = {**present, "audio": torch.ones(4, 4, dtype=torch.bool)}
    with torch.no_grad():
        fused = module(tokens, present).fused
        again = module({**tokens, "audio": other}, present).fused
        bare = module({**tokens, "audio": other}, shown).fused
    words = f"Tokens of steps that are masked change fused. {_MASKS}"
    require_close(again, fused, words, rtol=1e-5, atol=1e-5)
    require(
        not torch.allclose(bare[1:3], fused[1:3]),
        f"A sequence gives the same with and without its mask. {_MASKS}",
    )


def check_absence_is_told(fusion: NeuralFusion) -> None:
    """That a modality is absent is not the same as its values."""
    net = wake(make_net(fusion))
    x, present = make_batch(modality_steps(fusion))
    whole = outputs(net, x, present)[0]
    for m in x:
        gone = {**present, m: torch.zeros_like(present[m])}
        require(
            not torch.allclose(outputs(net, x, gone)[0], whole),
            f"A row gives the same with and without its modality {m!r}. Let its tokens "
            "enter fused where present says that it is there.",
        )


def check_all_absent(fusion: NeuralFusion) -> None:
    """A row that lacks every modality has a finite output, and can be trained on."""
    words = (
        "Keep denominators above zero (clamp_min(1) on counts), and give a softmax "
        "over nothing a finite score, as masked attention of skmultimodal.nn does."
    )
    for training in (False, True):
        net = wake(make_net(fusion)).train(training)
        x, present = make_batch(modality_steps(fusion))
        nothing = {m: torch.zeros_like(p) for m, p in present.items()}
        out = net(x, nothing)
        require(out.isfinite().all(), f"All absent gives NaN or infinity. {words}")
        alike = (
            "All rows lack everything, and differ. Only tokens and present may count."
        )
        require_close(out, out[:1].expand_as(out), alike, rtol=1.3e-6, atol=1e-5)
        out.sum().backward()
        bad = [
            name
            for name, p in net.named_parameters()
            if p.grad is not None and not p.grad.isfinite().all()
        ]
        require(not bad, f"All absent gives {bad} a gradient that is NaN. {words}")


def check_one_modality(fusion: NeuralFusion) -> None:
    """One modality is enough, or `min_modalities` says that it is not."""
    for only, n_steps in modality_steps(fusion).items():
        if fusion.min_modalities > 1:
            _require_refusal(fusion, only)
        else:
            _require_projection(fusion, {only: n_steps})


def _require_refusal(fusion: NeuralFusion, only: str) -> None:
    rng = np.random.default_rng(0)
    X = pack({only: rng.normal(size=(20, 3))})
    y = make_target(rng.normal(size=20), fusion.tasks[0])
    try:
        make_head(fusion).fit(X, y)
    except ValueError as error:
        words = f"With {only!r} alone it says {str(error)!r}, not what it needs."
        require("needs at least" in str(error), words)
        return
    raise AssertionError(f"With {only!r} alone, fit raised nothing.")


def _require_projection(fusion: NeuralFusion, steps: dict[str, int]) -> None:
    words = (
        f"With {list(steps)} alone, give a projection of it; a fusion that needs more "
        "sets min_modalities = 2."
    )
    try:
        net = wake(make_net(fusion, steps=steps))
        x, present = make_batch(steps)
        out = outputs(net, x, present)
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error} {words}") from error
    require(out.isfinite().all(), f"It gives NaN or infinity. {words}")
    told_apart = (out[0] - out[2]).abs().max() > 1e-4
    require(told_apart, f"Rows that differ give the same. {words}")
