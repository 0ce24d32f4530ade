"""Samplers for imbalanced classes, and augmentation, over everything called X."""

from skmultimodal.sampling._modality_augmenter import ModalityAugmenter
from skmultimodal.sampling._modality_sampler import ModalitySampler
from skmultimodal.sampling.augmenting import (
    BandStop,
    Colour,
    Crop,
    Flip,
    FrameDropping,
    Gain,
    Jitter,
    Scaling,
    Shift,
    TimeMask,
    Warping,
    WordDropout,
    WordSwap,
)

__all__ = [
    "BandStop",
    "Colour",
    "Crop",
    "Flip",
    "FrameDropping",
    "Gain",
    "Jitter",
    "ModalityAugmenter",
    "ModalitySampler",
    "Scaling",
    "Shift",
    "TimeMask",
    "Warping",
    "WordDropout",
    "WordSwap",
]
