"""Pictures of nothing that are made to be read: text, plots, tables.

Each function draws one, uint8 `[side, side, 3]`, by the random numbers that it is given. Letters come from the font
that Pillow carries; other scripts are imitated by strokes, since no font for them is there everywhere.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]
_CANVAS_PX = 512
_LETTERS = "eeettaaooinnshrdlucmfwypvbgkqjxz"
_GROUNDS: tuple[tuple[Colour, Colour], ...] = (
    ((255, 255, 255), (20, 20, 20)),
    ((248, 244, 230), (60, 40, 30)),
    ((24, 26, 32), (225, 225, 225)),
    ((0, 60, 120), (255, 255, 255)),
    ((255, 225, 60), (0, 0, 0)),
)


def latin_text(rng: np.random.Generator, side_px: int) -> Pixels:
    """Lines of words that mean nothing, as on a page, a screen or a sign."""
    image, draw, ink = _ground(rng)
    size_px = int(rng.choice([14, 18, 24, 36, 64, 110]))
    font = ImageFont.load_default(size_px)
    left, y = int(rng.integers(5, 60)), int(rng.integers(5, 60))
    while y < _CANVAS_PX - size_px:
        words = [_word(rng) for _ in range(int(rng.integers(1, 2 + 700 // (size_px * 4))))]
        draw.text((left, y), " ".join(words), fill=ink, font=font)
        y += int(size_px * (1.35 if rng.random() < 0.85 else 2.4))
    return _smaller(image, side_px)


def _word(rng: np.random.Generator) -> str:
    letters = "".join(rng.choice(list(_LETTERS), int(rng.integers(1, 11))))
    kind = rng.random()
    if kind < 0.1:
        return str(int(rng.integers(0, 10_000)))
    return letters.upper() if kind < 0.2 else letters.capitalize() if kind < 0.35 else letters


def square_script(rng: np.random.Generator, side_px: int) -> Pixels:
    """Rows of characters of a few strokes in a square each, as Chinese, Japanese and Korean are set."""
    image, draw, ink = _ground(rng)
    size_px = int(rng.choice([22, 32, 48, 80, 150]))
    for top in range(size_px // 2, _CANVAS_PX - size_px, int(size_px * 1.25)):
        for left in range(size_px // 2, _CANVAS_PX - size_px, int(size_px * 1.08)):
            if rng.random() < 0.93:
                _character(rng, draw, (left, top, size_px), ink)
    return _smaller(image, side_px)


def _character(rng: np.random.Generator, draw: ImageDraw.ImageDraw, place: tuple[int, int, int], ink: Colour) -> None:
    left, top, size_px = place
    width = max(1, size_px // 14)
    for _ in range(int(rng.integers(3, 11))):
        kind, (a, b, c) = int(rng.integers(4)), rng.uniform(0, 0.9, 3).tolist()
        ends = {
            0: (min(a, b), c, max(a, b), c),
            1: (c, min(a, b), c, max(a, b)),
            2: (a, b, max(0.0, a - 0.3), b + 0.4),
        }
        x1, y1, x2, y2 = ends.get(kind, (a, b, min(0.95, a + 0.35), b + 0.3))
        draw.line([(left + x1 * size_px, top + y1 * size_px), (left + x2 * size_px, top + y2 * size_px)], ink, width)


def joined_script(rng: np.random.Generator, side_px: int) -> Pixels:
    """Lines of joined strokes with dots and marks, as handwriting, Arabic and Indian scripts look from afar."""
    image, draw, ink = _ground(rng)
    size_px = int(rng.choice([16, 26, 44, 80]))
    has_bar = rng.random() < 0.3
    for y in range(size_px, _CANVAS_PX - size_px, int(size_px * 1.7)):
        x = float(rng.integers(10, 60))
        while x < _CANVAS_PX - 3 * size_px:
            x = _joined_word(rng, draw, (x, y, size_px), (ink, has_bar))
    return _smaller(image, side_px)


def _joined_word(
    rng: np.random.Generator,
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float, int],
    look: tuple[Colour, bool],
) -> float:
    """Draw one; gives where the next may begin."""
    (x, y, size_px), (ink, has_bar) = place, look
    width = max(1, size_px // 10)
    length = size_px * rng.uniform(1, 4)
    steps = np.linspace(0, 1, 30)
    heights = np.convolve(rng.normal(0, 1, 30), np.hanning(5), "same")
    line = [(x + length * t, y + 0.35 * size_px * h) for t, h in zip(steps.tolist(), heights.tolist(), strict=True)]
    draw.line(line, ink, width, joint="curve")
    if has_bar:
        draw.line([(x, y - 0.5 * size_px), (x + length, y - 0.5 * size_px)], ink, width)
    for _ in range(int(rng.integers(0, 4))):
        dot_x, dot_y = x + length * rng.random(), y + size_px * rng.choice([-0.6, 0.6])
        draw.ellipse((dot_x, dot_y, dot_x + 1.5 * width, dot_y + 1.5 * width), fill=ink)
    return float(x + length + size_px * rng.uniform(0.3, 0.8))


def plot(rng: np.random.Generator, side_px: int) -> Pixels:
    """Axes with lines, bars, dots, or a pie, and words beside them."""
    image = Image.new("RGB", (_CANVAS_PX, _CANVAS_PX), (255, 255, 255) if rng.random() < 0.8 else (30, 30, 36))
    draw = ImageDraw.Draw(image)
    ink = (60, 60, 60) if image.getpixel((0, 0)) == (255, 255, 255) else (210, 210, 210)
    kinds: tuple[Callable[[np.random.Generator, ImageDraw.ImageDraw], None], ...] = (_lines, _bars, _dots, _pie)
    kind = int(rng.integers(len(kinds)))
    if kind < 3:
        _axes(rng, draw, ink)
    kinds[kind](rng, draw)
    draw.text((150, 12), f"{_word(rng)} {_word(rng)}", fill=ink, font=ImageFont.load_default(24))
    return _smaller(image, side_px)


def _axes(rng: np.random.Generator, draw: ImageDraw.ImageDraw, ink: Colour) -> None:
    font = ImageFont.load_default(16)
    draw.line([(60, 50), (60, 450), (480, 450)], ink, 3)
    is_ruled = rng.random() < 0.5
    for each in range(1, 6):
        y, x = 450 - 75 * each, 60 + 78 * each
        draw.text((18, y - 8), str(each * 20), fill=ink, font=font)
        draw.text((x - 12, 458), str(2000 + each), fill=ink, font=font)
        if is_ruled:
            draw.line([(60, y), (480, y)], (190, 190, 190), 1)


def _lines(rng: np.random.Generator, draw: ImageDraw.ImageDraw) -> None:
    for _ in range(int(rng.integers(1, 5))):
        heights = 250 + rng.normal(0, 1, 50).cumsum() * 20
        points = [(60 + 8.4 * i, float(np.clip(y, 55, 445))) for i, y in enumerate(heights.tolist())]
        draw.line(points, _colour(rng), int(rng.integers(2, 6)))


def _bars(rng: np.random.Generator, draw: ImageDraw.ImageDraw) -> None:
    count = int(rng.integers(3, 14))
    step, colour = 400 / count, _colour(rng)
    for each in range(count):
        left = 70 + step * each
        fill = colour if rng.random() < 0.8 else _colour(rng)
        draw.rectangle((left, 450 - rng.uniform(20, 380), left + 0.7 * step, 450), fill=fill)


def _dots(rng: np.random.Generator, draw: ImageDraw.ImageDraw) -> None:
    for _ in range(int(rng.integers(1, 4))):
        colour, centre = _colour(rng), rng.uniform(130, 390, 2)
        for x, y in (centre + rng.normal(0, rng.uniform(15, 70), (60, 2))).tolist():
            draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=colour)


def _pie(rng: np.random.Generator, draw: ImageDraw.ImageDraw) -> None:
    ends = np.concatenate([[0], rng.dirichlet(np.ones(int(rng.integers(2, 8)))).cumsum() * 360])
    for begin, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        draw.pieslice((90, 80, 430, 420), begin, end, fill=_colour(rng))


def table(rng: np.random.Generator, side_px: int) -> Pixels:
    """Rows and columns of words and numbers, some on coloured ground, as in forms and on screens."""
    image, draw, ink = _ground(rng)
    rows, columns = int(rng.integers(4, 22)), int(rng.integers(2, 8))
    height, width = (_CANVAS_PX - 40) / rows, (_CANVAS_PX - 40) / columns
    font = ImageFont.load_default(max(8, min(24, int(0.6 * height))))
    for row in range(rows):
        for column in range(columns):
            left, top = 20 + column * width, 20 + row * height
            fill = _colour(rng) if rng.random() < 0.06 else None
            draw.rectangle((left, top, left + width, top + height), fill=fill, outline=(150, 150, 150))
            draw.text((left + 4, top + 2), _word(rng)[: int(width / 10)], fill=ink, font=font)
    return _smaller(image, side_px)


def _ground(rng: np.random.Generator) -> tuple[Image.Image, ImageDraw.ImageDraw, Colour]:
    paper, ink = _GROUNDS[int(rng.integers(len(_GROUNDS)))]
    image = Image.new("RGB", (_CANVAS_PX, _CANVAS_PX), paper)
    return image, ImageDraw.Draw(image), ink


def _colour(rng: np.random.Generator) -> Colour:
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return red, green, blue


def _smaller(image: Image.Image, side_px: int) -> Pixels:
    return np.asarray(image.resize((side_px, side_px), Image.Resampling.LANCZOS), np.uint8)
