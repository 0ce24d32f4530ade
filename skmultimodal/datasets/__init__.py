"""Data sets with several modalities."""

from skmultimodal.datasets._easy_vqa import load_easy_vqa
from skmultimodal.datasets._make_classification import make_multimodal_classification
from skmultimodal.datasets._make_regression import make_multimodal_regression
from skmultimodal.datasets._media_table import read_media_table

__all__ = [
    "load_easy_vqa",
    "make_multimodal_classification",
    "make_multimodal_regression",
    "read_media_table",
]
