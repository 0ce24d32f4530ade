"""Plain torch modules that fusions and heads are built from."""

from skmultimodal.nn._attention import Attention
from skmultimodal.nn._dropout import Dropout, modality_dropout
from skmultimodal.nn._losses import ClassLoss, LabelLoss, WeightedLoss
from skmultimodal.nn._members import MemberOutputs
from skmultimodal.nn._mixup import Mixup
from skmultimodal.nn._mlp import MLP, CosineLinear, WideDeep
from skmultimodal.nn._per_modality import PerModality
from skmultimodal.nn._pooling import pool_tokens
from skmultimodal.nn._projection import ModalityTokens, ScaledLinear
from skmultimodal.nn._temporal import TEMPORAL, make_temporal

__all__ = [
    "MLP",
    "TEMPORAL",
    "Attention",
    "ClassLoss",
    "CosineLinear",
    "Dropout",
    "LabelLoss",
    "MemberOutputs",
    "Mixup",
    "ModalityTokens",
    "PerModality",
    "ScaledLinear",
    "WeightedLoss",
    "WideDeep",
    "make_temporal",
    "modality_dropout",
    "pool_tokens",
]
