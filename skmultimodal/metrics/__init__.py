"""Metrics of texts: what was said against what should have been said."""

from skmultimodal.metrics._distinct import distinct_n_score
from skmultimodal.metrics._likelihood import (
    bits_per_character,
    neg_perplexity_scorer,
    perplexity_score,
)
from skmultimodal.metrics._overlap import (
    bleu_score,
    chrf_score,
    exact_match_score,
    token_f1_score,
)

__all__ = [
    "bits_per_character",
    "bleu_score",
    "chrf_score",
    "distinct_n_score",
    "exact_match_score",
    "neg_perplexity_scorer",
    "perplexity_score",
    "token_f1_score",
]
