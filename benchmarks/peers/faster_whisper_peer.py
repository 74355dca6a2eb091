"""faster-whisper 1.2.1 as a peer: its own environment, the same weights, a process that is asked line by line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from training.export.whisper import BASE, CONFIGURATION, TOKENIZER, VOCABULARY

VERSION = "1.2.1"
_LINES = Path(__file__).parent / "whisper_lines.py"


@dataclass(frozen=True)
class Heard:
    """What one recording was taken for, and in how many seconds."""

    text: str
    seconds: float


Ask = Callable[[Path, str, str, int], Heard]
"""Of a file, its language, a prompt and a beam size."""


def interpreter(cache: Path) -> Path:
    """Python of the peer's environment in the cache, which is made where it is missing."""
    environment = cache / "peers" / f"faster-whisper-{VERSION}"
    python = environment / "bin" / "python"
    if not (environment / ".complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", f"faster-whisper=={VERSION}"], check=True)
        (environment / ".complete").touch()
    return python


@contextmanager
def running(cache: Path, threads: int) -> Iterator[Ask]:
    """The peer's process; weights come from the exporter's cache, fetched first where needed."""
    assert BASE.weights is not None  # noqa: S101 - the base is pinned
    weights = BASE.weights.fetch(cache).path
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(weights, Path(folder) / "model.bin")
        for source, name in (
            (CONFIGURATION, "config.json"),
            (TOKENIZER, "tokenizer.json"),
            (VOCABULARY, "vocabulary.txt"),
        ):
            (Path(folder) / name).write_bytes(source.read(cache))
        command = [str(interpreter(cache)), str(_LINES), folder, str(threads)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            yield _asking(process)
            assert process.stdin is not None  # noqa: S101 - asked for as a pipe
            process.stdin.close()


def _asking(process: subprocess.Popen[str]) -> Ask:
    def ask(path: Path, language: str, prompt: str, beam_size: int) -> Heard:
        assert process.stdin is not None  # noqa: S101 - both were asked for as pipes
        assert process.stdout is not None  # noqa: S101
        asked = {"path": str(path), "language": language, "prompt": prompt, "beam_size": beam_size}
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        return Heard(answer["text"], answer["seconds"])

    return ask
