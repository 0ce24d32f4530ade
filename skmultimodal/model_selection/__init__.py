"""Choosing among fusions: all of them on the same folds."""

from skmultimodal.model_selection._compare_fusions import compare_fusions
from skmultimodal.model_selection._differences import summarize_comparison

__all__ = ["compare_fusions", "summarize_comparison"]
