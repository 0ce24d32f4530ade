"""Classical sound features: a log-mel spectrogram, its statistics, and its course."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F

VERSION = 1  # part of the key of stored descriptions
N_BANDS = 64
_FLOOR = -80.0  # dB below the loudest point of a recording
_QUIET = -30.0  # dB below the loudest frame: cut off at both ends
_N_CEPSTRA = 20
_N_SEGMENTS = 10
_QUANTILES = (0.1, 0.5, 0.9)
_FRAMES = 4096  # frames transformed at once
_TINY = 1e-12


def classical_features(wave: np.ndarray, rate: int) -> np.ndarray:
    """Features (d,) of a wave (samples,), float32."""
    with torch.no_grad():
        x, peak = _levelled(wave)
        parts = [
            (p @ _mel_filters(rate), p.sum(dim=1), _shapes(p, rate))
            for p in _powers(x, rate)
        ]
        power, total, shape = (torch.cat(part) for part in zip(*parts))
        mel = _decibels(power)  # (n, N_BANDS)
        loud = 10 * torch.log10(total / total.max().clamp(min=_TINY) + _TINY)  # (n,)
        heard = torch.nonzero(loud >= loud.max() + _QUIET)[:, 0]
        inner = slice(int(heard[0]), int(heard[-1]) + 1)
        mel, shape = mel[inner], torch.cat([shape, loud[:, None]], dim=1)[inner]
        cepstra = mel @ _cosines(N_BANDS, _N_CEPSTRA)  # (n, _N_CEPSTRA)
        blocks = [
            _statistics(mel),
            _changes(mel).abs().mean(dim=0),
            _mean_and_sd(cepstra),
            _changes(cepstra).std(dim=0, correction=0),
            _course(cepstra - cepstra.mean(dim=0), _N_SEGMENTS),
            _course(_changes(cepstra), _N_SEGMENTS // 2),
            _statistics(shape),
            _course(shape, _N_SEGMENTS),
            _modulation(mel),
            _whole(x, peak, len(mel), rate),
        ]
        return torch.cat(blocks).numpy()


def n_features() -> int:
    """Number of classical features."""
    return len(classical_features(np.zeros(1, dtype=np.float32), 16_000))


def log_mel(wave: np.ndarray, rate: int) -> np.ndarray:
    """Frames (n, N_BANDS) of 25 ms every 10 ms, from 0, the loudest point, to -80 dB.

    Relative to the loudest point, as recordings are taken at any volume.
    """
    with torch.no_grad():
        filters = _mel_filters(rate)
        powers = [p @ filters for p in _powers(_levelled(wave)[0], rate)]
        return _decibels(torch.cat(powers)).numpy()


def log_mel_steps(
    wave: np.ndarray, rate: int, step: float, max_steps: int
) -> np.ndarray:
    """Steps (T, N_BANDS) of the log-mel spectrogram from 0, silence, to 1."""
    frames = 1 + log_mel(wave, rate) / -_FLOOR
    return merged(frames, n_steps(len(wave) / rate, step, max_steps))


def n_steps(seconds: float, step: float, max_steps: int) -> int:
    """Steps of a recording: longer ones have no more, but longer, steps."""
    return min(max_steps, max(1, math.ceil(round(seconds / step, 6))))


def merged(frames: np.ndarray, n: int) -> np.ndarray:
    """Frames (T, d) averaged evenly over n steps, or as they are where T <= n."""
    if len(frames) <= n:
        return frames
    edges = np.linspace(0, len(frames), n + 1).round().astype(int)
    sums = np.add.reduceat(frames, edges[:-1], axis=0, dtype=np.float64)
    return (sums / np.diff(edges)[:, None]).astype(np.float32)


# The spectrogram --------------------------------------------------------------------


def _levelled(wave: np.ndarray) -> tuple[torch.Tensor, float]:
    """The wave with its mean at 0 and its peak at 1, and the peak that it had."""
    x = torch.from_numpy(np.array(wave, dtype=np.float32))
    loudest = float(x.abs().max())
    if not loudest:
        return x, 0.0
    x /= loudest
    x -= x.mean()
    peak = float(x.abs().max())
    if peak < 1e-5:  # a constant: what is left of it is rounding
        return torch.zeros_like(x), 0.0
    return x / peak, peak * loudest


def _powers(x: torch.Tensor, rate: int) -> Iterator[torch.Tensor]:
    """Power spectra (n, bins) of windows around every hop, some at a time."""
    length, hop = _sizes(rate)
    x = F.pad(x, (length // 2, length - length // 2))
    window, n_fft = torch.hann_window(length), _n_fft(rate)
    for frames in x.unfold(0, length, hop).split(_FRAMES):  # (n, length)
        spectra = torch.fft.rfft(frames * window, n_fft)
        yield spectra.real.square() + spectra.imag.square()


def _sizes(rate: int) -> tuple[int, int]:
    """Samples of a window and of a hop."""
    return max(2, round(0.025 * rate)), max(1, round(0.010 * rate))


def _n_fft(rate: int) -> int:
    return 2 ** math.ceil(math.log2(_sizes(rate)[0]))


@functools.lru_cache(maxsize=8)
def _mel_filters(rate: int) -> torch.Tensor:
    """Triangles (bins, N_BANDS) of equal width on the mel scale."""
    bins = torch.linspace(0, rate / 2, _n_fft(rate) // 2 + 1)
    low, high = (2595 * math.log10(1 + f / 700) for f in (20, rate / 2))
    edges = 700 * (10 ** (torch.linspace(low, high, N_BANDS + 2) / 2595) - 1)
    rise = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    filters = torch.minimum(rise, fall).clamp(min=0)
    return filters / filters.sum(dim=0).clamp(min=_TINY)


def _decibels(power: torch.Tensor) -> torch.Tensor:
    loudest = power.max().clamp(min=_TINY)
    return 10 * torch.log10((power / loudest).clamp(min=10 ** (_FLOOR / 10)))


@functools.lru_cache(maxsize=8)
def _cosines(n: int, k: int) -> torch.Tensor:
    """The first k cosines (n, k) of the orthonormal DCT-II."""
    places = torch.arange(n) + 0.5
    basis = torch.cos(torch.pi / n * places[:, None] * torch.arange(k))
    basis[:, 0] /= math.sqrt(2)
    return basis * math.sqrt(2 / n)


# What is told of it -----------------------------------------------------------------


def _mean_and_sd(frames: torch.Tensor) -> torch.Tensor:
    """(n, d) to (2 d,)."""
    sd, mean = torch.std_mean(frames, dim=0, correction=0)
    return torch.cat([mean, sd])


def _statistics(frames: torch.Tensor) -> torch.Tensor:
    """Mean, standard deviation and quantiles: (n, d) to (5 d,)."""
    ordered = frames.T.sort(dim=1).values  # (d, n)
    last = ordered.shape[1] - 1
    quantiles = [ordered[:, round(q * last)] for q in _QUANTILES]
    return torch.cat([_mean_and_sd(frames), *quantiles])


def _changes(frames: torch.Tensor) -> torch.Tensor:
    """From frame to frame (n - 1, d); a single frame does not change."""
    return frames.diff(dim=0) if len(frames) > 1 else torch.zeros_like(frames)


def _course(frames: torch.Tensor, n_segments: int) -> torch.Tensor:
    """Means over equal parts, one after the other: (n, d) to (n_segments * d,)."""
    return F.adaptive_avg_pool1d(frames.T[None], n_segments)[0].flatten()


def _shapes(power: torch.Tensor, rate: int) -> torch.Tensor:
    """Centre, width, flatness and upper end of each spectrum: (n, bins) to (n, 4)."""
    n_bins = power.shape[1]
    # octaves, as the ear hears them; the lowest bin holds what is left of the mean
    pitch = torch.linspace(0, rate / 2, n_bins).clamp(min=rate / 2 / n_bins).log2()
    share = (power + _TINY) / (power + _TINY).sum(dim=1, keepdim=True)
    centre = share @ pitch
    width = (share @ pitch.square() - centre.square()).clamp(min=0).sqrt()
    flatness = share.log().mean(dim=1) + math.log(n_bins)
    upper = pitch[(share.cumsum(dim=1) < 0.85).sum(dim=1).clamp(max=n_bins - 1)]
    return torch.stack([centre, width, flatness, upper], dim=1)


def _modulation(mel: torch.Tensor) -> torch.Tensor:
    """How much eight groups of bands swell and fade, by octaves from 1 to 32 Hz."""
    groups = F.adaptive_avg_pool1d(mel[None], 8)[0]  # (n, 8)
    n_fft = max(256, 2 ** math.ceil(math.log2(len(groups))))
    swell = torch.fft.rfft(groups - groups.mean(dim=0), n_fft, dim=0).abs().square()
    octave = torch.linspace(0, 50, len(swell)).clamp(min=0.5).log2().floor()  # -1 to 5
    members = (octave[None, :] == torch.arange(5)[:, None]).float()  # (5, bins)
    energy = members @ swell / len(groups) / n_fft
    return energy.add(1e-3).log10().flatten()  # (40,)


def _whole(x: torch.Tensor, peak: float, n_heard: int, rate: int) -> torch.Tensor:
    """Durations, level, peakedness and zero crossings."""
    level = float(x.square().mean().sqrt())
    crossings = float((x[1:] * x[:-1] < 0).sum()) / len(x) * rate
    return torch.tensor(
        [
            math.log2(len(x) / rate),
            math.log2(n_heard / 100),
            20 * math.log10(max(peak, 1e-6)),
            20 * math.log10(max(level, 1e-3)),
            math.log2(max(crossings, 20.0)),
        ]
    )
