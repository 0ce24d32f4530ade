"""Damage to files: what wears out by itself, and what somebody thinks up."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np

Rng = np.random.Generator


def mutated(files: Sequence[bytes], seed: int, number: int) -> tuple[str, bytes]:
    """Case `number` of a seed: what was done, and the bytes."""
    rng = np.random.default_rng([seed, number])
    data = files[rng.integers(len(files))]
    done = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        damage = _DAMAGES[rng.integers(len(_DAMAGES))]
        if damage is _splice:
            data = _splice(rng, data, files[rng.integers(len(files))])
        else:
            data = damage(rng, data)
        done.append(damage.__name__.strip("_"))
    if data.startswith(b"\x89PNG") and rng.random() < 0.7:
        data = _right_sums(data)  # else little gets past the check of a chunk
        done.append("right sums")
    return ", ".join(done), data


def _place(rng: Rng, data: bytes) -> int:
    """A position: half of them where headers are."""
    end = len(data) if rng.random() < 0.5 else min(len(data), 200)
    return int(rng.integers(max(1, end)))


def _span(rng: Rng, data: bytes) -> tuple[int, int]:
    start = _place(rng, data)
    length = int(2 ** rng.uniform(0, np.log2(max(2, len(data) / 2))))
    return start, min(len(data), start + length)


def _flip_bits(rng: Rng, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.integers(1, 17) if data else 0):
        changed[_place(rng, data)] ^= 1 << rng.integers(8)
    return bytes(changed)


def _truncate(rng: Rng, data: bytes) -> bytes:
    return data[: rng.integers(1, max(2, len(data)))]


def _header_only(rng: Rng, data: bytes) -> bytes:
    return data[: rng.integers(4, 200)]


def _delete(rng: Rng, data: bytes) -> bytes:
    start, stop = _span(rng, data)
    return data[:start] + data[stop:]


def _repeat(rng: Rng, data: bytes) -> bytes:
    start, stop = _span(rng, data)
    return data[:stop] + data[start:stop] * int(rng.integers(1, 9)) + data[stop:]


def _swap(rng: Rng, data: bytes) -> bytes:
    (a, b), (c, d) = sorted([_span(rng, data), _span(rng, data)])
    b = min(b, c)
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def _overwrite(rng: Rng, data: bytes) -> bytes:
    start, stop = _span(rng, data)
    fill = (bytes(stop - start), b"\xff" * (stop - start), rng.bytes(stop - start))
    return data[:start] + fill[rng.integers(3)] + data[stop:]


def _insert(rng: Rng, data: bytes) -> bytes:
    place = _place(rng, data)
    return data[:place] + rng.bytes(int(rng.integers(1, 300))) + data[place:]


def _edit_number(rng: Rng, data: bytes) -> bytes:
    """A length, a size or a count that somebody chose."""
    width = int(rng.choice([1, 2, 4, 8]))
    top = 256**width
    chosen = (0, 1, top - 1, top // 2, top // 2 - 1, len(data) % top, 65_535 % top)
    value = chosen[rng.integers(len(chosen))]
    order = ("big", "little")[rng.integers(2)]
    start = _place(rng, data)
    return data[:start] + value.to_bytes(width, order) + data[start + width :]


def _edit_digit(rng: Rng, data: bytes) -> bytes:
    places = [k for k, byte in enumerate(data[:200]) if chr(byte).isdecimal()]
    if not places:
        return _edit_number(rng, data)
    place = places[rng.integers(len(places))]
    return data[:place] + b"0123456789-("[rng.integers(12) :][:1] + data[place + 1 :]


def _splice(rng: Rng, data: bytes, other: bytes = b"") -> bytes:
    return data[: _place(rng, data)] + other[_place(rng, other) :]


_DAMAGES: list[Callable[..., bytes]] = [
    *(_flip_bits, _truncate, _header_only, _delete, _repeat, _swap, _overwrite),
    *(_insert, _edit_number, _edit_number, _edit_number, _edit_digit, _splice),
]


def _right_sums(data: bytes) -> bytes:
    """A PNG with the checksums that its chunks should have."""
    changed, place = bytearray(data), 8
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        end = place + 8 + length
        if end + 4 > len(data):
            break
        changed[end : end + 4] = zlib.crc32(data[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(changed)
