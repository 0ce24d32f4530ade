"""What a page has to ask for one raw row, and the cells that its answers make."""

from __future__ import annotations

import base64
import binascii
import datetime
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from skmultimodal.compose import ModalityTransformer
from skmultimodal.encoders import (
    AudioEncoder,
    ImageEncoder,
    TabularEncoder,
    TextEncoder,
    VideoEncoder,
)
from skmultimodal.heads._replies import encoders_of, raw_names

_FILES = {ImageEncoder: "image", AudioEncoder: "audio", VideoEncoder: "video"}
# of encoders that share a column the first is asked for: it serves the others, too
_GENERAL = ("video", "audio", "image", "text", "choice", "date", "number")


class BadRequest(ValueError):
    """What a page sent cannot be read."""


@dataclass(frozen=True)
class Field:
    """One raw column: a file, a number, a date, a choice, or text."""

    name: str
    kind: str
    choices: Sequence[str] = ()

    def cell(self, value: Any) -> Any:
        """What was sent, as the encoder of the column takes it; None is missing.

        A file comes as its content: a string would be a path on this machine.
        """
        if value is None or value == "":
            return None
        if self.kind in _FILES.values():
            return self._content(value)
        if self.kind == "number":
            if _is_finite(value):
                return value
        elif self.kind == "date":
            # as such: the dates of fit may have been written in another order
            with suppress(TypeError, ValueError):
                return datetime.date.fromisoformat(value)
        elif isinstance(value, str):
            return value
        raise BadRequest(f"{self.name!r}: {value!r:.60} is no {self.kind}.")

    def _content(self, value: Any) -> bytes:
        try:
            content = base64.b64decode(value["base64"], validate=True)
        except (TypeError, KeyError, binascii.Error, ValueError):
            raise BadRequest(f"{self.name!r}: no content of a file was sent.") from None
        if not content:
            raise BadRequest(f"{self.name!r}: the file is empty.")
        return content


@dataclass(frozen=True)
class Fields:
    """The columns that a page asks for, and those that it cannot."""

    asked: Sequence[Field]
    left_out: Sequence[str]

    @classmethod
    def of(cls, encode: ModalityTransformer, talk: Any) -> Fields:
        found = defaultdict(list)
        for field in _found(encode):
            found[field.name].append(field)
        read = {name for _, columns in encoders_of(encode) for name in columns}
        names = [n for n in raw_names(encode) if n in read and n != talk]
        asked = {str(name): _shared(found[str(name)]) for name in names}
        return cls(
            [field for field in asked.values() if field is not None],
            [name for name, field in asked.items() if field is None],
        )

    def cells(self, sent: Any) -> dict[str, Any]:
        if not isinstance(sent, Mapping):
            raise BadRequest("cells must be an object of one value a column.")
        known = {field.name: field for field in self.asked}
        odd = [name for name in sent if name not in known]
        if odd:
            raise BadRequest(
                f"{odd[0]!r:.60} is not asked for; there is {list(known)}."
            )
        return {name: known[name].cell(value) for name, value in sent.items()}

    def described(self) -> list[dict[str, Any]]:
        return [asdict(field) for field in self.asked]


def _found(encode: ModalityTransformer) -> Iterator[Field]:
    for encoder, columns in encoders_of(encode):
        names = [str(name) for name in columns]
        if isinstance(encoder, TabularEncoder):
            for name, (own, kind) in zip(names, encoder.column_kinds_.items()):
                few = encoder.categories_.get(own, ())
                if kind == "category":
                    kind = "choice" if few else "text"
                if kind != "empty":
                    yield Field(name, kind, list(few))
        elif isinstance(encoder, TextEncoder):
            yield from (Field(name, "text") for name in names)
        else:
            kinds = [kind for c, kind in _FILES.items() if isinstance(encoder, c)]
            yield from (Field(name, kind) for kind in kinds for name in names)


def _shared(fields: Sequence[Field]) -> Field | None:
    """What serves all encoders of a column.

    Nothing where one reads files and another reads text: the text would be a path.
    """
    if len({field.kind in _FILES.values() for field in fields}) != 1:
        return None
    return min(fields, key=lambda field: _GENERAL.index(field.kind))


def _is_finite(value: Any) -> bool:
    most = sys.float_info.max  # integers have no end
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and -most <= value <= most
