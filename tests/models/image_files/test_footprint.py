"""What an image takes is known before it is decoded: measured in a process of its own, image after image."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bombs import image_bombs

SIDE = 2_500
# Gives what was counted and what was taken, in bytes, of each file that it is asked to decode.
_MEASURE = """
import ctypes, json, os, sys
from pathlib import Path
from PIL import Image
from models.image_files.footprint import footprint
from models.image_files.opened import open_image
from models.manifest import ImagePreprocessing

def status(kind):
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith(kind)).split()[1]) * 1024

Image.init()
spec = ImagePreprocessing(resize_px=256, crop_px=224)
for path in map(Path, sys.argv[1:]):
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = status("VmRSS")
    with open_image(path) as opened:
        counted = footprint(opened, spec, path.stat().st_size)
        opened.square(spec)
    print(json.dumps([path.name, counted, status("VmHWM") - before]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it is measured as Linux counts")
def test_no_decoder_takes_more_than_is_counted(tmp_path: Path) -> None:
    for name, data in image_bombs(SIDE):
        (tmp_path / name).write_bytes(data)
    paths = sorted(str(path) for path in tmp_path.iterdir())
    command = [sys.executable, "-c", _MEASURE, *paths]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    measured = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(measured) == len(paths)
    assert not [each for each in measured if each[2] > each[1]]
    # and no wild guesses: an image is not refused for much more than it takes
    assert not [each for each in measured if each[1] > 2.5 * each[2] + (32 << 20)]
