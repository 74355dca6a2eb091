"""The metrics that were promised, under their names."""

from __future__ import annotations

import gc

import pytest

from service.telemetry import Telemetry

PROMISED = {
    "percept_requests_total", "percept_request_duration_seconds", "percept_queue_duration_seconds",
    "percept_inference_duration_seconds", "percept_decode_duration_seconds", "percept_batch_size",
    "percept_queue_depth", "percept_in_flight_requests", "percept_rejected_total", "percept_cancelled_total",
    "percept_audio_seconds_total", "percept_model_ready", "percept_model_info", "python_gc_collections_total",
    "process_resident_memory_bytes",
}  # fmt: skip


@pytest.fixture
def telemetry() -> Telemetry:
    made = Telemetry()
    labels = {"model": "m", "version": "1", "variant": "int8", "provider": "cpu"}
    made.watch(lambda: [("m", 3, 5)], lambda: [(labels, True), ({"model": "late"}, False)])
    return made


def test_every_promised_metric_is_there(telemetry: Telemetry) -> None:
    telemetry.requests.labels("/classify-image", "m", "200").inc()
    text = telemetry.exposition().decode()
    assert not {name for name in PROMISED if f"# TYPE {name} " not in text}


def test_gauges_are_read_at_the_scrape(telemetry: Telemetry) -> None:
    text = telemetry.exposition().decode()
    assert 'percept_queue_depth{model="m"} 3.0' in text
    assert 'percept_in_flight_requests{model="m"} 5.0' in text
    assert 'percept_model_ready{model="late"} 0.0' in text
    assert 'percept_model_info{model="m",provider="cpu",variant="int8",version="1"} 1.0' in text


def test_stages_are_observed_by_model(telemetry: Telemetry) -> None:
    telemetry.observe("m", 0.001, 0.002, 0.004, 2)
    text = telemetry.exposition().decode()
    assert 'percept_inference_duration_seconds_sum{model="m"} 0.004' in text
    assert 'percept_batch_size_sum{model="m"} 2.0' in text


def test_two_applications_do_not_mix_and_leave_nothing_in_the_process() -> None:
    before = len(gc.callbacks)
    first, second = Telemetry(), Telemetry()
    first.rejected.labels("queue_full").inc()
    assert b'reason="queue_full"' not in second.exposition()
    assert len(gc.callbacks) == before


def test_two_versions_of_a_model_make_one_sample_of_each_gauge() -> None:
    telemetry = Telemetry()
    old = {"model": "m", "version": "1", "variant": "int8", "provider": "cpu"}
    new = {**old, "version": "2"}
    telemetry.watch(lambda: [("m", 1, 2), ("m", 3, 4)], lambda: [(old, True), (new, True), (new, True)])
    samples = [line for line in telemetry.exposition().decode().splitlines() if line.startswith("percept_")]
    names = [line.rpartition(" ")[0] for line in samples]
    assert len(set(names)) == len(names)
    assert 'percept_queue_depth{model="m"} 4.0' in samples
    assert 'percept_in_flight_requests{model="m"} 6.0' in samples
    assert sum(name.startswith("percept_model_info") for name in names) == 2


def test_a_model_is_ready_once_all_its_versions_are() -> None:
    telemetry = Telemetry()
    ready = {"model": "m", "version": "1", "variant": "int8", "provider": "cpu"}
    telemetry.watch(list, lambda: [(ready, True), ({"model": "m"}, False)])
    text = telemetry.exposition().decode()
    assert [line for line in text.splitlines() if line.startswith("percept_model_ready{")] == [
        'percept_model_ready{model="m"} 0.0'
    ]
