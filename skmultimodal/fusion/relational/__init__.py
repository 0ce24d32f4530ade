"""Fusion by relations between modalities."""

from skmultimodal.fusion.relational._cca import CCAFusion
from skmultimodal.fusion.relational._cross_attention import CrossAttentionFusion
from skmultimodal.fusion.relational._graph import GraphFusion
from skmultimodal.fusion.relational._kernel import KernelFusion
from skmultimodal.fusion.relational._low_rank_tensor import LowRankTensorFusion
from skmultimodal.fusion.relational._similarity_network import SimilarityNetworkFusion

__all__ = [
    "CCAFusion",
    "CrossAttentionFusion",
    "GraphFusion",
    "KernelFusion",
    "LowRankTensorFusion",
    "SimilarityNetworkFusion",
]
