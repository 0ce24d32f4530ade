"""Composition: one encoder a modality, side by side in one frame."""

from skmultimodal.compose._make import make_modality_transformer
from skmultimodal.compose._modality_transformer import ModalityTransformer
from skmultimodal.compose._selector import ModalitySelector

__all__ = ["ModalitySelector", "ModalityTransformer", "make_modality_transformer"]
