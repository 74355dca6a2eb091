"""What arrives on the wire: clients that would rather speak HTTP/2, requests in requests, and those without end."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from tests.artifacts import picture, publish
from tests.certificates import certificate
from tests.contract.problems import PATIENCE_S, assert_problem, connection
from tests.served import Served, served

pytestmark = pytest.mark.xdist_group("wire")
NAME = "brightness"
HEADER_TIMEOUT_S = 1.0
FEW_FILES = ("sh", "-c", 'ulimit -n 64 && exec "$0" -m service', sys.executable)
JAVA = """
import java.net.URI;
import java.net.http.*;
import java.nio.file.Path;

class Ask {
    public static void main(String[] given) throws Exception {
        var client = HttpClient.newHttpClient();
        for (var kind : new String[] {"image/png", "image/png"}) {
            var request = HttpRequest.newBuilder(URI.create(given[0])).header("Content-Type", kind)
                .POST(HttpRequest.BodyPublishers.ofFile(Path.of(given[1]))).build();
            var answer = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(answer.statusCode() + " " + answer.version() + " " + answer.body());
        }
    }
}
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root: Path = tmp_path_factory.mktemp("store")
    publish(root, NAME)
    return root


@pytest.fixture(scope="module")
def service(store: Path) -> Iterator[Served]:
    with served(artifacts=str(store), models=NAME, header_timeout_s=str(HEADER_TIMEOUT_S)) as running:
        yield running


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(picture(200))
    return path


def assert_bright(answer: str | bytes) -> None:
    assert json.loads(answer)["predictions"][0]["label"] == "bright"


def assert_serves(service: Served) -> None:
    """Another client, on a connection of its own, is answered."""
    answer = httpx.post(f"{service.url}/classify-image", files={"file": picture(200)}, timeout=PATIENCE_S)
    assert_bright(answer.content)


def exchange(service: Served, *pieces: bytes) -> list[httpx.Response]:
    """All answers to these bytes, until the service closes or says nothing more for a while."""
    with connection(service) as wire:
        for piece in pieces:
            wire.sendall(piece)
            time.sleep(0.05)  # so that it comes as a packet of its own
        wire.settimeout(1.0)
        written = b""
        with suppress(TimeoutError):
            while piece := wire.recv(1 << 16):
                written += piece
    return list(_answers(written))


def _answers(written: bytes) -> Iterator[httpx.Response]:
    while written:
        head, _, rest = written.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = int(headers["content-length"])
        yield httpx.Response(int(first.split()[1]), headers=headers, content=rest[:length])
        written = rest[length:]


def upgrading(body: bytes, *lines: str) -> bytes:
    """A POST as the JDK's client sends it, which asks for HTTP/2 on every first request."""
    given = "".join(f"{line}\r\n" for line in lines)
    return (
        "POST /classify-image HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        f"Content-Length: {len(body)}\r\nHost: localhost\r\n"
        "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nUpgrade: h2c\r\n"
        f"User-Agent: Java-http-client/17\r\nContent-Type: image/png\r\n{given}\r\n"
    ).encode() + body


@pytest.mark.parametrize("cut", [None, -1, 400])
def test_an_upgrade_that_is_not_served_is_ignored_and_the_body_read(service: Served, cut: int | None) -> None:
    request = upgrading(picture(200))
    head = request.index(b"\r\n\r\n") + 4
    pieces = [request] if cut is None else [request[: head if cut < 0 else cut], request[head if cut < 0 else cut :]]
    (answer,) = exchange(service, *pieces)
    assert answer.status_code == 200
    assert_bright(answer.content)


def test_no_request_is_smuggled_in_a_body(service: Served) -> None:
    inner = f"POST /models/{NAME}/unload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode()
    request = upgrading(inner, "X-Forwarded-For: 203.0.113.9")
    head = request.index(b"\r\n\r\n") + 4
    for pieces in ([request], [request[:head], request[head:]]):
        (answer,) = exchange(service, *pieces)
        assert_problem(answer, 415, "unsupported_media")
    assert_serves(service)


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_curl_asks_for_http_2_and_is_answered(service: Served, photo: Path) -> None:
    if "HTTP2" not in subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout:
        pytest.skip("this curl has no HTTP/2")
    route = f"{service.url}/classify-image"
    for form in (
        ["-F", f"file=@{photo}"],
        ["-H", "Content-Type: image/png", "--data-binary", f"@{photo}"],
        ["-H", "Content-Type: image/png", "-T", str(photo), "-X", "POST", "-H", "Transfer-Encoding: chunked"],
    ):
        done = subprocess.run(["curl", "-sS", "--http2", *form, route], capture_output=True, check=True, timeout=60)
        assert_bright(done.stdout)
    known = ["curl", "-sS", "--http2-prior-knowledge", f"{service.url}/health/live"]
    assert subprocess.run(known, capture_output=True, check=False, timeout=60).returncode != 0
    assert_serves(service)


