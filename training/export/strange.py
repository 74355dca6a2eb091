"""Pictures of nothing that a classifier knows, made by this program: what it should not believe itself on.

Noise, flat colours, ramps and dead leaves; noise of other colours, gratings, checkers; line drawings, faces, icons;
text, plots and tables. The same for every model of a size. Each has the name of its kind, so that a fit can be judged
by kinds that it has not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.export.dead_leaves import dead_leaves
from training.export.strange_pages import joined_script, latin_text, plot, square_script, table
from training.export.strange_sketches import drawn_face, icon, line_drawing
from training.export.strange_textures import checkers, coloured_noise, gaussian_noise, gradient, grating

DESCRIPTION = "pictures of nothing that it knows (noise, patterns, drawings, icons, text, plots)"
_SEED = 11
_OF_EACH = 24
_GRAIN_PX = 4
Drawer = Callable[[np.random.Generator, int], NDArray[np.uint8]]
DRAWERS: tuple[Drawer, ...] = (
    gaussian_noise, coloured_noise, gradient, grating, checkers, line_drawing, drawn_face, icon, latin_text,
    square_script, joined_script, plot, table,
)  # fmt: skip


@dataclass(frozen=True)
class Strange:
    """Pictures uint8 `[n, side, side, 3]`, and the kind of each, int64 `[n]`."""

    pixels: NDArray[np.uint8]
    kinds: NDArray[np.int64]


def strange(side_px: int) -> Strange:
    """All of them."""
    made = [*_surfaces(side_px), *(_drawn(drawer, side_px) for drawer in DRAWERS)]
    kinds = np.repeat(np.arange(len(made)), [len(each) for each in made])
    return Strange(np.concatenate(made), kinds)


def strange_pictures(side_px: int) -> NDArray[np.uint8]:
    """Pictures of nothing, uint8 `[n, side, side, 3]`."""
    return strange(side_px).pixels


def _surfaces(side_px: int) -> list[NDArray[np.uint8]]:
    """Noise, coarse noise, flat colours, ramps and dead leaves."""
    rng = np.random.default_rng(_SEED)
    noise = rng.integers(0, 256, (_OF_EACH, side_px, side_px, 3), dtype=np.uint8)
    grains = side_px // _GRAIN_PX + 1
    coarse = rng.integers(0, 256, (_OF_EACH, grains, grains, 3)).repeat(_GRAIN_PX, 1).repeat(_GRAIN_PX, 2)
    flat = np.broadcast_to(rng.integers(0, 256, (_OF_EACH, 1, 1, 3)), (_OF_EACH, side_px, side_px, 3))
    ramp = np.linspace(0, 255, side_px)[None, :, None, None] * rng.random((_OF_EACH, 1, 1, 3))
    ramps = np.broadcast_to(ramp, (_OF_EACH, side_px, side_px, 3))
    leaves = np.concatenate(list(dead_leaves(side_px)))
    return [np.asarray(each, np.uint8) for each in (noise, coarse[:, :side_px, :side_px], flat, ramps, leaves)]


def _drawn(drawer: Drawer, side_px: int) -> NDArray[np.uint8]:
    seeds = [_SEED, *drawer.__name__.encode()]
    return np.stack([drawer(np.random.default_rng((*seeds, number)), side_px) for number in range(_OF_EACH)])
