"""The base of the metrics sinks: counters and histograms of the Prometheus client that lifecycle events move.

Events are counted when they happen. A sink adds values that it reads elsewhere at each scrape (`scrape`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from actors.events import LifecycleEvent

if TYPE_CHECKING:
    from actors._runtime.runtime import Runtime

Labels = tuple[str, ...]
Descriptions = Mapping[str, tuple[str, Labels]]
"""By the name of a metric, its help text and the names of its labels."""
SampleValues = Mapping[Labels, float]


class EventMetrics(Collector):
    """A collector in the registry that it is given, until it is closed. The global registry is never touched.

    The counters belong to this collector and not to the registry, so that all of them come and go at once, and without
    the `_created` series that the client adds to each.
    """

    COUNTERS: ClassVar[Descriptions] = {}
    HISTOGRAMS: ClassVar[Descriptions] = {}
    BUCKETS: ClassVar[Sequence[float]] = ()
    """Upper bounds of the histograms, in seconds."""
    OTHER_BUCKETS: ClassVar[Mapping[str, Sequence[float]]] = {}
    """Upper bounds of those histograms that are not of seconds, by name."""
    SCRAPED_COUNTERS: ClassVar[Descriptions] = {}
    """The families that the sink reads elsewhere at each scrape, and those of them that only grow."""
    SCRAPED_GAUGES: ClassVar[Descriptions] = {}

    def __init__(
        self, runtime: Runtime, registry: CollectorRegistry, prefix: str, events: Iterable[type[LifecycleEvent]]
    ) -> None:
        """Registers and begins to count. Raises ValueError if the registry has metrics with this prefix already."""
        self._runtime = runtime
        self._registry = registry
        self._prefix = prefix
        self._lock = threading.Lock()
        self._highest: dict[str, dict[Labels, float]] = {}
        self._counters = {
            name: Counter(f"{prefix}_{name}", text, labels, registry=None)
            for name, (text, labels) in self.COUNTERS.items()
        }
        buckets = self.OTHER_BUCKETS
        self._histograms = {
            name: Histogram(f"{prefix}_{name}", text, labels, registry=None, buckets=buckets.get(name, self.BUCKETS))
            for name, (text, labels) in self.HISTOGRAMS.items()
        }
        registry.register(self)
        self._subscription = runtime.events.subscribe(self.count, *events)
        self._closed = False

    def close(self) -> None:
        """Counts nothing more and takes every series out of the registry. May be called twice."""
        if not self._closed:
            self._closed = True
            self._subscription.cancel()
            self._registry.unregister(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # For the sink

    def count(self, event: LifecycleEvent) -> None:
        """Counts an event. In any thread."""
        raise NotImplementedError

    def scrape(self) -> Mapping[str, SampleValues]:
        """The values of what is scraped, by name and labels. In the thread that scrapes."""
        raise NotImplementedError

    def add(self, name: str, *labels: str) -> None:
        """Counts one more."""
        self._counters[name].labels(*labels).inc()

    def observe(self, name: str, label: str, seconds: float) -> None:
        """Adds one duration to a histogram."""
        self._histograms[name].labels(label).observe(seconds)

    def counted(self, name: str, **labels: str) -> float:
        """The present value of a counter, over all series with these labels."""
        return _total(self._counters[name], "_total", labels)

    def spent(self, name: str, **labels: str) -> float:
        """The sum of a histogram by now, over all series with these labels."""
        return _total(self._histograms[name], "_sum", labels)

    def never_less(self, name: str, now: dict[Labels, float]) -> dict[Labels, float]:
        """The values, or the highest that a scrape has seen under this name: a counter must not fall."""
        with self._lock:
            highest = self._highest.setdefault(name, {})
            for labels, value in now.items():
                highest[labels] = max(value, highest.get(labels, 0.0))
            return highest.copy()

    # For the registry

    def describe(self) -> Iterable[Metric]:
        """The families without samples, by which the registry sees collisions of names."""
        return [*(family for each in self._moved() for family in each.describe()), *self._families({})]

    def collect(self) -> Iterator[Metric]:
        """All families with their samples. Called by the registry, in the thread that scrapes."""
        for each in self._moved():
            for family in each.collect():
                family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
                yield family
        yield from self._families(self.scrape())

    def _moved(self) -> Iterable[Counter | Histogram]:
        return (*self._counters.values(), *self._histograms.values())

    def _families(self, values: Mapping[str, SampleValues]) -> Iterator[Metric]:
        for kind, described in (
            (CounterMetricFamily, self.SCRAPED_COUNTERS),
            (GaugeMetricFamily, self.SCRAPED_GAUGES),
        ):
            for name, (text, labels) in described.items():
                family = kind(f"{self._prefix}_{name}", text, labels=labels)
                for key, value in sorted(values.get(name, {}).items()):
                    family.add_metric(key, value)
                yield family


def _total(metric: Counter | Histogram, suffix: str, labels: Mapping[str, str]) -> float:
    samples = (sample for family in metric.collect() for sample in family.samples)
    return sum(
        sample.value for sample in samples if sample.name.endswith(suffix) and labels.items() <= sample.labels.items()
    )
