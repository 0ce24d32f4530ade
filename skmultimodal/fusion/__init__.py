"""How modalities are put together: one file a method, by level."""

from skmultimodal.fusion._base import FusionModule, FusionOutput, NeuralFusion
from skmultimodal.fusion.decision_level import (
    EvidentialFusion,
    ModalityStackingClassifier,
    ModalityStackingRegressor,
    ModalityVotingClassifier,
    ModalityVotingRegressor,
)
from skmultimodal.fusion.feature_level import (
    AttentionPoolFusion,
    BlockPCAFusion,
    ConcatFusion,
    EmbraceFusion,
    FiLMFusion,
    GatedFusion,
)
from skmultimodal.fusion.hierarchical import BottleneckFusion, MMTMFusion
from skmultimodal.fusion.relational import (
    CCAFusion,
    CrossAttentionFusion,
    KernelFusion,
    SimilarityNetworkFusion,
)

__all__ = [
    "AttentionPoolFusion",
    "BlockPCAFusion",
    "BottleneckFusion",
    "CCAFusion",
    "ConcatFusion",
    "CrossAttentionFusion",
    "EmbraceFusion",
    "EvidentialFusion",
    "FiLMFusion",
    "FusionModule",
    "FusionOutput",
    "GatedFusion",
    "KernelFusion",
    "MMTMFusion",
    "ModalityStackingClassifier",
    "ModalityStackingRegressor",
    "ModalityVotingClassifier",
    "ModalityVotingRegressor",
    "NeuralFusion",
    "SimilarityNetworkFusion",
]
