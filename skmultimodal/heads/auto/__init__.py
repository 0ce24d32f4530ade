"""What ``fusion="auto"`` does: folds decide how modalities are put together."""

from skmultimodal.heads.auto._chosen import AutoFusion, Link
from skmultimodal.heads.auto._pool import Target
from skmultimodal.heads.auto._search import Data, search

__all__ = ["AutoFusion", "Data", "Link", "Target", "search"]
