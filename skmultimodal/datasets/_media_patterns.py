"""Patterns such as ``photos/{id}_*.jpg``: what a row asks for, what files look like."""

from __future__ import annotations

import datetime
import decimal
import os
import posixpath
import re
import string
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd

from skmultimodal._cells import is_missing

STAR = "\0"  # stands for `*` in a row's path, where a key may hold a literal asterisk
_KEYS = (
    str,
    Integral,
    Real,
    np.bool_,
    np.datetime64,
    PurePath,
    datetime.date,
    decimal.Decimal,
    uuid.UUID,
)


@dataclass(frozen=True)
class Field:
    """A column in braces, with its format if it has one."""

    column: str
    spec: str = ""


@dataclass(frozen=True)
class Pattern:
    """A pattern in pieces: literal text (with `STAR` for ``*``) and fields."""

    text: str
    pieces: tuple[str | Field, ...]

    @property
    def fields(self) -> list[Field]:
        return [piece for piece in self.pieces if isinstance(piece, Field)]

    @property
    def has_star(self) -> bool:
        return any(isinstance(p, str) and STAR in p for p in self.pieces)

    def rows(self, texts: dict[Field, list[str | None]]) -> list[str | None]:
        """The path that each row asks for; None where a key is empty."""
        columns = [texts[field] for field in self.fields]
        template = [p if isinstance(p, str) else None for p in self.pieces]
        found: list[str | None] = []
        for keys in zip(*columns):
            if None in keys:
                found.append(None)
                continue
            rest = iter(keys)
            path = "".join([next(rest) if p is None else p for p in template])
            found.append(_tidy(path))
        return found

    def shape(self) -> list[str | re.Pattern[str]]:
        """A part a folder: plain text, or what names look like that fit."""
        parts: list[list[str | Field]] = [[]]
        for piece in self.pieces:
            if isinstance(piece, Field):
                parts[-1].append(piece)
                continue
            first, *others = piece.split("/")
            parts[-1].append(first)
            parts += [[other] for other in others]
        return [_name_shape([p for p in part if p != ""]) for part in parts]

    def asked(self, path: str) -> str:
        """What a row would have to ask for to be given this file."""
        regex = "".join(
            f"({_glob(piece)})" if isinstance(piece, str) else "(.+?)"
            for piece in self.pieces
        )
        match = re.fullmatch(regex, path, re.DOTALL)
        if match is None:
            return path
        return "".join(
            piece if isinstance(piece, str) else match[k]
            for k, piece in enumerate(self.pieces, start=1)
        )


def parse_patterns(media: str, given: Any, columns: Sequence[Any]) -> list[Pattern]:
    """The patterns of one medium, in the order in which they are tried."""
    listed = list(given) if isinstance(given, (list, tuple)) else [given]
    if not listed or not all(isinstance(p, (str, PurePath)) for p in listed):
        raise TypeError(
            f"media={{{media!r}: {given!r:.100}}}: expected a pattern such as "
            "'photos/{id}.jpg', or a list of patterns that are tried in order."
        )
    texts = [p if isinstance(p, str) else p.as_posix() for p in listed]
    return [_parse(media, text, columns) for text in texts]


