"""Pictures to measure int8 ranges on, made by this program: any clone measures the same, and no photo is needed.

The model is "dead leaves": opaque shapes of every size fall on one another until they cover the plane, which gives
the edges, flat areas and contrasts of photos (Lee, Mumford and Huang, "Occlusion models for natural images", 2001).
Each leaf has a colour, a light from one side, a stripe pattern and some grain.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

DESCRIPTION = "32 generated pictures of dead leaves"
_PICTURES = 32
_BATCH = 8
_LEAVES = 220
_SEED = 20261124
_SMALLEST, _LARGEST = 0.02, 0.6  # radius as a fraction of the side


def dead_leaves(side_px: int) -> Iterator[NDArray[np.uint8]]:
    """Batches of uint8 `[8, side_px, side_px, 3]`; black and white, the ends of the scale, are in the first."""
    generator = np.random.default_rng(_SEED)
    for start in range(0, _PICTURES, _BATCH):
        batch = np.stack([_picture(generator, side_px) for _ in range(_BATCH)])
        if start == 0:
            batch[0, 0] = 0
            batch[0, 1] = 255
        yield batch


def _picture(generator: np.random.Generator, side_px: int) -> NDArray[np.uint8]:
    picture = np.full((side_px, side_px, 3), 128.0)
    for _ in range(_LEAVES):
        _drop(generator, picture)
    pixels: NDArray[np.uint8] = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return pixels


def _drop(generator: np.random.Generator, picture: NDArray[np.float64]) -> None:
    """Let one leaf fall on the picture; its part outside of the picture is lost."""
    side = len(picture)
    radius = side * _radius(generator)
    centre_y, centre_x = generator.uniform(-0.1, 1.1, 2) * side
    top, bottom = _span(centre_y, radius, side)
    left, right = _span(centre_x, radius, side)
    y, x = np.mgrid[top:bottom, left:right]
    y, x = (y - centre_y) / radius, (x - centre_x) / radius
    mask = _shape(generator, x, y)
    picture[top:bottom, left:right][mask] = _surface(generator, x * radius, y * radius, radius)[mask]


def _radius(generator: np.random.Generator) -> float:
    """Many small leaves and few large ones: the density falls with the square of the radius."""
    share = generator.random()
    return float(1 / ((1 - share) / _SMALLEST + share / _LARGEST))


def _span(centre: float, radius: float, side: int) -> tuple[int, int]:
    first = min(side, max(0, int(centre - radius)))
    return first, min(side, max(first, int(centre + radius) + 1))


def _shape(generator: np.random.Generator, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which places belong to the leaf: a disc, a rectangle, or a polygon cut out by straight lines."""
    kind = generator.integers(3)
    if kind == 0:
        return (np.abs(x) < 0.8) & (np.abs(y) < 0.5)
    mask: NDArray[np.bool_] = x * x + y * y < 1
    for angle in generator.uniform(0, 2 * np.pi, 4 * (kind - 1)):
        mask &= x * np.cos(angle) + y * np.sin(angle) < 0.4
    return mask


def _surface(
    generator: np.random.Generator, x_px: NDArray[np.float64], y_px: NDArray[np.float64], radius_px: float
) -> NDArray[np.float64]:
    """Colour `[h, w, 3]` of a leaf: its own, with stripes, light from one side, and grain."""
    angle = generator.uniform(0, np.pi)
    across = x_px * np.cos(angle) + y_px * np.sin(angle)
    stripes = np.sin(across * generator.uniform(0.06, 1.8)) * generator.exponential(15)
    light = across / radius_px * generator.normal(0, 30)
    grain = generator.normal(0, generator.exponential(10), x_px.shape)
    colour = generator.normal(generator.integers(0, 256, 3), 10)
    surface: NDArray[np.float64] = colour + (stripes + light + grain)[..., None]
    return surface
