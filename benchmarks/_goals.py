"""The goals: what ours must reach, each read off the rows of one run."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from benchmarks._report import Row, ratio
from benchmarks._table import quantity
from benchmarks._works import WORKS

Verdict = Literal["met", "missed", "not measured"]


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on one metric of one work, as users run ours (the subject `ours`).

    With a `peer`, the bound is the least ratio to it; without, it is in the metric's unit, the most for a
    metric that is better low and the least for one that is better high. `size` is the least N at which the
    goal may be judged at all.
    """

    about: str
    work: str
    metric: str
    bound: float
    peer: str | None = None
    size: int = 1
    subject: str = "ours"


@dataclass(frozen=True, slots=True)
class Judged:
    """A goal beside what was measured."""

    goal: str
    measured: str
    verdict: Verdict

    def to_json(self) -> dict[str, object]:
        """The judgement as it stands in the JSON file."""
        return asdict(self)


GOALS: Sequence[Goal] = (
    Goal("tell at 6 x pykka", "tell", "rate", 6, peer="pykka"),
    Goal("awaited call at 12 x pykka", "call", "rate", 12, peer="pykka"),
    Goal("ring at 15 x pykka", "ring", "rate", 15, peer="pykka"),
    Goal("spawn at 15 x pykka", "spawn", "rate", 15, peer="pykka"),
    Goal("start without a supervisor at 15 x pykka", "start", "rate", 15, peer="pykka"),
    Goal("crash to answer no slower than OTP's supervisor", "restart", "cycle", 1, peer="otp"),
    Goal("100,000 live actors under 4 KiB each", "crowd", "memory", 4, size=100_000),
    Goal("1,000,000 live actors on one machine", "million", "live", 1_000_000),
    Goal("detection p99 under 1 ms when idle", "detection", "p99", 1_000),
    Goal("messages (tell) at 10 x AutoGen core", "tell", "rate", 10, peer="autogen-core"),
    Goal("messages (call) at 10 x AutoGen core", "call", "rate", 10, peer="autogen-core"),
    Goal("handoffs at 10 x AutoGen core", "team-handoff", "rate", 10, peer="autogen-core", subject="teams"),
    Goal(
        "acknowledged broadcast at 10 x AutoGen core",
        "team-broadcast",
        "rate",
        10,
        peer="autogen-core",
        subject="teams",
    ),
    Goal("topics at 10 x AutoGen core", "team-fanout", "rate", 10, peer="autogen-core", subject="teams"),
    Goal("50,000 simulated messages a second", "sim-messages", "rate", 50_000, subject="ours-simulation"),
    Goal("500 fresh worlds a second", "sim-worlds", "rate", 500, subject="ours-simulation"),
    Goal("virtual time 10,000 times as fast as real", "sim-time", "ratio", 10_000, subject="ours-simulation"),
    Goal("one trace, whatever process and hash seed", "sim-determinism", "digests", 2, subject="ours-simulation"),
    Goal(
        "supervision, events and metrics cost a third of tell at most",
        "tell",
        "rate",
        2 / 3,
        peer="ours-bare",
    ),
)


def judge(goal: Goal, rows: Sequence[Row]) -> Judged:
    """Judge one goal; it is "not measured" where ours, or the peer, has no figure of the goal's size."""
    found = {row.subject: row for row in rows if (row.work, row.metric) == (goal.work, goal.metric)}
    ours = found.get(goal.subject)
    if ours is None or not ours.samples or ours.size < goal.size:
        return Judged(goal.about, "-", "not measured")
    metric = next(metric for metric in WORKS[goal.work].metrics if metric.key == goal.metric)
    if goal.peer is not None:
        peer = found.get(goal.peer)
        share = ratio(metric, ours.samples, peer.samples) if peer is not None else None
        if share is None:
            return Judged(goal.about, f"no figure of {goal.peer}", "not measured")
        return Judged(goal.about, f"{share:.3g} x {goal.peer}", "met" if share >= goal.bound else "missed")
    middle = statistics.median(ours.samples)
    reached = middle >= goal.bound if metric.higher_is_better else middle < goal.bound
    return Judged(goal.about, quantity(middle, metric.unit), "met" if reached else "missed")
