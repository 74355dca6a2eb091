"""A recogniser of private media reports to nobody: onnxruntime's telemetry stays off in every program of ours.

Loading onnxruntime leaves an id and a database below the home folder unless its environment says no first. So each
program runs here with an empty home folder, which must be empty afterwards.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

_SESSION = """
from service.onnx_runner import place
print(place("auto").provider)
"""
_EVERY_MODULE = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
assert "onnxruntime" in sys.modules, "nothing was proven"
"""


def run(home: Path, *arguments: str, **environment: str) -> list[Path]:
    """Run Python with these arguments and an empty home folder; what it left there."""
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(home), **environment}
    bare["MPLCONFIGDIR"] = str(home.with_name(f"{home.name}-fonts"))  # matplotlib's list of fonts is a cache
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=bare, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return [path for path in home.rglob("*") if path.is_file()]


def test_onnxruntime_would_leave_files_if_nobody_stopped_it(tmp_path: Path) -> None:
    """The tests below prove something only while this holds."""
    if not run(tmp_path, "-c", "import onnxruntime"):
        pytest.skip("this build of onnxruntime carries no telemetry")
    other = tmp_path / "other"
    other.mkdir()
    assert not run(other, "-c", "import onnxruntime", ORT_DISABLE_TELEMETRY="1")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("-c", _SESSION), id="a session of the service"),
        pytest.param(("-c", _EVERY_MODULE, "service"), id="every module of service"),
        pytest.param(("-c", _EVERY_MODULE, "training"), id="every module of training"),
        pytest.param(("-m", "training", "list"), id="python -m training list"),
    ],
)
def test_our_programs_leave_nothing_in_the_home_folder(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert not run(tmp_path, *arguments)


def test_the_image_says_no_as_well() -> None:
    """For whatever else is run in a container of ours."""
    assert "ORT_DISABLE_TELEMETRY=1" in (ROOT / "Dockerfile").read_text("utf-8")
