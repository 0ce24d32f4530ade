"""What modalities and fusions are worth, and how nets learn, in tables and pictures."""

from skmultimodal.inspection._comparison_display import FusionComparisonDisplay
from skmultimodal.inspection._missing_curve import missing_modality_curve
from skmultimodal.inspection._missing_display import MissingModalityDisplay
from skmultimodal.inspection._search_display import SearchDisplay
from skmultimodal.inspection._training_curve import training_curve
from skmultimodal.inspection._training_display import TrainingCurveDisplay

__all__ = [
    "FusionComparisonDisplay",
    "MissingModalityDisplay",
    "SearchDisplay",
    "TrainingCurveDisplay",
    "missing_modality_curve",
    "training_curve",
]
