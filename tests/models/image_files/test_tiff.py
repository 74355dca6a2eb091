"""Every layout of a TIFF's samples is shown as it is meant, or refused by name; none is shown otherwise."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from models.image_files.opened import Upright, open_image
from models.image_files.tiff import read_directory
from models.image_files.unread import UnreadKind
from models.manifest import ImagePreprocessing
from models.preprocess import fit, upright_size
from tests.bombs import tag_bomb
from tests.tiffs import (
    ASSOCIATED,
    BLACK_IS_ZERO,
    CMYK,
    DEFLATE,
    FLOATS,
    LAB,
    PACKBITS,
    PALETTE,
    PLAIN,
    RGB,
    SIGNED,
    UNASSOCIATED,
    UNSIGNED,
    UNSPECIFIED,
    WHITE_IS_ZERO,
    YCBCR,
    Layout,
    tiff,
)

SIDE = 20
SPEC = ImagePreprocessing(resize_px=SIDE, crop_px=SIDE)
_TURNS = {
    1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}  # fmt: skip
_WAYS = [("<", PLAIN, 0), (">", PLAIN, 16), ("<", DEFLATE, 16), (">", DEFLATE, 0)]
_MORE = {YCBCR: {530: [1, 1]}}
Floats = NDArray[np.float64]


def read(data: bytes) -> Upright:
    with open_image(io.BytesIO(data)) as image:
        return image.square(SPEC)


def colours() -> Image.Image:
    """Smooth colours that differ in every corner."""
    x, y = np.meshgrid(np.linspace(20, 250, SIDE), np.linspace(20, 250, SIDE))
    return Image.fromarray(np.stack([x, y, 255 - (x + y) / 2], axis=2).astype(np.uint8))


def content(photometric: int) -> tuple[Floats, Floats]:
    """Stored values as fractions `[SIDE, SIDE, channels]`, and the RGB of 0…255 that they mean."""
    image = colours()
    grey = np.asarray(image.convert("L"))[..., None] / 255.0
    if photometric in {BLACK_IS_ZERO, WHITE_IS_ZERO}:
        return (1 - grey if photometric == WHITE_IS_ZERO else grey), np.repeat(grey * 255, 3, axis=2)
    mode = {RGB: "RGB", CMYK: "CMYK", YCBCR: "YCbCr", LAB: "LAB"}[photometric]
    stored = image.convert(mode)
    return np.asarray(stored) / 255.0, np.asarray(stored.convert("RGB")).astype(float)


def scaled(values: Floats, layout: Layout) -> Floats:
    if layout.format == FLOATS:
        return values
    top = (1 << (layout.bits - (layout.format == SIGNED))) - 1
    return np.rint(values * top) if layout.bits < 64 else np.minimum(np.rint(values * top), 2.0**62)


def meant(photometric: int, layout: Layout) -> tuple[Floats, Floats]:
    """What to store, and the RGB that a reader should show; alpha lies over white."""
    values, rgb = content(photometric)
    alpha = np.linspace(0.1, 1, SIDE)[None, :, None].repeat(SIDE, 0)
    if layout.extras:
        if layout.extras[0] == ASSOCIATED:
            values = values * alpha
        if layout.extras[0] in {ASSOCIATED, UNASSOCIATED}:
            rgb = rgb * alpha + 255 * (1 - alpha)
        values = np.concatenate([values, *[alpha] * len(layout.extras)], axis=2)
    return scaled(values, layout), rgb


def layouts() -> Iterator[Layout]:
    """All that the tags can say, but what cannot be: floats of a byte."""
    sizes = [(UNSIGNED, bits) for bits in (1, 2, 4, 8, 12, 16, 24, 32, 64)]
    sizes += [(SIGNED, bits) for bits in (8, 16, 32, 64)] + [(FLOATS, bits) for bits in (16, 32, 64)]
    extras = [(), (UNSPECIFIED,), (ASSOCIATED,), (UNASSOCIATED,), (UNASSOCIATED, UNSPECIFIED), (UNSPECIFIED,) * 2]
    for photometric, (form, bits) in product((WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK, YCBCR, LAB), sizes):
        for more, (order, compression, tile) in product(extras, _WAYS):
            for is_planar in [False, True] if more or photometric > BLACK_IS_ZERO else [False]:
                yield Layout(
                    bits, form, photometric, order, compression, more, is_planar, tile=tile,
                    more=_MORE.get(photometric, {}),
                )  # fmt: skip


def described(layout: Layout) -> str:
    parts = [f"{layout.bits}-bit", layout.format, layout.photometric, layout.order, layout.compression, layout.extras]
    return "-".join(str(each) for each in [*parts, "planar" * layout.planar, "tiles" * bool(layout.tile)])


def outcome(layout: Layout) -> str:
    stored, rgb = meant(layout.photometric, layout)
    try:
        got = read(tiff(stored, layout)).pixels.astype(float)
    except UnreadKind as error:
        assert str(layout.bits) in error.reason or "grey values" in error.reason
        return "refused"
    step = 255 / ((1 << min(layout.bits, 8)) - 1)
    off = np.abs(got - rgb).mean()
    return "right" if off < max(2.0, step / 2) else f"wrong by {off:.0f} levels"


@pytest.mark.parametrize("photometric", [WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK, YCBCR, LAB])
def test_no_layout_is_shown_wrongly_or_called_damaged(photometric: int) -> None:
    found = {described(each): outcome(each) for each in layouts() if each.photometric == photometric}
    assert len(found) > 300
    assert {name: result for name, result in found.items() if result not in {"right", "refused"}} == {}


_READ = [
    Layout(1, photometric=BLACK_IS_ZERO), Layout(1, photometric=WHITE_IS_ZERO), Layout(2, photometric=BLACK_IS_ZERO),
    Layout(4, photometric=WHITE_IS_ZERO), Layout(8, photometric=BLACK_IS_ZERO), Layout(12, photometric=BLACK_IS_ZERO),
    Layout(16, photometric=BLACK_IS_ZERO), Layout(16, photometric=WHITE_IS_ZERO), Layout(8), Layout(16),
    Layout(16, planar=True), Layout(16, planar=True, order=">"), Layout(16, extras=(UNASSOCIATED,), planar=True),
    Layout(8, photometric=BLACK_IS_ZERO, extras=(UNASSOCIATED,)),
    Layout(8, photometric=BLACK_IS_ZERO, extras=(ASSOCIATED,)),
    Layout(8, photometric=BLACK_IS_ZERO, extras=(UNSPECIFIED,), planar=True),
    Layout(8, extras=(ASSOCIATED,)), Layout(16, extras=(ASSOCIATED,)), Layout(8, photometric=CMYK),
    Layout(16, photometric=CMYK, planar=True), Layout(8, photometric=LAB),
    Layout(8, photometric=YCBCR, more=_MORE[YCBCR]),
    Layout(32, FLOATS, BLACK_IS_ZERO), Layout(32, FLOATS, BLACK_IS_ZERO, ">", DEFLATE),
    Layout(8, compression=PACKBITS), Layout(8, big=True), Layout(16, big=True),
]  # fmt: skip


_REVERSED = [
    Layout(1, photometric=BLACK_IS_ZERO), Layout(1, photometric=WHITE_IS_ZERO), Layout(2, photometric=BLACK_IS_ZERO),
    Layout(4, photometric=WHITE_IS_ZERO), Layout(8, photometric=BLACK_IS_ZERO), Layout(8, photometric=WHITE_IS_ZERO),
    Layout(16, photometric=BLACK_IS_ZERO), Layout(8), Layout(8, planar=True),
]  # fmt: skip


@pytest.mark.parametrize("layout", _READ, ids=described)
def test_what_cameras_and_programs_write_is_read(layout: Layout) -> None:
    assert outcome(layout) == "right"


@pytest.mark.parametrize("compression", [PLAIN, DEFLATE, PACKBITS])
@pytest.mark.parametrize("layout", _REVERSED, ids=described)
def test_bytes_with_their_bits_in_reverse_are_read(layout: Layout, compression: int) -> None:
    assert outcome(replace(layout, compression=compression, fill_order=2)) == "right"


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("compression", [PLAIN, DEFLATE])
@pytest.mark.parametrize("fill_order", [1, 2])
def test_a_palette_is_resolved(bits: int, compression: int, fill_order: int) -> None:
    entries = 1 << bits
    palette = np.arange(3 * entries).reshape(3, entries) * 255 // (3 * entries)
    indices = np.arange(SIDE * SIDE).reshape(SIDE, SIDE, 1) % entries
    layout = Layout(
        bits, photometric=PALETTE, compression=compression, fill_order=fill_order,
        more={320: (palette.ravel() * 257).tolist()},
    )  # fmt: skip
    np.testing.assert_array_equal(read(tiff(indices, layout)).pixels, palette.T[indices[..., 0]])


@pytest.mark.parametrize("top", [1.0, 1.3, 255.0, 255.4, 4_095.0, 65_535.0])
def test_the_scale_of_floats_is_told_by_their_values(top: float) -> None:
    values, rgb = content(BLACK_IS_ZERO)
    got = read(tiff(values * top, Layout(32, FLOATS, BLACK_IS_ZERO))).pixels
    white = {1.3: 1.0, 255.4: 255.0, 4_095.0: 65_535.0}.get(top, top)
    np.testing.assert_allclose(got.astype(float), np.clip(rgb * top / white, 0, 255), atol=3)


@pytest.mark.parametrize("low_high", [(-1.0, 1.0), (0.0, 70_000.0), (-3e38, 3e38), (-2_000.0, 3_000.0)])
def test_values_without_a_scale_are_refused(low_high: tuple[float, float]) -> None:
    values = np.linspace(*low_high, SIDE * SIDE).reshape(SIDE, SIDE, 1)
    with pytest.raises(UnreadKind, match="grey values from"):
        read(tiff(values, Layout(32, FLOATS, BLACK_IS_ZERO)))


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (Layout(32, FLOATS), r"32-bit floating-point samples \(RGB\)"),
        (Layout(64, photometric=BLACK_IS_ZERO), r"64-bit unsigned samples \(grey\)"),
        (Layout(16, photometric=BLACK_IS_ZERO, extras=(UNASSOCIATED,)), r"16-bit unsigned .*grey and 1 more"),
        (Layout(8, more={259: [34887]}), "compression 34887"),
        (Layout(8, big=True, order=">"), "BigTIFF"),
        (Layout(16, photometric=32803), "colour filter array"),
        (Layout(8, photometric=4_711), "interpretation 4711"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)  # fmt: skip
def test_a_refusal_names_the_kind(layout: Layout, words: str) -> None:
    channels = 3 if layout.photometric == RGB else 1 + len(layout.extras)
    with pytest.raises(UnreadKind, match=words):
        read(tiff(np.zeros((SIDE, SIDE, channels)), layout))


def _turned(value: int) -> Image.Image:
    wide = colours().crop((0, 0, SIDE, SIDE // 2))
    turn = _TURNS[value]
    return wide if turn is None else wide.transpose(turn)


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize(
    "compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group3", "group4"]
)
def test_an_orientation_is_undone_once_whatever_the_codec(value: int, compression: str) -> None:
    stored = _turned(value)
    plain = _turned(1)
    if compression.startswith("group"):
        stored, plain = (each.convert("L").point(lambda level: 255 * (level > 120)) for each in (stored, plain))
        stored = stored.convert("1")
    quality = {"quality": 95} if compression == "jpeg" else {}
    buffer = io.BytesIO()
    stored.save(buffer, "TIFF", compression=compression, tiffinfo={274: value}, **quality)
    _assert_upright(buffer.getvalue(), plain)


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("is_planar", [False, True])
@pytest.mark.parametrize("tile", [0, 16])
@pytest.mark.parametrize("is_big", [False, True])
def test_an_orientation_is_undone_once_however_the_samples_lie(
    value: int, is_planar: bool, tile: int, is_big: bool
) -> None:
    layout = Layout(planar=is_planar, tile=tile, big=is_big, compression=DEFLATE, more={274: [value]})
    _assert_upright(tiff(np.asarray(_turned(value)), layout), _turned(1))


def _assert_upright(data: bytes, plain: Image.Image) -> None:
    got = read(data)
    assert (got.width, got.height) == plain.size
    np.testing.assert_allclose(got.pixels.astype(int), fit(plain.convert("RGB"), SPEC), atol=8)
    with Image.open(io.BytesIO(data)) as image:
        assert upright_size(image) == plain.size


@given(place=st.integers(0), value=st.integers(0, 255), cut=st.integers(0, 200))
def test_a_damaged_directory_never_raises(place: int, value: int, cut: int) -> None:
    data = bytearray(tiff(np.zeros((8, 8, 3)), Layout()))
    data[place % len(data)] = value
    directory = read_directory(io.BytesIO(bytes(data[: len(data) - cut])))
    if directory is not None:
        assert directory.kind.startswith("a TIFF")
        assert directory.piece_pixels >= 0
        directory.why_unread()


def test_tags_that_share_their_values_are_refused() -> None:
    """A megabyte becomes gigabytes in libtiff, which keeps what it does not know."""
    with pytest.raises(OSError, match="tags"), open_image(io.BytesIO(tag_bomb(2_000, 1_000_000))):
        pass
    with open_image(io.BytesIO(tag_bomb(1, 1_000_000))) as opened:
        assert opened.square(SPEC).width == 8
