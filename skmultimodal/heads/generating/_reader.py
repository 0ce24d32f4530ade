"""From X and replies to what the net reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skmultimodal._layout import Layout
from skmultimodal.heads._inputs import BlockInputs
from skmultimodal.heads.generating._columns import Columns
from skmultimodal.heads.generating._examples import (
    PAD,
    Examples,
    pad_histories,
    pad_replies,
)
from skmultimodal.heads.generating._tokenizer import ReplyTokenizer


@dataclass
class ReplyReader:
    """Columns, their scaling, and the tokeniser, learned on the training rows."""

    columns: Columns
    blocks: BlockInputs | None  # None: X is a dialogue and nothing else
    tokenizer: ReplyTokenizer
    n_roles: int  # 0: no dialogue; the last stands for all roles not seen

    @classmethod
    def learn(
        cls,
        x: np.ndarray,
        layout: Layout,
        names: list[str],
        standardize: bool,
        texts: Sequence[str],
        tokenizer: str,
        vocabulary_size: int,
    ) -> ReplyReader:
        """x: (n, n_columns) float32, columns as they came; texts: n replies"""
        columns = Columns.of(layout)
        blocks = None
        if len(columns.numeric):
            kept = [names[c] for c in columns.kept]
            blocks = BlockInputs.learn(
                columns.numbers(x),
                columns.numeric,
                kept,
                standardize,
                "FusionGenerator",
            )
        histories = columns.turns(x) or []
        said = {turn.text for turns in histories for turn in turns}
        roles = [turn.role for turns in histories for turn in turns]
        every = [*texts, *sorted(said.difference(texts))]
        return cls(
            columns,
            blocks,
            ReplyTokenizer.learn(every, tokenizer, vocabulary_size),
            0 if columns.dialogue is None else max(roles, default=0) + 2,
        )

    @property
    def layout(self) -> Layout:
        return self.columns.numeric

    def numbers(self, x: np.ndarray, first_row: int = 0) -> tuple[Tensor, Tensor]:
        """(n, n_columns) -> standardised (n, p), present (n, Σ T_m)"""
        if self.blocks is None:
            return torch.zeros(len(x), 0), torch.zeros(len(x), 0, dtype=torch.bool)
        return self.blocks(self.columns.numbers(x), first_row)

    def __call__(
        self,
        x: np.ndarray,
        texts: Sequence[str] | None = None,
        weight: np.ndarray | None = None,
        first_row: int = 0,
    ) -> Examples:
        """Rows with replies, if there are any yet; a row counts by its tokens."""
        columns, present = self.numbers(x, first_row)
        history = np.zeros((len(x), 0, 3), dtype=np.int32)
        histories = self.columns.turns(x)
        if histories is not None:
            history = pad_histories(self.tokenizer, histories, self.n_roles)
        y = np.zeros((len(x), 0), dtype=np.int32)
        share = None
        if texts is not None:
            y = pad_replies(self.tokenizer, texts)
            share = (y != PAD).sum(1) * (1.0 if weight is None else weight)
            share = torch.from_numpy((share / share.mean()).astype(np.float32))
        return Examples(
            columns, present, torch.from_numpy(y), share, torch.from_numpy(history)
        )
