"""How modalities are put together: one file a method, by level."""

from skmultimodal.fusion._base import FusionModule, FusionOutput, NeuralFusion
from skmultimodal.fusion.decision_level import EvidentialFusion
from skmultimodal.fusion.feature_level import ConcatFusion, GatedFusion
from skmultimodal.fusion.hierarchical import BottleneckFusion
from skmultimodal.fusion.relational import CrossAttentionFusion

__all__ = [
    "BottleneckFusion",
    "ConcatFusion",
    "CrossAttentionFusion",
    "EvidentialFusion",
    "FusionModule",
    "FusionOutput",
    "GatedFusion",
    "NeuralFusion",
]
