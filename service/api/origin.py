"""Where a request comes from: this machine or another, a program or a page in a browser, and whose page.

Without keys the service may be changed by programs on its own machine. A browser runs there too, and sends what pages
of others tell it to, so a request that says it is a page's has to be of the service's own page. Names are not
believed (a stranger's name may be made to lead here): its own page was reached under a loopback address.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import Request

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")  # what proxies add
_PORTS = {"http": 80, "https": 443}
_OWN_SITE = ("same-origin", "none")  # `none` is the user's own doing, such as an address that was typed in
Origin = tuple[str, str, int | None]


def is_from_this_machine(request: Request) -> bool:
    """A loopback client that speaks for itself: no proxy passed the request on, no page from elsewhere sent it."""
    return (
        request.client is not None
        and _is_loopback(request.client.host)
        and not any(name in request.headers for name in _FORWARDED)
        and _is_own_page_or_none(request)
    )


def _is_own_page_or_none(request: Request) -> bool:
    """Of no page at all, or of one that this service showed under a loopback address.

    Browsers send `Origin` with every request that may change something (Fetch standard, 3.2), those of today
    `Sec-Fetch-Site` too; programs send neither.
    """
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    host = request.headers.get("host")
    if origin is None and site is None:
        return True
    if site is not None and site not in _OWN_SITE:
        return False
    own = _parsed(f"{request.scope.get('scheme', 'http')}://{host}") if host is not None else None
    if own is not None and not _is_loopback(own[1]):
        return False
    if origin is None:
        return own is not None
    page = _parsed(origin)
    # HTTP/1.1 requires Host, and every browser sends it: where it is missing no page has sent this
    return page is not None and _is_loopback(page[1]) and (host is None or page == own)


def _parsed(origin: str) -> Origin | None:
    """Scheme, host and port; None where it is no origin."""
    try:
        parts = urlsplit(origin)
        return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
