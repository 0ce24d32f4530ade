"""Rows with the tokens of their replies and of what was said before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skmultimodal._dialogue_cells import Turn
from skmultimodal.heads._rows import Rows
from skmultimodal.heads.generating._tokenizer import ReplyTokenizer

PAD = -1
N_AGES = 32  # turns further back count as equally old
_CHUNK = 50  # batches whose rows are sorted by length


@dataclass
class Examples(Rows):
    """Rows whose y is the tokens of a reply and the end, (n, L), PAD behind it."""

    history: Tensor  # (n, H, 3) int32: token, role and age of the turn; PAD

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return self.x, self.present, self.history, self.y

    def take(self, index: Tensor, complete: bool = False) -> Examples:
        part = super().take(index, complete)
        return Examples(
            part.x,
            part.present,
            _trimmed(part.y, part.y).long(),
            part.weight,
            *_trim_history(self.history.index_select(0, index)),
        )

    def to(self, device: torch.device) -> Examples:
        part = super().to(device)
        history = self.history.to(device)
        return Examples(part.x, part.present, part.y, part.weight, history)

    def lengths(self) -> Tensor:
        """How much there is to read and to write: (n,)"""
        return (self.y != PAD).sum(1) + (self.history[:, :, 0] != PAD).sum(1)


def _trimmed(values: Tensor, tokens: Tensor) -> Tensor:
    """Without the places that are PAD in all rows. tokens: (n, L)"""
    length = int((tokens != PAD).sum(1).max()) if tokens.numel() else 0
    return values[:, :length]


def _trim_history(history: Tensor) -> tuple[Tensor]:
    return (_trimmed(history, history[:, :, 0]),)


class BucketOrder:
    """A random order whose batches hold rows of similar length."""

    def __init__(self, lengths: Tensor, batch_size: int):
        self.lengths = lengths.cpu()
        self.batch_size = batch_size

    def __call__(self, generator: torch.Generator) -> Tensor:
        order = torch.randperm(len(self.lengths), generator=generator)
        chunks = [
            part[self.lengths[part].argsort(stable=True)]
            for part in order.split(_CHUNK * self.batch_size)
        ]
        batches = [b for part in chunks for b in part.split(self.batch_size)]
        full = [b for b in batches if len(b) == self.batch_size]
        rest = [b for b in batches if len(b) < self.batch_size]
        shuffled = torch.randperm(len(full), generator=generator).tolist()
        return torch.cat([*(full[k] for k in shuffled), *rest])


def pad_replies(tokenizer: ReplyTokenizer, texts: Sequence[str]) -> np.ndarray:
    """The tokens of texts and the end: (n, L) int32"""
    parts = [[*tokens, tokenizer.end] for tokens in tokenizer.encode(texts)]
    return _pad(parts)


def pad_histories(
    tokenizer: ReplyTokenizer, histories: list[list[Turn]], n_roles: int
) -> np.ndarray:
    """Token, role and age of all that was said: (n, H, 3) int32"""
    known = list({turn.text for turns in histories for turn in turns})
    tokens = dict(zip(known, tokenizer.encode(known)))
    parts: list[list[tuple[int, int, int]]] = []
    for turns in histories:
        part: list[tuple[int, int, int]] = []
        for age, turn in enumerate(reversed(turns)):
            role = min(turn.role, n_roles - 1)
            part[:0] = [(token, role, age) for token in tokens[turn.text]]
        parts.append(part)
    width = max((len(part) for part in parts), default=0)
    padded = np.full((len(parts), width, 3), PAD, dtype=np.int32)
    for row, part in zip(padded, parts):
        if part:
            row[: len(part)] = part
    return padded


def _pad(parts: list[list[int]]) -> np.ndarray:
    width = max((len(part) for part in parts), default=0)
    padded = np.full((len(parts), width), PAD, dtype=np.int32)
    for row, part in zip(padded, parts):
        row[: len(part)] = part
    return padded
