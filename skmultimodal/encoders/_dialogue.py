"""Dialogue encoder: what was said, byte by byte, for a head that speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from skmultimodal._cells import is_missing
from skmultimodal._dialogue_cells import DIALOGUE_FEATURES, pack_text
from skmultimodal._layout import SEPARATOR
from skmultimodal.encoders._base import ColumnEncoder
from skmultimodal.encoders._columns import Column, Parts, Sequences

_BYTES = 3  # a step
_TEXT_KEYS = ("text", "content")


@dataclass(frozen=True)
class _Said:
    """One turn, as a cell holds it."""

    role: str | None
    text: str


class DialogueHistoryEncoder(ColumnEncoder):
    """Encode a column of dialogues as a sequence that keeps every word.

    For a :class:`~skmultimodal.heads.FusionGenerator`, which reads the words again and
    splits them as it splits its replies: it can repeat what was said. Nothing is
    learned but the roles.

    Parameters
    ----------
    max_length : int, default=1024
        The most bytes of text of a cell, three a step; an English letter is one. Of a
        longer dialogue the oldest turns are left out, and of a last turn that is still
        too long its beginning.
    roles : list of str or None, default=None
        Who may speak, numbered from 1. None takes the roles of `fit`, sorted. A turn of
        another role, or of none, has role 0.
    verbose : bool, default=False
        Whether to print how much was left out.

    Attributes
    ----------
    roles_ : list of str
        The roles, from 1 on.
    n_cut_rows_ : int
        Rows of `fit` of which something was left out.
    n_cut_characters_ : int
        Characters of `fit` that were left out.
    n_features_out_ : int
        Number of output columns: three a step.
    n_steps_ : int
        Number of steps of the longest dialogue of `fit`, once it was cut.
    n_features_in_ : int
        Always 1.
    feature_names_in_ : ndarray of shape (1,)
        Name of the column, where it has one.

    See Also
    --------
    TextEncoder : Describes dialogues by vectors, for heads that classify.
    skmultimodal.heads.reply : Answers with a fitted pipeline.

    Notes
    -----
    A cell is a list of turns, oldest first: pairs ``(role, text)``, dicts with ``role``
    and ``text`` (or ``content``), or plain strings, which have no role. A string is one
    turn. None, NaN, ``""`` and ``[]`` are missing, and a turn without text is none.

    Each step holds three features: ``utf8``, up to three bytes of text as one number
    below 2**24, which float32 holds exactly; ``role``; and ``turn``, counted back from
    the newest, 0. The character NUL is left out, and half of a surrogate pair becomes
    "?". A dialogue longer than any of `fit` is cut to the steps of `fit`.

    Examples
    --------
    >>> from skmultimodal.encoders import DialogueHistoryEncoder
    >>> encoder = DialogueHistoryEncoder()
    >>> encoded = encoder.fit_transform([[("ann", "Hi!"), ("bob", "Hello")], "?", None])
    >>> encoded.reshape(3, -1, 3)[0].tolist()
    [[4745505.0, 1.0, 1.0], [4744556.0, 2.0, 0.0], [7106304.0, 2.0, 0.0]]
    >>> encoder.roles_
    ['ann', 'bob']
    """

    _kind = "dialogue"

    _parameter_constraints: dict[str, list[Any]] = {
        "max_length": [Interval(Integral, _BYTES, None, closed="left")],
        "roles": ["array-like", None],
        "verbose": ["boolean"],
    }

    def __init__(self, *, max_length=1024, roles=None, verbose=False):
        self.max_length = max_length
        self.roles = roles
        self.verbose = verbose

    def get_feature_names_out(self, input_features=None):
        """Names of the columns that `transform` gives.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of str of shape (n_features_out_,)
            ``dialogue__t0__utf8``, ``dialogue__t0__role``, ``dialogue__t0__turn``, ...;
            in a composition the modality's name stands before.
        """
        check_is_fitted(self)
        assert self.n_steps_ is not None
        names = [
            SEPARATOR.join((self._kind, f"t{step}", feature))
            for step in range(self.n_steps_)
            for feature in DIALOGUE_FEATURES
        ]
        return np.asarray(names, dtype=object)

    def _parts(self, column: Column) -> Parts:
        """Each dialogue is one part: its steps depend on all its turns."""
        rows = [r for r, cell in enumerate(column.cells) if not is_missing(cell)]
        values = [_turns(column.cells[row], column, row) for row in rows]
        every = np.arange(len(rows))
        return Parts(values, rows, np.array(rows, int), every)

    def _most_steps(self) -> int:
        return self.max_length // _BYTES

    def _fit_parts(self, parts: Parts, column: Column) -> Sequences:
        if self.roles is None:
            seen = {turn.role for turns in parts.values for turn in turns}
            self.roles_ = sorted(role for role in seen if role is not None)
        else:
            self.roles_ = _given_roles(self.roles)
        sequences, cut = self._encoded(parts, self._most_steps())
        self.n_cut_rows_, self.n_cut_characters_ = len(cut), sum(cut)
        self._report(cut, column)
        return sequences

    def _encode_parts(self, parts: Parts, column: Column) -> Sequences:
        assert self.n_steps_ is not None
        sequences, cut = self._encoded(parts, self.n_steps_)
        self._report(cut, column)
        return sequences

    def _encoded(self, parts: Parts, most: int) -> tuple[Sequences, list[int]]:
        """Steps of each dialogue, and the characters left out of those that were."""
        numbers = {role: k for k, role in enumerate(self.roles_, start=1)}
        sequences, cut = [], []
        for turns in parts.values:
            steps, n_characters = _steps(turns, numbers, most)
            sequences.append(steps)
            if n_characters:
                cut.append(n_characters)
        return sequences, cut

    def _report(self, cut: list[int], column: Column) -> None:
        if not (self.verbose and cut):
            return
        of = f" of column {column.name!r}" if column.name is not None else ""
        print(
            f"DialogueHistoryEncoder: {len(cut)} of {len(column.cells)} rows{of} are "
            f"longer than the window; their oldest {sum(cut)} characters were left out."
        )


def _given_roles(roles: Any) -> list[str]:
    names = list(roles)
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong or len(set(names)) < len(names):
        raise ValueError(
            f"DialogueHistoryEncoder: roles={roles!r} must be different strings."
        )
    return [str(name) for name in names]


def _steps(
    turns: list[_Said], numbers: Mapping[str | None, int], most: int
) -> tuple[np.ndarray, int]:
    """(T, 3) of the newest turns, oldest first, and how many characters are not in."""
    kept: list[tuple[int, int, int]] = []
    n_left_out = 0
    for back, turn in enumerate(reversed(turns)):
        text = turn.text if not n_left_out else ""
        codes = pack_text(text)
        if len(codes) > most - len(kept):
            text = "" if kept else _newest(turn.text, most * _BYTES)
            codes = pack_text(text)
        n_left_out += len(turn.text) - len(text)
        role = numbers.get(turn.role, 0)
        kept[:0] = [(code, role, back) for code in codes]
    return np.array(kept, dtype=np.float32).reshape(len(kept), 3), n_left_out


def _newest(text: str, n_bytes: int) -> str:
    """The end of a text that takes so many bytes, from a character on."""
    data = text.encode("utf-8", errors="replace")
    return data[-n_bytes:].decode("utf-8", errors="ignore")


def _turns(cell: Any, column: Column, row: int) -> list[_Said]:
    if isinstance(cell, np.ndarray):
        cell = cell.tolist()
    if isinstance(cell, (str, Mapping)) or _is_pair(cell, tuple):
        cell = [cell]
    if not isinstance(cell, (list, tuple)):
        raise TypeError(_unreadable(cell, column, row))
    turns = [_turn(part, column, row) for part in cell if not is_missing(part)]
    return [turn for turn in turns if turn.text]


def _turn(part: Any, column: Column, row: int) -> _Said:
    if isinstance(part, np.ndarray):
        part = part.tolist()
    if isinstance(part, str):
        return _Said(None, part)
    if isinstance(part, Mapping):
        held = [part[key] for key in _TEXT_KEYS if key in part]
        part = (part.get("role"), held[0] if held else part)
    if _is_pair(part, (tuple, list)):
        role, text = part
        return _Said(
            None if is_missing(role) else role, "" if is_missing(text) else text
        )
    raise TypeError(_unreadable(part, column, row))


def _is_pair(part: Any, kinds: Any) -> bool:
    """Whether it is a role, which may be missing, and a text, which may be, too."""
    return (
        isinstance(part, kinds)
        and len(part) == 2
        and all(isinstance(word, str) or is_missing(word) for word in part)
    )


def _unreadable(part: Any, column: Column, row: int) -> str:
    return (
        f"DialogueHistoryEncoder: {column.where(row)} holds {part!r:.60} "
        f"({type(part).__name__}), expected turns: (role, text) pairs, dicts with "
        "'role' and 'text', or strings, in a list."
    )
