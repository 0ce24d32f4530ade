"""Fusion of one vector a modality."""

from skmultimodal.fusion.feature_level._concat import ConcatFusion
from skmultimodal.fusion.feature_level._gated import GatedFusion

__all__ = ["ConcatFusion", "GatedFusion"]
