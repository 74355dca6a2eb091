"""Variations keep a picture's shape, type and range, leave the original alone, and repeat with their generator."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from training.data.augment_images import OPERATIONS, Pixels, blended, varied
from training.sections import Augment

SECTIONS = {
    "nothing": Augment(),
    "shift": Augment(shift_px=3),
    "shift further than the side": Augment(shift_px=40),
    "randaugment": Augment(randaugment=4, magnitude=1.0),
    "cutout": Augment(cutout_px=7),
    "all": Augment(shift_px=2, randaugment=2, cutout_px=5),
}


def picture(side_px: int = 16, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (side_px, side_px, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", SECTIONS)
def test_shape_type_original_and_generator(name: str) -> None:
    original = picture()
    before = original.copy()
    for seed in range(12):
        found = varied(original, SECTIONS[name], np.random.default_rng(seed))
        again = varied(original, SECTIONS[name], np.random.default_rng(seed))
        assert found.shape == original.shape
        assert found.dtype == np.uint8
        assert found.flags.c_contiguous
        assert found.tolist() == again.tolist()
    assert original.tolist() == before.tolist()


@pytest.mark.parametrize("name", [name for name in SECTIONS if name != "nothing"])
def test_it_varies(name: str) -> None:
    original = picture()
    found = {varied(original, SECTIONS[name], np.random.default_rng(seed)).tobytes() for seed in range(12)}
    assert len(found) > 1
    assert varied(original, Augment(), np.random.default_rng(0)).tolist() == original.tolist()


def test_a_picture_is_mirrored_where_that_is_asked() -> None:
    original = picture()
    found = varied(original, Augment(), np.random.default_rng(1), is_mirrored=True)
    assert found.tolist() == original[:, ::-1].tolist()
    assert found.flags.c_contiguous


def test_a_shift_moves_by_no_more_than_was_said() -> None:
    original, rng = picture(), np.random.default_rng(2)
    padded = np.pad(original, ((2, 2), (2, 2), (0, 0)), mode="reflect")
    places = {padded[y : y + 16, x : x + 16].tobytes(): (y, x) for y in range(5) for x in range(5)}
    seen = {places[varied(original, Augment(shift_px=2), rng).tobytes()] for _ in range(300)}
    assert seen == set(places.values())


def test_cutout_greys_a_square_of_the_side_or_what_of_it_is_inside() -> None:
    white, rng = np.full((16, 16, 3), 255, np.uint8), np.random.default_rng(3)
    sizes = set()
    for _ in range(200):
        cut = varied(white, Augment(cutout_px=5), rng)
        rows, columns = np.nonzero((cut != 255).any(-1))
        assert (cut[rows, columns] == 128).all()
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert len(rows) == height * width
        sizes.add((int(height), int(width)))
    assert max(sizes) == (5, 5)
    assert min(sizes) < (5, 5)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("strength", [-1.0, -0.3, 0.0, 0.3, 1.0])
def test_every_operation_gives_a_picture_of_the_same_size(name: str, strength: float) -> None:
    for side_px in (1, 8, 33):
        image = Image.fromarray(picture(side_px))
        found = OPERATIONS[name](image, strength)
        assert (found.size, found.mode) == (image.size, "RGB")


@pytest.mark.parametrize(
    "name", ["rotate", "shear x", "shear y", "translate x", "translate y", "brightness", "colour"]
)
def test_without_strength_nothing_happens(name: str) -> None:
    assert np.asarray(OPERATIONS[name](Image.fromarray(picture()), 0.0)).tolist() == picture().tolist()


def batch(count: int = 6) -> tuple[Tensor, Tensor]:
    images = torch.arange(count).float()[:, None, None, None].expand(count, 3, 10, 10).clone()
    return images, F.one_hot(torch.arange(count) % 3, 3).float()


@pytest.mark.parametrize("section", [Augment(mixup=0.4), Augment(cutmix=1.0), Augment(mixup=0.4, cutmix=1.0)])
def test_blended_targets_are_distributions(section: Augment) -> None:
    images, targets = batch()
    mixed_at_all = False
    for seed in range(20):
        mixed, blend = blended(images, targets, section, np.random.default_rng(seed))
        again = blended(images, targets, section, np.random.default_rng(seed))
        assert (mixed.shape, mixed.dtype) == (images.shape, images.dtype)
        assert torch.allclose(blend.sum(-1), torch.ones(len(blend)))
        assert blend.min() >= 0
        assert torch.equal(mixed, again[0])
        assert torch.equal(blend, again[1])
        mixed_at_all |= not torch.equal(mixed, images)
    assert mixed_at_all
    assert torch.equal(images, batch()[0])
    assert torch.equal(targets, batch()[1])


def test_without_blending_the_batch_stays() -> None:
    images, targets = batch()
    assert blended(images, targets, Augment(), np.random.default_rng(0)) == (images, targets)


@pytest.mark.parametrize("section", [Augment(mixup=1.0), Augment(cutmix=1.0)])
def test_targets_are_blended_as_much_as_the_pixels_are(section: Augment) -> None:
    """Pictures are of the value of their number, and targets their own number: means must agree."""
    images = torch.arange(8).float()[:, None, None, None].expand(8, 1, 20, 20).clone()
    targets = torch.eye(8)
    for seed in range(20):
        mixed, blend = blended(images, targets, section, np.random.default_rng(seed))
        wanted = blend @ torch.arange(8).float()
        assert torch.allclose(mixed.mean((1, 2, 3)), wanted, atol=1e-4)


def test_cutmix_pastes_a_rectangle() -> None:
    images = torch.arange(4).float()[:, None, None, None].expand(4, 1, 12, 12).clone()
    mixed, blend = blended(images, torch.eye(4), Augment(cutmix=1.0), np.random.default_rng(4))
    for number, each in enumerate(mixed[:, 0]):
        rows, columns = torch.nonzero(each != number, as_tuple=True)
        if len(rows):
            assert len(rows) == (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
            assert float(blend[number, number]) == pytest.approx(1 - len(rows) / 144)
