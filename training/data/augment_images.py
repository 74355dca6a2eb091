"""Varying training pictures: mirror, shift, RandAugment, cutout on each; mixup and cutmix on a batch.

A picture's variation depends only on the generator that it is given, so a run that goes on after a stop varies as it
would have done. Sources: RandAugment (Cubuk et al. 2019), cutout (DeVries and Taylor 2017), mixup (Zhang et al.
2017), cutmix (Yun et al. 2019). Pixels stay uint8 until the batch.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from training.sections import Augment

Pixels = NDArray[np.uint8]
Operation = Callable[[Image.Image, float], Image.Image]
"""A picture and a signed strength, −1…1."""
_GREY = (128, 128, 128)


def _affine(coefficients: Callable[[float, int], tuple[float, ...]]) -> Operation:
    def apply(image: Image.Image, strength: float) -> Image.Image:
        matrix = coefficients(strength, image.width)
        return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=_GREY)

    return apply


def _enhanced(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> Operation:
    return lambda image, strength: kind(image).enhance(1 + 0.9 * strength)


OPERATIONS: dict[str, Operation] = {
    "rotate": lambda image, strength: image.rotate(30 * strength, Image.Resampling.BILINEAR, fillcolor=_GREY),
    "shear x": _affine(lambda s, _: (1, 0.3 * s, 0, 0, 1, 0)),
    "shear y": _affine(lambda s, _: (1, 0, 0, 0.3 * s, 1, 0)),
    "translate x": _affine(lambda s, side: (1, 0, 0.3 * s * side, 0, 1, 0)),
    "translate y": _affine(lambda s, side: (1, 0, 0, 0, 1, 0.3 * s * side)),
    "brightness": _enhanced(ImageEnhance.Brightness),
    "colour": _enhanced(ImageEnhance.Color),
    "contrast": _enhanced(ImageEnhance.Contrast),
    "sharpness": _enhanced(ImageEnhance.Sharpness),
    "posterise": lambda image, strength: ImageOps.posterize(image, 8 - round(4 * abs(strength))),
    "solarise": lambda image, strength: ImageOps.solarize(image, round(256 * (1 - abs(strength)))),
    "autocontrast": lambda image, _: ImageOps.autocontrast(image),
    "equalise": lambda image, _: ImageOps.equalize(image),
    "identity": lambda image, _: image,
}
_OPERATIONS = tuple(OPERATIONS.values())


def varied(pixels: Pixels, section: Augment, rng: np.random.Generator, *, is_mirrored: bool = False) -> Pixels:
    """One picture, uint8 `[side, side, 3]`, varied; the input is not changed."""
    if is_mirrored:
        pixels = pixels[:, ::-1]
    if section.shift_px:
        pixels = _shifted(pixels, section.shift_px, rng)
    if section.randaugment:
        pixels = _randaugmented(pixels, section.randaugment, section.magnitude, rng)
    if section.cutout_px:
        pixels = _cut_out(pixels, section.cutout_px, rng)
    return np.ascontiguousarray(pixels)


def _shifted(pixels: Pixels, most_px: int, rng: np.random.Generator) -> Pixels:
    top, left = rng.integers(0, 2 * most_px + 1, 2)
    padded = np.pad(pixels, ((most_px, most_px), (most_px, most_px), (0, 0)), mode="reflect")
    return padded[top : top + len(pixels), left : left + pixels.shape[1]]


def _randaugmented(pixels: Pixels, count: int, magnitude: float, rng: np.random.Generator) -> Pixels:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    for choice in rng.integers(len(_OPERATIONS), size=count):
        image = _OPERATIONS[choice](image, magnitude * rng.choice((-1.0, 1.0)))
    return np.asarray(image)


def _cut_out(pixels: Pixels, side_px: int, rng: np.random.Generator) -> Pixels:
    height, width = pixels.shape[:2]
    y, x = rng.integers(0, height), rng.integers(0, width)
    top, left = max(0, y - side_px // 2), max(0, x - side_px // 2)
    cut = pixels.copy()
    cut[top : y + (side_px + 1) // 2, left : x + (side_px + 1) // 2] = _GREY
    return cut


def blended(images: Tensor, targets: Tensor, section: Augment, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A batch by mixup or cutmix, where the recipe has one: images `[N, C, H, W]`, targets `[N, classes]`.

    With both, each batch gets one of them.
    """
    kinds = [kind for kind, alpha in (("mixup", section.mixup), ("cutmix", section.cutmix)) if alpha]
    if not kinds:
        return images, targets
    kind = kinds[rng.integers(len(kinds))]
    others = torch.from_numpy(rng.permutation(len(images))).to(images.device)
    alpha = section.mixup if kind == "mixup" else section.cutmix
    share = float(rng.beta(alpha, alpha))
    if kind == "mixup":
        images = share * images + (1 - share) * images[others]
    else:
        images, share = _pasted(images, others, share, rng)
    return images, share * targets + (1 - share) * targets[others]


def _pasted(images: Tensor, others: Tensor, share: float, rng: np.random.Generator) -> tuple[Tensor, float]:
    """A rectangle of each other picture in each one, and what is left of the first by area."""
    height, width = images.shape[-2:]
    cut = (1 - share) ** 0.5
    y, x = rng.integers(height), rng.integers(width)
    top, bottom = max(0, int(y - cut * height / 2)), min(height, int(y + cut * height / 2))
    left, right = max(0, int(x - cut * width / 2)), min(width, int(x + cut * width / 2))
    mixed = images.clone()
    mixed[..., top:bottom, left:right] = images[others][..., top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)
