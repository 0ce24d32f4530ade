"""Which fusion, and whether any."""

from skmultimodal.model_selection._compare_fusions import compare_fusions
from skmultimodal.model_selection._paired_differences import comparison_summary

__all__ = ["compare_fusions", "comparison_summary"]
