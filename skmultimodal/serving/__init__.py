"""A page in the browser for a fitted pipeline, from the standard library alone."""

from skmultimodal.serving._dialogue import DialogueServer

__all__ = ["DialogueServer"]
