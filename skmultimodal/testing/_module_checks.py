"""What a fusion's module promises, in a net that has no other way through."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from unittest import SkipTest

import torch
from torch import Tensor, nn

from skmultimodal.fusion._base import FusionModule, NeuralFusion
from skmultimodal.nn import Dropout
from skmultimodal.testing._bare_net import (
    EMBED_DIM,
    N_OUTPUTS,
    make_batch,
    make_net,
    modality_steps,
    outputs,
    wake,
)
from skmultimodal.testing._require import require, require_close

_ROWS = (
    "To predict, what a row gives may depend on its own tokens alone: no mean, rank or "
    "norm over the first axis."
)
_TORCH_DROPOUT = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)


def check_output(fusion: NeuralFusion) -> None:
    """The module gives what it says: `d_out` columns, and streams in shape."""
    steps = modality_steps(fusion)
    module = fusion.build(steps, EMBED_DIM, 0.0)
    require(
        isinstance(module, FusionModule),
        f"build gives a {type(module).__name__}. Derive it from FusionModule.",
    )
    d_out = getattr(module, "d_out", None)
    require(
        isinstance(d_out, int) and d_out > 0,
        f"Its module has d_out = {d_out!r}. Set self.d_out, the width of fused.",
    )
    net = make_net(fusion)
    x, present = make_batch(steps)
    n = len(x["text"])
    tokens = {m: net.tokens[m](v, present[m]) for m, v in x.items()}
    out = net.fusion(tokens, present)
    require(
        hasattr(out, "fused") and hasattr(out, "per_modality"),
        f"forward gives a {type(out).__name__}. Return FusionOutput(fused).",
    )
    require(
        out.fused.shape == (n, d_out),
        f"d_out = {d_out}, and fused has shape {tuple(out.fused.shape)} for {n} rows. "
        f"It has to be (n, d_out) = {(n, d_out)}.",
    )
    require(
        out.fused.dtype == torch.float32,
        f"fused is {out.fused.dtype}. Compute in the dtype of the tokens.",
    )
    if out.tokens is not None:
        streams = {m: (n, t, EMBED_DIM) for m, t in steps.items()}
        _require_shapes("tokens", out.tokens, streams)
    if out.per_modality is not None:
        vectors = dict.fromkeys(steps, (n, EMBED_DIM))
        _require_shapes("per_modality", out.per_modality, vectors)
    if out.loss is not None:
        shape = tuple(out.loss.shape)
        require(
            shape == (), f"loss has shape {shape}. Give a scalar: a mean over rows."
        )


def _require_shapes(
    name: str, found: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]
) -> None:
    shapes = {m: tuple(z.shape) for m, z in found.items()}
    require(
        shapes == expected,
        f"{name} has the shapes {shapes}. Give {expected}, or leave {name} out.",
    )


def check_gradient_reaches_every_modality(fusion: NeuralFusion) -> None:
    """After two steps of an optimiser, every modality and every gate is learned."""
    net = make_net(fusion).train()
    closed = [n for n, p in net.fusion.named_parameters() if not p.any()]
    x, present = make_batch(modality_steps(fusion), n=16)
    y = torch.arange(16) % N_OUTPUTS
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    for _ in range(2):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x, present), y).backward()
        optimizer.step()
    optimizer.zero_grad()
    nn.functional.cross_entropy(net(x, present), y).backward()
    for m in x:
        gradient = net.tokens[m].project.weight.grad
        require(
            gradient is not None and gradient.abs().max() > 1e-6,
            f"No gradient reaches the modality {m!r} after two steps. fused has to be "
            "a differentiable function of its tokens (no detach, no rounding), and of "
            "two factors at most one may start at zero.",
        )
        require(
            net.tokens[m].missing.grad is not None,
            f"No gradient reaches the learned token of the modality {m!r}.",
        )
    parameters = dict(net.fusion.named_parameters())
    shut = [n for n in closed if not parameters[n].any()]
    require(
        not shut,
        f"{shut} started at zero and still are. Of two factors at most one may start "
        "at zero; drop a parameter that nothing uses.",
    )


def check_modalities_are_heard(fusion: NeuralFusion) -> None:
    """The output of a row depends on each of its modalities, given the others."""
    net = make_net(fusion).train()
    x, present = make_batch(modality_steps(fusion), n=16)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    for _ in range(2):
        optimizer.zero_grad()
        net(x, present).square().mean().backward()
        optimizer.step()
    net.eval()
    before = outputs(net, x, present)
    for m in x:
        other = outputs(net, {**x, m: x[m] + 1.0}, present)
        moved = (other - before).abs().amax(1)
        deaf = (present[m].any(1) & ~(moved > 1e-6)).nonzero().ravel().tolist()
        require(
            not deaf,
            f"Other values of the modality {m!r} change nothing in rows {deaf}, which "
            "have it. Its tokens have to enter fused in every row.",
        )


def check_order_of_rows(fusion: NeuralFusion) -> None:
    """Rows in another order give the same, in that order."""
    net = wake(make_net(fusion))
    x, present = make_batch(modality_steps(fusion))
    whole = outputs(net, x, present)
    order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(0))
    found = outputs(net, *_take(order, x, present))
    words = f"Rows mix: in another order they give something else. {_ROWS}"
    require_close(found, whole[order], words, rtol=1e-5, atol=1e-6)


def check_batch_size(fusion: NeuralFusion) -> None:
    """A row predicted alone or among a few equals the row predicted among many."""
    net = wake(make_net(fusion))
    x, present = make_batch(modality_steps(fusion))
    whole = outputs(net, x, present)
    order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(0))
    parts = [
        outputs(net, *_take(rows, x, present))
        for rows in (order[:3], order[3:4], order[4:])
    ]
    words = f"A row gives something else in another batch. {_ROWS}"
    require_close(torch.cat(parts), whole[order], words, rtol=1e-5, atol=1e-6)


def _take(
    rows: Tensor, x: dict[str, Tensor], present: dict[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    return {m: v[rows] for m, v in x.items()}, {m: p[rows] for m, p in present.items()}


def check_seed(fusion: NeuralFusion) -> None:
    """The seed of torch decides the weights."""
    one, same, other = (make_net(fusion, seed) for seed in (0, 0, 1))
    for (key, a), b, c in zip(
        one.named_parameters(), same.parameters(), other.parameters()
    ):
        require(
            torch.equal(a, b),
            f"{key} differs between two builds with one seed. Draw weights from "
            "torch's global generator (nn.init, torch.randn), not from NumPy's.",
        )
        is_drawn = a.ndim > 1 and len(a.unique()) > 2  # not zeros, nor an identity
        require(
            not (is_drawn and torch.equal(a, c)),
            f"{key} is the same with another seed. Do not seed in build or __init__; "
            "what is meant to stay belongs in a buffer.",
        )


def check_dropout(fusion: NeuralFusion) -> None:
    """Dropout is that of `skmultimodal.nn`, at the rate that build is given."""
    module = make_net(fusion, dropout=0.35).fusion
    foreign = [n for n, m in module.named_modules() if isinstance(m, _TORCH_DROPOUT)]
    require(
        not foreign,
        f"{foreign} are torch's, whose rate is no state: stacked nets would share one. "
        "Take Dropout from skmultimodal.nn.",
    )
    rates = {k: float(v) for k, v in module.state_dict().items() if k.endswith("rate")}
    wrong = {k: rate for k, rate in rates.items() if abs(rate - 0.35) > 1e-6}
    require(
        not wrong,
        f"With dropout=0.35 it has the rates {wrong}. Hand on the rate that build is "
        "given.",
    )
    n_drops = sum(isinstance(m, Dropout) for m in module.modules())
    require(
        n_drops == len(rates),
        f"It has {n_drops} Dropout and {len(rates)} buffers that end in 'rate'. Keep "
        "that name for rates of dropout.",
    )


def check_cuda(fusion: NeuralFusion) -> None:
    """The module gives the same on CUDA; skipped where there is none."""
    if not torch.cuda.is_available():
        raise SkipTest("needs CUDA")
    net = wake(make_net(fusion))
    x, present = make_batch(modality_steps(fusion))
    expected = outputs(net, x, present)
    net = copy.deepcopy(net).cuda()
    x, present = ({m: v.cuda() for m, v in d.items()} for d in (x, present))
    words = (
        "On CUDA it gives something else. Make constants with register_buffer, and new "
        "tensors on the device of the tokens."
    )
    found = outputs(net, x, present).cpu()
    require_close(found, expected, words, rtol=1e-3, atol=1e-3)
