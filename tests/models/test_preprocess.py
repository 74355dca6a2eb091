"""Any stored picture becomes the same square."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.manifest import ImagePreprocessing
from models.preprocess import draft, fit, to_rgb, upright_size

SPEC = ImagePreprocessing(resize_px=256, crop_px=224)
_TURNS = {
    1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}  # fmt: skip


def scene(width: int = 400, height: int = 300) -> Image.Image:
    """Smooth colours that differ in every corner."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, (x + y) / 2], axis=2).astype(np.uint8))


def reference(image: Image.Image, spec: ImagePreprocessing) -> np.ndarray:
    """The recipe as it is usually written: resize all, then crop."""
    scale = spec.resize_px / min(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    whole = image.resize(size, Image.Resampling.BICUBIC)
    left, top = (size[0] - spec.crop_px) // 2, (size[1] - spec.crop_px) // 2
    return np.asarray(whole.crop((left, top, left + spec.crop_px, top + spec.crop_px)))


@given(width=st.integers(100, 700), height=st.integers(100, 700))
def test_it_is_the_usual_recipe(width: int, height: int) -> None:
    image = scene(width, height)
    difference = np.abs(fit(image, SPEC).astype(int) - reference(image, SPEC))
    assert difference.mean() < 1.5


@given(width=st.integers(1, 60), height=st.integers(1, 60))
def test_any_size_gives_the_square(width: int, height: int) -> None:
    assert fit(scene(width, height), SPEC).shape == (224, 224, 3)


@pytest.mark.parametrize("value", range(1, 9))
def test_exif_orientation_is_undone(value: int) -> None:
    turn = _TURNS[value]
    stored = scene() if turn is None else scene().transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = value
    buffer = io.BytesIO()
    stored.save(buffer, "PNG", exif=exif)
    with Image.open(buffer) as image:
        assert upright_size(image) == (400, 300)
        np.testing.assert_allclose(fit(image, SPEC).astype(int), fit(scene(), SPEC), atol=3)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_senseless_orientations_are_upright(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    buffer = io.BytesIO()
    scene().save(buffer, "PNG", exif=exif)
    with Image.open(buffer) as image:
        assert upright_size(image) == (400, 300)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "YCbCr", "HSV", "LAB", "1", "LA", "I", "I;16", "F", "PA"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    grey = Image.new("L", (20, 20), 120)
    if mode.startswith("I"):
        image = Image.fromarray(np.full((20, 20), 120 * 257, np.uint16 if ";" in mode else np.int32))
    elif mode == "F":
        image = Image.fromarray(np.full((20, 20), 120 / 255, np.float32))
    else:
        source = grey.convert("RGB") if mode in ("HSV", "LAB", "PA", "CMYK", "YCbCr") else grey
        image = source.quantize(4).convert("PA") if mode == "PA" else source.convert(mode)
    rgb = to_rgb(image)
    assert rgb.mode == "RGB"
    if mode not in ("HSV", "LAB", "1"):
        np.testing.assert_allclose(np.asarray(rgb).astype(int), 120, atol=26 if mode in ("P", "PA") else 3)


def test_alpha_lies_over_white() -> None:
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert np.asarray(to_rgb(clear)).min() == 255


def test_a_transparent_palette_lies_over_white() -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([0, 0, 0] * 256)
    image.info["transparency"] = 0
    assert np.asarray(to_rgb(image)).min() == 255


def test_the_input_is_not_changed() -> None:
    image = scene()
    before = image.tobytes()
    fit(image, SPEC)
    assert image.tobytes() == before


def test_a_large_jpeg_is_scaled_while_it_is_decoded_and_looks_the_same() -> None:
    buffer = io.BytesIO()
    scene(4000, 3000).save(buffer, "JPEG", quality=95)
    with Image.open(buffer) as small, Image.open(buffer) as whole:
        draft(small, SPEC)
        assert min(small.size) < 3000
        assert min(small.size) >= 256
        assert np.abs(fit(small, SPEC).astype(int) - fit(whole, SPEC)).mean() < 2


@pytest.mark.parametrize("size", [(20_000, 300), (300, 20_000)])
def test_of_a_strip_only_the_middle_is_looked_at(size: tuple[int, int]) -> None:
    middle, far = scene(600, 600), Image.new("RGB", size, "red")
    far.paste(middle, ((size[0] - 600) // 2, (size[1] - 600) // 2))
    other = Image.new("RGB", size, "blue")
    other.paste(middle, ((size[0] - 600) // 2, (size[1] - 600) // 2))
    np.testing.assert_array_equal(fit(far, SPEC), fit(other, SPEC))


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "nearest"])
def test_a_plain_colour_stays_what_it_is(interpolation: str) -> None:
    spec = ImagePreprocessing.model_validate({"resize_px": 40, "crop_px": 32, "interpolation": interpolation})
    square = fit(Image.new("RGB", (123, 77), (10, 200, 30)), spec)
    assert np.unique(square.reshape(-1, 3), axis=0).tolist() == [[10, 200, 30]]


def test_16_bits_are_scaled_and_not_cut() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    for order in ("<u2", ">u2"):
        grey = np.asarray(to_rgb(Image.fromarray(ramp.astype(order))))[..., 0]
        np.testing.assert_allclose(grey, ramp / 257, atol=0.51)


def test_floats_that_are_no_numbers_become_black_or_white() -> None:
    image = Image.fromarray(np.array([[np.nan, np.inf, -np.inf, 0.5]], np.float32))
    assert np.asarray(to_rgb(image))[0, 0].tolist() == [0, 0, 0]
    assert np.asarray(to_rgb(image))[0, 1].tolist() == [255, 255, 255]


def test_half_clear_is_half_white() -> None:
    assert np.asarray(to_rgb(Image.new("RGBA", (2, 2), (0, 0, 0, 128))))[0, 0].tolist() == [127, 127, 127]


def test_other_formats_are_not_drafted() -> None:
    image = scene(1200, 900)
    draft(image, SPEC)
    assert image.size == (1200, 900)


def at_once(image: Image.Image, spec: ImagePreprocessing) -> np.ndarray:
    """What `fit` gives of a square image, without pieces."""
    side = image.width * spec.crop_px / spec.resize_px
    edge = (image.width - side) / 2
    size = (spec.crop_px, spec.crop_px)
    resampling = Image.Resampling[spec.interpolation.upper()]
    return np.asarray(to_rgb(image).resize(size, resampling, box=(edge, edge, edge + side, edge + side)))


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "nearest"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "I", "CMYK"])
def test_pieces_make_the_same_square_as_the_whole(interpolation: str, mode: str) -> None:
    spec = ImagePreprocessing.model_validate({"resize_px": 64, "crop_px": 56, "interpolation": interpolation})
    noise = np.random.default_rng(7).integers(0, 256, (611, 611, 4), np.uint8)
    image = Image.fromarray(noise).convert("L" if mode == "I" else mode)
    if mode == "I":
        image = Image.fromarray(np.asarray(image).astype(np.int32) * 257)
    np.testing.assert_array_equal(fit(image, spec), at_once(image, spec))


def test_what_lies_outside_of_the_frame_is_white() -> None:
    image = Image.new("P", (700, 700))
    image.putpalette([200, 10, 30])
    whole = Image.new("RGB", image.size, "white")
    whole.paste(image.convert("RGB").crop((100, 50, 400, 690)), (100, 50))
    np.testing.assert_array_equal(fit(image, SPEC, frame=(100, 50, 400, 690)), fit(whole, SPEC))
