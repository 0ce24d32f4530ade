"""Composition: one encoder a modality, side by side in one frame."""

from skmultimodal.compose._modality_transformer import ModalityTransformer

__all__ = ["ModalityTransformer"]
