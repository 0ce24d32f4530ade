"""What modalities and fusions are worth, in tables and pictures."""

from skmultimodal.inspection._comparison_display import FusionComparisonDisplay
from skmultimodal.inspection._missing_curve import missing_modality_curve
from skmultimodal.inspection._missing_display import MissingModalityDisplay

__all__ = [
    "FusionComparisonDisplay",
    "MissingModalityDisplay",
    "missing_modality_curve",
]
