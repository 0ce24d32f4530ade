"""What ``fusion="auto"`` does: folds decide how modalities are put together."""

from skmultimodal.heads.auto._fit import fit_auto

__all__ = ["fit_auto"]
