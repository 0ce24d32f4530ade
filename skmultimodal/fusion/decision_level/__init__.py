"""Fusion of what each modality says by itself."""

from skmultimodal.fusion.decision_level._evidential import EvidentialFusion
from skmultimodal.fusion.decision_level._stacking import (
    ModalityStackingClassifier,
    ModalityStackingRegressor,
)
from skmultimodal.fusion.decision_level._voting import (
    ModalityVotingClassifier,
    ModalityVotingRegressor,
)

__all__ = [
    "EvidentialFusion",
    "ModalityStackingClassifier",
    "ModalityStackingRegressor",
    "ModalityVotingClassifier",
    "ModalityVotingRegressor",
]
