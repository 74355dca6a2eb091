"""What `make serve` promises beyond serving: one signal to make, and nothing is left behind."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.served import missing_models, served

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
# This interpreter serves, and nothing is installed or exported, whatever is out of date.
MAKE_SERVE = ("make", "--old-file=models", "serve", f"PY={sys.executable}")


@pytest.mark.skipif(bool(missing_models()), reason=f"not exported yet: {missing_models()}; run `make models`")
def test_a_signal_to_make_alone_stops_the_server() -> None:
    with served(MAKE_SERVE, status=-signal.SIGTERM) as service:
        assert httpx.get(f"{service.url}/health/live").status_code == 200
    with pytest.raises(httpx.ConnectError):  # no orphan listens
        httpx.get(f"{service.url}/health/live")


@pytest.mark.parametrize("target", ["help", "install", "models", "serve", "test", "check", "bench", "soak"])
def test_help_names_every_target(target: str) -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"  make {target} " in done.stdout


def test_an_unknown_runtime_is_refused_in_words() -> None:
    done = subprocess.run(["make", "help", "RUNTIME=tpu"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "RUNTIME=tpu is not known; take one of: cpu gpu openvino" in done.stderr
