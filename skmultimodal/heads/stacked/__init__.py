"""Many heads fitted at once: nets of equal shape train as one stack."""

from skmultimodal.heads.stacked._fit_together import Fit, fit_together
from skmultimodal.heads.stacked._outcome import Outcome

__all__ = ["Fit", "Outcome", "fit_together"]
