"""Augmentations of pictures, (h, w, 3), and of all frames of a video alike.

What is drawn does not depend on the size of the array, so that frames of several sizes
are changed in the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from skmultimodal._recipes import Augmentation
from skmultimodal.sampling.augmenting._limits import check_number

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class Flip(Augmentation):
    """Mirror a picture, or all frames of a video, left to right.

    Parameters
    ----------
    p : float, default=0.5
        Probability of it.

    See Also
    --------
    ModalityAugmenter : Applies it to copies of rows.

    Notes
    -----
    A picture is float32 (h, w, 3) in [0, 1], a video (frames, h, w, 3). Leave it out
    where left and right matter: in scripts, digits, road signs, chests.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal.sampling import Flip
    >>> picture = np.zeros((1, 2, 3)); picture[0, 1] = 1
    >>> Flip(p=1)(picture, np.random.default_rng(0))[0, :, 0]
    array([1., 0.])
    """

    p: float = 0.5
    name: ClassVar[str] = "flip"

    def __post_init__(self) -> None:
        check_number(self, 0, 1, "p")

    def __call__(self, array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(..., h, w, 3) to the same shape."""
        return array[..., ::-1, :] if rng.random() < self.p else array


@dataclass(frozen=True)
class Crop(Augmentation):
    """Cut a part out of a picture, and stretch it to the size there was.

    Parameters
    ----------
    min_area : float, default=0.7
        Share of the area that is left, at least.
    max_stretch : float, default=1.2
        How much longer one side may become than the other, at most.

    See Also
    --------
    ModalityAugmenter : Applies it to copies of rows.

    Notes
    -----
    A picture is float32 (h, w, 3) in [0, 1], a video (frames, h, w, 3), whose frames
    are cut alike. "Random resized crop" [1]_, with a larger part left by default, since
    what decides the label may stand at the edge.

    References
    ----------
    .. [1] C. Szegedy et al., "Going deeper with convolutions", CVPR 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal.sampling import Crop
    >>> picture = np.ones((8, 8, 3))
    >>> Crop(min_area=0.5)(picture, np.random.default_rng(0)).shape
    (8, 8, 3)
    """

    min_area: float = 0.7
    max_stretch: float = 1.2
    name: ClassVar[str] = "crop"

    def __post_init__(self) -> None:
        check_number(self, 0.01, 1, "min_area")
        check_number(self, 1, 10, "max_stretch")

    def __call__(self, array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(..., h, w, 3) to the same shape."""
        area = rng.uniform(self.min_area, 1)
        stretch = math.exp(rng.uniform(-1, 1) * math.log(self.max_stretch))
        sides = min(1, math.sqrt(area * stretch)), min(1, math.sqrt(area / stretch))
        corner = [rng.uniform(0, 1 - side) for side in sides]
        for axis, start, side in zip((-3, -2), corner, sides):
            array = _zoomed(array, axis, start, side)
        return array


def _zoomed(array: np.ndarray, axis: int, start: float, side: float) -> np.ndarray:
    """The stretch [start, start + side] of an axis, in shares, over all its length."""
    n = array.shape[axis]
    # centres of the pixels, between those of the source
    places = (start + side * (np.arange(n) + 0.5) / n) * n - 0.5
    places = places.clip(0, n - 1)
    low = places.astype(np.intp)
    shape = [1] * array.ndim
    shape[axis] = n
    share = (places - low).astype(array.dtype).reshape(shape)
    first = array.take(low, axis)
    second = array.take((low + 1).clip(max=n - 1), axis)
    return first + share * (second - first)


@dataclass(frozen=True)
class Colour(Augmentation):
    """Change brightness, contrast and saturation.

    Parameters
    ----------
    brightness : float, default=0.2
        All light is multiplied by a factor between 1 - `brightness` and 1 +
        `brightness`.
    contrast : float, default=0.2
        The same of the distance from the mean light.
    saturation : float, default=0.2
        The same of the distance from grey.

    See Also
    --------
    ModalityAugmenter : Applies it to copies of rows.

    Notes
    -----
    A picture is float32 (h, w, 3) in [0, 1], a video (frames, h, w, 3), whose frames
    are changed alike. Hues stay what they are: a red ball stays red.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal.sampling import Colour
    >>> grey = np.full((2, 2, 3), 0.5)
    >>> brighter = Colour(brightness=0.4)(grey, np.random.default_rng(0))
    >>> brighter.round(2)[0, 0]
    array([0.55, 0.55, 0.55])
    """

    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.2
    name: ClassVar[str] = "colour"

    def __post_init__(self) -> None:
        check_number(self, 0, 1, "brightness", "contrast", "saturation")

    def __call__(self, array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(..., h, w, 3) in [0, 1] to the same shape and range."""
        brightness, contrast, saturation = (
            array.dtype.type(1 + width * rng.uniform(-1, 1))
            for width in (self.brightness, self.contrast, self.saturation)
        )
        array = array * brightness
        mean = array.mean()
        array = mean + contrast * (array - mean)
        grey = (array @ _LUMA.astype(array.dtype))[..., None]
        return (grey + saturation * (array - grey)).clip(0, 1)


DEFAULT = (Flip(), Crop(), Colour())
