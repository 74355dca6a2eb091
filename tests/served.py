"""The service as users run it: `python -m service` in a process of its own, on a free port, until the test ends."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from socket import create_server
from typing import IO

import httpx

from models.store import Store
from service.settings import Settings, read_settings

ROOT = Path(__file__).parent.parent
SERVE = (sys.executable, "-m", "service")
_PATIENCE_S = 60.0


def missing_models() -> list[str]:
    """Default models that were not exported; the tests that serve them cannot run."""
    store = Store(read_settings().artifacts)
    return [name for name in Settings.model_fields["models"].default if not store.versions(name)]


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    with create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Served:
    """A running service: its base URL, and its process, so that tests see what is left behind."""

    url: str
    pid: int

    @property
    def threads(self) -> int:
        """Threads of the process."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    @property
    def open_files(self) -> set[str]:
        """Regular files that the process holds open, deleted ones included."""
        links = (self._link(each) for each in Path(f"/proc/{self.pid}/fd").iterdir())
        return {link for link in links if link.startswith("/") and not link.startswith("/dev/")}

    @staticmethod
    def _link(path: Path) -> str:
        try:
            return str(path.readlink())
        except FileNotFoundError:  # closed meanwhile
            return ""

    def memory_mb(self, kind: str = "VmRSS") -> float:
        """Resident memory in MB (10^6 bytes) now, or at its highest (`VmHWM`)."""
        status = Path(f"/proc/{self.pid}/status").read_text("ascii")
        line = next(line for line in status.splitlines() if line.startswith(kind))
        return int(line.split()[1]) * 1024 / 1e6

    def metric(self, name: str) -> float:
        """A metric's samples, summed over its labels."""
        lines = httpx.get(f"{self.url}/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))


@contextmanager
def served(
    command: tuple[str, ...] = SERVE,
    status: int = 0,
    awaited: str = "/health/ready",
    kept_log: IO[str] | None = None,
    tls: ssl.SSLContext | None = None,
    **settings: str,
) -> Iterator[Served]:
    """Serve with the default settings, or these (`models="…"` is PERCEPT_MODELS); gives it once it is ready.

    Ready is where `awaited` answers 200; where the settings ask for TLS, `tls` is what a client believes. Afterwards
    the command gets SIGTERM, and must end with this status within a minute; what it said is in `kept_log` then, a
    file open for reading and writing, at its beginning.
    """
    port = free_port()
    given = {f"PERCEPT_{name.upper()}": value for name, value in {"port": str(port), **settings}.items()}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **given}
    with tempfile.TemporaryFile("w+") as own_log, ExitStack() as ends:
        log = kept_log or own_log
        process = ends.enter_context(_started(command, environment, log))
        try:
            url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
            _await_readiness(process, url + awaited, log, tls)
            yield Served(url, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_PATIENCE_S)
        assert process.returncode == status, _text(log)
        log.seek(0)


def _started(command: tuple[str, ...], environment: dict[str, str], log: IO[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, text=True)


def _await_readiness(
    process: subprocess.Popen[str], url: str, log: IO[str], tls: ssl.SSLContext | None = None
) -> None:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        with suppress(httpx.TransportError):
            if httpx.get(url, verify=tls or True).status_code == HTTPStatus.OK:
                return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            raise AssertionError(f"the service ended with status {process.returncode}: {_text(log)}")
    raise AssertionError(f"not ready within {_PATIENCE_S} s: {_text(log)}")


def _text(log: IO[str]) -> str:
    log.seek(0)
    return log.read()
