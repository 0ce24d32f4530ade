"""Fusion layer by layer."""

from skmultimodal.fusion.hierarchical._bottleneck import BottleneckFusion
from skmultimodal.fusion.hierarchical._mmtm import MMTMFusion

__all__ = ["BottleneckFusion", "MMTMFusion"]
