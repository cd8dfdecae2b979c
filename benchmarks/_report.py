"""Rows: the median and the spread of every metric, and its ratio to the named peer of the same run."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from benchmarks._harness import Measured
from benchmarks._works import Metric


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of one subject under one work.

    `ratio` is how many times better than `peer` the subject is: above 1 is faster, or smaller, whatever the
    metric. It is the median of the rounds' own ratios, so that a noise that lasts a round touches both sides
    of it.
    """

    work: str
    metric: str
    unit: str
    subject: str
    version: str | None
    isolation: str
    size: int
    status: str
    detail: str
    samples: tuple[float, ...]
    peer: str
    ratio: float | None

    @property
    def median(self) -> float | None:
        """The middle of the rounds, None where there is none."""
        return statistics.median(self.samples) if self.samples else None

    def to_json(self) -> dict[str, object]:
        """The row as it stands in the JSON file, median and spread included."""
        low, high = (min(self.samples), max(self.samples)) if self.samples else (None, None)
        return {**asdict(self), "samples": list(self.samples), "median": self.median, "min": low, "max": high}


def ratio(metric: Metric, samples: Sequence[float], peers: Sequence[float]) -> float | None:
    """How many times better `samples` are than the peer's of the same rounds; None without a common round."""
    pairs = list(zip(samples, peers, strict=False))
    shares = [a / b if metric.higher_is_better else b / a for a, b in pairs if a > 0 and b > 0]
    return statistics.median(shares) if shares else None


def rows_of(measured: Iterable[Measured]) -> list[Row]:
    """One row for each metric of each measured subject, in their order."""
    measured = list(measured)
    by_name = {(one.work.name, one.subject.name): one for one in measured}
    return [
        _row(one, metric, by_name.get((one.work.name, one.work.peer)))
        for one in measured
        for metric in one.work.metrics
    ]


def _row(one: Measured, metric: Metric, peer: Measured | None) -> Row:
    samples = one.samples(metric.key)
    failure = one.failure
    return Row(
        work=one.work.name,
        metric=metric.key,
        unit=metric.unit,
        subject=one.subject.name,
        version=one.subject.version(),
        isolation=one.subject.isolation,
        size=one.size,
        status="ok" if failure is None else failure.status,
        detail="" if failure is None else failure.detail,
        samples=tuple(samples),
        peer=one.work.peer,
        ratio=None if peer is None else ratio(metric, samples, peer.samples(metric.key)),
    )
