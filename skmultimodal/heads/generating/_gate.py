"""Weights of a mixture that depend on the context."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_PENALTY = 30.0  # in observations
_STEPS = 60
_TINY = 1e-12


@dataclass(frozen=True)
class Gate:
    """Softmax of a linear function of features, one output a component."""

    weight: np.ndarray  # (F, K)
    bias: np.ndarray  # (K,)
    scale: np.ndarray  # (F,)

    @classmethod
    def learn(cls, found: np.ndarray, features: np.ndarray) -> Gate:
        """By the likelihood of observations, with an L2 penalty.

        found: (n, K), the probability that each component gives to what happened;
        features: (n, F)
        """
        p = torch.from_numpy(found).double().clamp_min(_TINY)
        spread = features.std(axis=0)
        scale = np.where(spread > 0, 1 / np.maximum(spread, _TINY), 0.0)
        x = torch.from_numpy(features * scale).double()
        weight = torch.zeros(x.shape[1], p.shape[1], dtype=torch.double)
        bias = _constant_weights(p).clamp_min(1e-6).log()
        for parameter in (weight, bias):
            parameter.requires_grad_()
        optimizer = torch.optim.LBFGS(
            [weight, bias], max_iter=_STEPS, line_search_fn="strong_wolfe"
        )

        def loss() -> Tensor:
            optimizer.zero_grad()
            share = (x @ weight + bias).softmax(1)  # (n, K)
            value = -(share * p).sum(1).log().sum()
            value = (value + _PENALTY * weight.square().sum()) / len(p)
            value.backward()
            return value

        with torch.enable_grad():
            optimizer.step(loss)
        return cls(weight.detach().numpy(), bias.detach().numpy(), scale)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(..., F) -> weights that sum to 1, (..., K)"""
        z = (features * self.scale) @ self.weight + self.bias
        z = np.exp(z - z.max(axis=-1, keepdims=True))
        return z / z.sum(axis=-1, keepdims=True)


def _constant_weights(p: Tensor, n_rounds: int = 50) -> Tensor:
    """By expectation-maximisation. p: (n, K) -> (K,)"""
    weight = p.new_full((p.shape[1],), 1 / p.shape[1])
    for _ in range(n_rounds):
        share = p * weight
        weight = (share / share.sum(1, keepdim=True)).mean(0)
    return weight
