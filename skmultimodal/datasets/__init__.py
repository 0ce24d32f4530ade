"""Data sets with several modalities."""

from skmultimodal.datasets._easy_vqa import load_easy_vqa

__all__ = ["load_easy_vqa"]
