"""Fusion of what each modality says by itself."""

from skmultimodal.fusion.decision_level._evidential import EvidentialFusion

__all__ = ["EvidentialFusion"]