@pytest.mark.skipif(not shutil.which("java") or not shutil.which("javac"), reason="needs a JDK")
def test_javas_own_client_is_answered(service: Served, photo: Path, tmp_path: Path) -> None:
    source = tmp_path / "Ask.java"
    source.write_text(JAVA)
    command = ["java", str(source), f"{service.url}/classify-image", str(photo)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        status, version, body = line.split(" ", 2)
        assert (status, version) == ("200", "HTTP_1_1")
        assert_bright(body)
    assert len(done.stdout.splitlines()) == 2


def test_the_parsers_own_refusal_is_a_problem_that_is_counted(service: Served) -> None:
    def counted() -> tuple[float, float]:
        return (
            service.metric('percept_requests_total{model="",route="unmatched",status="400"}'),
            service.metric('percept_rejected_total{reason="malformed_request"}'),
        )

    before = counted()
    (answer,) = exchange(service, b"nonsense\r\n\r\n")
    assert_problem(answer, 400, "malformed_request")
    assert answer.headers["connection"] == "close"
    assert counted() == (before[0] + 1, before[1] + 1)


HEAD = b"POST /classify-image HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "lines": (HEAD, b"A: %s\r\n" % (b"b" * 75) * 1000),
    "a value": (HEAD + b"A: ", b"b" * 80_000),
    "a target": (b"GET /", b"b" * 80_000),
    "a trailer": (CHUNKED + b"3\r\nabc\r\n0\r\nA: ", b"b" * 80_000),
    "an extension": (CHUNKED + b"3;", b"e" * 80_000),
    "a size": (CHUNKED, b"0" * 80_000),
    "tiny chunks": (CHUNKED, b"1\r\nx\r\n" * 13_000),
}


@pytest.mark.parametrize(("first", "again"), ENDLESS.values(), ids=ENDLESS)
def test_what_has_no_end_is_refused_at_once_and_costs_nothing(service: Served, first: bytes, again: bytes) -> None:
    before_mb, sent = service.memory_mb("VmHWM"), 0
    with connection(service) as wire:
        with suppress(OSError):
            wire.sendall(first)
            for _ in range(1920):
                wire.sendall(again)
                sent += len(again)
        assert_problem(next(iter(_read(wire))), 431, "headers_too_large")
    assert sent < 1920 * len(again)
    assert service.memory_mb("VmHWM") - before_mb < 20
    assert_serves(service)


def _read(wire: socket.socket) -> list[httpx.Response]:
    written = b""
    with suppress(OSError):
        while piece := wire.recv(1 << 16):
            written += piece
    return list(_answers(written))


@pytest.mark.parametrize("begun", [b"", b"GET /health/live HTTP/1.1\r\nHost"])
def test_connections_that_never_ask_are_closed(service: Served, begun: bytes) -> None:
    with ExitStack() as held:
        wires = [held.enter_context(connection(service)) for _ in range(64)]
        for wire in wires:
            wire.sendall(begun)
        assert_serves(service)
        for wire in wires:
            answers = _read(wire)  # ends where the service closes
            assert len(answers) == bool(begun)
            for each in answers:
                assert_problem(each, 408, "request_timeout")


def test_few_descriptors_lock_nobody_out(store: Path) -> None:
    with served(FEW_FILES, artifacts=str(store), models=NAME) as running, ExitStack() as held:
        for count in range(64):
            held.enter_context(connection(running)).sendall(b"GET /" if count % 2 else b"")
            if count % 8 == 0:
                assert_serves(running)
        with httpx.Client(base_url=running.url, timeout=PATIENCE_S) as kept:
            for _ in range(10):
                assert kept.get("/health/ready").status_code == 200


def test_silence_before_tls_locks_nobody_out_either(store: Path, tmp_path: Path) -> None:
    chain, key, context = certificate(tmp_path)
    with ExitStack() as held:
        running = held.enter_context(
            served(
                FEW_FILES, tls=context, artifacts=str(store), models=NAME, header_timeout_s=str(HEADER_TIMEOUT_S),
                tls_certificate=str(chain), tls_key=str(key),
            )
        )  # fmt: skip
        silent = [held.enter_context(connection(running)) for _ in range(64)]
        with httpx.Client(base_url=running.url, verify=context, timeout=PATIENCE_S) as client:
            for _ in range(3):
                answer = client.post("/classify-image", files={"file": picture(200)})
                assert_bright(answer.content)
        assert all(_read(wire) == [] for wire in silent)  # closed by now, or in a moment
        with connection(running) as plain:
            plain.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert _read(plain) == []
        with context.wrap_socket(connection(running), server_hostname="127.0.0.1") as wire:
            wire.sendall(b"nonsense\r\n\r\n")
            assert_problem(_read(wire)[0], 400, "malformed_request")
