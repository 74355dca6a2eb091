"""Pictures are decoded once; changed files are noticed, broken ones named."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tiffs import FLOATS, Layout, tiff
from training.data.decoded import decoded, left_out, listing_key


def write_picture(path: Path, level: int, side_px: int = 12) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side_px, side_px), (level, 0, 255 - level)).save(path)
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [write_picture(tmp_path / f"{level}.png", level) for level in (10, 20, 30)]


def test_squares_in_the_order_of_the_files(tmp_path: Path, files: list[Path]) -> None:
    found = decoded([files[2], files[0]], 8, tmp_path / "cache")
    assert found.squares.shape == (2, 8, 8, 3)
    assert found.squares.dtype == np.uint8
    assert found.squares[:, 4, 4].tolist() == [[30, 0, 225], [10, 0, 245]]
    assert found.files == (files[2], files[0])
    assert found.places == (0, 1)
    assert found.contents == tuple(hashlib.sha1(each.read_bytes()).hexdigest() for each in found.files)  # noqa: S324


def test_they_are_decoded_once(tmp_path: Path, files: list[Path]) -> None:
    first = decoded(files, 8, tmp_path / "cache")
    stat = files[0].stat()
    files[0].write_bytes(b"x" * stat.st_size)  # nothing that a listing shows
    os.utime(files[0], ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert decoded(files, 8, tmp_path / "cache").squares.tolist() == first.squares.tolist()


def test_changed_files_and_other_sizes_are_decoded_again(tmp_path: Path, files: list[Path]) -> None:
    decoded(files, 8, tmp_path / "cache")
    assert decoded(files, 6, tmp_path / "cache").squares.shape == (3, 6, 6, 3)
    write_picture(files[1], 200)
    os.utime(files[1], (1, 1))
    changed = decoded(files, 8, tmp_path / "cache")
    assert changed.squares[1, 4, 4].tolist() == [200, 0, 55]


def test_broken_files_are_named_and_left_out(tmp_path: Path, files: list[Path]) -> None:
    whole = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(whole, "JPEG")
    cut, text, empty, gone = (tmp_path / name for name in ("cut.jpg", "text.png", "empty.png", "gone.png"))
    cut.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    text.write_text("no picture")
    empty.touch()
    found = decoded([cut, files[0], text, gone, files[1], empty], 8, tmp_path / "cache")
    assert found.places == (1, 4)
    assert found.squares[:, 4, 4, 0].tolist() == [10, 20]
    unreadable = "it cannot be read as a picture"
    assert found.broken == (
        (cut, unreadable), (text, unreadable), (gone, "it is not there"), (empty, unreadable),
    )  # fmt: skip


def test_files_are_read_as_the_service_reads_them(tmp_path: Path) -> None:
    """Turned once, whatever the container, with metadata of any size; a kind that would be shown wrongly is named."""
    upright = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    turned, large, floats = (tmp_path / name for name in ("turned.tif", "large.png", "floats.tif"))
    upright.transpose(Image.Transpose.ROTATE_90).save(turned, tiffinfo={274: 6})
    upright.save(large, icc_profile=bytes(3 << 20))
    floats.write_bytes(tiff(np.zeros((8, 8, 3)), Layout(32, FLOATS)))
    found = decoded([turned, large, floats], 8, tmp_path / "cache")
    assert found.squares.tolist() == [np.asarray(upright).tolist()] * 2
    assert "32-bit floating-point" in found.broken[0][1]


def test_nothing_at_all(tmp_path: Path) -> None:
    assert decoded([], 8, tmp_path / "cache").squares.shape == (0, 8, 8, 3)


def test_the_key_is_of_places_sizes_times_and_settings(files: list[Path]) -> None:
    key = listing_key(files, "8")
    assert listing_key(files, "8") == key
    files[0].write_bytes(files[0].read_bytes() + b" ")
    others = {listing_key(files, "8"), listing_key(files[::-1], "8"), listing_key(files[:2], "8")}
    files[0].unlink()
    others |= {listing_key(files, "8"), listing_key(files, "9")}
    assert len(others | {key}) == 6


def test_what_was_left_out_in_words() -> None:
    assert left_out([]) == ""
    assert left_out(["a.png was left out"]) == "; a.png was left out"
    assert left_out(["a.png was left out", "b", "c"]) == "; a.png was left out (and 2 more)"
