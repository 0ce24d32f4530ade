"""What a fusion promises so that many nets can be trained as one stack."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from skmultimodal import pack
from skmultimodal.fusion._base import NeuralFusion
from skmultimodal.testing._bare_net import (
    N_OUTPUTS,
    make_batch,
    make_net,
    modality_steps,
    outputs,
    wake,
)
from skmultimodal.testing._head_checks import (
    make_head,
    make_target,
    more_noise,
    two_signals,
)
from skmultimodal.testing._require import require, require_close

_STACKABLE = (
    "Branch on no value of a tensor; choose with torch.where, not by indexing with a "
    "mask; write attention out or take it from skmultimodal.nn. LSTM and GRU cannot be "
    "stacked: name this check in expected_failed_checks, with that reason."
)


def check_stack(fusion: NeuralFusion) -> None:
    """Many nets run as one stack, each with its own dropout rate."""
    rates = [0.0, 0.25, 0.5]
    nets = [wake(make_net(fusion, k, dropout=r), k) for k, r in enumerate(rates)]
    skeleton = copy.deepcopy(nets[-1])
    x, present = make_batch(modality_steps(fusion))
    together = _run_stacked(skeleton.eval(), nets, x, present)
    words = f"A net in a stack gives something else than by itself. {_STACKABLE}"
    expected = torch.stack([outputs(net, x, present) for net in nets])
    require_close(together, expected, words, rtol=1e-4, atol=1e-4)
    own = [{m: torch.stack([v] * 3) for m, v in d.items()} for d in (x, present)]
    apart = _run_stacked(skeleton, nets, *own, own_rows=True)
    require_close(apart, expected, words, rtol=1e-4, atol=1e-4)
    trained = _run_stacked(skeleton.train(), nets, x, present)
    shape = tuple(trained.shape)
    require(
        shape == (3, len(x["text"]), N_OUTPUTS),
        f"Three nets in a stack give the shape {shape}. {_STACKABLE}",
    )
    require(trained.isfinite().all(), "In training, a stack gives NaN or infinity.")
    if not draws_in_training(fusion):
        words = (
            "The net with dropout=0 drops something in a stack. Take Dropout from "
            "skmultimodal.nn, whose rate is a buffer."
        )
        require_close(trained[0], together[0], words, rtol=1e-4, atol=1e-4)


def check_stack_in_head(fusion: NeuralFusion) -> None:
    """The whole net of a head runs as a stack, and each net draws for itself."""
    blocks, signal = two_signals(40)
    blocks["text"][:5] = np.nan
    blocks["audio"][3:9, 2:] = np.nan
    X = pack(blocks | more_noise(fusion, 40))
    head = make_head(fusion, max_epochs=1, dropout=0.2, modality_dropout=0.4)
    head.fit(X, make_target(signal, fusion.tasks[0]))
    nets = [copy.deepcopy(head.module_) for _ in range(2)]
    rows, present = head._inputs(X.to_numpy())
    out = _run_stacked(copy.deepcopy(nets[0]).train(), nets, rows, present)
    require(out.isfinite().all(), "In training, a stack gives NaN or infinity.")
    require(
        not torch.equal(out[0], out[1]),
        "Two nets of a stack drop the same values. Draw by torch alone.",
    )


def draws_in_training(fusion: NeuralFusion) -> bool:
    """Whether training is random even without dropout."""
    net = wake(make_net(fusion)).train()
    x, present = make_batch(modality_steps(fusion))
    return not torch.equal(outputs(net, x, present, 0), outputs(net, x, present, 1))


def _run_stacked(
    skeleton: nn.Module, nets: list[Any], *inputs: Any, own_rows: bool = False
) -> Tensor:
    """What each net gives of the same rows, or its own: (n_nets, n, n_outputs)"""

    def run(
        parameters: dict[str, Tensor], buffers: dict[str, Tensor], *rows: Any
    ) -> Tensor:
        out = functional_call(skeleton, (parameters, buffers), rows)
        return out if isinstance(out, Tensor) else out[0]

    places = (0, 0, *[0 if own_rows else None for _ in inputs])
    state = stack_module_state(nets)
    try:
        with warnings.catch_warnings():
            # what has no batching rule runs net after net, and only a warning tells
            warnings.filterwarnings("error", message=".*performance drop")
            return vmap(run, places, randomness="different")(*state, *inputs)
    except (RuntimeError, UserWarning) as error:
        raise AssertionError(
            f"It does not run under torch.func.vmap: {error} {_STACKABLE}"
        ) from error
