"""What a cell holds, as a digest: the same content has the same digest anywhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

_SIZE = 20


def identity_digest(identity: Mapping[str, Any]) -> bytes:
    """Digest of what decides a description besides the cell."""
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=_SIZE).digest()


def content_digest(value: Any) -> bytes | None:
    """Digest of a text, bytes, array, picture, or nested list; None for what else."""
    digest = hashlib.blake2b(digest_size=_SIZE)
    return digest.digest() if _feed(digest, value) else None


def file_digest(path: str) -> bytes:
    """Digest of a file's bytes, the same as that of a cell of these bytes."""
    digest = hashlib.blake2b(digest_size=_SIZE)
    digest.update(b"bytes")
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.digest()


def _feed(digest: Any, value: Any) -> bool:
    if isinstance(value, str):
        digest.update(b"text" + value.encode("utf-8", "surrogatepass"))
    elif isinstance(value, (bytes, bytearray, memoryview)):
        digest.update(b"bytes")
        digest.update(value)
    elif isinstance(value, np.ndarray) and value.dtype != object:
        digest.update(f"array{value.dtype.str}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).data if value.size else b"")
    elif isinstance(value, (bool, int, float, np.generic)):
        digest.update(f"{type(value).__name__}{value}".encode())
    elif isinstance(value, Image.Image):
        exif = value.getexif().tobytes() if "exif" in value.info else b""
        palette = value.getpalette() if value.mode == "P" else None
        clear = value.info.get("transparency")
        about = f"picture{value.mode}{value.size}{palette}{clear!r}{len(exif)}"
        digest.update(about.encode() + exif + value.tobytes())
    elif isinstance(value, (list, tuple)) or _is_nested_array(value):
        digest.update(f"list{len(value)}".encode())
        for part in value:
            inner = content_digest(part)
            if inner is None:
                return False
            digest.update(inner)
    else:
        return value is None
    return True


def _is_nested_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim > 0
