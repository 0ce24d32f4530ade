"""Fusion layer by layer."""

from skmultimodal.fusion.hierarchical._bottleneck import BottleneckFusion
from skmultimodal.fusion.hierarchical._latent import LatentFusion
from skmultimodal.fusion.hierarchical._mmtm import MMTMFusion
from skmultimodal.fusion.hierarchical._progressive import ProgressiveFusion

__all__ = ["BottleneckFusion", "LatentFusion", "MMTMFusion", "ProgressiveFusion"]
