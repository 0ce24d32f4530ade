"""Regularised canonical correlation of two or more modalities."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import eigh
from sklearn.utils._param_validation import Interval, StrOptions

from skmultimodal.fusion._absent_blocks import BlockRegression
from skmultimodal.fusion._blocks import ClosedFormFusion, Vectors
from skmultimodal.fusion._principal_axes import principal_axes, signed


class CCAFusion(ClosedFormFusion):
    """What modalities have in common: regularised canonical correlation.

    Finds directions w_m of each modality that maximise Σ_{m≠n} w_mᵀ C_mn w_n under
    Σ_m w_mᵀ D_m w_m = 1, with D_m = (1 - τ_m) C_mm + τ_m t_m I and t_m the mean
    variance of the block's columns. That is the generalised eigenproblem C w = λ D w,
    where the D_m stand on the diagonal of C too: Hotelling's canonical correlation for
    two modalities, Kettenring's MAXVAR (multiset or generalised CCA, which have the
    same solutions) for more. The canonical variate Z_m w_m of each modality is scaled
    to variance 1.

    Parameters
    ----------
    n_components : int, default=None
        Components. None takes as many as modalities can share: the sum of the ranks of
        the blocks without the largest. For two modalities that is the smaller rank.
    regularization : float in [0, 1] or "auto", default="auto"
        τ of every block. 0 is classical CCA, which needs many more rows than columns;
        1 looks at covariance instead of correlation, as partial least squares does.
        "auto" estimates it for each block by Ledoit and Wolf's rule.
    output : {"mean", "concat"}, default="mean"
        One column a component: the mean of the variates, each weighted by its share in
        the component (for two modalities equally); or the variates of all modalities
        side by side.
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
    eigenvalues_ : ndarray of shape (n_components,)
        λ of each component: 1 where modalities share nothing, their number where they
        are the same. λ - 1 is the canonical correlation of two modalities.
    weights_ : dict of str to ndarray of shape (n_components,)
        Share of each modality in each component; they sum to 1 over modalities.
    regularization_ : dict of str to float
        τ of each modality.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of these columns, when all are strings.

    See Also
    --------
    BlockPCAFusion : Keeps what varies most in each modality, shared or not.
    sklearn.cross_decomposition.CCA : Two blocks, each given as an array.

    Notes
    -----
    The variates of a modality that a row lacks are their linear regression on those of
    the modalities it has; a row without any is 0. In `fit`, C_mn is summed over the
    rows with both modalities and divided by √(n_m n_n): the fewer rows two modalities
    share, the less they weigh. Missing values inside a present modality count as the
    column's mean. `fit` takes O(n p_m min(n, p_m)) for each modality of p_m columns and
    O(r³) for the ranks r in all, `transform` O(r³) for each set of absent modalities.

    References
    ----------
    Hotelling, "Relations Between Two Sets of Variates", Biometrika 1936. Kettenring,
    "Canonical Analysis of Several Sets of Variables", Biometrika 1971. Tenenhaus and
    Tenenhaus, "Regularized Generalized Canonical Correlation Analysis", Psychometrika
    2011.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal import pack
    >>> from skmultimodal.fusion import CCAFusion
    >>> rng = np.random.default_rng(0)
    >>> shared = rng.normal(size=(50, 1))
    >>> X = pack({m: shared + rng.normal(size=(50, 3)) for m in ("text", "audio")})
    >>> fusion = CCAFusion(n_components=1).fit(X)
    >>> fused = fusion.transform(X)["fused__0"]
    >>> bool(abs(np.corrcoef(fused, shared[:, 0])[0, 1]) > 0.8)
    True
    """

    level: ClassVar[str] = "relational"
    min_modalities: ClassVar[int] = 2
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "regularization": [Interval(Real, 0, 1, closed="both"), StrOptions({"auto"})],
        "output": [StrOptions({"mean", "concat"})],
        **ClosedFormFusion._parameter_constraints,
    }

    def __init__(
        self,
        n_components=None,
        *,
        regularization="auto",
        output="mean",
        pooling="mean",
        standardize=True,
        modalities=None,
    ):
        self.n_components = n_components
        self.regularization = regularization
        self.output = output
        self.pooling = pooling
        self.standardize = standardize
        self.modalities = modalities

    def _learn(self, vectors: Vectors, y: Any) -> int:
        whitening, wide = {}, []
        self.regularization_ = {}
        for name, values in vectors.values.items():
            here = values[vectors.present[name]]
            axes, variances = principal_axes(here)
            tau = self.regularization
            if tau == "auto":
                tau = ledoit_wolf(here, variances)
            self.regularization_[name] = float(tau)
            if tau == 0 and len(here) <= here.shape[1]:
                wide.append(f"{name!r} ({here.shape[1]} columns, {len(here)} rows)")
            target = variances.sum() / here.shape[1]
            variances = (1 - tau) * variances + tau * target
            usable = variances[0] > 0
            whitening[name] = axes / np.sqrt(variances) if usable else 0 * axes
        if wide:
            warnings.warn(
                f"CCAFusion(regularization=0): {', '.join(wide)} correlates perfectly "
                "with anything, for want of rows. Use regularization='auto' or a "
                "number above 0.",
                UserWarning,
                stacklevel=5,
            )
        k = self._check_n_components(vectors, whitening)
        white = {m: vectors.values[m] @ w for m, w in whitening.items()}  # (n, r_m)

        ends = np.cumsum([w.shape[1] for w in white.values()])
        width = int(ends[-1])
        correlation = np.concatenate(
            [w / np.sqrt(vectors.present[m].sum()) for m, w in white.items()], axis=1
        )
        correlation = correlation.T @ correlation
        for w, end in zip(white.values(), ends):
            own = slice(int(end) - w.shape[1], int(end))
            correlation[own, own] = np.eye(w.shape[1])  # D_m in these coordinates
        values, directions = eigh(correlation, subset_by_index=[width - k, width - 1])
        self.eigenvalues_ = values[::-1]
        parts = np.split(signed(directions[:, ::-1]), ends[:-1])  # (r_m, k) each
        norms = {m: np.linalg.norm(part, axis=0) for m, part in zip(white, parts)}
        total = sum(norms.values())
        self.weights_ = {m: norm / total for m, norm in norms.items()}
        self._basis, self._turn = {}, {}  # (p_m, q_m), (q_m, k), q_m = min(r_m, k)
        for (name, w), part in zip(whitening.items(), parts):
            unit = part / np.where(norms[name] > 1e-12, norms[name], np.inf)
            narrow = k <= len(unit)
            self._basis[name] = w @ unit if narrow else w
            self._turn[name] = np.eye(k) if narrow else unit
        scores = [vectors.values[m] @ w for m, w in self._basis.items()]
        self._regression = BlockRegression.learn(scores, vectors.mask)
        return k if self.output == "mean" else k * len(scores)

    def _check_n_components(
        self, vectors: Vectors, whitening: dict[str, np.ndarray]
    ) -> int:
        ranks = {m: w.shape[1] * bool(w.any()) for m, w in whitening.items()}
        most = sum(ranks.values()) - max(ranks.values())
        if not (vectors.mask.sum(axis=1) > 1).any():
            raise ValueError(
                f"No row has two of the modalities {list(ranks)}: CCAFusion learns "
                "from rows that have several. Use BlockPCAFusion or KernelFusion."
            )
        k = most if self.n_components is None else self.n_components
        if k > most or most == 0:
            shown = ", ".join(f"{m!r} {rank}" for m, rank in ranks.items())
            raise ValueError(
                f"CCAFusion(n_components={self.n_components}): with {len(vectors)} "
                f"rows the blocks have the ranks {shown}, and share at most {most} "
                "components. Ask for fewer, or give more rows or columns."
            )
        return int(k)

    def _fuse(self, vectors: Vectors) -> np.ndarray:
        scores = [vectors.values[m] @ w for m, w in self._basis.items()]
        ends = np.cumsum([part.shape[1] for part in scores])[:-1]
        filled = self._regression(np.concatenate(scores, axis=1), vectors.mask)
        parts = np.split(filled, ends, axis=1)
        variates = [p @ turn for p, turn in zip(parts, self._turn.values())]  # (n, k)
        if self.output == "concat":
            return np.concatenate(variates, axis=1)
        return sum(w * v for w, v in zip(self.weights_.values(), variates))


def ledoit_wolf(x: np.ndarray, variances: np.ndarray) -> float:
    """Ledoit and Wolf's shrinkage of the covariance of centred rows x (n, p).

    variances: its eigenvalues, without those that are zero.
    """
    n, p = x.shape
    squares = (variances**2).sum()  # ‖C‖²
    spread = squares - variances.sum() ** 2 / p  # ‖C - t I‖²
    noise = (((x**2).sum(axis=1) ** 2).mean() - squares) / n
    return float(min(max(noise, 0) / spread, 1)) if spread > 1e-12 * squares else 0.0
