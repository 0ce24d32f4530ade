"""Similarity network fusion: rows by their place in a network of all modalities."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import eigh
from sklearn.metrics import euclidean_distances
from sklearn.utils._param_validation import Interval

from skmultimodal.fusion._blocks import ClosedFormFusion, Vectors
from skmultimodal.fusion._principal_axes import signed
from skmultimodal.fusion.relational._diffusion import affinity, diffuse

_CHUNK = 1024


class SimilarityNetworkFusion(ClosedFormFusion):
    """Rows by their place in the fused network of all modalities' similarities.

    Each modality gives a network of rows, W_ij = φ(d_ij; 0, μ ε_ij): the density of
    their distance under a normal distribution whose deviation is μ times the mean of
    d_ij and of the mean distances of i and j to their `n_neighbors` nearest rows. P_m
    is W_m with rows that sum to 1, S_m is P_m cut to nearest rows. Then
    P_m ← S_m (mean of the other P) S_mᵀ, `n_iter` times: what one modality says of
    neighbours spreads to the others. The columns h are the leading eigenvectors of the
    mean of all P_m, normalised by its degrees, without the constant one, each of
    variance 1.

    Parameters
    ----------
    n_components : int, default=10
        Columns of the embedding, fewer than rows.
    n_neighbors : int, default=20
        Nearest rows, in the network and for new rows; at most all others.
    n_iter : int, default=20
        Rounds of diffusion.
    mu : float, default=0.5
        Width of the similarity; the authors advise 0.3 to 0.8.
    subsample : int, default=2000
        Rows of the network at most. Of more, so many are drawn, and the others are
        placed as new rows are: time grows with its cube, memory with its square
        (2,000 rows of three modalities take about 0.4 GB).
    pooling : {"mean", "mean_std"}, default="mean"
        What a sequence becomes: the mean of the steps that a row has, or their mean
        and standard deviation.
    standardize : bool, default=True
        Whether columns are divided by their standard deviation. All are centred.
    modalities : dict of str to slice, list or mask, default=None
        Columns of each modality, for data whose column names do not tell.
    random_state : int, RandomState instance or None, default=None
        Draws the rows where X has more than `subsample`.

    Attributes
    ----------
    modalities_ : list of str
        The modalities that some row of `fit` had.
    embedding_ : ndarray of shape (n_network_rows, n_components)
        Place of each row of the network.
    eigenvalues_ : ndarray of shape (n_components,)
        Of the normalised network, largest first. A gap after the k-th hints at k + 1
        groups of rows.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of these columns, when all are strings.

    See Also
    --------
    sklearn.manifold.SpectralEmbedding : The embedding of one network.

    Notes
    -----
    A new row is placed at the mean of the places of its nearest network rows, weighted
    by one over the distance; a row of the network gets its own place back. Distances
    are root mean squares over the modalities that both rows have, each in units of its
    own spread. A row without any modality is 0, the mean.

    Means over networks, too, run over the modalities that both rows have; with all
    modalities present this is the authors' algorithm. Missing values inside a present
    modality count as the column's mean.

    References
    ----------
    Wang, Mezlini, Demir, Fiume, Tu, Brudno, Haibe-Kains and Goldenberg, "Similarity
    network fusion for aggregating data types on a genomic scale", Nature Methods 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from skmultimodal import pack
    >>> from skmultimodal.fusion import SimilarityNetworkFusion
    >>> rng = np.random.default_rng(0)
    >>> group = np.repeat([0, 3], 15)[:, None]
    >>> X = pack({m: group + rng.normal(size=(30, 2)) for m in ("text", "audio")})
    >>> place = SimilarityNetworkFusion(n_components=1, n_neighbors=5).fit_transform(X)
    >>> side = place["fused__0"] > 0
    >>> bool(side[:15].nunique() == side[15:].nunique() == 1 and side[0] != side[29])
    True
    """

    level: ClassVar[str] = "relational"
    min_modalities: ClassVar[int] = 2
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "n_iter": [Interval(Integral, 0, None, closed="left")],
        "mu": [Interval(Real, 0, None, closed="neither")],
        "subsample": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
        **ClosedFormFusion._parameter_constraints,
    }

    def __init__(
        self,
        n_components=10,
        *,
        n_neighbors=20,
        n_iter=20,
        mu=0.5,
        subsample=2000,
        pooling="mean",
        standardize=True,
        modalities=None,
        random_state=None,
    ):
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.n_iter = n_iter
        self.mu = mu
        self.subsample = subsample
        self.pooling = pooling
        self.standardize = standardize
        self.modalities = modalities
        self.random_state = random_state

    def _learn(self, vectors: Vectors, y: Any) -> int:
        able = np.flatnonzero(vectors.mask.any(axis=1))
        if len(able) > self.subsample:
            drawn = self._random_state().permutation(able)[: self.subsample]
            able = np.sort(drawn)
        n = len(able)
        if self.n_components >= n:
            raise ValueError(
                f"SimilarityNetworkFusion(n_components={self.n_components}) needs more "
                f"rows than components: its network has {n} rows that have a modality. "
                "Ask for fewer components or give more rows."
            )
        network = vectors.take(able)
        self._spread = {
            m: float(np.sqrt((values[network.present[m]] ** 2).sum(axis=1).mean()))
            if network.present[m].any()
            else 1.0
            for m, values in network.values.items()
        }
        self._network = network
        affinities = []
        for name, values in network.values.items():
            here = network.present[name]
            block = np.zeros((n, n))
            if here.sum() > 1:
                k = min(self.n_neighbors, int(here.sum()) - 1)
                distance = euclidean_distances(values[here])
                block[np.ix_(here, here)] = affinity(distance, k, self.mu)
            affinities.append(block)
        fused = diffuse(affinities, network.mask, self.n_neighbors, self.n_iter)
        self._embed(fused)
        return int(self.n_components)

    def _embed(self, fused: np.ndarray) -> None:
        """Leading eigenvectors of D^-1/2 W D^-1/2 without the constant one."""
        n, k = len(fused), int(self.n_components)
        degree = fused.sum(axis=1)
        root = np.sqrt(degree)
        constant = root / np.linalg.norm(root)
        normalised = fused / np.outer(root, root)
        # eigenvalues lie in [-1, 1]: that of the constant moves from 1 to -2, the last
        normalised -= 3 * np.outer(constant, constant)
        values, vectors = eigh(normalised, subset_by_index=[n - k, n - 1])
        self.eigenvalues_ = values[::-1]
        places = vectors[:, ::-1] / root[:, None] * np.sqrt(degree.sum())
        self.embedding_ = signed(places)  # (n, k)

    def _fuse(self, vectors: Vectors) -> np.ndarray:
        fused = np.zeros((len(vectors), self.embedding_.shape[1]))
        for start in range(0, len(vectors), _CHUNK):
            rows = slice(start, start + _CHUNK)
            fused[rows] = self._place(vectors.take(rows))
        return fused

    def _place(self, vectors: Vectors) -> np.ndarray:
        n = len(self._network)
        total, shared = np.zeros((2, len(vectors), n))
        for name, spread in self._spread.items():
            both = np.outer(vectors.present[name], self._network.present[name])
            distance = euclidean_distances(
                vectors.values[name], self._network.values[name], squared=True
            )
            total += both * distance / (spread**2 or 1)
            shared += both
        distance = np.where(shared > 0, total / np.maximum(shared, 1), np.inf)
        k = min(self.n_neighbors, n - 1)
        nearest = np.argpartition(distance, k - 1, axis=1)[:, :k]  # (rows, k)
        weights = 1 / np.sqrt(np.take_along_axis(distance, nearest, axis=1) + 1e-14)
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
        return np.einsum("rk,rkc->rc", weights, self.embedding_[nearest])
