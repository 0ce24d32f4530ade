"""Classical picture features: gradient histograms, colour grid, colour histogram."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

FEATURES_VERSION = 1  # part of the key of stored features: other numbers, other version
N_ORIENTATIONS = 9
N_DIRECTIONS = 24
_COLOUR_BINS = 4
_CHUNK = 128


def classical_features(pictures: np.ndarray) -> np.ndarray:
    """Features (n, d) of pictures (n, h, w, 3) in [0, 1], float32."""
    with torch.no_grad():
        chunks = [
            _features(torch.from_numpy(pictures[start : start + _CHUNK]))
            for start in range(0, len(pictures), _CHUNK)
        ]
    return torch.cat(chunks).numpy()


def classical_tokens(pictures: np.ndarray, grid: int) -> np.ndarray:
    """Features (n, grid ** 2, d) of the tiles of square pictures (n, s, s, 3)."""
    n, side = len(pictures), pictures.shape[1] // grid
    kept = pictures[:, : side * grid, : side * grid]
    tiles = kept.reshape(n, grid, side, grid, side, 3).swapaxes(2, 3)
    features = classical_features(
        np.ascontiguousarray(tiles).reshape(n * grid**2, side, side, 3)
    )
    return features.reshape(n, grid**2, -1)


def _features(pictures: torch.Tensor) -> torch.Tensor:
    x = pictures.permute(0, 3, 1, 2).contiguous()  # (n, 3, h, w)
    magnitude, angle = _gradient(x)
    fine = F.adaptive_avg_pool2d(_orientation_maps(magnitude, angle), 8)
    blocks = [
        fine.flatten(1).sqrt(),
        _by_energy_around(F.avg_pool2d(fine, 2)),
        _direction_histogram(magnitude, angle),
        F.adaptive_avg_pool2d(x, 4).flatten(1),
        x.flatten(2).std(dim=2, correction=0),
        _colour_histogram(F.avg_pool2d(x, 2)),
    ]
    return torch.cat(blocks, dim=1)


def _gradient(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Magnitude and angle of the strongest channel's gradient, (n, h, w) each."""
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    dx = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    dy = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    square = dx.square() + dy.square()  # (n, 3, h, w)
    square, channel = square.max(dim=1, keepdim=True)
    dx, dy = dx.gather(1, channel)[:, 0], dy.gather(1, channel)[:, 0]
    return square[:, 0].sqrt(), torch.atan2(dy, dx)


def _two_bins(
    magnitude: torch.Tensor, angle: torch.Tensor, n_bins: int, period: float
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The two nearest bins of each pixel, and its magnitude's share in them."""
    position = torch.remainder(angle, period) * (n_bins / period)
    lower = position.floor()
    upper_part = magnitude * (position - lower)
    low = lower.long() % n_bins
    return [(low, magnitude - upper_part), ((low + 1) % n_bins, upper_part)]


def _orientation_maps(magnitude: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    """Magnitude by orientation modulo a half turn: (n, bins, h, w)."""
    n, *shape = magnitude.shape
    maps = magnitude.new_zeros(n, N_ORIENTATIONS, *shape)
    for index, share in _two_bins(magnitude, angle, N_ORIENTATIONS, torch.pi):
        maps.scatter_add_(1, index[:, None], share[:, None])
    return maps


def _by_energy_around(cells: torch.Tensor) -> torch.Tensor:
    """Histograms (n, bins, grid, grid) by the energy of the cells around, flat."""
    energy = cells.square().sum(dim=1, keepdim=True)
    around = F.avg_pool2d(energy, 3, stride=1, padding=1, count_include_pad=False)
    return (cells / (around + 1e-3).sqrt()).clamp(max=1.0).flatten(1)


def _direction_histogram(magnitude: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    """Directions over the whole turn, wherever they are in the picture."""
    total = magnitude.new_zeros(len(magnitude), N_DIRECTIONS)
    for index, share in _two_bins(magnitude, angle, N_DIRECTIONS, 2 * torch.pi):
        total.scatter_add_(1, index.flatten(1), share.flatten(1))
    total /= magnitude[0].numel()
    shares = total / (total.sum(dim=1, keepdim=True) + 1e-4)
    spectrum = torch.fft.rfft(shares, dim=1).abs()[:, 1:]
    return torch.cat([shares.sqrt(), spectrum, total.sum(dim=1, keepdim=True)], dim=1)


def _colour_histogram(x: torch.Tensor) -> torch.Tensor:
    """Square roots of soft shares of the colour cube's bins: (n, bins ** 3)."""
    centres = torch.linspace(0, 1, _COLOUR_BINS)
    distance = (x[:, None] - centres[None, :, None, None, None]).abs()
    weight = (1 - distance * (_COLOUR_BINS - 1)).clamp(min=0).flatten(3)
    red, green, blue = weight.unbind(dim=2)  # (n, bins, h * w) each
    pairs = (red[:, :, None] * green[:, None]).flatten(1, 2)  # (n, bins ** 2, h * w)
    return (pairs @ blue.transpose(1, 2) / x[0, 0].numel()).sqrt().flatten(1)
