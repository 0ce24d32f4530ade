"""A search in parts: prefixes, tasks, engines, what is kept of them."""

from skmultimodal.model_selection.searching._engine import Engine
from skmultimodal.model_selection.searching._evaluation import evaluate
from skmultimodal.model_selection.searching._groups import list_parts
from skmultimodal.model_selection.searching._prefix import head_of, prefix_key
from skmultimodal.model_selection.searching._problem import SearchProblem
from skmultimodal.model_selection.searching._results import Result

__all__ = [
    "Engine",
    "Result",
    "SearchProblem",
    "evaluate",
    "head_of",
    "list_parts",
    "prefix_key",
]
