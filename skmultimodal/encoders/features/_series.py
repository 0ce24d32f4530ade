"""Statistics, shape, order and spectrum of series, channel by channel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FEATURES_VERSION = 1  # part of the key of stored features: other numbers, other version
ALL_PAIRS = 12  # channels up to which every pair is correlated
_LAGS = (1, 2, 4, 8, 16)
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_SEGMENTS = 4
_OCTAVES = 7  # bands of the spectrum: the upper half, the upper quarter below it, ...
_EVEN_BANDS = 16
_VALUES = 2**17  # numbers worked on at once
_FLAT = 1e-12  # what varies less than this, beside its size, is constant
_SMALLEST = 1e-12  # sizes below it are alike
_LARGEST = float(np.finfo(np.float32).max)

# first in the features of a channel, so that an empty one is seen at a glance
MISSING = 0
N_PER_CHANNEL = 38 + 2 * _SEGMENTS + len(_LAGS) + 2 * _OCTAVES


def series_features(series: Sequence[np.ndarray]) -> np.ndarray:
    """Features (n, d) of series (T, channels), T of any length; float32 and finite.

    Of each channel `N_PER_CHANNEL`, the first its share of missing steps; then what
    channels have to do with each other; then the length. Several are described at
    once where they are alike in length, none with a look at another.
    """
    n_channels = series[0].shape[1]
    out = np.empty((len(series), width(n_channels)), dtype=np.float32)
    lengths = np.array([len(s) for s in series])
    padded = 2 ** np.ceil(np.log2(np.maximum(lengths, 8))).astype(int)
    for size in np.unique(padded):
        alike = np.flatnonzero(padded == size)
        at_once = max(1, _VALUES // (int(size) * n_channels))
        for start in range(0, len(alike), at_once):
            chosen = alike[start : start + at_once]
            x = np.full((len(chosen), n_channels, size), np.nan)
            for row, k in enumerate(chosen):
                x[row, :, : lengths[k]] = series[k].T
            out[chosen] = _described(x, lengths[chosen])
    return out


def width(n_channels: int) -> int:
    """Number of features of a series of so many channels."""
    between = 0
    if n_channels > 1:
        pairs = n_channels * (n_channels - 1) // 2
        between = pairs if n_channels <= ALL_PAIRS else ALL_PAIRS
    return n_channels * N_PER_CHANNEL + between + 1


def _described(x: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """(n, d) of x (n, channels, P), NaN where missing and behind the end."""
    n, n_channels, size = x.shape
    rows = x.reshape(-1, size)
    of_each = np.repeat(lengths, n_channels)
    features, z = _of_channels(rows, of_each)
    blocks = [features.reshape(n, -1)]
    if n_channels > 1:
        blocks.append(_between_channels(z.reshape(x.shape)))
    blocks.append(np.log(lengths)[:, None])
    return np.concatenate(blocks, axis=1).clip(-_LARGEST, _LARGEST)


def _of_channels(x: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features (m, N_PER_CHANNEL) of x (m, P), and x standardised, 0 where missing."""
    held = ~np.isnan(x)
    count = held.sum(axis=1)
    some = np.maximum(count, 1)
    ordered = np.sort(x, axis=1)  # NaN stand last
    quantiles = _quantiles(ordered, count)
    low, high = ordered[:, 0], ordered[np.arange(len(x)), some - 1]
    mean = np.where(held, x, 0).sum(axis=1) / some
    centred = np.where(held, x - mean[:, None], 0)
    sd = np.sqrt(np.square(centred).sum(axis=1) / some)
    sd[~(sd > _FLAT * np.maximum(np.abs(low), np.abs(high)))] = 0
    z = np.divide(centred, sd[:, None], out=np.zeros_like(x), where=sd[:, None] > 0)

    steps = np.diff(z, axis=1)
    both = held[:, 1:] & held[:, :-1]
    steps[~both] = 0
    pairs = np.maximum(both.sum(axis=1), 1)
    step_size = np.abs(steps).sum(axis=1) / pairs
    level = [mean, sd, low, high, high - low, *quantiles, step_size * sd]
    shape = _shape(z, steps, both, some, pairs)
    time, slope, curvature, rest = _trend(z, held, lengths)
    smooth = _bridged(z, held, lengths)
    octaves, spectrum = _spectrum(smooth, time, slope, lengths)
    segments = _segments(z, held, time)
    between = high - low, quantiles[4] - quantiles[0], quantiles[3] - quantiles[1]
    amplitudes = np.sqrt(octaves) * sd[:, None]
    features = [
        1 - count / lengths,
        *level,
        *_orders_of_size(sd, *between, step_size * sd, *amplitudes.T),
        *_orders_of_size(*(spread * sd for spread in segments[1::2])),
        *shape,
        step_size,
        *(course * sd for course in (slope, curvature, *segments[0::2])),
        rest,
        *_autocorrelations(smooth, lengths),
        *np.sqrt(octaves).T,
        *spectrum,
    ]
    found = np.stack(features, axis=1)
    found[count == 0] = 0
    found[:, MISSING] = 1 - count / lengths
    return found, z


