"""Estimators that own a fusion net."""

from skmultimodal.heads._classifier import FusionClassifier
from skmultimodal.heads._regressor import FusionRegressor

__all__ = ["FusionClassifier", "FusionRegressor"]
