"""What a page has to ask for one raw row, and the cells that its answers make."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
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
        wanted = (int, float) if self.kind == "number" else str
        if isinstance(value, bool) or not isinstance(value, wanted):
            raise BadRequest(f"{self.name!r}: {value!r} is no {self.kind}.")
        return value

    def _content(self, value: Any) -> bytes:
        try:
            return base64.b64decode(value["base64"], validate=True)
        except (TypeError, KeyError, binascii.Error, ValueError):
            raise BadRequest(f"{self.name!r}: no content of a file was sent.") from None


@dataclass(frozen=True)
class Fields:
    """The columns that a page asks for, and those that it cannot."""

    asked: Sequence[Field]
    left_out: Sequence[str]

    @classmethod
    def of(cls, encode: ModalityTransformer, talk: Any) -> Fields:
        found = {field.name: field for field in _found(encode)}
        names = [name for name in raw_names(encode) if name != talk]
        asked = [found[name] for name in names if name in found]
        return cls(asked, [str(name) for name in names if name not in found])

    def cells(self, sent: Any) -> dict[str, Any]:
        if not isinstance(sent, Mapping):
            raise BadRequest("cells must be an object of one value a column.")
        known = {field.name: field for field in self.asked}
        odd = [name for name in sent if name not in known]
        if odd:
            raise BadRequest(f"{odd[0]!r} is not asked for; there is {list(known)}.")
        return {name: known[name].cell(value) for name, value in sent.items()}

    def described(self) -> list[dict[str, Any]]:
        return [asdict(field) for field in self.asked]


def _found(encode: ModalityTransformer) -> Iterator[Field]:
    for encoder, columns in encoders_of(encode):
        if isinstance(encoder, TabularEncoder):
            for name in columns:
                kind = encoder.column_kinds_[str(name)]
                few = encoder.categories_.get(str(name), ())
                if kind == "category":
                    kind = "choice" if few else "text"
                if kind != "empty":
                    yield Field(name, kind, list(few))
        elif isinstance(encoder, TextEncoder):
            yield from (Field(name, "text") for name in columns)
        else:
            kinds = [kind for c, kind in _FILES.items() if isinstance(encoder, c)]
            yield from (Field(name, kind) for kind in kinds for name in columns)