def _orders_of_size(*sizes: np.ndarray) -> list[np.ndarray]:
    """Logarithms, in which stillness and motion are as far apart as they are."""
    return [np.log(np.maximum(size, _SMALLEST)) for size in sizes]


def _quantiles(ordered: np.ndarray, count: np.ndarray) -> list[np.ndarray]:
    rows = np.arange(len(ordered))
    last = np.maximum(count, 1) - 1
    found = []
    for q in _QUANTILES:
        place = q * last
        low = place.astype(np.intp)
        high = np.minimum(low + 1, last)
        a, b = ordered[rows, low], ordered[rows, high]
        found.append(a + (b - a) * (place - low))
    return found


def _shape(
    z: np.ndarray,
    steps: np.ndarray,
    both: np.ndarray,
    some: np.ndarray,
    pairs: np.ndarray,
) -> list[np.ndarray]:
    """Moments of values and steps, crossings, turns, and longest stretches: 10."""
    cubes = z * z * z
    above = z > 0
    rising = steps > 0
    turns = (steps[:, 1:] * steps[:, :-1] < 0).sum(axis=1)
    return [
        np.cbrt(cubes.sum(axis=1) / some),
        np.log1p((cubes * z).sum(axis=1) / some),
        np.abs(z).sum(axis=1) / some,
        np.log1p(np.abs(steps).max(axis=1)),
        np.cbrt((steps**3).sum(axis=1) / pairs),
        ((above[:, 1:] != above[:, :-1]) & both).sum(axis=1) / pairs,
        turns / pairs,
        _longest(above) / some,
        _longest(rising) / pairs,
        _longest(both & (steps == 0)) / pairs,
    ]


def _longest(true: np.ndarray) -> np.ndarray:
    """The longest stretch of true (m, P) in each row."""
    places = np.arange(true.shape[1])
    before = np.maximum.accumulate(np.where(true, -1, places), axis=1)
    return (places - before).max(axis=1, where=true, initial=0)


