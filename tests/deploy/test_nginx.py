"""No client sees an instance that cannot take its request, and nginx passes on what it should and nothing else."""

from __future__ import annotations

import hashlib
import itertools
import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.problems import KINDS
from service.settings import Settings
from tests.deploy.instances import Instance, Mood, instance
from tests.deploy.proxy import Proxy, needs_nginx, proxied
from tests.served import free_port

pytestmark = needs_nginx
CLIENTS, EACH = 8, 20
PICTURE, RECORDING = bytes(range(256)) * 400, bytes(range(256)) * 2400  # in memory, and beyond it on disk


def _chunks() -> Iterator[bytes]:
    yield from (RECORDING[at : at + 50_000] for at in range(0, len(RECORDING), 50_000))


# Each kind of request: its route, what httpx is told, and what the instance must have received where that is known.
KINDS_OF_REQUEST: dict[str, tuple[str, Callable[[], dict[str, Any]], bytes]] = {
    "a picture": (
        "/classify-image",
        lambda: {"content": PICTURE, "headers": {"Content-Type": "image/jpeg"}},
        PICTURE,
    ),
    "a recording": (
        "/transcribe",
        lambda: {"content": RECORDING, "headers": {"Content-Type": "audio/wav"}},
        RECORDING,
    ),
    "in chunks": ("/transcribe", lambda: {"content": _chunks(), "headers": {"Content-Type": "audio/wav"}}, RECORDING),
    "a form": ("/classify-image?top_k=2", lambda: {"files": {"file": PICTURE}}, b""),
    "a large form": ("/transcribe", lambda: {"files": {"file": RECORDING}}, b""),
}


def _client(proxy: Proxy, number: int) -> list[tuple[str, int, bool]]:
    """Send every kind some times on one connection; gives the kind, the status, and if it arrived whole."""
    found = []
    with httpx.Client(base_url=proxy.url, timeout=30) as client:
        for name in itertools.islice(itertools.cycle(KINDS_OF_REQUEST), number, number + EACH):
            route, options, body = KINDS_OF_REQUEST[name]
            answer = client.post(route, **options())
            is_whole = not body or answer.json().get("sha256") == hashlib.sha256(body).hexdigest()
            found.append((name, answer.status_code, is_whole))
    return found


def _load(proxy: Proxy) -> list[tuple[str, int, bool]]:
    with ThreadPoolExecutor(CLIENTS) as clients:
        return list(itertools.chain(*clients.map(lambda number: _client(proxy, number), range(CLIENTS))))


@pytest.mark.parametrize("mood", ["not_ready", "full", "dying"])
def test_no_client_sees_an_instance_that_cannot_take_its_request(tmp_path: Path, mood: Mood) -> None:
    with instance() as good, instance(mood) as bad, proxied(tmp_path, [good.address, bad.address]) as proxy:
        answers = _load(proxy)
    assert set(answers) == {(name, 200, True) for name in KINDS_OF_REQUEST}
    assert len(answers) == CLIENTS * EACH
    assert len(bad.seen) > CLIENTS  # it was asked, so that the rest says something


def test_no_client_sees_that_an_instance_is_gone(tmp_path: Path) -> None:
    with instance() as good, proxied(tmp_path, [f"127.0.0.1:{free_port()}", good.address]) as proxy:
        assert set(_load(proxy)) == {(name, 200, True) for name in KINDS_OF_REQUEST}
        tries = [line["upstream_status"].split(", ") for line in proxy.log(CLIENTS * EACH)]
    assert ["502", "200"] in tries


def test_no_client_sees_that_an_instance_changes_its_mind(tmp_path: Path) -> None:
    moods: tuple[Mood, ...] = ("ready", "dying", "full", "not_ready")
    with ExitStack() as stack:
        good, other = (stack.enter_context(instance()) for _ in range(2))
        proxy = stack.enter_context(proxied(tmp_path, [good.address, other.address]))
        answers = stack.enter_context(ThreadPoolExecutor(1)).submit(_load, proxy)
        for mood in itertools.takewhile(lambda _: not answers.done(), itertools.cycle(moods)):
            other.mood = mood
            httpx.get(f"{proxy.url}/health/live")
        assert set(answers.result()) == {(name, 200, True) for name in KINDS_OF_REQUEST}


