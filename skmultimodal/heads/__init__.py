"""Estimators that own a fusion net."""

from skmultimodal.heads._classifier import FusionClassifier
from skmultimodal.heads._generator import FusionGenerator
from skmultimodal.heads._regressor import FusionRegressor
from skmultimodal.heads._replies import (
    reply,
    reply_log_likelihood,
    reply_perplexity,
    sample_replies,
)
from skmultimodal.heads._transformer import FusionTransformer

__all__ = [
    "FusionClassifier",
    "FusionGenerator",
    "FusionRegressor",
    "FusionTransformer",
    "reply",
    "reply_log_likelihood",
    "reply_perplexity",
    "sample_replies",
]
