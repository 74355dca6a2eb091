"""Certificates for this machine that only a test believes."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest


def certificate(folder: Path) -> tuple[Path, Path, ssl.SSLContext]:
    """The chain and the key as PEM files, and what a client believes that believes them; skips without openssl."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    chain, key = folder / "chain.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", str(key), "-out", str(chain), "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        capture_output=True, check=True,
    )  # fmt: skip
    return chain, key, ssl.create_default_context(cafile=str(chain))
