"""nginx with the repository's configuration, before instances that a test names.

Only what belongs to the machine is changed: ports, folders, the user, and the instances in place of Docker's name.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection
from typing import Any

import pytest

from tests.served import ROOT, free_port

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (on Debian: apt install nginx)")
_PATIENCE_S = 10.0
_TEMPORARY = ("proxy", "fastcgi", "uwsgi", "scgi")


@dataclass(frozen=True)
class Proxy:
    """A running nginx: where it listens, and what it wrote."""

    port: int
    tls_port: int
    folder: Path

    @property
    def url(self) -> str:
        """Of the port without TLS."""
        return f"http://127.0.0.1:{self.port}"

    def log(self, count: int) -> list[dict[str, Any]]:
        """So many lines of the access log, each an object; a line may come a moment after its answer."""
        end = time.monotonic() + _PATIENCE_S
        while len(lines := (self.folder / "access.log").read_text("utf-8").splitlines()) < count:
            assert time.monotonic() < end, f"{len(lines)} lines instead of {count}"
            time.sleep(0.01)
        return [json.loads(line) for line in lines]

    def words(self) -> str:
        """All that it wrote, errors too."""
        return "".join((self.folder / name).read_text("utf-8") for name in ("access.log", "error.log"))


@contextmanager
def proxied(folder: Path, instances: Sequence[str], top: str = "nginx.conf") -> Iterator[Proxy]:
    """nginx before these `host:port`s, until the end of the block; certificates are looked for in `folder/tls`."""
    proxy = Proxy(free_port(), free_port(), folder)
    _configure(proxy, instances, top)
    command = [str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    with subprocess.Popen([*command, "-g", _globals(folder)], stderr=subprocess.PIPE, text=True) as process:
        try:
            _await(process, proxy.port)
            yield proxy
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_PATIENCE_S)


def _globals(folder: Path) -> str:
    user = "user root root;" if os.geteuid() == 0 else ""  # workers must reach the test's folder
    return f"daemon off; pid {folder}/nginx.pid; {user}"


def _configure(proxy: Proxy, instances: Sequence[str], top: str) -> None:
    folder = proxy.folder
    shutil.copytree(ROOT / "deploy/nginx", folder / "percept", dirs_exist_ok=True)
    shutil.copy(ROOT / "deploy" / top, folder / "nginx.conf")
    places = "".join(f" {kind}_temp_path {folder}/{kind};" for kind in _TEMPORARY)
    changes = {
        r"(?m)^worker_processes \d+;": "worker_processes 2;",
        r"(?m)^worker_rlimit_nofile .*$": "",
        r"(?m)^http \{": f"http {{{places}",
        r"listen 8080": f"listen 127.0.0.1:{proxy.port}",
        r"listen 8443 ssl": f"listen 127.0.0.1:{proxy.tls_port} ssl{'' if _has_http2_directive() else ' http2'}",
        r"http2 on;": "http2 on;" if _has_http2_directive() else "",
        r"/dev/stdout": str(folder / "access.log"),
        r"/dev/stderr": str(folder / "error.log"),
        r"/var/cache/nginx": str(folder),
        r"/etc/nginx/tls": str(folder / "tls"),
        r"(?m)^resolver .*$": "",
        r"server service:8000 resolve( .*)?;": "".join(rf"server {each}\1; " for each in instances),
    }
    for path in (folder / "nginx.conf", *(folder / "percept").iterdir()):
        text = path.read_text("utf-8")
        for pattern, replacement in changes.items():
            text = re.sub(pattern, replacement, text)
        path.write_text(text, encoding="utf-8")


def _has_http2_directive() -> bool:
    """Since 1.25.1; Debian 12 has an older one."""
    told = subprocess.run([str(NGINX), "-v"], capture_output=True, text=True, check=True).stderr
    found = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", told)
    return found is not None and tuple(map(int, found.groups())) >= (1, 25, 1)


def _await(process: subprocess.Popen[str], port: int) -> None:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        if process.poll() is not None:
            assert process.stderr is not None
            raise AssertionError(f"nginx ended: {process.stderr.read()}")
        try:
            create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("nginx does not listen")
