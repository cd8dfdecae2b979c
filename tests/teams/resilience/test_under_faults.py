"""Policies shared by actors that crash and are killed: no bound is exceeded, and nothing that they took is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from actors import Actor
from actors.testing import Crash, FaultPlan, Kill, KillDuringRestart, Simulation, Slow, faults, simulate
from supervisors import SupervisorSpec, child, constant, supervisor
from teams.resilience import (
    Policy,
    batch,
    bulkhead,
    cache,
    circuit_breaker,
    degrade,
    rate_limit,
    retry,
    staged_start,
    timeout,
)
from tests.teams.resilience.cast import Service, Visit
from tests.teams.resilience.test_batch import Bulk

NAMES = ("ann", "bob", "cid")
VISITS = [Visit(takes=takes, fails=fails, key=key) for key in (0, 1) for takes in (0.5, 3.0) for fails in (False, True)]


class Caller(Actor):
    """Makes calls, several at a time."""

    concurrency = 3

    def __init__(self, call: Callable[[Visit], Any]) -> None:
        self.call = call

    async def on_receive(self, visit: Visit) -> object:
        return await self.call(visit)


def team(call: Callable[[Visit], Any]) -> SupervisorSpec:
    """Three callers of one function."""
    callers = [child(name, Caller, args=[call], backoff=constant(0.5)) for name in NAMES]
    return supervisor("team", *callers, max_restarts=None)


def shared(sim: Simulation, call: Callable[[Visit], Any], within_bounds: Callable[[], bool]) -> list[object]:
    """Many calls under faults; then healed, and as many calls of the same kind that go well."""
    root = sim.start(team(call))
    work = sim.workload(lambda n: root.child(NAMES[n % 3]).call(VISITS[n % 8], timeout=None), n=12, every=0.25)
    sim.always("no bound is exceeded", within_bounds)
    sim.run(until=15)
    sim.heal()
    sim.eventually("every call has an answer", lambda: work.done == 12, within=200)
    sim.advance(60)
    again = sim.workload(lambda n: root.child(NAMES[n % 3]).call(Visit(takes=1.0, key=n), timeout=None), n=4)
    sim.eventually("all goes well again", lambda: len(again.results) == 4, within=100)
    return [again.results[number] for number in range(4)]


KINDS: list[tuple[Callable[[], Policy], Callable[[Service], bool]]] = [
    (lambda: bulkhead(2), lambda service: service.peak <= 2),
    (lambda: retry(1, backoff=constant(0.5)) | bulkhead(1), lambda service: service.peak <= 1),
    (lambda: rate_limit(2, per=4.0), lambda service: service.most_within(3.999) <= 2),
    (lambda: staged_start(2, every=3.0), lambda service: service.most_within(3.0) <= 2),
    (lambda: degrade(lambda visit: -1, limit=2, threshold=1.0), lambda service: service.peak <= 2),
    (
        lambda: cache(5.0, key=lambda visit: visit.key),
        lambda service: all(peak <= 1 for peak in service.peak_of_key.values()),
    ),
    (lambda: timeout(2.5) | bulkhead(3), lambda service: service.peak <= 3),
]


@pytest.mark.parametrize(("make", "holds"), KINDS, ids=[type(make().parts[-1]).__name__ for make, _ in KINDS])
@simulate(
    plan=faults.plans("team/*", kinds=[Crash, Kill, Slow, KillDuringRestart], max_faults=4, seconds=(0.5, 3.0)),
    examples=15,
    schedules=2,
)
def test_no_bound_is_exceeded_and_no_slot_is_lost(
    sim: Simulation, plan: FaultPlan, make: Callable[[], Policy], holds: Callable[[Service], bool]
) -> None:
    """Guards slots, turns, flights and counts from the end of their holder."""
    service = Service()
    shared(sim, make()(service.call), lambda: holds(service))
    assert service.under_way == 0


@simulate(plan=faults.plans("team/*", kinds=[Crash, Kill, Slow], max_faults=4, seconds=(0.5, 3.0)), examples=20)
def test_a_breaker_never_lets_two_probes_through_and_always_closes_again(sim: Simulation, plan: FaultPlan) -> None:
    """Guards the probe from the end of the actor that makes it."""
    service = Service()
    breaker = circuit_breaker(failures=1, reset_after=2.0)
    probes: list[Visit] = []
    most = 0

    async def probed(visit: Visit) -> int:
        nonlocal most
        probe = breaker.state.value == "half-open"
        probes.extend([visit] * probe)
        most = max(most, len(probes))
        try:
            return await service.call(visit)
        finally:
            if probe:
                probes.remove(visit)

    root = sim.start(team(breaker(probed)))
    work = sim.workload(lambda n: root.child(NAMES[n % 3]).call(VISITS[n % 8], timeout=None), n=16, every=0.5)
    sim.always("one probe", lambda: most <= 1)
    sim.run(until=15)
    sim.heal()
    sim.eventually("every call has an answer", lambda: work.done == 16, within=200)
    sim.advance(10)
    assert root.child("ann").ask(Visit(takes=1.0)) == len(service.begun) - 1
    assert breaker.state.value == "closed"


@simulate(plan=faults.plans("team/*", kinds=[Crash, Kill, Slow], max_faults=4, seconds=(0.5, 3.0)), examples=20)
def test_a_batch_goes_on_without_those_who_died(sim: Simulation, plan: FaultPlan) -> None:
    """Guards the results of the others, and the task of the batch from being left behind."""
    bulk = Bulk()
    sizes = shared(sim, batch(3, 1.0)(bulk.call), lambda: all(len(items) <= 3 for items in bulk.lists))
    assert sizes == [Visit(takes=1.0, key=n) for n in range(4)]
