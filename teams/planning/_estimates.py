"""Estimates of how long a step takes, each with its source."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, pstdev, quantiles
from typing import TYPE_CHECKING

from supervisors.spi import nearest
from teams._journal.rows import LONGEST
from teams.workflows._graph.node import Agent, AskPerson, InTeam, Sleep, expected_seconds

if TYPE_CHECKING:
    from teams.workflows._graph.node import Node
    from teams.workflows._graph.workflow import Workflow

ASSUMED = 60.0
"""Seconds that a step takes of which nothing is known."""
LATEST = 200
"""How many of the latest recorded durations count."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long a step takes, in seconds.

    Of three points, `mean` is (low + 4 likely + high) / 6 and `deviation` is (high - low) / 6. Of recorded durations,
    low, likely and high are the 10th, 50th and 90th percentile, and the mean and the deviation are theirs.
    """

    low: float
    likely: float
    high: float
    source: str
    """Where it comes from, in a few words."""
    recorded: tuple[float, ...] = field(default=(), repr=False)
    """The durations that it was learned from; empty: from none."""

    @property
    def mean(self) -> float:
        """The expected duration in seconds."""
        if self.recorded:
            return fmean(self.recorded)
        return expected_seconds(self.low, self.likely, self.high)

    @property
    def deviation(self) -> float:
        """The standard deviation in seconds."""
        return pstdev(self.recorded) if self.recorded else (self.high - self.low) / 6

    def draw(self, source: random.Random) -> float:
        """A duration as it may turn out: one of the recorded, or one of the beta distribution of the three points."""
        if self.recorded:
            return source.choice(self.recorded)
        spread = self.high - self.low
        if spread <= 0:
            return self.likely
        rise, fall = 1 + 4 * (self.likely - self.low) / spread, 1 + 4 * (self.high - self.likely) / spread
        return self.low + spread * source.betavariate(rise, fall)


Duration = float | tuple[float, float, float] | Estimate
"""Seconds, three points (low, likely, high) in seconds, or an `Estimate`."""


@dataclass(frozen=True)
class RecordedRuns:
    """The record of earlier runs: the durations of steps and members in seconds, oldest first, and how often steps
    failed.
    """

    steps: Mapping[str, Sequence[float]] = field(default_factory=dict)
    members: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """By member, role or capability."""
    failures: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By step: how many attempts failed, and of how many."""
    quality: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By step: how many scored results were good enough, and of how many."""


def estimate_of(value: object, source: str) -> Estimate:
    """The estimate of a number of seconds, or of three points. Raises ValueError, in words, for anything else."""
    if isinstance(value, Estimate):
        return value
    points = (value, value, value) if _is_number(value) else value
    if not isinstance(points, Sequence) or isinstance(points, str) or len(points) != 3:
        raise ValueError(f"must be seconds, or three points (low, likely, high), got {value!r}")
    for each in points:
        if not _is_number(each) or not 0 <= each <= sys.float_info.max:
            raise ValueError(f"must be numbers of seconds >= 0, got {value!r}")
    low, likely, high = map(float, points)
    if not low <= likely <= high:
        raise ValueError(f"must be in order, low <= likely <= high, got {value!r}")
    return Estimate(low, likely, high, source)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def learned(durations: Sequence[float], of: str) -> Estimate:
    """The estimate of recorded durations, of which the latest count. `of` says whose they are."""
    latest = tuple(durations[-LATEST:])
    count = len(latest)
    low, likely, high = (latest[0],) * 3 if count == 1 else _percentiles(latest)
    return Estimate(low, likely, high, f"{count} recorded {'run' if count == 1 else 'runs'} of {of}", latest)


def _percentiles(durations: Sequence[float]) -> tuple[float, float, float]:
    tenths = quantiles(durations, n=10, method="inclusive")
    return tenths[0], tenths[4], tenths[8]


def estimates_for(
    workflow: Workflow,
    members: Sequence[str | None],
    given: Mapping[str, Duration],
    recorded: RecordedRuns,
    faults: list[tuple[str, str]],
) -> list[Estimate]:
    """An estimate for each step, in the order of the workflow: the one given, else that of recorded runs of the step,
    else of its member, else the one that its metadata declares (`estimated_duration`), else a minute.

    Appends every fault, with its place.
    """
    known = workflow.graph.by_id
    for id in given:
        if id not in known:
            faults.append((f"estimates/{id}", f"not a step of the workflow; {nearest(str(id), list(known))}"))
    pairs = zip(workflow.graph.nodes, members, strict=True)
    return [_estimate(node, member, given, recorded, faults) for node, member in pairs]


def _estimate(
    node: Node,
    member: str | None,
    given: Mapping[str, Duration],
    recorded: RecordedRuns,
    faults: list[tuple[str, str]],
) -> Estimate:
    if node.id in given:
        return _read(given[node.id], "given", f"estimates/{node.id}", faults)
    if durations := recorded.steps.get(node.id):
        return learned(durations, "this step")
    if member is not None and (durations := recorded.members.get(member)):
        return learned(durations, member)
    if "estimated_duration" in node.metadata:
        return _read(node.metadata["estimated_duration"], "declared", f"{node.id}/estimated_duration", faults)
    if isinstance(node.what, Sleep) and node.what.seconds is not None:
        return estimate_of(min(node.what.seconds, LONGEST), "it sleeps")
    return estimate_of(ASSUMED, "assumed")


def _read(value: object, source: str, place: str, faults: list[tuple[str, str]]) -> Estimate:
    try:
        return estimate_of(value, source)
    except ValueError as error:
        faults.append((place, str(error)))
        return estimate_of(ASSUMED, "assumed")


def resource_of(node: Node) -> str | None:
    """The resource that a step occupies while it runs: its member, role, capability or team. None: nothing that is
    scarce.
    """
    match node.what:
        case Agent():
            return node.title
        case InTeam(team):
            return team
        case AskPerson(person=str(person)):
            return person
    return None
