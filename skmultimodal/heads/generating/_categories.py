"""Modalities with few different values tell rows apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skmultimodal._layout import Layout
from skmultimodal.heads._network import step_slices
from skmultimodal.heads.generating._examples import Examples

MOST_VALUES = 64
_FEW = 4  # values that have weights of their own
_ABSENT = -1
Key = tuple[int, ...]


@dataclass
class Categories:
    """The different values of each modality that has few of them.

    A value that was never seen counts as the nearest one that was.
    """

    columns: list[slice]
    presence: list[slice]
    values: list[np.ndarray]  # (n_values, width)

    @classmethod
    def learn(cls, rows: Examples, layout: Layout) -> Categories:
        found = cls([], [], [])
        x, present = rows.x.numpy(), rows.present.numpy()
        columns, steps = layout.slices(), step_slices(layout)
        for name in layout.names:
            here = x[present[:, steps[name]].any(axis=1), columns[name]]
            different: dict[bytes, np.ndarray] = {}
            for row in here:
                different.setdefault(row.tobytes(), row)
                if len(different) > MOST_VALUES:
                    break
            if 2 <= len(different) <= MOST_VALUES:
                found.columns.append(columns[name])
                found.presence.append(steps[name])
                found.values.append(np.stack(list(different.values())))
        return found

    def __call__(self, rows: Examples) -> np.ndarray:
        """(n, n_modalities) int: the value of each row, or -1"""
        x, present = rows.x.cpu().numpy(), rows.present.cpu().numpy()
        found = np.empty((len(x), len(self.values)), dtype=int)
        for k, values in enumerate(self.values):
            part = x[:, self.columns[k]]
            # |a - b|² without |a|², which is the same for all b
            far = (values**2).sum(axis=1) - 2 * part @ values.T  # (n, n_values)
            here = present[:, self.presence[k]].any(axis=1)
            found[:, k] = np.where(here, far.argmin(axis=1), _ABSENT)
        return found

    def keys(self, values: np.ndarray, spoken: bool) -> list[Key]:
        """Whose replies are counted for a row: all, those of each value, of all values.

        `spoken`: whether anything was said before.
        """
        each: list[Key] = [(k, int(v), spoken) for k, v in enumerate(values)]
        every: Key = (len(values), *map(int, values), spoken)
        return [(), *each, every] if len(values) != 1 else [(), *each]

    def groups(self, values: np.ndarray) -> np.ndarray:
        """One-hot values of the modalities that have but a few: (n_groups,)"""
        parts = [
            np.arange(len(known)) == value
            for value, known in zip(values, self.values)
            if len(known) <= _FEW
        ]
        return np.concatenate(parts).astype(float) if parts else np.zeros(0)
