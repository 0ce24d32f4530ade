"""Learning from several kinds of data at once, the scikit-learn way."""

from skmultimodal._layout import pack, unpack
from skmultimodal._pipeline import multimodal_pipeline
from skmultimodal._version import __version__

__all__ = ["__version__", "multimodal_pipeline", "pack", "unpack"]
