"""The pieces of formulas in NumPy, one sample at a time.

What is absent is left out here, where the modules mask it.
"""

import math

import numpy as np
import torch

D = 8
STEPS = {"text": 1, "image": 3, "audio": 4}


def build(spec, steps=STEPS):
    """The module with every parameter drawn anew."""
    module = spec.build(steps, D, 0.0).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(0.5 * torch.randn(p.shape, generator=generator))
    return module


def numbers(parameter):
    return parameter.detach().double().numpy()


def sample():
    """Eight rows: all there, none, one of each, cut and holed sequences."""
    rng = np.random.default_rng(0)
    z = {m: rng.normal(size=(8, t, D)) for m, t in STEPS.items()}
    here = {m: np.ones((8, t), dtype=bool) for m, t in STEPS.items()}
    for m in STEPS:
        here[m][1] = False
    for row, only in enumerate(STEPS, start=2):
        for m in STEPS:
            here[m][row] = m == only
    here["audio"][5, 2:] = False
    here["audio"][6] = [False, True, False, True]
    here["image"][6] = [False, False, True]
    here["text"][7] = False
    return z, here


def fused(module, z, here):
    with torch.no_grad():
        out = module(
            {m: torch.from_numpy(v).float() for m, v in z.items()},
            {m: torch.from_numpy(v) for m, v in here.items()},
        )
    return out.fused.numpy()


def check(module, formula):
    z, here = sample()
    expected = np.array(
        [
            formula({m: v[i] for m, v in z.items()}, {m: v[i] for m, v in here.items()})
            for i in range(8)
        ]
    )
    found = fused(module, z, here)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)


def pool(z, here):
    return z[here].mean(axis=0) if here.any() else z.mean(axis=0)


def linear(layer, x):
    return x @ numbers(layer.weight).T + numbers(layer.bias)


def norm(layer, x):
    x = x - x.mean(axis=-1, keepdims=True)
    x = x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-5)
    return x * numbers(layer.weight) + numbers(layer.bias)


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def feed_forward(layer, x):
    inner = gelu(linear(layer.mlp.hidden[0], norm(layer.norm, x)))
    return x + linear(layer.mlp.output, inner)


def attend(layer, query, memory, here, n_heads):
    """softmax(Q Kᵀ / √(d / h)) V over the keys that are here, head by head.

    Evenly over all keys where none is here: then all are the same learned token.
    """
    if not here.any():
        v = np.split(linear(layer.key_value, memory), 2, axis=1)[1].mean(axis=0)
        return np.tile(linear(layer.output, v), (len(query), 1))
    memory = memory[here]
    q = linear(layer.query, query)
    k, v = np.split(linear(layer.key_value, memory), 2, axis=1)
    width = D // n_heads
    heads = []
    for h in range(n_heads):
        part = slice(h * width, (h + 1) * width)
        weight = np.exp(q[:, part] @ k[:, part].T / math.sqrt(width))
        heads.append(weight / weight.sum(axis=1, keepdims=True) @ v[:, part])
    return linear(layer.output, np.concatenate(heads, axis=1))
