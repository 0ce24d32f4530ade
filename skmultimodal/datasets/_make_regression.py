"""A number whose variance is shared out among modalities in known parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata
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

_LEAST_NOISE = 1e-3


def make_multimodal_regression(
    n_samples: int = 100,
    modalities: Mapping[str, Any] | None = None,
    *,
    redundant: Any = 0.3,
    unique: Any = 0.3,
    synergistic: Any = 0.3,
    noise: float = 0.25,
    missing: Any = 0.0,
    return_X_y: bool = True,
    random_state: Any = None,
) -> Any:
    """Draw a number that modalities tell redundantly, uniquely or only together.

    The target is a sum of independent parts, of variance 1 in all. Each part has a
    source; the shares of the sources in the variance are the parameters `redundant`,
    `unique` and `synergistic` [1]_ [2]_. What is left of 1 nothing tells.

    Parameters
    ----------
    n_samples : int, default=100
        Number of rows.
    modalities : dict of str to int or tuple, default=None
        Number of features of each modality, or ``(n_steps, n_features)`` for a
        sequence. None is ``{"text": 8, "image": 8}``.
    redundant : float or dict, default=0.3
        Share of the variance that each modality alone tells. A dict gives shares to
        groups: ``{("text", "image"): 0.2, ("image", "audio"): 0.1}``.
    unique : float or dict, default=0.3
        Share of the variance that exactly one modality tells. A float is split evenly,
        a dict gives each its own: ``{"text": 0.2, "image": 0.1}``.
    synergistic : float or dict, default=0.3
        Share of the variance that all modalities together tell, and fewer tell nothing
        of: a product of signs. A dict gives shares to groups.
    noise : float, default=0.25
        Standard deviation of each feature around what it tells, which has variance 1.
    missing : float or dict of str to float or pair, default=0.0
        Rate at which a modality is missing from a row, at random, for all modalities or
        for each its own. A pair is the rate at the lowest and at the highest y; between
        them it is linear in the rank of y.
    return_X_y : bool, default=True
        Whether to return ``(X, y)`` or a Bunch that says who knows what.
    random_state : int, RandomState instance or None, default=None
        Seed.

    Returns
    -------
    X : DataFrame of shape (n_samples, n_columns)
        Encoded modalities, as :func:`skmultimodal.pack` lays them out.
    y : ndarray of shape (n_samples,)
        The target, of mean 0 and variance 1 in expectation.
    data : :class:`~sklearn.utils.Bunch`
        Instead of the two, if ``return_X_y=False``:

        X, y
            As above.
        parts : DataFrame of shape (n_samples, n_sources + 1)
            What each source adds to y, such as ``"unique: text"``, and ``"nobody"``.
            They add up to y.
        sources : DataFrame
            Kind, modalities and share of each source.
        expected : ndarray of shape (n_samples,)
            The exact expectation of y, given the row. No model has a smaller squared
            error.
        bayes : DataFrame
            For single modalities, pairs and all: ``r2`` is the R² of the best possible
            model of these modalities, a mean of exact variances over the rows drawn.

        `expected` and `bayes` leave out what absence itself tells where it depends on
        y.

    Raises
    ------
    ValueError
        If shares add up to more than 1, a modality has fewer features than sources, or
        a parameter is out of range.

    See Also
    --------
    make_multimodal_classification : The same for classes.

    Notes
    -----
    Every source has a direction of its own in each of its modalities, drawn at random
    and orthonormal. A redundant or unique source is a standard normal number along it.
    A synergistic source is a random sign in each modality; their product is what it
    adds to y, so that fewer than all are independent of it. In a sequence every step
    tells the same, and the weaker the more steps there are: their mean tells as much as
    a vector would.

    Without noise and gaps, the best R² of a set of modalities is the sum of the shares
    of the sources that can be read from it.

    References
    ----------
    .. [1] P. L. Williams and R. D. Beer, "Nonnegative decomposition of multivariate
       information", 2010. arXiv:1004.2515
    .. [2] P. P. Liang et al., "Quantifying and modeling multimodal interactions",
       NeurIPS 2023. arXiv:2302.12247

    Examples
    --------
    >>> from skmultimodal.datasets import make_multimodal_regression
    >>> drawn = make_multimodal_regression(
    ...     1000, {"text": 4, "audio": (10, 4)}, redundant=0.2, unique={"text": 0.3},
    ...     synergistic=0.4, noise=0, return_X_y=False, random_state=0,
    ... )
    >>> drawn.X.shape
    (1000, 44)
    >>> drawn.bayes.round(2)
                   r2
    nothing       0.0
    text          0.5
    audio         0.2
    text + audio  0.9
    """
    rng = check_random_state(random_state)
    n_samples = check_n_samples(n_samples)
    noise = check_noise(noise)
    shapes = check_modalities(modalities)
    sources = make_sources(list(shapes), redundant, unique, synergistic)
    rates = check_missing(
        missing, list(shapes), 2, "the lowest and one for the highest y"
    )
    parts = make_modalities(shapes, sources, 1, rng)

    y_parts, signals = _draw_signals(n_samples, sources, parts, rng)
    y = y_parts.to_numpy().sum(axis=1)
    rank = (rankdata(y) - 1) / max(1, n_samples - 1)
    blocks, projected = {}, {}
    for name, part in parts.items():
        values = part.draw(signals[name], noise, rng)
        if name in rates:
            low, high = rates[name]
            values[rng.random(n_samples) < low + (high - low) * rank] = np.nan
        blocks[name], projected[name] = values, part.read(values)
    X = pack(blocks)
    if return_X_y:
        return X, y
    r2 = {"nothing": 0.0}
    for group in subsets(list(shapes)):
        expected, unknown = _posterior(sources, parts, projected, group, noise)
        r2[" + ".join(group)] = 1 - unknown.mean()
    return Bunch(
        X=X,
        y=y,
        parts=y_parts,
        sources=sources_table(sources),
        expected=expected,
        bayes=pd.DataFrame({"r2": r2}),
    )


def _draw_signals(
    n_samples: int,
    sources: Sequence[Source],
    parts: Mapping[str, Modality],
    rng: np.random.RandomState,
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """What each source adds to y, and what each modality holds besides noise."""
    signals = {n: np.zeros((n_samples, len(p.directions))) for n, p in parts.items()}
    added = {}
    for source in sources:
        if source.kind == "synergistic":
            values = rng.choice([-1.0, 1.0], size=(len(source.group), n_samples))
            told = values.prod(axis=0)
        else:
            told = rng.normal(size=n_samples)
            values = np.tile(told, (len(source.group), 1))
        added[source.name] = np.sqrt(source.share) * told
        for name, value in zip(source.group, values):
            signals[name][:, parts[name].slots[source]] = value[:, None]
    left = max(0.0, 1 - sum(source.share for source in sources))
    added["nobody"] = np.sqrt(left) * rng.normal(size=n_samples)
    return pd.DataFrame(added), signals


def _posterior(
    sources: Sequence[Source],
    parts: Mapping[str, Modality],
    projected: Mapping[str, np.ndarray],
    names: Sequence[str],
    noise: float,
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) expectation and (n,) variance of y, given these modalities."""
    n_rows = len(next(iter(projected.values())))
    variance = max(noise, _LEAST_NOISE) ** 2
    expected, unknown = np.zeros(n_rows), np.ones(n_rows)
    for source in sources:
        seen = np.array(
            [
                projected[name][:, parts[name].slots[source]][:, 0]
                if name in names
                else np.full(n_rows, np.nan)
                for name in source.group
            ]
        )  # (modality, row)
        if source.kind == "synergistic":
            mean = np.nan_to_num(np.tanh(seen / variance)).prod(axis=0)
            known = mean**2
        else:
            n_seen = (~np.isnan(seen)).sum(axis=0)
            mean = np.nansum(seen, axis=0) / (n_seen + variance)
            known = n_seen / (n_seen + variance)
        expected += np.sqrt(source.share) * mean
        unknown -= source.share * known
    return expected, unknown
