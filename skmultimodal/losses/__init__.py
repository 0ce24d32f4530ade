"""What heads are trained with: losses as specifications, one file each."""

from skmultimodal.losses._base import Loss
from skmultimodal.losses._class_balanced import ClassBalancedLoss
from skmultimodal.losses._cross_entropy import CrossEntropyLoss
from skmultimodal.losses._focal import FocalLoss
from skmultimodal.losses._huber import HuberLoss
from skmultimodal.losses._ldam import LDAMLoss
from skmultimodal.losses._logit_adjusted import LogitAdjustedLoss
from skmultimodal.losses._squared_error import SquaredErrorLoss

__all__ = [
    "ClassBalancedLoss",
    "CrossEntropyLoss",
    "FocalLoss",
    "HuberLoss",
    "LDAMLoss",
    "LogitAdjustedLoss",
    "Loss",
    "SquaredErrorLoss",
]
