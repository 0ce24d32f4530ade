"""Linear layers of stacked nets as few, large products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

try:  # private: without it every layer is a batched product, which is slower
    from torch._C._functorch import maybe_get_level
except ImportError:  # pragma: no cover

    def maybe_get_level(tensor: Tensor) -> int:
        return 0


class WideProducts(TorchFunctionMode):
    """Inside `vmap`, a linear layer is one product of matrices.

    By itself `vmap` makes K n small products, and as many copies of the weights, of a
    layer of K nets over n rows of several steps.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is F.linear:
            return linear(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input: (..., d_in), weight: (d_out, d_in) -> (..., d_out)"""
    if input.ndim == 1:
        return F.linear(input, weight, bias)
    lead = input.shape[:-1]
    x = input.reshape(-1, input.shape[-1])  # (n, d_in)
    if maybe_get_level(weight) <= maybe_get_level(x):
        return F.linear(x, weight, bias).unflatten(0, lead)
    # all nets see the same rows: their weights are one matrix (K d_out, d_in)
    z = (weight @ x.T).T.unflatten(0, lead)
    return z if bias is None else z + bias
