"""What modalities say by themselves, and their losses by hand."""

import numpy as np
import torch
from scipy.special import log_softmax

from skmultimodal import pack
from skmultimodal.heads._network import NetworkOutput
from skmultimodal.heads._rows import Rows


def loud_and_quiet(n=300, seed=0, shift=0.35):
    """Either modality tells the class; one shouts it, one whispers."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    sign = 2 * y - 1
    loud = 0.2 * rng.normal(size=(n, 2)) + sign[:, None]
    quiet = rng.normal(size=(n, 12)) + shift * sign[:, None] * np.resize([1, -1], 12)
    return pack({"loud": loud, "quiet": quiet}), y


def streams(head, X):
    """What the net makes of each modality before its own output: (n, d) each."""
    x, present = head._inputs(X.to_numpy())
    here = head.module_.presence(present)
    with torch.no_grad():
        out = head.module_.fuse(x, here)[1]
    return {m: z.numpy() for m, z in out.per_modality.items()}


def outputs(logits, present):
    """A net's output with what each modality says: dicts of arrays (n, k) and (n,)."""
    return NetworkOutput(
        torch.zeros(len(next(iter(logits.values()))), 2),
        None,
        {m: torch.tensor(z) for m, z in logits.items()},
        {m: torch.tensor(p)[:, None] for m, p in present.items()},
    )


def rows_of(y, weight=None):
    n = len(y)
    weight = None if weight is None else torch.tensor(weight)
    return Rows(torch.zeros(n, 1), torch.ones(n, 1).bool(), torch.tensor(y), weight)


def a_batch(n_modalities, n=9, seed=0):
    rng = np.random.default_rng(seed)
    names = [f"m{k}" for k in range(n_modalities)]
    logits = {m: rng.normal(size=(n, 2)) * 2 for m in names}
    present = {m: rng.random(n) < 0.7 for m in names}
    return logits, present, rng.integers(2, size=n)


def own_losses(logits, y):
    """(n, M)"""
    rows = np.arange(len(y))
    return np.stack([-log_softmax(z, axis=1)[rows, y] for z in logits.values()], axis=1)
