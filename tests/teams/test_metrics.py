"""The metrics of teams, in virtual time: every figure is exact."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from actors import Actor
from actors.testing import Simulation, simulation
from supervisors import SupervisorSpec, constant
from teams import Handoff, Health, Pattern, RunContext, TeamMetrics, TeamRef, member, team
from teams.protocols import ConflictResolved
from teams.resilience import ResourcesGranted


async def slow(seconds: Any) -> Any:
    """Takes the time it is given."""
    if seconds == "boom":
        raise ValueError(seconds)
    if isinstance(seconds, Timed):
        seconds = seconds.seconds
    await asyncio.sleep(seconds)
    return seconds


async def passing_on(seconds: Any) -> Any:
    """Has it done by another member."""
    return Handoff("worker", seconds)


class Timed(NamedTuple):
    """A message that knows when it was published."""

    at: float
    seconds: float


class Calling(Actor):
    """Asks itself, which can never be answered."""

    async def on_receive(self, message: object) -> None:
        await self.ref.call(message)


class Once(Pattern):
    """One step."""

    def parts(self) -> Iterator[Any]:
        yield "worker"

    async def play(self, run: RunContext, value: object) -> object:
        return await run.do("worker", value)


def crew_of(**options: Any) -> SupervisorSpec:
    return team(
        "crew",
        member("worker", slow, backoff=constant(0.5), **options),
        member("desk", passing_on),
        max_restarts=100,
    )


@contextmanager
def measured(**options: Any) -> Iterator[tuple[Simulation, TeamRef, TeamMetrics, CollectorRegistry]]:
    """A team, its metrics and the registry they are in."""
    registry = CollectorRegistry()
    with simulation() as sim:
        crew = sim.start(crew_of(**options))
        assert isinstance(crew, TeamRef)
        with TeamMetrics(sim.runtime, registry) as metrics:
            yield sim, crew, metrics, registry


def metric(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    """One sample."""
    return registry.get_sample_value(f"letitcrash_team_{name}", labels)


def test_busy_seconds_grow_while_the_work_goes_on() -> None:
    """Guards utilisation: what is not done yet counts, and nothing counts twice when it is."""
    with measured(concurrency=2) as (sim, crew, _, registry):
        first, second = crew.assign(10.0, to="worker"), crew.assign(30.0, to="worker")
        sim.advance(5)
        assert metric(registry, "busy_seconds_total", team="crew", member="worker") == pytest.approx(10.0)
        assert metric(registry, "capacity_reserved", team="crew", member="worker") == 2
        sim.advance(100)
        assert (first.get(), second.get()) == (10.0, 30.0)
        assert metric(registry, "busy_seconds_total", team="crew", member="worker") == pytest.approx(40.0)
        assert metric(registry, "capacity_reserved", team="crew", member="worker") == 0
        assert metric(registry, "capacity", team="crew", member="worker") == 2


def test_waiting_and_response_time_are_those_of_the_work() -> None:
    """Guards the two histograms: waiting ends when a member begins, the response when it is done."""
    with measured() as (sim, crew, _, registry):
        for _ in range(3):
            crew.assign(10.0, to="worker")
        sim.advance(100)
        assert metric(registry, "waiting_seconds_count", team="crew") == 3
        assert metric(registry, "waiting_seconds_sum", team="crew") == pytest.approx(0 + 10 + 20)
        assert metric(registry, "waiting_seconds_bucket", team="crew", le="10.0") == 2
        assert metric(registry, "work_seconds_sum", team="crew") == pytest.approx(10 + 20 + 30)
        assert metric(registry, "work_total", team="crew", member="worker", outcome="done") == 3


def test_failures_retries_and_the_time_to_recover_are_counted() -> None:
    """Guards the failure figures: a crash is one failure, one recovery, and one retry where there is one."""
    with measured() as (sim, crew, _, registry):
        crew.assign("boom", to="worker")
        sim.advance(10)
        crew.assign("boom", to="worker", attempts=2)
        sim.advance(10)
        assert metric(registry, "work_total", team="crew", member="worker", outcome="failed") == 2
        assert metric(registry, "retries_total", team="crew", member="worker") == 1
        assert metric(registry, "recovery_seconds_count", team="crew") == 3
        assert metric(registry, "recovery_seconds_sum", team="crew") == pytest.approx(3 * 0.5)


def test_handoffs_runs_and_every_other_event_are_counted() -> None:
    """Guards the counters by outcome, and the one that knows all events."""
    with measured() as (sim, crew, _, registry):
        crew.assign(1.0, to="desk")
        sim.advance(10)
        assert metric(registry, "handoffs_total", team="crew", outcome="taken") == 1
        done, failed, cancelled = (crew.play(Once(), value) for value in (1.0, "boom", 50.0))
        sim.advance(5)
        cancelled.cancel()
        sim.advance(5)
        assert done.get() == 1.0
        assert failed.done()
        for outcome in ("done", "failed", "cancelled"):
            assert metric(registry, "runs_total", team="crew", outcome=outcome) == 1
        assert metric(registry, "events_total", event="run_began") == 3
        crew.pause_work()
        sim.advance(1)
        assert metric(registry, "events_total", event="paused") == 1


def test_conflicts_and_waits_for_resources_are_counted() -> None:
    """Guards the coordination figures."""
    with measured() as (sim, _, _, registry):
        publish = sim.runtime.events.publish
        publish(ConflictResolved("crew", 0.0, "contention", "db", "a", "priority"))
        for waited in (0.0, 2.0):
            publish(ResourcesGranted("root/tools", 0.0, None, {"db": 1}, waited))
        assert metric(registry, "conflicts_total", kind="contention") == 1
        assert metric(registry, "resource_waits_total", resources="root/tools") == 1


def test_the_latency_of_an_event_ends_where_its_handler_begins() -> None:
    """Guards message latency: the time of the handler itself is not part of it, and it is measured only when asked."""
    registry = CollectorRegistry()
    with simulation() as sim:
        crew = sim.start(crew_of())
        with TeamMetrics(sim.runtime, registry, events=True):
            worker = crew.child("members/worker")
            worker.suspend()
            worker.tell(Timed(sim.runtime.now(), 10.0))
            sim.advance(3)
            worker.resume()
            sim.advance(60)
            labels = {"member": "crew/members/worker"}
            assert metric(registry, "event_latency_seconds_count", **labels) == 1
            assert metric(registry, "event_latency_seconds_sum", **labels) == pytest.approx(3.0)


def test_a_member_that_crashes_over_a_circle_of_calls_counts_as_a_deadlock() -> None:
    """Guards deadlock frequency: such a call is refused at once, and its caller, if it does not mind, crashes."""
    registry = CollectorRegistry()
    with simulation() as sim:
        crew = sim.start(team("crew", member("calling", Calling), max_restarts=100))
        with TeamMetrics(sim.runtime, registry):
            crew.child("members/calling").tell("go")
            sim.advance(10)
            assert metric(registry, "deadlocks_total", team="crew", member="calling") == 1


def test_health_says_how_the_team_does_now() -> None:
    """Guards the snapshot: what is done, under way and waiting, and how long it took."""
    with measured() as (sim, crew, metrics, _):
        assert metrics.health(crew) == Health(0, 0, 0, 0, 2, 2, None)
        assert metrics.health(crew).success_rate is None
        crew.assign(10.0, to="worker")
        crew.assign("boom", to="worker")
        crew.assign(20.0, to="worker")
        sim.advance(5)
        assert metrics.health("crew") == Health(0, 0, 1, 2, 2, 2, None)
        sim.advance(100)
        health = metrics.health(crew)
        assert (health.done, health.failed, health.active, health.waiting) == (2, 1, 0, 0)
        assert health.success_rate == pytest.approx(2 / 3)
        # 10 s, then the crash at once, then half a second of backoff and 20 s of work.
        assert health.average_response_time == pytest.approx((10 + 10 + 30.5) / 3)


def test_every_series_leaves_the_registry_when_the_sink_is_closed() -> None:
    """Guards embedding: nothing is left behind, twice is as good as once, and the global registry is not touched."""
    before = list(prometheus_client.REGISTRY.collect())
    with measured() as (sim, crew, metrics, registry):
        crew.assign(1.0, to="worker")
        sim.advance(5)
        assert b"letitcrash_team_work_total" in generate_latest(registry)
        metrics.close()
        metrics.close()
        assert generate_latest(registry) == b""
        crew.assign(1.0, to="worker")
        sim.advance(5)
        assert metrics.health(crew).done == 1
    assert len(list(prometheus_client.REGISTRY.collect())) == len(before)


def test_two_sinks_of_one_namespace_do_not_share_a_registry() -> None:
    """Guards against series that are told twice."""
    with measured() as (sim, _, _, registry):
        with pytest.raises(ValueError, match="Duplicated"):
            TeamMetrics(sim.runtime, registry)
        TeamMetrics(sim.runtime, registry, namespace="other").close()
