"""What this process counts, for Prometheus: by route template, never by path."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from toxgrade.server.records.writer import Writer

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
"""The label of a path that no route has, and of a method that none takes."""


class Metrics:
    """The counts of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.in_flight = Gauge(
            "toxgrade_requests_in_flight", "Requests being answered.", registry=self.registry
        )
        self._requests = Counter(
            "toxgrade_requests",
            "Requests answered; status 499 where the caller went away first.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "toxgrade_request_seconds",
            "From a request's head to the end of its answer.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._batch_rows = Gauge(
            "toxgrade_batch_rows",
            "Rows of stored batches by the state of their task.",
            ("state",),
            registry=self.registry,
        )
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request. ``route`` is a template of ours, so that labels stay few."""
        key = (method, route, status)
        found = self._children.get(key)
        if found is None:
            counter = self._requests.labels(method, route, status)
            found = self._children[key] = counter, self._seconds.labels(method, route)
        found[0].inc()
        found[1].observe(seconds)

    def watch(self, writer: Writer) -> None:
        """Count what a writer counts for itself, whenever Prometheus asks."""
        self.registry.register(_WriterCounts(writer))

    def batches(self, rows: Mapping[str, int]) -> None:
        """How many rows of stored batches are in each state, as the database says now."""
        self._batch_rows.clear()
        for state, count in rows.items():
            self._batch_rows.labels(state).set(count)


class _WriterCounts(Collector):
    """The mean size of a group is the increase of jobs by the increase of groups."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def collect(self) -> Iterator[Metric]:
        writer = self._writer
        yield GaugeMetricFamily("toxgrade_writer_waiting", "Jobs not yet begun.", writer.waiting)
        yield CounterMetricFamily("toxgrade_writer_groups", "Commits together.", writer.groups)
        yield CounterMetricFamily("toxgrade_writer_jobs", "Jobs in those groups.", writer.jobs)
