"""Principal components of each block, side by side: multiple factor analysis."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions

from skmultimodal.fusion._absent_blocks import BlockRegression
from skmultimodal.fusion._blocks import ClosedFormFusion, Vectors
from skmultimodal.fusion._principal_axes import principal_axes


class BlockPCAFusion(ClosedFormFusion):
    """Principal components of each modality, weighted so that none is louder.

    Each block is standardised, turned to its principal axes and divided by its first
    singular value: h = [Z_1 V_1 / σ_1; ...; Z_M V_M / σ_M]. The first component of each
    modality then has variance 1, however many columns the modality has. A second PCA
    of h (`n_joint_components`) makes it multiple factor analysis.

    Parameters
    ----------
    n_components : int or float, default=0.99
        Components of each modality: at most so many, or as many as explain this share
        of its variance. None keeps all.
    n_joint_components : int, default=None
        Components of the blocks side by side, at most so many: the factor scores of
        multiple factor analysis. None leaves the blocks side by side.
    whiten : bool, default=False
        Whether each component of a modality gets variance 1, and not only its first.
    missing : {"regress", "mean"}, default="regress"
        Scores of an absent modality: their linear regression on the scores of the
        modalities that the row has, or 0, their mean. The regression shrinks
        covariances between modalities by how sure they are, to 0 where nothing is.
    pooling : {"mean", "mean_std"}, default="mean"
        What a sequence becomes: the mean of the steps that a row has, or their mean
        and standard deviation.
    standardize : bool, default=True
        Whether columns are divided by their standard deviation. All are centred.
    modalities : dict of str to slice, list or mask, default=None
        Columns of each modality, for data whose column names do not tell.

    Attributes
    ----------
    modalities_ : list of str
        The modalities that some row of `fit` had.
    n_components_ : dict of str to int
        Components kept of each modality.
    explained_variance_ratio_ : dict of str to ndarray of shape (n_components,)
        Share of the modality's variance of each component.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of these columns, when all are strings.

    See Also
    --------
    CCAFusion : Keeps what modalities share, not what varies most in each.

    Notes
    -----
    Missing values inside a present modality count as the column's mean. A row without
    any modality is 0. `fit` takes O(n p_m min(n, p_m)) for each modality of p_m
    columns; with ``missing="regress"``, `fit` and each set of absent modalities in
    `transform` take O(k³) for k components in all.

    References
    ----------
    Escofier and Pagès, "Multiple factor analysis (AFMULT package)", Comput. Stat. Data
    Anal. 1994. Abdi, Williams and Valentin, "Multiple factor analysis: principal
    component analysis for multitable and multiblock data sets", WIREs Comput. Stat.
    2013.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal import pack
    >>> from skmultimodal.fusion import BlockPCAFusion
    >>> rng = np.random.default_rng(0)
    >>> blocks = {"text": rng.normal(size=(9, 4)), "audio": rng.normal(size=(9, 5, 2))}
    >>> X = pack(blocks)
    >>> BlockPCAFusion(n_components=2).fit_transform(X).columns.tolist()
    ['fused__0', 'fused__1', 'fused__2', 'fused__3']
    """

    level: ClassVar[str] = "feature"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="right"),
            None,
        ],
        "n_joint_components": [Interval(Integral, 1, None, closed="left"), None],
        "whiten": ["boolean"],
        "missing": [StrOptions({"regress", "mean"})],
        **ClosedFormFusion._parameter_constraints,
    }

    def __init__(
        self,
        n_components=0.99,
        *,
        n_joint_components=None,
        whiten=False,
        missing="regress",
        pooling="mean",
        standardize=True,
        modalities=None,
    ):
        self.n_components = n_components
        self.n_joint_components = n_joint_components
        self.whiten = whiten
        self.missing = missing
        self.pooling = pooling
        self.standardize = standardize
        self.modalities = modalities

    def _learn(self, vectors: Vectors, y: Any) -> int:
        self.n_components_: dict[str, int] = {}
        self.explained_variance_ratio_: dict[str, np.ndarray] = {}
        self._axes: dict[str, np.ndarray] = {}
        deviations = []
        for name, values in vectors.values.items():
            axes, variances = principal_axes(values[vectors.present[name]])
            ratios = variances / max(variances.sum(), 1e-300)
            k = self._count(ratios)
            deviation = np.sqrt(np.maximum(variances[:k], 1e-300))
            usable = variances[0] > 0
            scale = deviation if self.whiten else deviation[:1]
            self._axes[name] = axes[:, :k] / scale if usable else 0 * axes[:, :k]
            self.n_components_[name] = k
            self.explained_variance_ratio_[name] = ratios[:k]
            deviations.append(deviation / scale if usable else np.ones(k))
        self._deviation = np.concatenate(deviations)  # of each fused score

        self._regression = None
        if self.missing == "regress" and len(self.modalities_) > 1:
            whitened = self._scores(vectors) / self._deviation
            ends = np.cumsum([*self.n_components_.values()])[:-1]
            self._regression = BlockRegression.learn(
                np.split(whitened, ends, axis=1), vectors.mask
            )
        self._joint: tuple[np.ndarray, np.ndarray] | None = None
        if self.n_joint_components is None:
            return len(self._deviation)
        side_by_side = self._side_by_side(vectors)
        center = side_by_side.mean(axis=0)
        axes, _ = principal_axes(side_by_side - center)
        self._joint = center, axes[:, : self.n_joint_components]
        return self._joint[1].shape[1]

    def _count(self, ratios: np.ndarray) -> int:
        """Components of a block by their shares of its variance."""
        if self.n_components is None:
            return len(ratios)
        if isinstance(self.n_components, Integral):
            return min(int(self.n_components), len(ratios))
        reached = np.searchsorted(np.cumsum(ratios), self.n_components - 1e-12)
        return min(int(reached) + 1, len(ratios))

    def _scores(self, vectors: Vectors) -> np.ndarray:
        """(n, k), 0 where a modality is absent"""
        return np.concatenate(
            [vectors.values[m] @ axes for m, axes in self._axes.items()], axis=1
        )

    def _side_by_side(self, vectors: Vectors) -> np.ndarray:
        scores = self._scores(vectors)  # (n, k)
        if self._regression is None:
            return scores
        filled = self._regression(scores / self._deviation, vectors.mask)
        return filled * self._deviation

    def _fuse(self, vectors: Vectors) -> np.ndarray:
        fused = self._side_by_side(vectors)
        if self._joint is None:
            return fused
        center, axes = self._joint
        return (fused - center) @ axes
