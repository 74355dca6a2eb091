"""Pictures of nothing, made by this program: what a classifier should not believe itself on.

Noise, fine and coarse, flat colours, ramps, and dead leaves; the same for every model of a size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.export.dead_leaves import dead_leaves

DESCRIPTION = "pictures that show nothing"
_SEED = 11
_OF_EACH = 24
_GRAIN_PX = 4


def strange_pictures(side_px: int) -> NDArray[np.uint8]:
    """Pictures of nothing, uint8 `[n, side, side, 3]`: noise, flat colours, ramps, dead leaves."""
    rng = np.random.default_rng(_SEED)
    noise = rng.integers(0, 256, (_OF_EACH, side_px, side_px, 3), dtype=np.uint8)
    grains = side_px // _GRAIN_PX + 1
    coarse = rng.integers(0, 256, (_OF_EACH, grains, grains, 3)).repeat(_GRAIN_PX, 1).repeat(_GRAIN_PX, 2)
    flat = np.broadcast_to(rng.integers(0, 256, (_OF_EACH, 1, 1, 3)), (_OF_EACH, side_px, side_px, 3))
    ramp = np.linspace(0, 255, side_px)[None, :, None, None] * rng.random((_OF_EACH, 1, 1, 3))
    ramps = np.broadcast_to(ramp, (_OF_EACH, side_px, side_px, 3))
    made = [noise, coarse[:, :side_px, :side_px], flat, ramps, *dead_leaves(side_px)]
    return np.concatenate([np.asarray(each, np.uint8) for each in made])
