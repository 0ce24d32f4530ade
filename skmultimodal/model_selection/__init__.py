"""Choosing among fusions and parameters: all of them on the same folds."""

from skmultimodal.model_selection._compare_fusions import compare_fusions
from skmultimodal.model_selection._differences import summarize_comparison
from skmultimodal.model_selection._fusion_halving import FusionHalvingSearchCV
from skmultimodal.model_selection._fusion_search import (
    FusionRandomizedSearchCV,
    FusionSearchCV,
)

__all__ = [
    "FusionHalvingSearchCV",
    "FusionRandomizedSearchCV",
    "FusionSearchCV",
    "compare_fusions",
    "summarize_comparison",
]
