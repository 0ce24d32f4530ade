"""Encoders that describe cell by cell: in chunks, each content once, from a store."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import PurePath
from typing import Any, Protocol

import numpy as np

from skmultimodal._recipes import Recipe, source_of
from skmultimodal.encoders._base import ColumnEncoder
from skmultimodal.encoders._columns import Column, Parts, Sequences
from skmultimodal.encoders._content import (
    content_digest,
    file_digest,
    identity_digest,
)
from skmultimodal.encoders._reduction import Reduction
from skmultimodal.encoders._store import EmbeddingStore, as_store
from skmultimodal.encoders.decoding._files import (
    MediaError,
    is_path,
    locate,
    root_folder,
)
from skmultimodal.encoders.pretrained._identity import run_identity
from skmultimodal.encoders.pretrained._keeping import Kept, keep_weights, put_back
from skmultimodal.encoders.pretrained._loading import (
    check_same_weights,
    resolve_device,
    source,
)

Description = np.ndarray | Exception
Describe = Callable[[list[Any]], Sequence[Description]]


class Network(Protocol):
    """A pretrained model on its device."""

    @property
    def weights(self) -> str:
        """Hash of its weights."""


class MediaEncoder(ColumnEncoder):
    """Base of the encoders whose cells are described one at a time.

    A subclass names its `_kind` and `_noun`, and writes `_network` (a pretrained
    model), `_describer` and `_identity`; `_learn` where something is learned from all
    cells before. What it is called with: `model`, `output`, `n_components`,
    `max_steps`, `on_error`, `store`, `store_weights` and `random_state`, where it has
    them.
    """

    _noun: str
    _chunk = 256  # cells described at once, and written to the store at once
    _reads_files = True  # a string is a path

    model: str | os.PathLike[str] | None
    output: str
    n_components: Any
    random_state: Any
    model_id_: str | None
    model_hash_: str | None

    # What a subclass says ----------------------------------------------------------

    def _learn(self, values: list[Any]) -> None:
        """Learn, in `fit`, what describing a cell needs."""

    def _network(self, name: str) -> Network:
        """Load the model of this name."""
        raise NotImplementedError

    def _describer(self, network: Any) -> Describe:
        """What describes a chunk of cells: (d,), (T, d) or an error for each."""
        raise NotImplementedError

    def _identity(self) -> dict[str, Any]:
        """What decides a description, besides the cell and the weights."""
        raise NotImplementedError

    def _salt(self, value: Any) -> Any:
        """What else decides the description of this cell."""
        return None

    def _order(self, values: list[Any]) -> Iterable[int]:
        """The order in which cells are described."""
        return range(len(values))

    def _width(self) -> int | None:
        """Number of components to keep, None for all."""
        return self.n_components

    def _learns(self) -> bool:
        """Whether what `fit` keeps of its rows decides how others come out."""
        in_steps = getattr(self, "output", "pooled") == "sequence"  # their number
        return in_steps or self._width() is not None or bool(vars(self).get("ranges_"))

    # What all do -------------------------------------------------------------------

    def _fit_parts(self, parts: Parts, column: Column) -> np.ndarray | Sequences:
        self.model_id_ = self.model_hash_ = None
        self._kept: Kept | None = None
        if self.model is not None:
            self.model_id_ = source(self.model, type(self).__name__)
            network = self._network(self.model_id_)
            self.model_hash_ = network.weights
            if getattr(self, "store_weights", False):
                self._kept = keep_weights(self.model_id_, network)
        self._learn(parts.values)
        self._raw_width = 1
        self._reduction: Reduction | None = None
        features = self._described(parts, column)
        width = self._width()
        if width is not None:
            known = _readable(features)
            if len(known):
                self._reduction = Reduction(known, width, self.random_state)
        return self._reduced(features)

    def _encode_parts(self, parts: Parts, column: Column) -> np.ndarray | Sequences:
        return self._reduced(self._described(parts, column))

    def _reduced(self, features: np.ndarray | Sequences) -> np.ndarray | Sequences:
        if self._reduction is None:
            return features
        if isinstance(features, np.ndarray):
            return self._reduction.transform(features)
        return [self._reduction.transform(steps) for steps in features]

    def _described(self, parts: Parts, column: Column) -> np.ndarray | Sequences:
        """Describe the unique parts: (n_parts, d), or a list of (T, d)."""
        n = len(parts.values)
        errors: dict[int, Exception] = {}
        rows: np.ndarray | None = None
        steps: list[np.ndarray | None] = [None] * n
        in_steps = getattr(self, "output", "pooled") == "sequence"
        strict = getattr(self, "on_error", "raise") == "raise"

        def found(part: int, description: Description) -> None:
            nonlocal rows
            if isinstance(description, Exception):
                if strict:
                    raise self._error(part, description, parts, column) from description
                errors[part] = description
            elif in_steps:
                steps[part] = description
            else:
                if rows is None:
                    shape = n, len(description)
                    rows = np.full(shape, np.nan, dtype=np.float32)
                rows[part] = description

        self._describe_each(parts.values, found)
        if errors and getattr(self, "on_error", "raise") == "warn":
            self._warn(errors, parts, column)
        if in_steps:
            widths = (s.shape[1] for s in steps if s is not None)
            self._raw_width = next(widths, self._raw_width)
            empty = np.empty((0, self._raw_width), dtype=np.float32)
            return [empty if s is None else s for s in steps]
        if rows is None:
            return np.full((n, self._raw_width), np.nan, dtype=np.float32)
        self._raw_width = rows.shape[1]
        return rows

    def _describe_each(
        self, values: list[Any], found: Callable[[int, Description], None]
    ) -> None:
        """Describe each cell, in chunks, those of the store taken from there."""
        describe = self._describer(self._checked_network())
        given = getattr(self, "store", None)
        store = None if given is None else as_store(given)
        order = list(self._order(values))
        if store is not None:
            files: dict[int, tuple[str, os.stat_result]] = {}
            keys = self._keys(values, store, files)
            first: dict[bytes, list[int]] = {}
            for k in order:
                if (key := keys[k]) is not None:
                    first.setdefault(key, []).append(k)
            same = list(first.values())

            def encode(places: Sequence[int]) -> Sequence[Description]:
                cells = [same[place][0] for place in places]
                found = describe([values[k] for k in cells])
                return [
                    _Unkept(d) if k in files and _changed(*files[k]) else d
                    for k, d in zip(cells, found)
                ]

            def spread(place: int, description: Description) -> None:
                if isinstance(description, _Unkept):
                    description = description.args[0]
                for k in same[place]:
                    found(k, description)

            label = f"{type(self).__name__} {PurePath(self.model_id_ or '').name}"
            store._encode(list(first), encode, self._chunk, spread, label.strip())
            order = [k for k in order if keys[k] is None]
        for start in range(0, len(order), self._chunk):
            chunk = order[start : start + self._chunk]
            for k, description in zip(chunk, describe([values[k] for k in chunk])):
                found(k, description)

    def _keys(
        self,
        values: list[Any],
        store: EmbeddingStore,
        files: dict[int, tuple[str, os.stat_result]],
    ) -> list[bytes | None]:
        """Key of each cell in the store; None for one that has no known content."""
        identity = self._whole_identity()
        known: dict[Any, bytes] = {}
        keys: list[bytes | None] = []
        for value, content in zip(values, self._contents(values, store, files)):
            salt = self._salt(source_of(value))
            if salt not in known:
                known[salt] = identity_digest({**identity, "salt": salt})
            keys.append(None if content is None else known[salt] + content)
        return keys

    def _whole_identity(self) -> dict[str, Any]:
        """All that decides a description, besides the cell."""
        identity = {
            "encoder": type(self).__name__,
            "output": getattr(self, "output", "pooled"),
            "weights": self.model_hash_,
            "dtype": "float32",
            **self._identity(),
        }
        if self.model_id_ is not None and self.model_hash_ is not None:
            owner = type(self).__name__
            device = resolve_device(getattr(self, "device", "cpu"), owner)
            name = put_back(self.model_id_, self._kept)
            identity["model"] = run_identity(name, device)
        return identity

    def _contents(
        self,
        values: list[Any],
        store: EmbeddingStore,
        files: dict[int, tuple[str, os.stat_result]],
    ) -> list[bytes | None]:
        """Digest of what each cell holds; None where that is not known.

        Puts into `files` how each file was found. A recipe holds what its source does,
        and its steps.
        """
        found: list[bytes | None] = [None] * len(values)
        root = root_folder(getattr(self, "root", None))
        for k, value in enumerate(map(source_of, values)):
            if not (self._reads_files and is_path(value)):
                found[k] = content_digest(value)
                continue
            with suppress(MediaError, OSError):  # whoever decodes it says what is wrong
                path = locate(value, root, self._noun)
                files[k] = path, os.stat(path)
        # several recipes may start from one file
        once = {path: (path, status) for path, status in files.values()}
        paths = list(once)
        digests = store._file_digests(
            list(once.values()), lambda which: _digests(paths, which)
        )
        digest_of = dict(zip(paths, digests))
        for k, (path, _) in files.items():
            digest = digest_of[path]
            found[k] = digest if isinstance(digest, bytes) else None
        return [
            value.digest(digest) if isinstance(value, Recipe) else digest
            for value, digest in zip(values, found)
        ]

    def _checked_network(self) -> Any:
        if self.model_id_ is None or self.model_hash_ is None:
            return None
        owner = type(self).__name__
        name = put_back(self.model_id_, self._kept)
        network = self._network(name)
        check_same_weights(owner, self.model_id_, network.weights, self.model_hash_)
        return network

    def _error(
        self, part: int, error: Exception, parts: Parts, column: Column
    ) -> ValueError:
        where = column.where(parts.first_rows[part])
        return ValueError(
            f"{type(self).__name__}: {where}: {error}; or count it as missing with "
            "on_error='warn' or 'missing'."
        )

    def _warn(self, errors: dict[int, Exception], parts: Parts, column: Column) -> None:
        part = min(errors)
        warnings.warn(
            f"{type(self).__name__}: {len(errors)} of {len(parts.values)} different "
            f"{self._noun}s cannot be read and count as missing. The first: "
            f"{column.where(parts.first_rows[part])}: {errors[part]}.",
            UserWarning,
            stacklevel=6,
        )


class _Unkept(Exception):
    """A description that the store must not keep: its file changed meanwhile."""


def _changed(path: str, before: os.stat_result) -> bool:
    try:
        now = os.stat(path)
    except OSError:
        return True
    seen = ("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino", "st_dev")
    return any(getattr(now, name) != getattr(before, name) for name in seen)


def _digests(paths: list[str], which: list[int]) -> list[Any]:
    """Digest of each file, or the error that reading it gave."""

    def attempt(path: str) -> Any:
        try:
            return file_digest(path)
        except OSError as error:
            return error

    return [attempt(paths[k]) for k in which]


def _readable(features: np.ndarray | Sequences) -> np.ndarray:
    """The vectors or steps to learn a reduction from: (n, d)."""
    if not isinstance(features, np.ndarray):
        features = np.concatenate(features)
    most = 20_000  # principal components of so many are those of more
    features = features[:: max(1, len(features) // most)]
    return features[~np.isnan(features).any(axis=1)]
