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
from skmultimodal.fusion.hierarchical import (
    BottleneckFusion,
    LatentFusion,
    MMTMFusion,
    ProgressiveFusion,
)
from skmultimodal.fusion.relational import (
    CCAFusion,
    CrossAttentionFusion,
    GraphFusion,
    KernelFusion,
    LowRankTensorFusion,
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
    "GraphFusion",
    "KernelFusion",
    "LatentFusion",
    "LowRankTensorFusion",
    "MMTMFusion",
    "ModalityStackingClassifier",
    "ModalityStackingRegressor",
    "ModalityVotingClassifier",
    "ModalityVotingRegressor",
    "NeuralFusion",
    "ProgressiveFusion",
    "SimilarityNetworkFusion",
]
