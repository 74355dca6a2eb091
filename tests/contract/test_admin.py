"""A running service takes a new version while clients go on asking, and nobody is refused."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.artifacts import picture, publish
from tests.contract.problems import assert_problem, await_true
from tests.served import Served, served

NAME = "brightness"
pytestmark = pytest.mark.xdist_group("admin")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store to which tests publish; its newest version is a good one."""
    root: Path = tmp_path_factory.mktemp("store")
    publish(root, NAME)
    return root


@pytest.fixture(scope="module")
def service(store: Path) -> Iterator[Served]:
    # one test holds an upload back for a while
    with served(artifacts=str(store), models=NAME, body_idle_timeout_s="60", min_body_bytes_per_s="0") as running:
        yield running


def change(service: Served, path: str, **headers: str) -> httpx.Response:
    return httpx.post(f"{service.url}/models/{path}", headers=headers, timeout=60)


def published(store: Path) -> str:
    """The next version."""
    return publish(store, NAME).manifest.version


def ask(http: httpx.Client) -> str:
    """The version that answers, rightly; else the status and the answer."""
    answer = http.post("/classify-image", files={"file": picture(200)})
    if answer.status_code != 200:
        return f"{answer.status_code}: {answer.text}"
    body = answer.json()
    assert body["predictions"][0]["label"] == "bright"
    assert body["predictions"][0]["score"] == pytest.approx(200 / 255, abs=1e-5)
    return str(body["model"]["version"])


@dataclass
class Client:
    """Asks without a pause until it is stopped, and keeps what it was answered."""

    url: str
    answers: list[str] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        try:
            with httpx.Client(base_url=self.url, timeout=60) as http:
                while not self.is_over.is_set():
                    self.answers.append(ask(http))
        except BaseException as error:
            self.failures.append(error)


