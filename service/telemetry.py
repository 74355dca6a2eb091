"""The process's metrics, in Prometheus' terms; names and labels are those that API documentation promises.

Every application has its own registry, so two of them in one process do not mix. Gauges of engines are read when a
scrape asks for them.
"""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.registry import Collector

EXPOSITION_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_BATCHES = (1, 2, 4, 8, 16, 32)

EngineReading = tuple[str, int, int]  # model, queue depth, in flight
ModelReading = tuple[dict[str, str], bool]  # labels of percept_model_info, is ready


class Telemetry:
    """Counters and histograms of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.requests = Counter(
            "percept_requests", "Requests answered.", ["route", "model", "status"], registry=registry
        )
        self.rejected = Counter("percept_rejected", "Requests refused, by code.", ["reason"], registry=registry)
        self.cancelled = Counter(
            "percept_cancelled",
            "Requests given up, by stage (reading, queued, running).",
            ["stage"],
            registry=registry,
        )
        self.audio_seconds = Counter(
            "percept_audio_seconds", "Seconds of audio transcribed.", ["model"], registry=registry
        )
        self.request_duration = self._histogram("request_duration_seconds", "A request from first to last byte.")
        self.queue_duration = self._histogram("queue_duration_seconds", "Waiting for a lane.")
        self.inference_duration = self._histogram("inference_duration_seconds", "Running the graph.")
        self.decode_duration = self._histogram("decode_duration_seconds", "Decoding the media.")
        self.batch_size = self._histogram("batch_size", "Requests that ran together.", _BATCHES)
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)

    def _histogram(self, name: str, text: str, buckets: Iterable[float] = _SECONDS) -> Histogram:
        return Histogram(f"percept_{name}", text, ["model"], buckets=tuple(buckets), registry=self.registry)

    def watch(
        self, engines: Callable[[], Iterable[EngineReading]], models: Callable[[], Iterable[ModelReading]]
    ) -> None:
        """Read these at every scrape."""
        self.registry.register(_Readings(engines, models))

    def watch_libraries(self, counts: Mapping[str, int]) -> None:
        """Read at every scrape how often each library said something to the log or to standard error."""
        self.registry.register(_Messages(counts))

    def observe(self, model: str, queue_s: float, decode_s: float, inference_s: float, batch_size: int) -> None:
        """Note where the time of an answered request went, in seconds."""
        self.queue_duration.labels(model).observe(queue_s)
        self.decode_duration.labels(model).observe(decode_s)
        self.inference_duration.labels(model).observe(inference_s)
        self.batch_size.labels(model).observe(batch_size)

    def exposition(self) -> bytes:
        """The Prometheus text format, version 0.0.4."""
        return generate_latest(self.registry)


class _Messages(Collector):
    """A counter whose values live elsewhere."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        messages = CounterMetricFamily(
            "percept_library_messages", "Lines that libraries wrote, kept at debug.", labels=["library"]
        )
        for library, count in list(self._counts.items()):
            messages.add_metric([library], count)
        yield messages


class _Readings(Collector):
    """Gauges whose values live elsewhere."""

    def __init__(
        self, engines: Callable[[], Iterable[EngineReading]], models: Callable[[], Iterable[ModelReading]]
    ) -> None:
        self._engines = engines
        self._models = models

    def collect(self) -> Iterator[Metric]:
        depth = GaugeMetricFamily("percept_queue_depth", "Jobs that wait for a lane.", labels=["model"])
        inside = GaugeMetricFamily(
            "percept_in_flight_requests", "Requests uploading, waiting or running.", labels=["model"]
        )
        # two versions of a model may be served; a scrape that names a sample twice is not valid
        waiting: Counts[str] = Counts()
        running: Counts[str] = Counts()
        for model, depth_now, inside_now in self._engines():
            waiting[model] += depth_now
            running[model] += inside_now
        for model in waiting:
            depth.add_metric([model], waiting[model])
            inside.add_metric([model], running[model])
        yield from (depth, inside)
        yield from self._model_gauges()

    def _model_gauges(self) -> Iterator[Metric]:
        names = ["model", "version", "variant", "provider"]
        info = GaugeMetricFamily("percept_model_info", "What is loaded, and where it runs.", labels=names)
        ready = GaugeMetricFamily("percept_model_ready", "1 once loaded, verified and warm.", labels=["model"])
        readings = list(self._models())
        for model in dict.fromkeys(labels["model"] for labels, _ in readings):
            ready.add_metric(
                [model], float(all(is_ready for labels, is_ready in readings if labels["model"] == model))
            )
        for loaded in dict.fromkeys(
            tuple(labels[name] for name in names) for labels, is_ready in readings if is_ready
        ):
            info.add_metric(loaded, 1.0)
        yield from (ready, info)
