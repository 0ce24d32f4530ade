"""What every `fit` promises: a failure leaves a fitted estimator as it was."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def keep_state_on_error(fit: F) -> F:
    """Put back all attributes of the estimator when the wrapped method raises.

    Methods replace fitted attributes and do not change them in place, so that a
    shallow copy is enough.
    """

    @functools.wraps(fit)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        state = dict(self.__dict__)
        try:
            return fit(self, *args, **kwargs)
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(state)
            raise

    return wrapped  # type: ignore[return-value]
