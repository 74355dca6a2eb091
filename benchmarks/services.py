"""Services under measurement: started on free ports, awaited, ended. What they are asked is not known here."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_server

import httpx

from service.settings import ENV_PREFIX

ROOT = Path(__file__).parent.parent
_PATIENCE_S = 120.0


@dataclass(frozen=True)
class Contender:
    """One service: its name, and how it is started on a port."""

    name: str
    command: list[str]
    environment: dict[str, str]


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    with create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def started(contender: Contender, is_ready: Callable[[], bool]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a service, from when `is_ready` says so; a connection that fails means that it is not."""
    settings = {f"{ENV_PREFIX}{name}": value for name, value in contender.environment.items()}
    environment = {**os.environ, **settings}
    with subprocess.Popen(contender.command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            _await(process, is_ready)
            yield process
        finally:
            process.terminate()
            process.wait(_PATIENCE_S)


def _await(process: subprocess.Popen[bytes], is_ready: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        try:
            if is_ready():
                return
        except (httpx.TransportError, OSError, RuntimeError):
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{process.args!r} does not answer")


def is_percept_ready(port: int) -> bool:
    """Whether every configured model is loaded."""
    return httpx.get(f"http://127.0.0.1:{port}/health/ready").status_code == httpx.codes.OK
