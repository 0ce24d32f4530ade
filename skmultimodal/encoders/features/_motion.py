"""Motion of a film strip: where it changes, how fast what moves, and its rhythm.

The flow of blocks after Lucas and Kanade (1981), with and without that of the camera.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

MOTION_VERSION = 1  # part of the key of stored features: other numbers, other version
N_DIRECTIONS = 8
_CELLS = 8  # blocks a side for the flow
_EDGES = torch.tensor([0.05, 0.1, 0.2, 0.4, 0.8, 1.6])  # pixels a frame
_NOISE = 6.0  # squared grey levels: weaker gradients tell no flow
_LAGS = 3


class Motion:
    """What moves in the grey frames (g, h, w) of a clip."""

    def __init__(self, grey: np.ndarray, follows: np.ndarray) -> None:
        """`follows` (g - 1,) tells the pairs of frames that have no cut between."""
        x = torch.from_numpy(np.ascontiguousarray(grey)).float()
        if len(x) < 2:  # nothing follows: one picture that stands still
            x, follows = x[:1].expand(2, -1, -1), np.ones(1, dtype=bool)
        self.pairs = torch.from_numpy(np.flatnonzero(follows))
        if not len(self.pairs):
            self.pairs = torch.arange(len(x) - 1)
        x = _smooth(x)
        first, second = x[self.pairs], x[self.pairs + 1]
        middle = (first + second) / 2
        self.gx = F.pad((middle[:, :, 2:] - middle[:, :, :-2]) / 2, (1, 1))
        self.gy = F.pad((middle[:, 2:] - middle[:, :-2]) / 2, (0, 0, 1, 1))
        self.gt = second - first  # (p, h, w) each
        self.flow = _flow(self.gx, self.gy, self.gt)  # (p, 2, cells, cells)
        camera = self.flow.flatten(2).median(dim=2).values[:, :, None, None]
        self.camera = camera[:, :, 0, 0].norm(dim=1)  # (p,)
        self.speed = self.flow.norm(dim=1)  # (p, cells, cells)
        self.own_speed = (self.flow - camera).norm(dim=1)

    def steps(self) -> torch.Tensor:
        """Features (p, d) of each pair of frames that follow each other."""
        energy = F.adaptive_avg_pool2d(self.gt.abs()[:, None], 4).flatten(1) / 255
        return torch.cat(
            [
                energy.sqrt(),
                _directions(self.flow, 2),
                _histogram(self.speed),
                _histogram(self.own_speed),
                self._signals(),
            ],
            dim=1,
        )

    def whole(self) -> torch.Tensor:
        """Features (d,) of the clip."""
        steps = self.steps()
        return torch.cat(
            [
                steps.mean(dim=0),
                steps.std(dim=0, correction=0),
                _course(self._signals()),
            ]
        )

    def _signals(self) -> torch.Tensor:
        """How much moves, as a course in time: (p, 4)."""
        energy = self.gt.abs().mean(dim=(1, 2)) / 255
        return torch.stack(
            [
                energy.sqrt(),
                torch.log1p(10 * self.speed.mean(dim=(1, 2))),
                torch.log1p(10 * self.own_speed.mean(dim=(1, 2))),
                torch.log1p(10 * self.camera),
            ],
            dim=1,
        )


def _smooth(x: torch.Tensor) -> torch.Tensor:
    """Frames (g, h, w) blurred by a small bell."""
    bell = torch.tensor([0.25, 0.5, 0.25])
    kernel = (bell[:, None] * bell)[None, None]
    padded = F.pad(x[:, None], (1, 1, 1, 1), mode="replicate")
    return F.conv2d(padded, kernel)[:, 0]


def _flow(gx: torch.Tensor, gy: torch.Tensor, gt: torch.Tensor) -> torch.Tensor:
    """Velocity of each block, by least squares over its surroundings: (p, 2, c, c)."""
    products = torch.stack([gx * gx, gx * gy, gy * gy, gx * gt, gy * gt], dim=1)
    pooled = F.adaptive_avg_pool2d(products, _CELLS)  # (p, 5, c, c)
    pooled = F.avg_pool2d(pooled, 3, stride=1, padding=1, count_include_pad=False)
    xx, xy, yy, xt, yt = pooled.unbind(dim=1)
    xx, yy = xx + _NOISE, yy + _NOISE
    determinant = xx * yy - xy * xy
    u = (xy * yt - yy * xt) / determinant
    v = (xy * xt - xx * yt) / determinant
    return torch.stack([u, v], dim=1).clamp(-4, 4)


def _directions(flow: torch.Tensor, grid: int) -> torch.Tensor:
    """Speed by direction, on a grid and at large: (p, directions * (grid ** 2 + 1))."""
    angle = torch.atan2(flow[:, 1], flow[:, 0])
    position = torch.remainder(angle, 2 * torch.pi) * (N_DIRECTIONS / (2 * torch.pi))
    bins = torch.arange(N_DIRECTIONS)[None, :, None, None]
    apart = (position[:, None] - bins).abs()
    apart = torch.minimum(apart, N_DIRECTIONS - apart)
    maps = (1 - apart).clamp(min=0) * flow.norm(dim=1)[:, None]  # (p, 8, c, c)
    cells = F.adaptive_avg_pool2d(maps, grid).flatten(1)
    return torch.cat([cells, maps.mean(dim=(2, 3))], dim=1).sqrt()


def _histogram(speed: torch.Tensor) -> torch.Tensor:
    """Shares of the blocks by speed: (p, 7)."""
    place = torch.bucketize(speed.flatten(1).contiguous(), _EDGES)
    return F.one_hot(place, len(_EDGES) + 1).float().mean(dim=1)


def _course(signals: torch.Tensor) -> torch.Tensor:
    """Jerks and echoes of courses (p, s): (s * 4,)."""
    centred = signals - signals.mean(dim=0)
    power = centred.square().sum(dim=0) + 1e-4
    none = torch.zeros_like(power)
    echoes = [
        (centred[lag:] * centred[:-lag]).sum(dim=0) / power
        if len(centred) > lag
        else none
        for lag in range(1, _LAGS + 1)
    ]
    jerk = signals.diff(dim=0).abs()
    return torch.cat([jerk.mean(dim=0) if len(jerk) else none, *echoes])


def motion_features(grey: np.ndarray, follows: np.ndarray) -> np.ndarray:
    """Features (d,) of the grey frames (g, h, w) of a clip, float32."""
    with torch.no_grad():
        return Motion(grey, follows).whole().numpy()


def motion_steps(
    grey: np.ndarray, follows: np.ndarray, grey_times: np.ndarray, times: np.ndarray
) -> np.ndarray:
    """Features (t, d): what moves between each of the `times` and the next."""
    with torch.no_grad():
        motion = Motion(grey, follows)
        steps = motion.steps().numpy()
    if len(grey_times) < 2:
        return np.repeat(steps, len(times), axis=0)
    pairs = motion.pairs.numpy()
    middles = (grey_times[pairs] + grey_times[pairs + 1]) / 2
    ends = np.append(times[1:], np.inf)
    out = np.empty((len(times), steps.shape[1]), dtype=np.float32)
    for k, (start, end) in enumerate(zip(times, ends)):
        inside = (middles >= start) & (middles < end)
        if not inside.any():
            inside = [int(np.abs(middles - start).argmin())]
        out[k] = steps[inside].mean(axis=0)
    return out