def _parse(media: str, text: str, columns: Sequence[Any]) -> Pattern:
    where = f"media={{{media!r}: {text!r}}}"
    try:
        parsed = list(string.Formatter().parse(text))
    except ValueError as error:
        raise ValueError(
            f"{where}: {error}. Put a column's name in braces; a brace that belongs to "
            "the file's name is written twice."
        ) from None
    pieces: list[str | Field] = []
    for literal, column, spec, conversion in parsed:
        if literal:
            pieces.append(literal.replace("*", STAR))
        if column is None:
            continue
        if conversion or "{" in (spec or ""):
            raise ValueError(
                f"{where}: in braces stand a column and, at wish, its format, as in "
                "'{id:05d}'. For alternatives, give a list of patterns: "
                "['{id}.jpg', '{id}.png']."
            )
        if column not in columns:
            raise ValueError(
                f"{where} names the column {column!r}, which the table does not have. "
                f"Its columns are {[str(c) for c in columns][:10]}. For alternatives, "
                "give a list of patterns: ['{id}.jpg', '{id}.png']."
            )
        pieces.append(Field(column, spec or ""))
    literals = "".join(p if isinstance(p, str) else "x" for p in pieces)
    if leads_out(literals):
        raise ValueError(
            f"{where} leads out of root. Patterns start at root and stay inside: give "
            "another root="
        )
    if STAR * 2 in literals:
        raise ValueError(
            f"{where}: '**' is not understood. '*' stands for any part of one name; "
            "write one pattern for each depth of folders."
        )
    pattern = Pattern(_tidy(text), _tidied(pieces))
    if not pattern.fields:
        raise ValueError(
            f"{where} names no column, so that all rows would get the same file. Put "
            "the column that holds the key in braces, as in 'photos/{id}.jpg'."
        )
    return pattern


def key_texts(frame: pd.DataFrame, field: Field) -> list[str | None]:
    """What each row puts in the place of a field; None where its key is empty."""
    column = frame[field.column]
    try:
        codes, values = pd.factorize(column)
    except TypeError:
        _refuse_key(column, next(v for v in column if not isinstance(v, _KEYS)))
    texts = [_key_text(column, value, field) for value in values]
    return [texts[code] if code >= 0 else None for code in codes]


def _key_text(column: pd.Series, value: Any, field: Field) -> str | None:
    if is_missing(value) or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, _KEYS):
        _refuse_key(column, value)
    if isinstance(value, PurePath):
        value = value.as_posix()
    elif isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
    elif isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)  # a gap makes a column of whole numbers one of floats
    try:
        text = format(value, field.spec)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Column {column.name!r} holds {value!r}, which the format "
            f"{field.spec!r} does not take ({error}). Change the format or the "
            "column's dtype."
        ) from None
    return text.replace(STAR, "�")


def _refuse_key(column: pd.Series, value: Any) -> None:
    raise TypeError(
        f"Column {column.name!r} cannot be a key: it holds {value!r:.60} of type "
        f"{type(value).__name__}. Keys are texts, numbers or dates."
    )


def leads_out(path: str) -> bool:
    """Whether a path need not stay in the folder where it starts."""
    if path.startswith(("/", "\\")):
        return True
    if ".." in path and ".." in re.split(r"[/\\]", path):
        return True
    return os.name == "nt" and ":" in path


def natural_order(path: str) -> tuple[Any, ...]:
    """Sorts 'shot_10' behind 'shot_9'."""
    parts = re.split(r"(\d+)", path)
    return (*(int(p) if p.isdecimal() else p.casefold() for p in parts), path)


def star_regex(row: str) -> re.Pattern[str]:
    return re.compile("[^/]*".join(re.escape(p) for p in row.split(STAR)), re.DOTALL)


def _glob(literal: str) -> str:
    return "[^/]*".join(re.escape(part) for part in literal.split(STAR))


def _name_shape(pieces: list[str | Field]) -> str | re.Pattern[str]:
    if all(isinstance(p, str) and STAR not in p for p in pieces):
        return "".join(str(p) for p in pieces)
    hidden = isinstance(pieces[0], str) and pieces[0].startswith(".")
    regex = "".join(".+" if isinstance(p, Field) else _glob(p) for p in pieces)
    return re.compile(regex if hidden else rf"(?!\.){regex}", re.DOTALL)


def _tidy(path: str) -> str:
    """Without the parts './' and '//'; what leads out is left as it is."""
    if leads_out(path) or not ("//" in path or "./" in path):
        return path
    return posixpath.normpath(path)


def _tidied(pieces: list[str | Field]) -> tuple[str | Field, ...]:
    tidy = [re.sub("/+", "/", p) if isinstance(p, str) else p for p in pieces]
    first = tidy[0] if tidy else ""
    if isinstance(first, str) and first.startswith("./"):
        tidy[0] = first[2:]
    return tuple(p for p in tidy if p != "")
