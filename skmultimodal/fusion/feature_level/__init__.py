"""Fusion of one vector a modality."""

from skmultimodal.fusion.feature_level._attention_pool import AttentionPoolFusion
from skmultimodal.fusion.feature_level._block_pca import BlockPCAFusion
from skmultimodal.fusion.feature_level._concat import ConcatFusion
from skmultimodal.fusion.feature_level._embrace import EmbraceFusion
from skmultimodal.fusion.feature_level._film import FiLMFusion
from skmultimodal.fusion.feature_level._gated import GatedFusion

__all__ = [
    "AttentionPoolFusion",
    "BlockPCAFusion",
    "ConcatFusion",
    "EmbraceFusion",
    "FiLMFusion",
    "GatedFusion",
]
