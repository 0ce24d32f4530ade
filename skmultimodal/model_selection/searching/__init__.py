"""A search in parts: prefixes, tasks, engines, what is kept of them."""

from skmultimodal.model_selection.searching._checkpoint import Checkpoint
from skmultimodal.model_selection.searching._engine import choose_engine
from skmultimodal.model_selection.searching._prefix import content, head_of
from skmultimodal.model_selection.searching._problem import SearchProblem, Stage
from skmultimodal.model_selection.searching._progress import Progress
from skmultimodal.model_selection.searching._report import make_report, readable
from skmultimodal.model_selection.searching._results import Result
from skmultimodal.model_selection.searching._running import run_fits

__all__ = [
    "Checkpoint",
    "Progress",
    "Result",
    "SearchProblem",
    "Stage",
    "choose_engine",
    "content",
    "head_of",
    "make_report",
    "readable",
    "run_fits",
]
