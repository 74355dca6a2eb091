"""A wheel that cannot be fetched is told by its reason: no network, no trust, or no such wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.served import free_port
from training.errors import SourceError
from training.package_index import pip_download, reason

# As pip 23 to 26 write them.
_BROKEN = """\
WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken by \
'{}('<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f>: Failed to establish a new connection: {}')': /x/
ERROR: Could not find a version that satisfies the requirement x==1 (from versions: none)
ERROR: No matching distribution found for x==1
"""


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("NewConnectionError", "[Errno -2] Name or service not known"),
        ("NameResolutionError", "Failed to resolve 'pypi.org'"),
        ("ConnectTimeoutError", "timed out"),
        ("ProxyError", "Cannot connect to proxy."),
        ("ProtocolError", "Connection aborted."),
    ],
)
def test_a_machine_without_a_network_says_that_it_has_none(kind: str, why: str) -> None:
    words = reason("x 1", _BROKEN.format(kind, why))
    assert "no package index can be reached from here" in words
    assert "PIP_INDEX_URL" in words
    assert "No matching distribution" not in words


def test_an_index_that_is_not_trusted_is_not_taken_for_none() -> None:
    said = _BROKEN.format("SSLError", "SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]')")
    assert "certificate is not trusted" in reason("x 1", said)


@pytest.mark.parametrize("said", ["ERROR: No matching distribution found for x==1\n\n", ""])
def test_other_failures_are_in_pips_own_words(said: str) -> None:
    assert reason("x 1", said).endswith(said.strip() or "no reason given")


def test_pip_asks_the_index_that_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_EXTRA_INDEX_URL", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{free_port()}/simple")
    with pytest.raises(SourceError, match="no package index can be reached from here"):
        pip_download("percept-no-such-thing", "1", tmp_path)
