"""Fusion layer by layer."""

from skmultimodal.fusion.hierarchical._bottleneck import BottleneckFusion

__all__ = ["BottleneckFusion"]
