"""The measurements: the works, their metrics, and the peer each is compared to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Figures = Mapping[str, float]
"""The figures of one measurement, by metric key."""

Measure = Callable[[int], Figures]
"""Does a work the given number of times and says what it found."""

RING_SIZE = 100
SENDERS = 8
BREATH = 1_000
"""A sender that is a coroutine lets others run after so many messages, as a thread does by itself."""
GROUP_SIZE = 10
SIBLINGS = 10_000
CHAIN = 10
"""Handoffs of one piece of work."""
AUDIENCE = 1_000
"""Members that hear a broadcast or an event."""
STAGES = 5
POOL = 100


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a work; `unit` is one of those `_table.quantity` knows."""

    key: str
    unit: str
    higher_is_better: bool = True


@dataclass(frozen=True, slots=True)
class Work:
    """One work. `rounds` caps the rounds of a work too long to be repeated."""

    name: str
    about: str
    metrics: tuple[Metric, ...]
    peer: str
    rounds: int | None = None


def _rate(unit: str) -> tuple[Metric, ...]:
    return (Metric("rate", unit),)


_CYCLE = (Metric("cycle", "us", higher_is_better=False),)
_SPAWN = (Metric("rate", "actors/s"), Metric("memory", "KiB/actor", higher_is_better=False))

WORKS: Mapping[str, Work] = {
    work.name: work
    for work in (
        Work(
            "tell",
            "one actor, N messages from one sender, until the last is handled",
            _rate("msg/s"),
            "pykka",
        ),
        Work("call", "N awaited round trips, one after another, from a coroutine", _rate("calls/s"), "pykka"),
        Work("ask", "N blocking round trips, one after another, from a thread", _rate("asks/s"), "pykka"),
        Work("ring", f"{RING_SIZE} actors, one token, N hops", _rate("hops/s"), "pykka"),
        Work("fan-in", f"{SENDERS} senders, one receiver, N messages in all", _rate("msg/s"), "pykka"),
        Work(
            "spawn",
            "N actors started under a supervisor where there is one, each has answered once",
            _SPAWN,
            "pykka",
        ),
        Work("start", "as spawn, without a supervisor", _SPAWN, "pykka"),
        Work("crowd", "as spawn, 100,000 actors", _SPAWN, "pykka"),
        Work(
            "million",
            "as spawn, up to 1,000,000 actors alive at once",
            (Metric("live", "actors"), *_SPAWN),
            "otp",
            rounds=1,
        ),
        Work("restart", "crash until the new incarnation has answered, N times, one_for_one", _CYCLE, "otp"),
        Work(
            "restart-group",
            f"crash of one until all {GROUP_SIZE} have answered anew, N times, one_for_all",
            _CYCLE,
            "otp",
        ),
        Work("restart-crowd", f"as restart, while {SIBLINGS:,} siblings live", _CYCLE, "otp"),
        Work("stop", "a tree of N actors stopped in order", _rate("stops/s"), "otp"),
        Work(
            "detection",
            "from the raise to the supervisor's decision, N times, idle otherwise",
            (Metric("p50", "us", higher_is_better=False), Metric("p99", "us", higher_is_better=False)),
            "otp",
        ),
        Work(
            "team-handoff",
            f"N pieces of work, one after another, each handed on {CHAIN} times",
            _rate("handoffs/s"),
            "autogen-core",
        ),
        Work(
            "team-broadcast",
            f"N messages to {AUDIENCE:,} members, each acknowledged by all before the next",
            _rate("answers/s"),
            "autogen-core",
        ),
        Work("team-fanout", f"N events on a topic with {AUDIENCE:,} subscribers", _rate("events/s"), "autogen-core"),
        Work("team-pipeline", f"N items through {STAGES} stages", _rate("items/s"), "asyncio"),
        Work(
            "team-pool",
            f"N pieces of work of 1 to 100 ms, a tenth of them long, by {POOL} members",
            (Metric("makespan", "ms", higher_is_better=False),),
            "teams-round-robin",
        ),
        Work(
            "sim-messages",
            "N messages in the simulation, random schedule, oracles on",
            _rate("msg/s"),
            "ours-simulation",
        ),
        Work("sim-worlds", "N fresh worlds of 10 actors and 60 messages", _rate("worlds/s"), "ours-simulation"),
        Work("sim-time", "N virtual seconds of 5 actors that tick", (Metric("ratio", "s/s"),), "ours-simulation"),
        Work(
            "sim-determinism",
            "different traces of one run, made N times in each of six processes with three hash seeds",
            (Metric("digests", "digests", higher_is_better=False),),
            "ours-simulation",
            rounds=1,
        ),
    )
}
