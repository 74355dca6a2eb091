"""Programs of this machine and the service's own pages; no page of anybody else's."""

from __future__ import annotations

import pytest
from fastapi import Request

from service.api.origin import is_from_this_machine


def asks(headers: dict[str, str], client: str = "127.0.0.1", scheme: str = "http") -> bool:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http", "scheme": scheme, "path": "/models/m/reload", "query_string": b"", "headers": raw,
        "client": (client, 9), "server": ("127.0.0.1", 8000),
    }  # fmt: skip
    return is_from_this_machine(Request(scope))


@pytest.mark.parametrize("client", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "percept", "[::1]:8000"])
def test_a_program_of_this_machine(client: str, host: str) -> None:
    assert asks({"host": host}, client)


@pytest.mark.parametrize(
    ("host", "origin", "scheme"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000", "http"),
        ("localhost:8000", "http://localhost:8000", "http"),
        ("localhost", "http://localhost", "http"),
        ("localhost:80", "http://localhost", "http"),
        ("LOCALHOST:8000", "http://localhost:8000", "http"),
        ("[::1]:8000", "http://[::1]:8000", "http"),
        ("localhost:8443", "https://localhost:8443", "https"),
        ("localhost", "https://localhost:443", "https"),
    ],
)
@pytest.mark.parametrize("more", [{}, {"sec-fetch-site": "same-origin"}])
def test_the_services_own_page(host: str, origin: str, scheme: str, more: dict[str, str]) -> None:
    assert asks({"host": host, "origin": origin, **more}, scheme=scheme)
    assert not asks({"host": host, "origin": origin, **more}, "203.0.113.9", scheme)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://localhost:3000"},
        {"origin": "http://localhost"},
        {"origin": "http://127.0.0.1:8000"},
        {"origin": "https://localhost:8000"},
        {"origin": "http://localhost.example.com:8000"},
        {"origin": "http://example.com"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://[::1"},
        {"origin": "http://localhost:99999"},
        {"origin": "http://localhost:8000", "sec-fetch-site": "cross-site"},
        {"origin": "http://localhost:3000", "sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": ""},
    ],
)
def test_a_page_of_another_origin(headers: dict[str, str]) -> None:
    assert not asks({"host": "localhost:8000", **headers})


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_a_browser_that_says_that_it_was_no_other_page(site: str) -> None:
    assert asks({"host": "localhost:8000", "sec-fetch-site": site})


@pytest.mark.parametrize("host", ["evil.example:8000", "localhost.evil.example:8000", "192.168.0.7:8000", "[::1", ""])
def test_a_name_of_a_stranger_that_leads_here_is_not_its_own(host: str) -> None:
    for headers in ({"origin": f"http://{host}"}, {"sec-fetch-site": "same-origin"}):
        assert not asks({"host": host, **headers, "sec-fetch-site": "same-origin"})


@pytest.mark.parametrize("name", ["forwarded", "x-forwarded-for", "x-real-ip"])
def test_what_a_proxy_passes_on_is_not_its_machines(name: str) -> None:
    assert not asks({"host": "localhost:8000", name: "127.0.0.1"})
