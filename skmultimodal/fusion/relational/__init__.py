"""Fusion by relations between modalities."""

from skmultimodal.fusion.relational._cca import CCAFusion
from skmultimodal.fusion.relational._cross_attention import CrossAttentionFusion

__all__ = [
    "CCAFusion",
    "CrossAttentionFusion",
]
