"""The package index that pinned wheels come from, asked through pip, and what went wrong there in words.

pip's own settings hold: `PIP_INDEX_URL` names a mirror, and proxies and certificates are as everywhere with pip.
Where nothing can be reached pip says at last that no distribution matches; here the reason is said.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from training.errors import SourceError

_TIMEOUT_S = 1800
_BROKEN = re.compile(r"after connection broken by '([A-Za-z]+)\(")
_UNTRUSTED = re.compile(r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError")


def pip_download(distribution: str, version: str, folder: Path) -> None:
    """`pip download --no-deps`, in a process of its own, with pip's own progress bar on a terminal.

    Raises:
        SourceError: pip failed; the sentence says whether an index was reached at all.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    command += ["--disable-pip-version-check", f"{distribution}=={version}"]
    progress = None if sys.stderr.isatty() else subprocess.PIPE
    try:
        done = subprocess.run(
            command, stdout=progress, stderr=subprocess.PIPE, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"{distribution} {version} did not arrive within {_TIMEOUT_S} s") from error
    if done.returncode != 0:
        raise SourceError(reason(f"{distribution} {version}", done.stderr))


def reason(what: str, said: str) -> str:
    """Why pip could not fetch it, of what pip said on standard error."""
    lines = [line for line in said.splitlines() if line.strip()]
    if _UNTRUSTED.search(said):
        return f"pip cannot fetch {what}: the index's certificate is not trusted; PIP_CERT names the one to trust"
    if _BROKEN.search(said):
        return (
            f"pip cannot fetch {what}: no package index can be reached from here; "
            "this needs a network (PIP_INDEX_URL names a mirror), or a cache that has it (PERCEPT_CACHE)"
        )
    return f"pip cannot fetch {what}: {lines[-1] if lines else 'no reason given'}"
