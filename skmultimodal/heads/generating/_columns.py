"""Which columns of X are numbers to the net, and which hold the text of a dialogue."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from skmultimodal._dialogue_cells import Turn, is_dialogue, unpack_turns
from skmultimodal._layout import Block, Layout
from skmultimodal.heads._inputs import BlockInputs

_LIMIT = 2**24  # up to here float32 holds all integers


@dataclass(frozen=True)
class Columns:
    """The layout of X without the dialogue, and the block of that."""

    numeric: Layout  # positions among the columns that are not the dialogue's
    kept: tuple[int, ...]  # positions of those in X
    dialogue: Block | None

    @classmethod
    def of(cls, layout: Layout) -> Columns:
        talks = [b for b in layout if b.is_sequence and is_dialogue(b.features)]
        if len(talks) > 1:
            names = [block.name for block in talks]
            raise ValueError(
                f"X holds {len(talks)} dialogues, {names}; FusionGenerator reads one. "
                "Join their turns in one column before the encoder, or drop one."
            )
        blocks = tuple(block for block in layout if block not in talks)
        kept = tuple(sorted(c for block in blocks for c in block.columns))
        place = {column: k for k, column in enumerate(kept)}
        moved = tuple(
            replace(block, columns=tuple(place[c] for c in block.columns))
            for block in blocks
        )
        return cls(Layout(moved), kept, talks[0] if talks else None)

    def numbers(self, x: np.ndarray) -> np.ndarray:
        """Without the dialogue: (n, n_columns) -> (n, p)"""
        return x if len(self.kept) == x.shape[1] else x[:, list(self.kept)]

    def comparable(self, x: np.ndarray, names: list[str]) -> np.ndarray:
        """Numbers on one scale, and the dialogue: rows that are alike are relatives."""
        parts = [x[:, [] if self.dialogue is None else list(self.dialogue.columns)]]
        if len(self.numeric):
            kept, numbers = [names[c] for c in self.kept], self.numbers(x)
            inputs = BlockInputs.learn(numbers, self.numeric, kept, True, None)
            parts.append(inputs(numbers)[0].numpy())
        return np.concatenate(parts, axis=1)

    def turns(self, x: np.ndarray) -> list[list[Turn]] | None:
        """What was said before in each row of x, or None without a dialogue."""
        if self.dialogue is None:
            return None
        cells = x[:, list(self.dialogue.columns)].reshape(len(x), -1, 3)  # (n, T, 3)
        _check_cells(cells, self.dialogue.name)
        return [unpack_turns(steps) for steps in cells]


def _check_cells(cells: np.ndarray, name: str) -> None:
    """Whole numbers within their limits, or NaN."""
    here = ~np.isnan(cells)
    whole = (cells == np.floor(cells)) & (cells >= 0) & (cells < _LIMIT)
    wrong = here & ~whole
    if wrong.any():
        row, step, feature = (int(k) for k in np.argwhere(wrong)[0])
        raise ValueError(
            f"Modality {name!r} is a dialogue, whose columns hold packed text, roles "
            f"and turns as whole numbers from 0 to {_LIMIT - 1}; row {row}, step "
            f"{step}, feature {feature} is {cells[row, step, feature]}. Let no scaler "
            "or imputer change the columns that DialogueHistoryEncoder gives."
        )
