"""Pictures of nothing that are surface alone: noise of many colours, gradients, gratings, checkers.

Each function draws one, uint8 `[side, side, 3]`, by the random numbers that it is given.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
_STEEPEST = 3.0  # of power against frequency: white is 0, pink 1, brown 2


def gaussian_noise(rng: np.random.Generator, side_px: int) -> Pixels:
    """Normal noise around a colour, weak or strong, grey or in three colours."""
    channels = int(rng.choice([1, 3]))
    noise = rng.normal(0, rng.uniform(8, 90), (side_px, side_px, channels))
    return _pixels(rng.integers(40, 216, 3) + noise)


def coloured_noise(rng: np.random.Generator, side_px: int) -> Pixels:
    """Noise whose power falls with a power of the frequency, as clouds, rust and grain do."""
    channels = int(rng.choice([1, 3]))
    steepness = rng.uniform(0.3, _STEEPEST)
    planes = [_spectral(rng, side_px, steepness) for _ in range(channels)]
    noise = np.stack(planes * (3 // channels), axis=-1)
    return _pixels(rng.integers(60, 196, 3) + noise * rng.uniform(20, 70))


def _spectral(rng: np.random.Generator, side_px: int, steepness: float) -> NDArray[np.float64]:
    """Mean 0 and spread 1, `[side, side]`."""
    across, down = np.fft.rfftfreq(side_px), np.fft.fftfreq(side_px)
    frequency = np.hypot(down[:, None], across[None])
    frequency[0, 0] = np.inf
    shape = frequency.shape
    spectrum = (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / frequency ** (steepness / 2)
    plane = np.fft.irfft2(spectrum, (side_px, side_px))
    return np.asarray((plane - plane.mean()) / max(plane.std(), 1e-9))


def gradient(rng: np.random.Generator, side_px: int) -> Pixels:
    """Two or three colours that run into each other, along a line or around a place."""
    y, x = _plane(side_px)
    angle = rng.uniform(0, 2 * np.pi)
    away = np.hypot(x - rng.uniform(0, 1), y - rng.uniform(0, 1))
    along = x * np.cos(angle) + y * np.sin(angle) if rng.random() < 0.5 else away
    share = (along - along.min()) / max(float(np.ptp(along)), 1e-9)
    colours = rng.integers(0, 256, (int(rng.integers(2, 4)), 3)).astype(np.float64)
    places = np.linspace(0, 1, len(colours))
    return _pixels(np.stack([np.interp(share, places, colours[:, each]) for each in range(3)], axis=-1))


def grating(rng: np.random.Generator, side_px: int) -> Pixels:
    """Stripes or waves of two colours, sharp or soft, in one direction or two."""
    y, x = _plane(side_px)
    wave = np.ones((side_px, side_px))
    for _ in range(int(rng.integers(1, 3))):
        angle, cycles = rng.uniform(0, np.pi), rng.uniform(2, 40)
        wave = wave * np.sin(2 * np.pi * cycles * (x * np.cos(angle) + y * np.sin(angle)))
    if rng.random() < 0.5:
        wave = np.sign(wave)
    first, second = rng.integers(0, 256, (2, 3))
    return _pixels(first + (second - first) * (wave[..., None] + 1) / 2)


def checkers(rng: np.random.Generator, side_px: int) -> Pixels:
    """Squares of two or more colours, by turns or at random, as in boards, mosaics and codes."""
    count = int(rng.integers(3, min(40, side_px)))  # a square is no smaller than a pixel
    is_regular = rng.random() < 0.5
    places = (
        np.add.outer(np.arange(count), np.arange(count)) % 2 if is_regular else rng.integers(0, 2, (count, count))
    )
    colours = rng.integers(0, 256, (2, 3)) if rng.random() < 0.7 else np.array([[0, 0, 0], [255, 255, 255]])
    rows = np.arange(side_px) * count // side_px
    return np.asarray(colours[places][rows[:, None], rows[None]], np.uint8)


def _plane(side_px: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Down and across, 0…1."""
    steps = np.linspace(0, 1, side_px)
    return np.broadcast_to(steps[:, None], (side_px, side_px)), np.broadcast_to(steps, (side_px, side_px))


def _pixels(values: NDArray[np.float64]) -> Pixels:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