@pytest.mark.parametrize(("mood", "status", "retry_after"), [("not_ready", 503, "7"), ("full", 429, "3")])
def test_where_no_instance_can_the_service_itself_answers(
    tmp_path: Path, mood: Mood, status: int, retry_after: str
) -> None:
    """Again and again: a refusal puts nobody out of turn."""
    with instance(mood) as one, instance(mood) as other, proxied(tmp_path, [one.address, other.address]) as proxy:
        for _ in range(20):
            answer = httpx.post(f"{proxy.url}/classify-image", content=PICTURE)
            assert (answer.status_code, answer.headers["retry-after"]) == (status, retry_after)
            assert answer.json() == {"code": mood}
        one.mood = "ready"
        assert httpx.post(f"{proxy.url}/classify-image", content=PICTURE).status_code == 200


def test_a_change_of_what_is_served_is_asked_for_once(tmp_path: Path) -> None:
    with (
        instance("dying") as one,
        instance("dying") as other,
        proxied(tmp_path, [one.address, other.address]) as proxy,
    ):
        answer = httpx.post(f"{proxy.url}/models/efficientnet-lite0/reload", content=b"x")
        assert answer.status_code == 503
        assert len(one.seen) + len(other.seen) == 1


@pytest.fixture
def ready(tmp_path: Path) -> Iterator[tuple[Instance, Proxy]]:
    """One instance behind nginx."""
    with instance() as behind, proxied(tmp_path, [behind.address]) as proxy:
        yield behind, proxy


def _assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem.keys() == {"type", "title", "status", "detail", "code", "request_id"}
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, f"urn:percept:problem:{code}")
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert code in KINDS


def test_what_nginx_refuses_is_a_problem_as_the_service_has_it(ready: tuple[Instance, Proxy]) -> None:
    behind, proxy = ready
    behind.server_close()
    answer = httpx.post(f"{proxy.url}/classify-image", content=PICTURE, headers={"X-Request-ID": "mine-1"})
    _assert_problem(answer, 503, "not_ready")
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["request_id"] == "mine-1"
    _assert_problem(httpx.get(f"{proxy.url}/{'x' * 40_000}"), 414, "malformed_request")
    _assert_problem(httpx.get(f"{proxy.url}/", headers={"X": "x" * 40_000}), 431, "malformed_request")
    _assert_problem(httpx.get(f"{proxy.url}/.problem"), 404, "not_found")


def _raw(proxy: Proxy, request: bytes) -> bytes:
    """What comes back until nginx closes, or nothing more comes for a second."""
    answer = b""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=1) as wire:
        wire.sendall(request)
        try:
            while piece := wire.recv(65536):
                answer += piece
        except TimeoutError:
            pass
    return answer


@pytest.mark.parametrize(
    ("route", "setting"),
    [("/classify-image", "max_image_body_bytes"), ("/transcribe", "max_audio_body_bytes")],
)
def test_what_is_far_too_large_is_refused_before_it_is_sent(
    ready: tuple[Instance, Proxy], route: str, setting: str
) -> None:
    """What is a little too large reaches the service, which says by how much."""
    behind, proxy = ready
    limit = Settings.model_fields[setting].default
    head = f"POST {route} HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: "
    assert _raw(proxy, f"{head}{limit * 1.1:.0f}\r\n\r\n".encode()).startswith(b"HTTP/1.1 413 ")
    assert not _raw(proxy, f"{head}{limit + 1}\r\n\r\n".encode())  # it waits for the body
    assert not behind.seen


