"""Sentence-transformers models, loaded once a process and kept out of pickles."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from skmultimodal._optional import import_optional
from skmultimodal.encoders.pretrained._loading import (
    check_source,
    half_precision,
    is_factory,
    load_factory,
    load_failure,
    quiet_loading,
    resolve_device,
    stamp,
    untouched_rng,
    weights_hash,
)


class SentenceModel:
    """A sentence-transformers model on its device, with the hash of its weights."""

    def __init__(self, model: Any, device: str) -> None:
        self.module = model
        self.device = device
        self.weights = weights_hash(model)

    def encode(
        self, texts: Sequence[str], batch_size: int, normalize: bool
    ) -> np.ndarray:
        """Embeddings (n, d), float32."""
        with untouched_rng(), half_precision(self.device):
            found = self.module.encode(
                list(texts),
                batch_size=batch_size,
                normalize_embeddings=normalize,
                show_progress_bar=False,
                device=self.device,
                convert_to_numpy=True,
            )
        return np.asarray(found, dtype=np.float32)

    def encode_tokens(
        self, texts: Sequence[str], batch_size: int, most: int
    ) -> list[np.ndarray]:
        """Embeddings (T, d) of the first `most` tokens of each text, float32."""
        with untouched_rng(), half_precision(self.device):
            found = self.module.encode(
                list(texts),
                batch_size=batch_size,
                output_value="token_embeddings",
                show_progress_bar=False,
                device=self.device,
            )
        return [tokens[:most].float().cpu().numpy() for tokens in found]


def load_sentence_model(
    model: str, *, device: str, local_files_only: bool, owner: str
) -> SentenceModel:
    """Load a folder or hub name; clones of an encoder share what is loaded."""
    where = resolve_device(device, owner)
    if is_factory(model):
        return _from_factory(model, where, owner)
    check_source(model, owner)
    return _load(model, stamp(model), where, local_files_only, owner)


@functools.lru_cache(maxsize=2)
def _from_factory(model: str, device: str, owner: str) -> SentenceModel:
    module = load_factory(model, owner)
    if not hasattr(module, "encode"):
        raise TypeError(
            f"{owner}: model={model!r} returned {type(module).__name__}, expected a "
            "SentenceTransformer."
        )
    return SentenceModel(module.to(device).eval().float(), device)


@functools.lru_cache(maxsize=2)
def _load(
    model: str, _: tuple[Any, ...], device: str, local_files_only: bool, owner: str
) -> SentenceModel:
    package = import_optional(
        "sentence_transformers", extra="text", purpose=f"{owner}(model=...)"
    )
    try:
        # a checkpoint may lack weights that are not used: the same ones each time
        with untouched_rng(seed=0), quiet_loading():
            loaded = package.SentenceTransformer(
                model,
                device=device,
                local_files_only=local_files_only,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
    except Exception as error:
        raise load_failure(model, owner, local_files_only, error) from error
    return SentenceModel(loaded.eval().float(), device)
