"""Classes whose information is shared out among modalities in known parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logsumexp
from sklearn.utils import Bunch, check_random_state

from skmultimodal._layout import pack
from skmultimodal.datasets._sources import (
    Modality,
    Source,
    check_missing,
    check_modalities,
    check_n_samples,
    check_noise,
    make_modalities,
    make_sources,
    sources_table,
    subsets,
)

_LEAST_NOISE = 1e-3  # without any, likelihoods would be zero or infinite


def make_multimodal_classification(
    n_samples: int = 100,
    modalities: Mapping[str, Any] | None = None,
    *,
    n_classes: int = 2,
    redundant: Any = 0.3,
    unique: Any = 0.3,
    synergistic: Any = 0.3,
    noise: float = 0.25,
    weights: Any = None,
    missing: Any = 0.0,
    return_X_y: bool = True,
    random_state: Any = None,
) -> Any:
    """Draw classes that modalities tell redundantly, uniquely or only together.

    In each row one source, drawn at random, tells the class; the shares of the sources
    are the parameters `redundant`, `unique` and `synergistic` [1]_ [2]_. What is left
    of 1 is the share of rows whose class nothing tells.

    Parameters
    ----------
    n_samples : int, default=100
        Number of rows.
    modalities : dict of str to int or tuple, default=None
        Number of features of each modality, or ``(n_steps, n_features)`` for a
        sequence. None is ``{"text": 8, "image": 8}``.
    n_classes : int, default=2
        Number of classes.
    redundant : float or dict, default=0.3
        Share of the rows in which each modality alone tells the class. A dict gives
        shares to groups: ``{("text", "image"): 0.2, ("image", "audio"): 0.1}``.
    unique : float or dict, default=0.3
        Share of the rows in which exactly one modality tells the class. A float is
        split evenly, a dict gives each its own: ``{"text": 0.2, "image": 0.1}``.
    synergistic : float or dict, default=0.3
        Share of the rows in which all modalities together tell the class, and fewer
        tell nothing (of two classes: exclusive or). A dict gives shares to groups.
    noise : float, default=0.25
        Standard deviation of each feature around what it tells, whose length is 1.
    weights : array-like of shape (n_classes,) or (n_classes - 1,), default=None
        Proportions of the classes. None makes them equal.
    missing : float or dict of str to float or list, default=0.0
        Rate at which a modality is missing from a row, at random, for all modalities or
        for each its own. A list of `n_classes` rates, one for each class, makes absence
        depend on it.
    return_X_y : bool, default=True
        Whether to return ``(X, y)`` or a Bunch that says who knows what.
    random_state : int, RandomState instance or None, default=None
        Seed.

    Returns
    -------
    X : DataFrame of shape (n_samples, n_columns)
        Encoded modalities, as :func:`skmultimodal.pack` lays them out.
    y : ndarray of shape (n_samples,)
        Classes, integers from 0.
    data : :class:`~sklearn.utils.Bunch`
        Instead of the two, if ``return_X_y=False``:

        X, y
            As above.
        source : ndarray of shape (n_samples,)
            Who tells the class of each row, such as ``"unique: text"``, or
            ``"nobody"``.
        sources : DataFrame
            Kind, modalities and share of each source.
        proba : ndarray of shape (n_samples, n_classes)
            The exact probabilities of the classes, given the row. No model can do
            better.
        bayes : DataFrame
            For single modalities, pairs and all, and for nothing: ``accuracy`` is that
            of the best possible model of these modalities, ``information`` the mutual
            information with y in bits, ``share`` its part of the entropy of y. Both are
            means of exact probabilities over the rows drawn.

    Raises
    ------
    ValueError
        If shares add up to more than 1, a modality has too few features (each of its
        sources needs ``n_classes - 1``), or a parameter is out of range.

    See Also
    --------
    make_multimodal_regression : The same for a number.

    Notes
    -----
    A source is a class code: the vertices of a simplex, in directions of its own, drawn
    at random and orthonormal. Where a source does not tell, its directions hold noise.
    A redundant source has the code of the class in all of its modalities, a unique one
    in one. A synergistic source has a random class in each modality, and their sum
    modulo `n_classes` is the class, so that fewer than all are independent of it. In a
    sequence every step tells the same, and the weaker the more steps there are: their
    mean tells as much as a vector would.

    Without noise and gaps, the share of the entropy of y that a set of modalities tells
    is the sum of the shares of the sources that can be read from it. For two modalities
    this is the partial information decomposition by construction, row by row:
    I(y; a) = R + U_a, I(y; b) = R + U_b and I(y; a, b) = R + U_a + U_b + S. Measures
    that look at a and b only through their joint distributions with y, as that of [1]_
    does, cannot see that unique sources speak in different rows, and count a part of
    them as redundant.

    References
    ----------
    .. [1] P. L. Williams and R. D. Beer, "Nonnegative decomposition of multivariate
       information", 2010. arXiv:1004.2515
    .. [2] P. P. Liang et al., "Quantifying and modeling multimodal interactions",
       NeurIPS 2023. arXiv:2302.12247

    Examples
    --------
    >>> from skmultimodal.datasets import make_multimodal_classification
    >>> drawn = make_multimodal_classification(
    ...     1000, {"text": 4, "audio": (10, 4)}, redundant=0, unique={"text": 0.4},
    ...     synergistic=0.6, noise=0, return_X_y=False, random_state=0,
    ... )
    >>> drawn.X.shape
    (1000, 44)
    >>> drawn.bayes.round(2)
                  accuracy  information  share
    nothing            0.5         0.00   0.00
    text               0.7         0.39   0.39
    audio              0.5         0.00   0.00
    text + audio       1.0         1.00   1.00
    """
    rng = check_random_state(random_state)
    n_samples = check_n_samples(n_samples)
    noise = check_noise(noise)
    if not isinstance(n_classes, Integral) or n_classes < 2:
        raise ValueError(f"n_classes={n_classes!r:.40}: expected an integer above 1.")
    prior = _check_weights(weights, int(n_classes))
    shapes = check_modalities(modalities)
    sources = make_sources(list(shapes), redundant, unique, synergistic)
    rates = check_missing(missing, list(shapes), len(prior), "each class")
    parts = make_modalities(shapes, sources, len(prior) - 1, rng)
    shares = [s.share for s in sources]
    shares.append(max(0.0, 1 - sum(shares)))

    y = rng.choice(len(prior), size=n_samples, p=prior)
    told_by = rng.choice(len(shares), size=n_samples, p=np.array(shares) / sum(shares))
    signals = _draw_signals(y, told_by, sources, parts, rng)
    blocks, projected = {}, {}
    for name, part in parts.items():
        values = part.draw(signals[name], noise, rng)
        if name in rates:
            values[rng.random(n_samples) < rates[name][y]] = np.nan
        blocks[name], projected[name] = values, part.read(values)
    X = pack(blocks)
    if return_X_y:
        return X, y
    likelihoods = _Likelihoods(prior, sources, shares, parts, projected, rates, noise)
    names = np.array([*(s.name for s in sources), "nobody"], dtype=object)
    return Bunch(
        X=X,
        y=y,
        source=names[told_by].astype(str),
        sources=sources_table(sources),
        proba=likelihoods.proba(list(shapes)),
        bayes=likelihoods.table(subsets(list(shapes))),
    )


def _check_weights(weights: Any, n_classes: int) -> np.ndarray:
    if weights is None:
        return np.full(n_classes, 1 / n_classes)
    given = np.asarray(weights, dtype=float)
    if given.shape == (n_classes - 1,):
        given = np.append(given, 1 - given.sum())
    ok = given.shape == (n_classes,) and (given >= -1e-9).all()
    if not ok or not np.isclose(given.sum(), 1):
        raise ValueError(
            f"weights={weights!r:.80}: expected {n_classes} proportions that add up to "
            f"1, or the first {n_classes - 1} of them."
        )
    return given.clip(0) / given.clip(0).sum()


def _codes(n_classes: int) -> np.ndarray:
    """(C, C - 1): points of length 1, each as far from every other."""
    centred = np.eye(n_classes) - 1 / n_classes
    axes = np.linalg.svd(centred)[2][:-1]
    codes = centred @ axes.T
    return codes / np.linalg.norm(codes, axis=1, keepdims=True)


def _draw_signals(
    y: np.ndarray,
    told_by: np.ndarray,
    sources: Sequence[Source],
    parts: Mapping[str, Modality],
    rng: np.random.RandomState,
) -> dict[str, np.ndarray]:
    """What each modality holds besides noise: {name: (n, n_slots)}."""
    signals = {name: np.zeros((len(y), len(p.directions))) for name, p in parts.items()}
    n_classes = parts[next(iter(parts))].width + 1
    codes = _codes(n_classes)
    for k, source in enumerate(sources):
        rows = np.flatnonzero(told_by == k)
        values = np.tile(y[rows], (len(source.group), 1))  # (modality, row)
        if source.kind == "synergistic":
            values[1:] = rng.randint(n_classes, size=values[1:].shape)
            values[0] = (y[rows] - values[1:].sum(axis=0)) % n_classes
        for name, value in zip(source.group, values):
            signals[name][rows, parts[name].slots[source]] = codes[value]
    return signals


class _Likelihoods:
    """Exact probabilities of the classes, given some of the modalities."""

    def __init__(
        self,
        prior: np.ndarray,
        sources: Sequence[Source],
        shares: Sequence[float],
        parts: Mapping[str, Modality],
        projected: Mapping[str, np.ndarray],
        rates: Mapping[str, np.ndarray],
        noise: float,
    ) -> None:
        self.prior, self.sources, self.rates = prior, sources, rates
        with np.errstate(divide="ignore"):
            self.log_prior, self.log_shares = np.log(prior), np.log(shares)
        self.absent = {name: np.isnan(p).any(axis=1) for name, p in projected.items()}
        codes, variance = _codes(len(prior)), max(noise, _LEAST_NOISE) ** 2
        # Against the source that says nothing: log N(p; code) - log N(p; 0).
        self.ratios = {
            (name, source): np.nan_to_num(
                (projected[name][:, slot] @ codes.T - 0.5) / variance
            )
            for name, part in parts.items()
            for source, slot in part.slots.items()
        }
        self.n_rows = len(next(iter(projected.values())))

    def proba(self, names: Sequence[str]) -> np.ndarray:
        """(n, n_classes)"""
        by_source = [
            log_share + self._ratio(source, names)
            for log_share, source in zip(self.log_shares, self.sources)
        ]
        nobody = np.full((self.n_rows, len(self.prior)), self.log_shares[-1])
        log = logsumexp([*by_source, nobody], axis=0) + self.log_prior
        with np.errstate(divide="ignore"):
            for name in set(names) & set(self.rates):
                gone, there = np.log(self.rates[name]), np.log1p(-self.rates[name])
                log += np.where(self.absent[name][:, None], gone, there)
        return np.exp(log - logsumexp(log, axis=1, keepdims=True))

    def _ratio(self, source: Source, names: Sequence[str]) -> np.ndarray:
        """(n, n_classes): log-likelihood ratio if this source tells the class."""
        zero = np.zeros((self.n_rows, len(self.prior)))
        told = [self.ratios[m, source] if m in names else zero for m in source.group]
        if source.kind != "synergistic":
            return np.sum(told, axis=0)
        classes = np.arange(len(self.prior))
        rest = (classes[:, None] - classes) % len(classes)  # (class, share)
        total = told[0]
        for one in told[1:]:
            total = logsumexp(total[:, rest] + one[:, None], axis=2)
        return total - (len(told) - 1) * np.log(len(classes))

    def table(self, groups: Sequence[tuple[str, ...]]) -> pd.DataFrame:
        entropy = float(_entropy(self.prior))
        rows = {"nothing": (self.prior.max(), 0.0, 0.0)}
        for group in groups:
            proba = self.proba(group)
            bits = max(0.0, entropy - float(_entropy(proba).mean()))
            share = bits / entropy if entropy > 0 else 0.0
            rows[" + ".join(group)] = (proba.max(axis=1).mean(), bits, share)
        columns = ["accuracy", "information", "share"]
        return pd.DataFrame(rows, index=columns).T


def _entropy(proba: np.ndarray) -> np.ndarray:
    """In bits, over the last axis."""
    return -np.sum(proba * np.log2(np.where(proba > 0, proba, 1)), axis=-1)
