"""Fits that are finished, in a file that a killed search goes on from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import joblib
import numpy as np
import pandas as pd
from scipy import sparse

from skmultimodal._version import __version__
from skmultimodal.model_selection.searching._prefix import content
from skmultimodal.model_selection.searching._problem import SearchProblem
from skmultimodal.model_selection.searching._results import Result, set_error_score

_FORMAT = 1


class Checkpoint:
    """A line of JSON for the search, and one for each fit that is finished.

    A line is written as a whole and to the disk before the search goes on; one that
    was cut off is dropped. A search in several rounds has a section for each.
    """

    def __init__(
        self, path: str | os.PathLike[str], problem: SearchProblem, first: bool = True
    ):
        self.path = os.fspath(path)
        self.found: list[Result] = []
        self.seeds: list[int] = problem.seeds
        marks = fingerprint(problem)
        sections, size = self._read()
        if sections and size < os.path.getsize(self.path):
            os.truncate(self.path, size)
        for header, lines in sections:
            if header["search"] == marks:
                self.found = _kept(lines, problem)
                self.seeds = header["seeds"]
                return
        if sections and first:
            self._refuse(sections[0][0], marks)
        header = {
            "format": _FORMAT,
            "skmultimodal": __version__,
            "seeds": problem.seeds,
            "search": marks,
        }
        self._write([header], start=size)

    def add(self, results: Sequence[Result]) -> None:
        """Keep what is finished."""
        self._write([result.as_line() for result in results])

    def _read(self) -> tuple[list[tuple[dict[str, Any], list[Any]]], int]:
        """Headers with their fits, and where the last whole line ends."""
        try:
            with open(self.path, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return [], 0
        size = data.rfind(b"\n") + 1
        start = b'{"format"'
        if data and data[: len(start)] != start[: len(data)]:
            raise ValueError(self._foreign())
        sections: list[tuple[dict[str, Any], list[Any]]] = []
        try:
            for text in data[:size].splitlines():
                line = json.loads(text)
                if "format" in line:
                    if line["format"] != _FORMAT:
                        raise ValueError(f"format {line['format']}")
                    sections.append((line, []))
                else:
                    sections[-1][1].append(line)
        except (ValueError, TypeError) as error:
            raise ValueError(self._foreign()) from error
        return sections, size

    def _foreign(self) -> str:
        return (
            f"checkpoint={self.path!r} is a file, but not one that a search has "
            "written. Give another path."
        )

    def _refuse(self, header: dict[str, Any], marks: dict[str, str]) -> None:
        held = header["search"]
        differing = [name for name, mark in marks.items() if held.get(name) != mark]
        several = len(differing) > 1 or differing[0].endswith("s")
        drawn = ""
        if differing == ["splits"]:
            drawn = " Folds that are drawn at random need a random_state."
        raise ValueError(
            f"checkpoint={self.path!r} is of another search: its "
            f"{', '.join(differing)} {'differ' if several else 'differs'} from what is "
            f"searched now.{drawn} Delete the file, or give another path."
        )

    def _write(self, lines: Iterable[dict[str, Any]], start: int | None = None) -> None:
        text = "".join(json.dumps(line, default=_plain) + "\n" for line in lines)
        with open(self.path, "ab") as file:
            if start is not None:
                file.truncate(start)
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())


def _kept(lines: Iterable[dict[str, Any]], problem: SearchProblem) -> list[Result]:
    """The last line of each fit; what has failed is as `error_score` is now."""
    results = [Result(**line) for line in lines]
    last = {(result.candidate, result.fold): result for result in results}
    kept = []
    for result in last.values():
        if result.fit_error is not None:
            if problem.error_score == "raise":
                continue  # fitted again, so that its error is raised as it was
            set_error_score(problem, result)
        kept.append(result)
    return kept


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be kept in a checkpoint")


def fingerprint(problem: SearchProblem) -> dict[str, str]:
    """What tells a search from another, part by part."""
    y = None if problem.y is None else _digest(problem.y)
    stage = problem.stage
    marks: dict[str, Any] = {
        "X": _digest(problem.X),
        "y": y,
        "estimator": _named(content(problem.estimator)),
        "candidates": [_named(content(c)) for c in problem.candidates],
        "splits": [[np.asarray(rows) for rows in split] for split in problem.splits],
        "scoring": _scoring(problem.scorer),
        "fit parameters": _digest_all(problem.fit_params),
        "score parameters": _digest_all(problem.score_params),
        "return_train_score": problem.return_train_score,
        "stage": None if stage is None else [stage.resource, stage.until, stage.last],
    }
    return {name: joblib.hash(mark) for name, mark in marks.items()}


def _named(held: Any) -> Any:
    """Content without what is of this process only: classes by name."""
    if isinstance(held, tuple):
        if len(held) == 2 and held[0] == "object":
            return "object"
        return [_named(part) for part in held]
    if isinstance(held, type):
        return f"{held.__module__}.{held.__qualname__}"
    return held


def _digest_all(params: dict[str, Any]) -> dict[str, Any]:
    return {name: _digest(value) for name, value in sorted(params.items())}


def _digest(table: Any) -> str:
    """Of what a table holds; a frame's own pickle changes with what it has cached."""
    if isinstance(table, pd.Series):
        table = table.to_frame()
    if isinstance(table, pd.DataFrame):
        cells = [_column(table.iloc[:, k]) for k in range(table.shape[1])]
        kinds = [str(dtype) for dtype in table.dtypes]
        parts = [list(table.columns), kinds, list(table.index), cells]
        return joblib.hash(parts)
    if sparse.issparse(table):
        table = table.tocsr()
        return joblib.hash([table.shape, table.data, table.indices, table.indptr])
    try:
        return joblib.hash(table)
    except Exception:  # whatever its own pickling raises
        return f"{type(table).__name__} {len(table)}"


def _column(column: pd.Series) -> Any:
    values = column.to_numpy()
    if values.dtype != object:
        return values
    return [_cell(cell) for cell in values]


def _cell(cell: Any) -> Any:
    try:
        return cell if isinstance(cell, str | bytes | float) else joblib.hash(cell)
    except Exception:  # whatever its own pickling raises
        return repr(cell)


def _scoring(scorer: Any) -> Any:
    """Names: a scorer's own pickle may hold a function of a script."""
    scorers = getattr(scorer, "_scorers", {"score": scorer})
    return [(name, _named_score(scorer)) for name, scorer in sorted(scorers.items())]


def _named_score(scorer: Any) -> str:
    if hasattr(scorer, "_score_func"):
        return repr(scorer)
    if isinstance(scorer, partial):
        held = _digest([scorer.args, sorted(scorer.keywords.items())])
        return f"{_named_score(scorer.func)} {held}"
    return getattr(scorer, "__qualname__", "")
