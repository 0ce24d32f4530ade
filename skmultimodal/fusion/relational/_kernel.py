"""One kernel a modality, combined by alignment with the target."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import eigh
from scipy.spatial.distance import pdist
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.utils import check_consistent_length
from sklearn.utils._param_validation import Interval, StrOptions

from skmultimodal.fusion._blocks import ClosedFormFusion, Vectors
from skmultimodal.fusion._principal_axes import signed
from skmultimodal.fusion.relational._alignment import (
    alignment_weights,
    center_kernel,
    encode_target,
)

_KERNELS = ("rbf", "laplacian", "linear", "cosine")
_MAX_ROWS = 2000  # for weights
_MAX_DISTANCES = 500  # rows whose distances give the median
_RELATIVE_EIGENVALUE = 1e-8


class KernelFusion(ClosedFormFusion):
    """Features of a weighted sum of one kernel a modality.

    K = Σ_m μ_m K_m with μ ≥ 0 and Σ μ_m = 1. The weights maximise the alignment of the
    centred K with the target; the features h are the Nyström approximation of K, so
    that h(i) · h(j) ≈ K(i, j) and a linear estimator behind is a kernel machine.

    Parameters
    ----------
    n_components : int, default=100
        Training rows drawn as landmarks, at most all: so many features at most.
        Directions without variance are left out.
    kernel : {"rbf", "laplacian", "linear", "cosine"} or dict of str to str, \
            default="rbf"
        Kernel of every modality, or of each by its name. A linear kernel is divided by
        the mean squared length of the training rows, so that K_m(i, i) is 1 on average
        for all kernels.
    gamma : float, default=None
        Factor of the (squared) distance in "rbf" and "laplacian". None takes one over
        the median over pairs of training rows, for each modality by itself.
    weights : {"alignment", "uniform"} or dict of str to float, default="alignment"
        μ by alignment with y; or all the same, as is also done without y; or by name,
        where a modality left out weighs 0.
    target_type : {"auto", "continuous", "binary", "multiclass"}, default="auto"
        Whether y are numbers or classes. "auto" takes what
        :func:`~sklearn.utils.multiclass.type_of_target` says: whole numbers are
        classes.
    pooling : {"mean", "mean_std"}, default="mean"
        What a sequence becomes: the mean of the steps that a row has, or their mean
        and standard deviation.
    standardize : bool, default=True
        Whether columns are divided by their standard deviation. All are centred.
    modalities : dict of str to slice, list or mask, default=None
        Columns of each modality, for data whose column names do not tell.
    random_state : int, RandomState instance or None, default=None
        Draws landmarks, and the rows for weights and medians.

    Attributes
    ----------
    modalities_ : list of str
        The modalities that some row of `fit` had.
    weights_ : dict of str to float
        μ of each modality.
    gamma_ : dict of str to float
        Factor of each modality with a kernel that has one.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of these columns, when all are strings.

    See Also
    --------
    sklearn.kernel_approximation.Nystroem : The same features of one kernel.

    Notes
    -----
    An absent modality adds nothing to K(i, ·), and the rest is divided by
    √(Σ_m a_m(i) μ_m), where a_m(i) is 1 if row i has modality m: the length of a row
    in feature space does not depend on what it lacks, and K stays positive
    semidefinite. A row without any modality of positive weight is 0. Missing values
    inside a present modality count as the column's mean.

    The weights come from at most 2,000 rows, the medians from at most 500. `fit` takes
    O(k³ + min(n, 2000)² p), `transform` O(n k p) for k landmarks and p columns.

    References
    ----------
    Cortes, Mohri and Rostamizadeh, "Algorithms for Learning Kernels Based on Centered
    Alignment", JMLR 2012 (alignf). Williams and Seeger, "Using the Nyström Method to
    Speed Up Kernel Machines", NIPS 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal import pack
    >>> from skmultimodal.fusion import KernelFusion
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], 20)
    >>> X = pack({"text": y[:, None] + rng.normal(size=(40, 2)),
    ...           "noise": rng.normal(size=(40, 2))})
    >>> fusion = KernelFusion(n_components=10, random_state=0).fit(X, y)
    >>> fusion.weights_["text"] > fusion.weights_["noise"]
    True
    >>> fusion.transform(X).shape
    (40, 10)
    """

    level: ClassVar[str] = "relational"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "kernel": [StrOptions(set(_KERNELS)), dict],
        "gamma": [Interval(Real, 0, None, closed="neither"), None],
        "weights": [StrOptions({"alignment", "uniform"}), dict],
        "target_type": [StrOptions({"auto", "continuous", "binary", "multiclass"})],
        "random_state": ["random_state"],
        **ClosedFormFusion._parameter_constraints,
    }

    def __init__(
        self,
        n_components=100,
        *,
        kernel="rbf",
        gamma=None,
        weights="alignment",
        target_type="auto",
        pooling="mean",
        standardize=True,
        modalities=None,
        random_state=None,
    ):
        self.n_components = n_components
        self.kernel = kernel
        self.gamma = gamma
        self.weights = weights
        self.target_type = target_type
        self.pooling = pooling
        self.standardize = standardize
        self.modalities = modalities
        self.random_state = random_state

    def _learn(self, vectors: Vectors, y: Any) -> int:
        rng = self._random_state()
        self._kernels = self._choose_kernels()
        self.gamma_: dict[str, float] = {}
        self._divisor = dict.fromkeys(self.modalities_, 1.0)
        for name, kernel in self._kernels.items():
            rows = vectors.values[name][vectors.present[name]]
            if kernel == "linear":
                self._divisor[name] = float((rows**2).sum(axis=1).mean()) or 1.0
            elif kernel != "cosine":
                some = rng.permutation(len(rows))[:_MAX_DISTANCES]
                self.gamma_[name] = self.gamma or _one_over_median(rows[some], kernel)
        self.weights_ = self._weigh(vectors, y, rng)
        able = np.flatnonzero(self._row_scale(vectors))
        drawn = rng.permutation(able)[: self.n_components]
        self._landmarks = vectors.take(drawn)
        values, directions = eigh(self._combined(self._landmarks))
        values, directions = values[::-1], signed(directions[:, ::-1])
        kept = values > _RELATIVE_EIGENVALUE * max(values[0], 1e-300)
        kept[0] = True
        scale = np.sqrt(np.maximum(values[kept], 1e-300))
        self._features = directions[:, kept] / scale  # (landmarks, k)
        return int(kept.sum())

    def _choose_kernels(self) -> dict[str, str]:
        if isinstance(self.kernel, str):
            return dict.fromkeys(self.modalities_, self.kernel)
        missed = [m for m in self.modalities_ if m not in self.kernel]
        wrong = [k for k in self.kernel.values() if k not in _KERNELS]
        if missed or wrong:
            raise ValueError(
                f"kernel={self.kernel!r} names "
                + (f"no kernel of {missed[0]!r}" if missed else f"{wrong[0]!r}")
                + f". Give each of the modalities {self.modalities_} one of "
                f"{list(_KERNELS)}."
            )
        return {m: self.kernel[m] for m in self.modalities_}

    def _weigh(
        self, vectors: Vectors, y: Any, rng: np.random.RandomState
    ) -> dict[str, float]:
        names = self.modalities_
        if isinstance(self.weights, dict):
            unknown = [m for m in self.weights if m not in self._known]
            if unknown:
                raise ValueError(
                    f"weights= names the modality {unknown[0]!r}, which X does not "
                    f"have. Its modalities are {self._known}."
                )
            given = [float(self.weights.get(m, 0)) for m in names]
            if min(given) < 0 or not 0 < sum(given) < np.inf:
                raise ValueError(
                    f"weights={self.weights!r} must be finite and not negative, and "
                    f"positive for at least one of the modalities {names}."
                )
            return {m: w / sum(given) for m, w in zip(names, given)}
        if y is not None:
            check_consistent_length(vectors.mask, y)
        if y is None or self.weights == "uniform" or len(names) == 1:
            return dict.fromkeys(names, 1 / len(names))
        target = encode_target(y, self.target_type)
        rows = rng.permutation(len(target))[:_MAX_ROWS]
        some = vectors.take(rows)
        kernels = [
            center_kernel(self._block_kernel(m, some, some), some.present[m])
            for m in names
        ]
        return dict(zip(names, map(float, alignment_weights(kernels, target[rows]))))

    def _block_kernel(self, name: str, rows: Vectors, columns: Vectors) -> np.ndarray:
        more = {"gamma": self.gamma_[name]} if name in self.gamma_ else {}
        kernel = pairwise_kernels(
            rows.values[name], columns.values[name], self._kernels[name], **more
        )
        return kernel / self._divisor[name]

    def _row_scale(self, vectors: Vectors) -> np.ndarray:
        """(n,): 1 / √ of the weight that a row has, 0 where it has none"""
        weight = vectors.mask @ np.array([*self.weights_.values()])
        return np.where(weight > 0, 1 / np.sqrt(np.where(weight > 0, weight, 1)), 0)

    def _combined(self, vectors: Vectors) -> np.ndarray:
        """K between rows and landmarks: (n, landmarks)"""
        kernel = np.zeros((len(vectors), len(self._landmarks)))
        for name, weight in self.weights_.items():
            if weight > 0:
                here = vectors.present[name], self._landmarks.present[name]
                block = self._block_kernel(name, vectors, self._landmarks)
                kernel += weight * np.outer(*here) * block
        scale = self._row_scale(vectors), self._row_scale(self._landmarks)
        return kernel * np.outer(*scale)

    def _fuse(self, vectors: Vectors) -> np.ndarray:
        return self._combined(vectors) @ self._features


def _one_over_median(rows: np.ndarray, kernel: str) -> float:
    """Of the distances between rows (n, p): squared for rbf, city blocks else."""
    metric = "sqeuclidean" if kernel == "rbf" else "cityblock"
    distances = pdist(rows, metric)
    positive = distances[distances > 0]
    return float(1 / np.median(positive)) if len(positive) else 1.0
