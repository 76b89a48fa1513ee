"""What the services count, as Prometheus reads it.

The hot path adds to plain numbers; only a scrape makes metrics of them. All of it belongs to one event loop.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

LATENCY_SECONDS: Final = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)


class Metrics(Collector):
    """The counters of one running exchange."""

    def __init__(self) -> None:
        self.commands_accepted = 0
        self.rejects: dict[str, int] = {}
        self._latency = [0] * (len(LATENCY_SECONDS) + 1)
        self._latency_seconds = 0.0
        self._gauges: list[tuple[str, str, Callable[[], float]]] = []
        self._counters: list[tuple[str, str, Callable[[], float]]] = []
        self._powers: list[tuple[str, str, Callable[[], list[int]]]] = []
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def accepted(self, seconds: float) -> None:
        """Counts an order command that the engine accepted, and how long its answer took."""
        self.commands_accepted += 1
        self._latency[bisect_left(LATENCY_SECONDS, seconds)] += 1
        self._latency_seconds += seconds

    def rejected(self, code: str) -> None:
        """Counts an order command that the engine refused."""
        self.rejects[code] = self.rejects.get(code, 0) + 1

    def gauge(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """Adds a number that is asked for at every scrape."""
        self._gauges.append((name, help_text, value))

    def counter(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """Adds a number that only grows and is asked for at every scrape."""
        self._counters.append((name, help_text, value))

    def powers_of_two(self, name: str, help_text: str, counts: Callable[[], list[int]]) -> None:
        """Adds a histogram: the count at place i is of what took less than 2**i microseconds, no less than half that.

        The sum of what was measured is not known, so it has none.
        """
        self._powers.append((name, help_text, counts))

    def collect(self) -> Iterable[Metric]:
        """Everything, now."""
        yield from self._collect()

    def _collect(self) -> Iterator[Metric]:
        accepted = CounterMetricFamily("beurs_order_commands_accepted", "Order commands that the engine accepted.")
        accepted.add_metric([], self.commands_accepted)
        yield accepted
        rejects = CounterMetricFamily(
            "beurs_order_commands_rejected", "Order commands that the engine refused.", labels=["code"]
        )
        for code, count in sorted(self.rejects.items()):
            rejects.add_metric([code], count)
        yield rejects
        latency = HistogramMetricFamily(
            "beurs_order_command_seconds", "From an accepted order command's head to its answer."
        )
        buckets: list[tuple[str, float]] = []
        total = 0
        for bound, count in zip((*map(str, LATENCY_SECONDS), "+Inf"), self._latency, strict=True):
            total += count
            buckets.append((bound, total))
        latency.add_metric([], buckets=buckets, sum_value=self._latency_seconds)
        yield latency
        for name, help_text, value in self._gauges:
            yield GaugeMetricFamily(name, help_text, value=value())
        for name, help_text, value in self._counters:
            yield CounterMetricFamily(name, help_text, value=value())

        for name, help_text, counts in self._powers:
            histogram = HistogramMetricFamily(name, help_text)
            buckets, total = [], 0
            for place, count in enumerate(counts()):
                total += count
                buckets.append((str(2**place / 1e6), total))
            histogram.add_metric([], buckets=[*buckets, ("+Inf", total)], sum_value=None)
            yield histogram

    def exposition(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self._registry)

    def figures(self) -> dict[str, Any]:
        """The counters for /stats."""
        return {"commands_accepted": self.commands_accepted, "rejects": dict(sorted(self.rejects.items()))}
