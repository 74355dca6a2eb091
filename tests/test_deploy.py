"""The files that deploy the service say the same as its code: metric names, ports, default models, packages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.settings import Settings
from service.telemetry import Telemetry
from tests.deploy.test_alerts import rules

ROOT = Path(__file__).parent.parent
DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
_METRIC = re.compile(r"\b(?:percept|process)_[a-z_]+")


def text_of(name: str) -> str:
    """A file of the repository."""
    return (ROOT / name).read_text("utf-8")


def metric_names() -> set[str]:
    """Every sample name that a service with one model exposes once it has answered."""
    telemetry = Telemetry()
    telemetry.requests.labels("/classify-image", "m", "200").inc()
    telemetry.request_duration.labels("m").observe(0.1)
    telemetry.observe("m", 0.1, 0.1, 0.1, 1)
    telemetry.rejected.labels("queue_full").inc()
    telemetry.cancelled.labels("queued").inc()
    telemetry.audio_seconds.labels("m").inc()
    labels = {"model": "m", "version": "1", "variant": "fp32", "provider": "cpu"}
    telemetry.watch_libraries({"libtiff": 1})
    telemetry.watch(lambda: [("m", 0, 0)], lambda: [(labels, True)])
    return set(re.findall(r"^([a-z_]+)[ {]", telemetry.exposition().decode("utf-8"), re.MULTILINE))


def expressions(node: Any) -> Iterator[str]:
    """Every PromQL expression in a dashboard, queries of its variables included."""
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key in {"expr", "query"} and isinstance(value, str))
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from expressions(child)


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.name)
def test_a_dashboard_shows_only_metrics_that_exist(dashboard: Path) -> None:
    used = {name for text in expressions(json.loads(dashboard.read_text("utf-8"))) for name in _METRIC.findall(text)}
    assert len(used) > 10
    assert not used - metric_names()


def test_alerts_ask_only_for_metrics_that_exist() -> None:
    queries = [rule["expr"] for rule in rules()]
    used = {name for query in queries for name in _METRIC.findall(query)}
    assert len(used) > 5
    assert not used - metric_names()


def test_compose_serves_the_default_models() -> None:
    default = re.search(r"\$\{PERCEPT_MODELS:-(.+)\}", text_of("docker-compose.yml"))
    assert default
    assert tuple(default[1].split(",")) == Settings.model_fields["models"].default


def test_everything_knows_the_port_of_the_image() -> None:
    port = Settings.model_fields["port"].default
    assert f"PERCEPT_PORT={port}" in text_of("Dockerfile")
    assert f":{port}}}:{port}" in text_of("docker-compose.yml")
    assert f"port: {port}\n" in text_of("deploy/prometheus.yml")
    assert f"server service:{port} " in text_of("deploy/nginx/upstream.conf")


def test_only_settings_that_exist_are_set() -> None:
    files = text_of("docker-compose.yml") + text_of("deploy/scale-out.yml") + text_of("deploy/kubernetes.yml")
    names = set(re.findall(r"(?:^ +|name: )PERCEPT_([A-Z_]+)[:,\n]", files, re.MULTILINE))
    assert names
    assert not {name.lower() for name in names} - set(Settings.model_fields)


def test_compose_waits_for_the_drain_of_the_service() -> None:
    """Docker kills what has not ended by then."""
    grace = re.search(r"stop_grace_period: (\d+)s", text_of("docker-compose.yml"))
    fields = Settings.model_fields
    assert grace
    assert int(grace[1]) > fields["drain_s"].default + fields["shutdown_timeout_s"].default


def test_the_proxy_waits_as_long_as_the_service_may() -> None:
    """So that the service says itself that it is too late, or that a client is too slow."""
    fields, proxy = Settings.model_fields, text_of("deploy/nginx/proxy.conf")
    assert f"proxy_read_timeout {fields['max_timeout_s'].default + 60:.0f}s;" in proxy
    assert f"client_body_timeout {fields['body_idle_timeout_s'].default:.0f}s;" in proxy


@pytest.mark.parametrize("variable", ["PIP_INDEX_URL", "HF_ENDPOINT", "REGISTRY"])
def test_a_mirror_is_one_documented_variable(variable: str) -> None:
    assert f"`{variable}`" in text_of("README.md")
    assert f"`{variable}`" in text_of("docs/deployment.md")
    assert variable in text_of("docker-compose.yml")


def test_everything_that_is_fetched_comes_from_the_mirror_that_is_named() -> None:
    compose = text_of("docker-compose.yml") + text_of("deploy/scale-out.yml")
    foreign = [image for image in re.findall(r"image: (\S+)", compose) if not image.startswith("percept")]
    assert len(foreign) == 3
    assert all(image.startswith("${REGISTRY:-docker.io}/") for image in foreign)
    assert compose.count("<<: *mirrors") == len(re.findall(r"^ +build:", compose, re.MULTILINE)) == 3
    stages = re.split(r"^FROM ", text_of("Dockerfile"), flags=re.MULTILINE)
    installing = [stage for stage in stages if "python -m pip " in stage]
    assert len(installing) == 3
    assert all("\nARG PIP_INDEX_URL=\n" in stage for stage in installing)


def test_an_image_says_nothing_of_make() -> None:
    """It has none."""
    for path in (*(ROOT / "service").rglob("*.py"), *(ROOT / "models").glob("*.py")):
        assert not re.search(r"`make ", path.read_text("utf-8")), path
