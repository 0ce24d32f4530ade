"""Encoders: one modality each, from raw cells to float32 columns."""

from skmultimodal.encoders._audio import AudioEncoder
from skmultimodal.encoders._dialogue import DialogueHistoryEncoder
from skmultimodal.encoders._image import ImageEncoder
from skmultimodal.encoders._precomputed import PrecomputedEncoder
from skmultimodal.encoders._series import SeriesEncoder
from skmultimodal.encoders._store import EmbeddingStore
from skmultimodal.encoders._tabular import TabularEncoder
from skmultimodal.encoders._text import TextEncoder
from skmultimodal.encoders._video import VideoEncoder

__all__ = [
    "AudioEncoder",
    "DialogueHistoryEncoder",
    "EmbeddingStore",
    "ImageEncoder",
    "PrecomputedEncoder",
    "SeriesEncoder",
    "TabularEncoder",
    "TextEncoder",
    "VideoEncoder",
]