@contextmanager
def asking(service: Served, count: int = 3) -> Iterator[list[Client]]:
    """Clients that go on asking meanwhile; each has had an answer before."""
    clients = [Client(service.url) for _ in range(count)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    try:
        await_true(lambda: all(client.answers or client.failures for client in clients), 60)
        yield clients
    finally:
        for client, thread in zip(clients, threads, strict=True):
            client.is_over.set()
            thread.join(60)


def await_answers(clients: list[Client], more: int = 2) -> None:
    """Wait until every client has had some more."""
    before = [len(client.answers) for client in clients]
    await_true(
        lambda: all(
            client.failures or len(client.answers) >= had + more for client, had in zip(clients, before, strict=True)
        ),
        60,
    )


def model(service: Served) -> dict[str, object]:
    answer: dict[str, object] = httpx.get(f"{service.url}/models/{NAME}").json()
    return answer


def test_a_new_version_takes_over_under_load_and_a_broken_one_does_not(service: Served, store: Path) -> None:
    first = change(service, f"{NAME}/reload").json()["manifest"]["version"]
    with asking(service) as clients:
        second = published(store)
        answer = change(service, f"{NAME}/reload")
        assert (answer.status_code, answer.json()["manifest"]["version"]) == (200, second)
        await_answers(clients)

        broken = publish(store, NAME)
        graph = broken.folder / "model.fp32.onnx"
        data = bytearray(graph.read_bytes())
        data[len(data) // 2] ^= 1
        graph.write_bytes(data)
        refusal = change(service, f"{NAME}/reload")
        assert_problem(refusal, 503, "not_ready")
        detail = refusal.json()["detail"]
        assert f"{broken.id}: the sha256 of model.fp32.onnx is not the manifest's" in detail
        assert detail.endswith(f"{NAME}@{second} goes on serving")
        assert str(store) not in detail
        assert httpx.get(f"{service.url}/health/ready").status_code == 200
        await_answers(clients)

        shutil.rmtree(broken.folder)
        third = published(store)
        assert change(service, f"{NAME}/reload").json()["manifest"]["version"] == third
        await_answers(clients)
    assert [client.failures for client in clients] == [[], [], []]
    for client in clients:
        assert Counter(client.answers).keys() == {first, second, third}
        assert client.answers == sorted(client.answers)
    await_true(lambda: model(service)["draining"] == [])


def test_a_request_that_still_uploads_keeps_its_version(service: Served, store: Path) -> None:
    held, let_go = threading.Event(), threading.Event()
    answers: list[httpx.Response] = []
    first = change(service, f"{NAME}/reload").json()["manifest"]["version"]
    await_true(lambda: model(service)["draining"] == [])

    def body() -> Iterator[bytes]:
        data = picture(200)
        yield data[:10]
        held.set()
        assert let_go.wait(60)
        yield data[10:]

    def upload() -> None:
        headers = {"Content-Type": "image/png"}
        answers.append(httpx.post(f"{service.url}/classify-image", content=body(), headers=headers, timeout=60))

    uploading = threading.Thread(target=upload)
    uploading.start()
    assert held.wait(60)
    await_true(lambda: service.metric("percept_in_flight_requests") == 1)
    second = published(store)
    assert change(service, f"{NAME}/reload").json()["draining"] == [first]
    with httpx.Client(base_url=service.url, timeout=60) as http:
        assert ask(http) == second
    assert service.metric("percept_in_flight_requests") == 1
    let_go.set()
    uploading.join(60)
    assert answers[0].json()["model"]["version"] == first
    await_true(lambda: model(service)["draining"] == [])


def test_many_reloads_leave_nothing_behind(service: Served) -> None:
    def reload_often(times: int) -> None:
        for _ in range(times):
            assert change(service, f"{NAME}/reload").status_code == 200
        await_true(lambda: model(service)["draining"] == [])

    reload_often(3)
    threads, files, memory_mb = service.threads, service.open_files, service.memory_mb()
    reload_often(20)
    await_true(lambda: service.threads <= threads)
    assert service.open_files <= files
    assert service.memory_mb() < memory_mb + 20


def test_unloaded_it_is_gone_and_loaded_it_is_back(service: Served, store: Path) -> None:
    newest = published(store)
    with httpx.Client(base_url=service.url, timeout=60) as http:
        assert change(service, f"{NAME}/unload").json()["state"] == "unloaded"
        named = http.post("/classify-image", params={"model": NAME}, files={"file": picture(0)})
        assert_problem(named, 404, "model_not_found")
        assert_problem(http.post("/classify-image", files={"file": picture(0)}), 503, "not_ready")
        assert_problem(http.get("/health/ready"), 503, "not_ready")
        assert model(service)["state"] == "unloaded"
        assert change(service, f"{NAME}@1/load").json()["state"] == "ready"
        assert http.get("/health/ready").status_code == 200
        assert ask(http) == "1"
        assert change(service, f"{NAME}@{newest}/load").status_code == 200
        assert ask(http) == newest


def test_what_a_proxy_or_a_page_passes_on_is_refused(service: Served) -> None:
    for headers in ({"X-Forwarded-For": "203.0.113.9"}, {"Origin": "https://example.com"}):
        assert_problem(change(service, f"{NAME}/unload", **headers), 403, "forbidden")
    assert model(service)["state"] == "ready"


def test_the_end_comes_though_changes_are_being_made(store: Path) -> None:
    with served(artifacts=str(store), models=NAME) as ending:
        changing = [threading.Thread(target=_reload_until_the_end, args=(ending,)) for _ in range(2)]
        for each in changing:
            each.start()
        await_true(lambda: ending.metric("percept_requests_total") > 5)
    for each in changing:
        each.join(60)
        assert not each.is_alive()


def _reload_until_the_end(service: Served) -> None:
    with suppress(httpx.TransportError):
        while change(service, f"{NAME}/reload").status_code in (200, 503):
            pass
        raise AssertionError("neither made nor refused")
