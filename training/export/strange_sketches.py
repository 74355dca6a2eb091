"""Pictures of nothing that a hand or a designer might make: line drawings, faces of a few strokes, icons.

Each function draws one, uint8 `[side, side, 3]`, by the random numbers that it is given. They are drawn large and
made smaller, so that lines are smooth.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]
Points = list[tuple[float, float]]
_CANVAS_PX = 512
_PAPERS: tuple[Colour, ...] = ((255, 255, 255), (250, 246, 232), (236, 236, 240), (28, 32, 40))


def line_drawing(rng: np.random.Generator, side_px: int) -> Pixels:
    """Outlines of some shapes and a few free strokes, in one ink on paper."""
    image, draw = _paper(rng)
    ink = _ink(rng, image)
    width = int(rng.integers(2, 12))
    for _ in range(int(rng.integers(2, 9))):
        draw.line(_outline(rng), fill=ink, width=width, joint="curve")
    for _ in range(int(rng.integers(0, 6))):
        draw.line(_stroke(rng), fill=ink, width=width, joint="curve")
    return _smaller(image, side_px)


def _outline(rng: np.random.Generator) -> Points:
    """A closed line: an ellipse, a polygon, or something lumpy."""
    corners = int(rng.choice([3, 4, 5, 6, 60]))
    angles = np.linspace(0, 2 * np.pi, corners + 1) + rng.uniform(0, 2 * np.pi)
    centre = rng.uniform(0.25, 0.75, 2) * _CANVAS_PX
    reach = rng.uniform(0.06, 0.38, 2) * _CANVAS_PX
    lumps = 1 + rng.uniform(0, 0.25) * np.sin(angles * rng.integers(2, 7))
    x, y = centre[0] + reach[0] * lumps * np.cos(angles), centre[1] + reach[1] * lumps * np.sin(angles)
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _stroke(rng: np.random.Generator) -> Points:
    """A smooth line that wanders."""
    steps = rng.normal(0, 1, (2, 40)).cumsum(axis=1).cumsum(axis=1)
    steps = (steps - steps.min(axis=1, keepdims=True)) / np.maximum(np.ptp(steps, axis=1, keepdims=True), 1e-9)
    span, corner = rng.uniform(0.2, 0.7, (2, 1)), rng.uniform(0, 0.3, (2, 1))
    x, y = (corner + span * steps) * _CANVAS_PX
    return list(zip(x.tolist(), y.tolist(), strict=True))


def drawn_face(rng: np.random.Generator, side_px: int) -> Pixels:
    """A head with eyes, a mouth and perhaps hair, filled or in outline."""
    image, draw = _paper(rng)
    ink, width = _ink(rng, image), int(rng.integers(3, 10))
    x, y = _CANVAS_PX * rng.uniform(0.42, 0.58, 2)
    wide, tall = _CANVAS_PX * rng.uniform(0.2, 0.38), _CANVAS_PX * rng.uniform(0.24, 0.4)
    skin = _colour(rng) if rng.random() < 0.6 else None
    if rng.random() < 0.6:
        draw.pieslice(_around(x, y - 0.2 * tall, 1.12 * wide, 1.05 * tall), 180, 360, fill=_colour(rng), outline=ink)
    draw.ellipse(_around(x, y, wide, tall), fill=skin, outline=ink, width=width)
    eye = wide * rng.uniform(0.08, 0.2)
    for side in (-1, 1):
        centre = x + side * 0.4 * wide, y - 0.15 * tall
        draw.ellipse(
            _around(*centre, eye, eye * rng.uniform(0.6, 1.4)), fill=(255, 255, 255), outline=ink, width=width
        )
        draw.ellipse(_around(*centre, eye * 0.45, eye * 0.45), fill=ink)
    draw.line([(x, y), (x - 0.1 * wide, y + 0.2 * tall), (x + 0.05 * wide, y + 0.2 * tall)], fill=ink, width=width)
    mouth = _around(x, y + 0.45 * tall, 0.4 * wide, rng.uniform(0.05, 0.25) * tall)
    begin = 0 if rng.random() < 0.7 else 180
    draw.arc(mouth, begin, begin + 180, fill=ink, width=width)
    return _smaller(image, side_px)


def icon(rng: np.random.Generator, side_px: int) -> Pixels:
    """A sign of a few plain shapes in one or two colours, on a plain ground or a rounded tile."""
    image, draw = _paper(rng)
    sign = _ink(rng, image)
    if rng.random() < 0.6:
        tile, edge = _colour(rng), _CANVAS_PX * rng.uniform(0.04, 0.2)
        box = (edge, edge, _CANVAS_PX - edge, _CANVAS_PX - edge)
        draw.rounded_rectangle(box, radius=_CANVAS_PX * rng.uniform(0.05, 0.45), fill=tile)
        sign = (255, 255, 255) if sum(tile) < 420 else (20, 20, 30)
    for number in range(int(rng.integers(1, 5))):
        fill = sign if number % 2 == 0 or rng.random() < 0.5 else _colour(rng)
        _SHAPES[int(rng.integers(len(_SHAPES)))](rng, draw, fill)
    return _smaller(image, side_px)


def _disc(rng: np.random.Generator, draw: ImageDraw.ImageDraw, fill: Colour) -> None:
    reach = _CANVAS_PX * rng.uniform(0.06, 0.28)
    draw.ellipse(_around(*_middle(rng), reach, reach), fill=fill)


def _ring(rng: np.random.Generator, draw: ImageDraw.ImageDraw, fill: Colour) -> None:
    reach = _CANVAS_PX * rng.uniform(0.12, 0.3)
    draw.ellipse(_around(*_middle(rng), reach, reach), outline=fill, width=int(reach * rng.uniform(0.1, 0.4)))


def _bar(rng: np.random.Generator, draw: ImageDraw.ImageDraw, fill: Colour) -> None:
    wide, tall = _CANVAS_PX * rng.uniform(0.03, 0.3, 2)
    draw.rounded_rectangle(_around(*_middle(rng), wide, tall), radius=min(wide, tall) * rng.uniform(0, 1), fill=fill)


def _star(rng: np.random.Generator, draw: ImageDraw.ImageDraw, fill: Colour) -> None:
    """A polygon, or a star where every second corner is drawn in: arrows, hearts and houses are of this kind."""
    corners = int(rng.integers(3, 9))
    angles = np.linspace(0, 2 * np.pi, 2 * corners, endpoint=False) + rng.uniform(0, np.pi)
    reach = _CANVAS_PX * rng.uniform(0.12, 0.32) * np.where(np.arange(2 * corners) % 2, rng.uniform(0.35, 1), 1)
    x, y = _middle(rng)
    draw.polygon([(x + r * np.cos(a), y + r * np.sin(a)) for r, a in zip(reach, angles, strict=True)], fill=fill)


def _strokes(rng: np.random.Generator, draw: ImageDraw.ImageDraw, fill: Colour) -> None:
    places = _CANVAS_PX * rng.uniform(0.25, 0.75, (int(rng.integers(2, 6)), 2))
    draw.line(
        [(x, y) for x, y in places.tolist()], fill=fill, width=int(_CANVAS_PX * rng.uniform(0.03, 0.1)), joint="curve"
    )


_SHAPES: tuple[Callable[[np.random.Generator, ImageDraw.ImageDraw, Colour], None], ...] = (
    _disc, _ring, _bar, _star, _strokes,
)  # fmt: skip


def _paper(rng: np.random.Generator) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    ground = _colour(rng) if rng.random() < 0.2 else _PAPERS[int(rng.integers(len(_PAPERS)))]
    image = Image.new("RGB", (_CANVAS_PX, _CANVAS_PX), ground)
    return image, ImageDraw.Draw(image)


def _ink(rng: np.random.Generator, image: Image.Image) -> Colour:
    """One that shows on the paper: mostly black or white."""
    is_dark = float(np.asarray(image.getpixel((0, 0))).mean()) < 128
    if rng.random() < 0.6:
        return (240, 240, 240) if is_dark else (15, 15, 20)
    red, green, blue = _colour(rng)
    return (red // 2 + 128, green // 2 + 128, blue // 2 + 128) if is_dark else (red // 2, green // 2, blue // 2)


def _colour(rng: np.random.Generator) -> Colour:
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return red, green, blue


def _middle(rng: np.random.Generator) -> tuple[float, float]:
    x, y = (_CANVAS_PX * rng.uniform(0.35, 0.65, 2)).tolist()
    return x, y


def _around(x: float, y: float, wide: float, tall: float) -> tuple[float, float, float, float]:
    return x - wide, y - tall, x + wide, y + tall


def _smaller(image: Image.Image, side_px: int) -> Pixels:
    return np.asarray(image.resize((side_px, side_px), Image.Resampling.LANCZOS), np.uint8)
