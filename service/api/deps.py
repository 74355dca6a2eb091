"""What routes ask for: the application's parts, the caller's right to call, the deadline, and company while waiting.

`Annotated` aliases let a route's signature read like a sentence. Dependencies are coroutines though they wait for
nothing: plain functions would be run on threads, one hop each.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from starlette.types import Receive

from service.admission import Clock
from service.api.origin import is_from_this_machine
from service.api.parameters import decimal
from service.api.upload import Body, BodyLimits
from service.changes import Changes
from service.errors import ClientGone, Forbidden, InvalidParameter, Unauthorized
from service.places import Upload
from service.registry import Registry
from service.settings import ApiKey, Role, Settings
from service.telemetry import Telemetry

TIMEOUT_HEADER = "X-Request-Timeout"
_IPV6_NETWORK_BITS = 64
T = TypeVar("T")


@dataclass
class Services:
    """The parts that `create_app` wires together."""

    settings: Settings
    registry: Registry
    telemetry: Telemetry
    clock: Clock = time.monotonic
    is_draining: bool = False
    lanes_ended: bool = True
    """False once all has ended but a lane that is still in a library's code."""
    changes: Changes = field(default_factory=Changes)

    def stop_admitting(self) -> None:
        """From here on the service is not ready, though it still answers what reaches it."""
        self.is_draining = True


async def services_of(request: Request) -> Services:
    """The parts of the application that this request belongs to."""
    services: Services = request.app.state.services
    return services


Parts = Annotated[Services, Depends(services_of)]


def body_of(request: Request, services: Services, max_bytes: int, upload: Upload) -> Body:
    """The request's body, within the limits of the settings and the client's own deadline.

    Raises:
        InvalidParameter: the deadline is no number within the settings' maximum.
    """
    settings = services.settings
    limits = BodyLimits(
        max_bytes, settings.body_idle_timeout_s, settings.min_body_bytes_per_s, settings.max_timeout_s
    )
    deadline = deadline_of(request, services)
    return Body(request.headers, request.receive, limits, services.clock, upload, deadline)


def deadline_of(request: Request, services: Services) -> float | None:
    """When the client's own patience ends, in seconds of the clock; None where it names none.

    Raises:
        InvalidParameter: the header is no number within the settings' maximum.
    """
    given = request.headers.get(TIMEOUT_HEADER)
    if given is None:
        return None
    seconds, longest = decimal(given), services.settings.max_timeout_s
    if seconds is None or not 0 < seconds <= longest:
        raise InvalidParameter(f"{TIMEOUT_HEADER} must be a number of seconds above 0, at most {longest:g}")
    begun_at: float = request.state.begun_at
    return begun_at + seconds


def timeout_s(request: Request, services: Services, default_s: float) -> float:
    """Seconds that are left for the work: the default from now, or the client's deadline from the request's start.

    Raises:
        InvalidParameter: as `deadline_of`.
    """
    deadline = deadline_of(request, services)
    return default_s if deadline is None else max(0.0, deadline - services.clock())


def client_of(request: Request, settings: Settings) -> str:
    """Whose request it is, where clients share what there is: a known key's, else an address's.

    A whole network of IPv6 is one client, since whoever has one address there has 2^64 (RFC 4291, 2.5.4).
    """
    if keys := _keys(request, settings):
        return keys[0].sha256
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    address = getattr(address, "ipv4_mapped", None) or address
    return str(address if address.version == 4 else ip_network((address, _IPV6_NETWORK_BITS), strict=False))


def _roles(request: Request, settings: Settings) -> set[Role]:
    """What the key that the request carries allows; nothing where it carries none that is known."""
    return {known.role for known in _keys(request, settings)}


def _keys(request: Request, settings: Settings) -> list[ApiKey]:
    """The configured keys that the request's own one is."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    sent = token if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    key = sent.strip(" \t")  # and nothing else: a byte of UTF-8 may look like a blank of Latin-1
    if not key:  # whatever digests are configured, nothing is no key
        return []
    digest = hashlib.sha256(key.encode("latin-1")).hexdigest()  # the bytes as they were sent
    # every key is compared, in constant time, so that timing tells nothing
    return [known for known in settings.api_keys if hmac.compare_digest(known.sha256, digest)]


async def may_infer(request: Request, services: Parts) -> None:
    """Let the request pass where keys are not configured, or with any of them.

    Raises:
        Unauthorized: keys are configured and the request carries none of them.
    """
    if services.settings.api_keys and not _roles(request, services.settings):
        raise Unauthorized("send a valid key as `Authorization: Bearer KEY` or `X-API-Key: KEY`")


InferenceKey = Depends(may_infer)


async def may_administer(request: Request, services: Parts) -> None:
    """Let the request pass with a key of the role admin or, where keys are not configured, from this machine.

    Raises:
        Unauthorized: keys are configured and the request carries none of them.
        Forbidden: its key is for inference, or without keys it comes from elsewhere.
    """
    if services.settings.api_keys:
        await may_infer(request, services)
        if "admin" not in _roles(request, services.settings):
            raise Forbidden("this key is for inference; send one with the role admin")
    elif not is_from_this_machine(request):
        raise Forbidden(
            "without keys this is answered only to programs on the service's own machine that ask it directly, "
            "and to its own pages; "
            "configure a key with the role admin in PERCEPT_API_KEYS"
        )


AdminKey = Depends(may_administer)


async def takes_no_fields(request: Request) -> None:
    """For routes without parameters.

    Raises:
        InvalidParameter: there is one in the query.
    """
    for name in request.query_params:
        raise InvalidParameter(f"there is no field `{name[:80]}`; this route takes none")


NoFields = Depends(takes_no_fields)


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Await `work` while the client stays; when it hangs up, cancel the work.

    Raises:
        ClientGone: the client hung up first.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_hang_up(receive))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientGone("the client hung up while waiting")
    finally:
        for each in (task, watch):
            each.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
