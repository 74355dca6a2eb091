"""Freed memory is kept where the C library can, and nothing breaks where it cannot."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from typing import Any

import pytest

from training import allocator

_FAULTS = """
import resource, sys
from training.allocator import keep_freed_memory
import torch
if sys.argv[1] == "kept" and not keep_freed_memory():
    raise SystemExit(7)
torch.set_num_threads(1)
layers = [torch.nn.Conv2d(16, 16, 3, padding=1) for _ in range(3)]
network, pictures = torch.nn.Sequential(*layers), torch.ones(64, 16, 64, 64)  # 17 MB between two layers
for step in range(6):
    if step == 2:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    network(pictures).sum().backward()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    """Of four steps of a small network on large pictures, behind two."""
    done = subprocess.run([sys.executable, "-c", _FAULTS, how], capture_output=True, text=True, check=False)
    if done.returncode == 7:
        pytest.skip("this C library has no mallopt")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_a_step_does_not_pay_for_its_memory_again() -> None:
    assert page_faults("kept") * 4 < page_faults("fresh")


def test_another_c_library_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_: Any) -> object:
        return object()

    monkeypatch.setattr(ctypes, "CDLL", nothing)
    assert not allocator.keep_freed_memory()
