"""What a decoder keeps between one token and the next."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class DecoderState(NamedTuple):
    """Tensors of n rows, each of shape (n, ...).

    Parameters
    ----------
    memory : tuple of Tensor
        What is looked up, the same at each step.
    past : tuple of Tensor
        What the tokens so far have left; empty before the first.
    """

    memory: tuple[Tensor, ...]
    past: tuple[Tensor, ...]

    def take(self, index: Tensor) -> DecoderState:
        """Some rows, in any order and as often as wanted."""
        return DecoderState(
            tuple(t.index_select(0, index) for t in self.memory),
            tuple(t.index_select(0, index) for t in self.past),
        )

    def take_past(self, index: Tensor) -> DecoderState:
        """Rows go on from the past of others that share their memory."""
        return self._replace(past=tuple(t.index_select(0, index) for t in self.past))
