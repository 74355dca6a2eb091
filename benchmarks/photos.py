"""Photos over HTTP: this service and a plain one beside it, on the same graph, in interleaved rounds.

All services run throughout; only one is asked at a time. What is quoted are medians over the rounds, and ratios.
"""

from __future__ import annotations

import os
import statistics
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from benchmarks.load import Load, drive, request
from benchmarks.services import ROOT, Contender, free_port, started
from models.store import DEFAULT_ROOT, Store

MODEL = "efficientnet-lite0"


def contenders(graph: Path, ports: list[int]) -> list[Contender]:
    """This service in both precisions, and the plain one in fp32."""
    ours = [
        Contender(
            f"percept {variant}",
            [sys.executable, "-m", "service"],
            {"MODELS": MODEL, "VARIANT": variant, "PORT": str(port), "LOG_LEVEL": "warning"},
        )
        for variant, port in zip(("int8", "fp32"), ports, strict=False)
    ]
    plain = [sys.executable, "-m", "benchmarks.peers.plain", str(graph), str(ports[2])]
    return [*ours, Contender("plain FastAPI fp32", plain, {})]


def run(rounds: int, seconds: float, clients: tuple[int, ...], data: Path | None) -> dict[str, Any]:
    """Measure; the result is what is written as JSON."""
    store = Store(Path(os.environ.get("PERCEPT_ARTIFACTS") or DEFAULT_ROOT))
    artifact = store.find(MODEL)
    graph = artifact.path(artifact.manifest.variants["fp32"].files["model"])
    ports = [free_port() for _ in range(3)]
    requests = [request(photo) for photo in _photos(data)]
    loads: dict[tuple[str, int], list[Load]] = {}
    with ExitStack() as running:
        named = contenders(graph, ports)
        for contender, port in zip(named, ports, strict=True):
            running.enter_context(started(contender, partial(_answers, port, requests[0])))
        for _ in range(rounds):
            for count in clients:
                for contender, port in zip(named, ports, strict=True):
                    loads.setdefault((contender.name, count), []).append(drive(port, requests, count, seconds))
    return {
        "benchmark": "photos",
        "photos": "the data folder's evaluation photos" if data else "the clock of docs/examples",
        "rounds": rounds,
        "seconds_a_round": seconds,
        "results": [_summary(name, count, each) for (name, count), each in loads.items()],
    }


def _summary(name: str, clients: int, loads: list[Load]) -> dict[str, Any]:
    return {
        "name": name,
        "clients": clients,
        "answers_per_s": round(statistics.median(load.per_second for load in loads), 1),
        "answers_per_s_by_round": [round(load.per_second, 1) for load in loads],
        "p50_ms": round(statistics.median(load.quantile_ms(0.5) for load in loads), 2),
        "p99_ms": round(statistics.median(load.quantile_ms(0.99) for load in loads), 2),
    }


def _photos(data: Path | None) -> list[bytes]:
    files = sorted((data / "eval" / "images").rglob("*.JPEG")) if data else []
    return [path.read_bytes() for path in files or [ROOT / "docs" / "examples" / "clock.jpg"]]


def _answers(port: int, first: bytes) -> bool:
    httpx.get(f"http://127.0.0.1:{port}/openapi.json")
    drive(port, [first], 1, 0.2)
    return True