def _trend(
    z: np.ndarray, held: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Time in [-1, 1] of each step (m, P), and slope, curvature, what is no line."""
    time = (2 * np.arange(z.shape[1]) + 1) / lengths[:, None] - 1
    linear = _off_mean(time, held)
    bend = _off_mean(time * time, held)
    power = np.square(linear).sum(axis=1)
    slope = _ratio((linear * z).sum(axis=1), power)
    bend -= _ratio((linear * bend).sum(axis=1), power)[:, None] * linear
    curvature = _ratio((bend * z).sum(axis=1), np.square(bend).sum(axis=1))
    residual = np.where(held, z - slope[:, None] * linear, 0)
    rest = _ratio(np.square(residual).sum(axis=1), held.sum(axis=1))
    return time, slope, curvature, np.sqrt(rest)


def _off_mean(x: np.ndarray, held: np.ndarray) -> np.ndarray:
    mean = _ratio(np.where(held, x, 0).sum(axis=1), held.sum(axis=1))
    return np.where(held, x - mean[:, None], 0)


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b, and 0 where b is nothing but rounding."""
    return np.divide(a, b, out=np.zeros(np.shape(a)), where=b > 1e-9)


def _segments(z: np.ndarray, held: np.ndarray, time: np.ndarray) -> list[np.ndarray]:
    """Means and spreads of equal stretches of time, so that order counts."""
    which = np.floor((time + 1) * (_SEGMENTS / 2))
    found = []
    for segment in range(_SEGMENTS):
        inside = held & (which == segment)
        count = np.maximum(inside.sum(axis=1), 1)
        mean = np.where(inside, z, 0).sum(axis=1) / count
        around = np.where(inside, z - mean[:, None], 0)
        found += [mean, np.sqrt(np.square(around).sum(axis=1) / count)]
    return found


def _bridged(z: np.ndarray, held: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """z with straight lines over its gaps, 0 behind the end."""
    count = held.sum(axis=1)
    gaps = np.flatnonzero((count < lengths) & (count > 0))
    if not len(gaps):
        return z
    z = z.copy()
    for row in gaps:
        known = np.flatnonzero(held[row])
        steps = np.arange(lengths[row])
        z[row, : lengths[row]] = np.interp(steps, known, z[row, known])
    return z


def _autocorrelations(z: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """At some lags, and the first lag at which memory has faded, as a logarithm."""
    size = z.shape[1]
    power = np.square(np.abs(np.fft.rfft(z, 2 * size, axis=1)))
    products = np.fft.irfft(power, axis=1)[:, : size + 1]
    correlations = _ratio(products, np.broadcast_to(products[:, :1], products.shape))
    lags = [correlations[:, lag] if lag <= size else 0 * lengths for lag in _LAGS]
    return [*lags, np.log1p((correlations <= np.exp(-1)).argmax(axis=1))]


def _spectrum(
    z: np.ndarray, time: np.ndarray, slope: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Shares (m, octaves) of the energy, and where else it lies: 6.

    Frequencies are relative to the highest (Nyquist's).
    """
    size = z.shape[1]
    inside = time < 1
    flat = np.where(inside, z - slope[:, None] * time, 0)
    flat -= np.where(inside, (flat.sum(axis=1) / lengths)[:, None], 0)
    tapered = flat * np.where(inside, np.cos(np.pi / 2 * time) ** 2, 0)
    power = np.square(np.abs(np.fft.rfft(tapered, 2 * size, axis=1)))[:, 1:]
    frequency = np.arange(1, size + 1) / size  # (P,)
    total = power.sum(axis=1)
    shares = _ratio(power, np.broadcast_to(total[:, None], power.shape))
    centroid = shares @ frequency
    spread = np.sqrt(np.maximum(shares @ frequency**2 - centroid**2, 0))
    most = (np.cumsum(shares, axis=1) < 0.85).sum(axis=1) / size
    even = _in_bands(shares, np.ceil(frequency * _EVEN_BANDS).astype(int) - 1)
    even = np.pad(even, [(0, 0), (0, _EVEN_BANDS - even.shape[1])])
    surprise = -np.log(even, out=np.zeros_like(even), where=even > 0)
    octave = np.minimum(np.ceil(-np.log2(frequency)), _OCTAVES - 1).astype(int)
    octaves = _in_bands(shares[:, ::-1], octave[::-1])
    octaves = np.pad(octaves, [(0, 0), (0, _OCTAVES - octaves.shape[1])])
    return octaves, [
        centroid,
        spread,
        most,
        (even * surprise).sum(axis=1) / np.log(_EVEN_BANDS),
        even.max(axis=1),
        np.where(total > 0, frequency[power.argmax(axis=1)], 0),
    ]


def _in_bands(shares: np.ndarray, band: np.ndarray) -> np.ndarray:
    """Sums (m, bands) of shares (m, P) by the band of each, which never falls."""
    found = np.zeros((len(shares), int(band[-1]) + 1))
    starts = np.flatnonzero(np.diff(band, prepend=-1))
    found[:, band[starts]] = np.add.reduceat(shares, starts, axis=1)
    return found


def _between_channels(z: np.ndarray) -> np.ndarray:
    """Correlations of channels: of each pair, or their spectrum where they are many."""
    n_channels = z.shape[1]
    products = z @ z.transpose(0, 2, 1)  # (n, channels, channels)
    power = np.sqrt(np.diagonal(products, axis1=1, axis2=2))
    correlations = _ratio(products, power[:, :, None] * power[:, None])
    if n_channels <= ALL_PAIRS:
        first, second = np.triu_indices(n_channels, k=1)
        return correlations[:, first, second]
    return np.linalg.eigvalsh(correlations)[:, : -ALL_PAIRS - 1 : -1] / n_channels