@pytest.mark.parametrize("line", ["POST /transcribe HTTP/1.1", "nonsense", "GET  /  HTTP/1.1", "\x00"])
def test_nonsense_is_a_problem_too(ready: tuple[Instance, Proxy], line: str) -> None:
    _, proxy = ready
    answer = _raw(proxy, f"{line}\r\nHost: x\r\nContent-Length: x\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["code"] == "malformed_request"


def test_headers_that_clients_claim_are_not_passed_on(ready: tuple[Instance, Proxy]) -> None:
    behind, proxy = ready
    claimed = {
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": "h2c",
        "HTTP2-Settings": "AAMAAABk",
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Proto": "https",
        "X-Real-IP": "10.0.0.1",
        "Forwarded": "for=10.0.0.1",
        "Host": "percept.example.com",
    }
    answer = httpx.post(f"{proxy.url}/classify-image", content=PICTURE, headers=claimed)
    assert answer.status_code == 200
    [seen] = behind.seen
    assert "upgrade" not in seen
    assert "upgrade" not in seen.get("connection", "").lower()
    assert "forwarded" not in seen
    assert (seen["x-forwarded-for"], seen["x-real-ip"]) == ("127.0.0.1", "127.0.0.1")
    assert (seen["x-forwarded-proto"], seen["host"]) == ("http", "percept.example.com")


@pytest.mark.parametrize("given", ["my-call-1", "", "two words", "x" * 200])
def test_a_request_has_one_id_everywhere(ready: tuple[Instance, Proxy], given: str) -> None:
    behind, proxy = ready
    httpx.get(f"{proxy.url}/models", headers={"X-Request-ID": given} if given else {})
    passed = behind.seen[0]["x-request-id"]
    assert passed == given or (given != "my-call-1" and len(passed) == 32)
    assert [line["request_id"] for line in proxy.log(1)] == [passed]


def test_connections_to_instances_are_kept(ready: tuple[Instance, Proxy]) -> None:
    behind, proxy = ready
    for _ in range(5):
        httpx.get(f"{proxy.url}/health/live")
    assert [seen.get("connection") for seen in behind.seen] == [None] * 5


def test_prompts_are_not_logged(ready: tuple[Instance, Proxy]) -> None:
    behind, proxy = ready
    httpx.post(f"{proxy.url}/transcribe?prompt=secret", content=RECORDING, headers={"Content-Type": "audio/wav"})
    behind.mood = "dying"
    httpx.post(f"{proxy.url}/transcribe?prompt=secret", content=RECORDING, headers={"Referer": "secret"})
    assert [line["path"] for line in proxy.log(2)] == ["/transcribe"] * 2
    assert "secret" not in proxy.words()


def test_a_slow_upload_holds_no_place_of_the_service(ready: tuple[Instance, Proxy]) -> None:
    behind, proxy = ready
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as wire:
        wire.sendall(b"POST /transcribe HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nhalf")
        httpx.get(f"{proxy.url}/health/live")
        assert len(behind.seen) == 1  # only the question between
        wire.sendall(b"half")
        assert wire.recv(100).startswith(b"HTTP/1.1 200 ")


def test_an_answer_in_pieces_is_passed_on_at_once(ready: tuple[Instance, Proxy]) -> None:
    behind, proxy = ready
    with httpx.stream("GET", f"{proxy.url}/slow", timeout=10) as answer:
        pieces = answer.iter_text()
        assert next(pieces) == "data: first\n\n"
        behind.is_released.set()
        assert next(pieces) == "data: second\n\n"


def test_an_instance_hears_that_a_client_has_gone(ready: tuple[Instance, Proxy]) -> None:
    behind, proxy = ready
    with httpx.stream("GET", f"{proxy.url}/slow", timeout=10) as answer:
        assert next(answer.iter_text())
    assert behind.is_left.wait(10)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-made one for localhost, where the configuration looks for it."""
    folder = tmp_path / "tls"
    folder.mkdir()
    made = folder / "fullchain.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", folder / "privkey.pem", "-out", made],
        capture_output=True, check=True,
    )  # fmt: skip
    return made


def _curl(*arguments: str) -> str:
    done = subprocess.run(["curl", "-sS", *arguments], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout or done.stderr


def test_https_is_spoken_and_http_moves_to_it(tmp_path: Path, certificate: Path) -> None:
    with ExitStack() as stack:
        good, bad = (stack.enter_context(instance(mood)) for mood in ("ready", "not_ready"))
        proxy = stack.enter_context(proxied(tmp_path, [good.address, bad.address], "nginx-tls.conf"))
        https = f"https://localhost:{proxy.tls_port}"
        told = ("-w", "%{http_code} %{http_version} %{redirect_url}", "-o", "/dev/null", "--cacert", str(certificate))
        posted = ("-F", "file=@-;type=image/png")
        for _ in range(10):
            assert _curl(*told, "-F", f"file=@{certificate}", f"{https}/classify-image") == "200 2 "
        assert _curl(*told, "--http1.1", f"{https}/health/live") == "200 1.1 "
        assert _curl(*told, *posted, f"http://localhost:{proxy.port}/classify-image?top_k=1") == (
            "308 1.1 https://localhost/classify-image?top_k=1"
        )
        assert {seen["x-forwarded-proto"] for seen in good.seen} == {"https"}
        assert "alert protocol version" in _curl(
            "--insecure", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", https
        )
        assert json.loads(_curl(f"http://localhost:{proxy.tls_port}/"))["code"] == "malformed_request"
