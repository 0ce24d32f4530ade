"""Augmentations, one file a kind: parameters, and a pure function of array and rng."""

from skmultimodal.sampling.augmenting._audio import BandStop, Gain, Shift, TimeMask
from skmultimodal.sampling.augmenting._image import Colour, Crop, Flip
from skmultimodal.sampling.augmenting._series import Jitter, Scaling, Warping
from skmultimodal.sampling.augmenting._text import WordDropout, WordSwap
from skmultimodal.sampling.augmenting._video import FrameDropping

__all__ = [
    "BandStop",
    "Colour",
    "Crop",
    "Flip",
    "FrameDropping",
    "Gain",
    "Jitter",
    "Scaling",
    "Shift",
    "TimeMask",
    "Warping",
    "WordDropout",
    "WordSwap",
]
