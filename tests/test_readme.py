"""README.md runs: its `sh` blocks, in their order, against a service of this checkout, and the answers it prints.

A block in `sh` is a script. A `json` or `text` block right after it is what the script prints, compared loosely:
words, whole numbers and the shape must agree, fractions may differ, and `…` stands for anything. Commands that need
more than this checkout (a container engine, a clone) are listed here and only there left alone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from service.settings import Settings
from tests.served import missing_models, served

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
NOT_RUN = ("make", "git", "docker", "cd")  # each is proven elsewhere: by .ci/run, and by building the images
ANYTHING = "…"
_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FRACTION = re.compile(r"\d+\\\.\d+")


@dataclass(frozen=True)
class Block:
    """One script of the README, the line it begins on, and what it is said to print."""

    line: int
    script: str
    output: str | None

    @property
    def is_run(self) -> bool:
        """False where every command is one that is proven elsewhere."""
        lines = self.script.replace("\\\n", " ").splitlines()
        commands = {line.split()[0] for line in lines if line.strip() and not line.startswith("#")}
        return not commands <= set(NOT_RUN)


def blocks(markdown: str) -> Iterator[Block]:
    """The `sh` blocks of a document, each with the `json` or `text` block that follows it without words between."""
    fences = list(_FENCE.finditer(markdown))
    for fence, following in zip_longest(fences, fences[1:]):
        if fence[1] == "sh":
            is_output = following is not None and following[1] in {"json", "text"}
            adjacent = is_output and following is not None and not markdown[fence.end() : following.start()].strip()
            output = following[2] if adjacent and following is not None else None
            yield Block(markdown.count("\n", 0, fence.start()) + 1, fence[2], output)


def differences(expected: Any, actual: Any, where: str = "$") -> Iterator[str]:
    """Where two JSON values disagree, loosely: see the head of this file."""
    is_free = expected == ANYTHING or where.endswith(".variant")  # int8 where this processor replays it, else fp32
    if is_free or (isinstance(expected, float) and isinstance(actual, int | float)):
        return
    if isinstance(expected, dict) and isinstance(actual, dict):
        if expected.keys() != actual.keys():
            yield f"{where}: keys {sorted(expected)} != {sorted(actual)}"
        for key in expected.keys() & actual.keys():
            yield from differences(expected[key], actual[key], f"{where}.{key}")
    elif isinstance(expected, list) and isinstance(actual, list):
        yield from _list_differences(expected, actual, where)
    elif type(expected) is not type(actual) or expected != actual:
        yield f"{where}: {expected!r} != {actual!r}"


def _list_differences(expected: list[Any], actual: list[Any], where: str) -> Iterator[str]:
    is_open = expected[-1:] == [ANYTHING]
    wanted = expected[:-1] if is_open else expected
    if len(actual) < len(wanted) or (len(actual) > len(wanted) and not is_open):
        yield f"{where}: {len(wanted)} items != {len(actual)}"
    for i, (left, right) in enumerate(zip(wanted, actual, strict=False)):
        yield from differences(left, right, f"{where}[{i}]")


def disagreement(expected: str, actual: str) -> str | None:
    """None where a script printed what the README says, else the difference in words."""
    try:
        wanted = json.loads(expected)
    except ValueError:
        loose = _FRACTION.sub(r"\\d+\\.\\d+", re.escape(expected.strip())).replace(ANYTHING, ".*")
        return None if re.fullmatch(loose, actual.strip(), re.DOTALL) else f"{expected}\n!=\n{actual}"
    try:
        found = json.loads(actual)
    except ValueError:
        return f"no JSON: {actual}"
    return "; ".join(differences(wanted, found)) or None


def run(block: Block, base_url: str, trained_apart: dict[str, str]) -> str:
    """Run a script against the service; what it printed. What it trains lies apart from this checkout's own."""
    default = f"127.0.0.1:{Settings.model_fields['port'].default}"
    script = block.script
    for host in (default, default.replace("127.0.0.1", "localhost")):
        script = script.replace(f"http://{host}", base_url).replace(host, base_url.removeprefix("http://"))
    python = Path(sys.executable).parent  # `python` in a README means the environment's
    environment = {**os.environ, "PATH": f"{python}:{os.environ['PATH']}", **trained_apart}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace(".venv/bin/python", sys.executable)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"README.md:{block.line}: status {done.returncode}: {done.stderr}"
    return done.stdout


@pytest.mark.skipif(not shutil.which("curl"), reason="the README's examples use curl, which is not installed")
@pytest.mark.skipif(bool(missing_models()), reason=f"not exported yet: {missing_models()}; run `make models`")
def test_the_readme_runs(tmp_path: Path) -> None:
    runnable = [block for block in blocks(README.read_text("utf-8")) if block.is_run]
    assert runnable, "a README without an example"
    wrong = []
    apart = {"PERCEPT_ARTIFACTS": str(tmp_path / "artifacts"), "PERCEPT_RUNS": str(tmp_path / "runs")}
    with served() as service:
        for block in runnable:
            printed = run(block, service.url, apart)
            if block.output is not None and (words := disagreement(block.output, printed)):
                wrong.append(f"README.md:{block.line}: {words}")
    assert not wrong, "\n".join(wrong)


DOCUMENT = """
```sh
make serve
```
```sh
# classify
curl -s localhost:8000/x \\
  -F file=@a.jpg
```
```json
{"a": 1}
```
words
```sh
cd percept; pwd
true
```
and more words
```text
no output of the above
```
"""


def test_blocks_are_found_with_their_output() -> None:
    found = list(blocks(DOCUMENT))
    assert [(block.line, block.is_run) for block in found] == [(2, False), (5, True), (14, True)]
    assert [block.output for block in found] == [None, '{"a": 1}\n', None]


@pytest.mark.parametrize(
    ("expected", "actual", "agrees"),
    [
        ('{"a": 0.5, "b": [1, "x"]}', '{"a": 7, "b": [1, "x"]}', True),
        ('{"a": 1}', '{"a": 2}', False),
        ('{"a": true}', '{"a": 1}', False),
        ('{"a": "…"}', '{"a": {"any": "thing"}}', True),
        ('{"a": 1}', '{"a": 1, "b": 2}', False),
        ('{"a": 0.5}', '{"a": null}', False),
        ('["x"]', '["x", "y"]', False),
        ('["x", "…"]', '["x", "y", "z"]', True),
        ('{"a": 1}', "oops", False),
        ("took 1.5 s … end", "took 22.75 s and so on, end\n", True),
        ("took 1.5 s", "took 2 s", False),
        ("a+b", "aab", False),
    ],
)
def test_outputs_are_compared_loosely_but_compared(expected: str, actual: str, agrees: bool) -> None:
    assert (disagreement(expected, actual) is None) is agrees
