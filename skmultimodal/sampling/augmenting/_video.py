"""Augmentations of videos, beside those of pictures, which change all frames alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from skmultimodal._recipes import Augmentation
from skmultimodal.sampling.augmenting._image import Flip
from skmultimodal.sampling.augmenting._limits import check_number


@dataclass(frozen=True)
class FrameDropping(Augmentation):
    """Take frames out of a video, as if they had never been filmed.

    Parameters
    ----------
    p : float, default=0.2
        Probability that a frame is taken out. One frame always stays.

    See Also
    --------
    ModalityAugmenter : Applies it to copies of rows.

    Notes
    -----
    It is given the times (frames,) in seconds and says which frames stay, (frames,)
    bool, before an encoder chooses among these; nothing else has to be decoded.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal.sampling import FrameDropping
    >>> FrameDropping(p=0.5)(np.arange(4) / 25, np.random.default_rng(0))
    array([ True, False, False, False])
    """

    p: float = 0.2
    name: ClassVar[str] = "frame_dropping"
    on_clock: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_number(self, 0, 1, "p")

    def __call__(self, array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Times (frames,) to a mask of the frames that stay."""
        stays = rng.random(len(array)) >= self.p
        stays[rng.integers(len(array))] |= not stays.any()
        return stays


DEFAULT = (FrameDropping(), Flip())
