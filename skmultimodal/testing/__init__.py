"""Checks that any neural fusion has to pass, a user's own included."""

from skmultimodal.testing._check_fusion import (
    check_fusion,
    parametrize_with_fusion_checks,
)

__all__ = ["check_fusion", "parametrize_with_fusion_checks"]
