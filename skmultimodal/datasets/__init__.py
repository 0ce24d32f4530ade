"""Data sets with several modalities."""

from skmultimodal.datasets._easy_vqa import load_easy_vqa
from skmultimodal.datasets._media_table import read_media_table

__all__ = ["load_easy_vqa", "read_media_table"]
