"""Principal components that also take one row, or fewer rows than components."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.extmath import randomized_svd

_ROWS = 4096


def own_random_state(random_state: Any) -> Any:
    """Fresh entropy for None, for which scikit-learn takes NumPy's global state."""
    return np.random.RandomState() if random_state is None else random_state


class Reduction:
    """The leading principal components of a block of features."""

    def __init__(self, features: np.ndarray, n_components: int, random_state: Any):
        """Fit on features (n, d); gives min(n_components, n, d) columns."""
        k = min(n_components, *features.shape)
        self.mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
        centred = features - self.mean
        # the order of rows moves the last bits of the factors: sorted, it cannot
        centred = centred[np.lexsort(centred.T[:8])]
        _, _, components = randomized_svd(
            centred, k, n_iter=4, random_state=own_random_state(random_state)
        )
        self.components = np.ascontiguousarray(components.T, dtype=np.float32)  # (d, k)

    def transform(self, features: np.ndarray) -> np.ndarray:
        """Features (n, k), float32."""
        shape = len(features), self.components.shape[1]
        out = np.empty(shape, dtype=np.float32)
        for start in range(0, len(out), _ROWS):  # a copy of a part, not of the whole
            part = slice(start, start + _ROWS)
            out[part] = (features[part] - self.mean) @ self.components
        return out
