"""Pools: how one of several is chosen for a piece of work, and which is next."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.testing import simulation
from supervisors import constant
from teams import (
    Context,
    Priority,
    RoutingFailed,
    RunFailed,
    StepFailed,
    TeamRef,
    WorkFailed,
    can,
    member,
    pool,
    role,
    team,
)
from teams.patterns import sequential
from tests.teams.cast import begun


class Job:
    """A piece of work that takes a while."""

    def __init__(self, number: int, seconds: float) -> None:
        self.number = number
        self.seconds = seconds


async def work(job: Job, context: Context) -> str:
    """Does a job, and says who did it."""
    await asyncio.sleep(job.seconds)
    return context.member


async def who(value: object, context: Context) -> str:
    """Says who it is, at once."""
    return context.member


def crew(sim: Any, function: Any, count: int, **options: Any) -> TeamRef:
    """A team with so many workers."""
    found = begun(sim, team("crew", role("worker"), member("w", function, role="worker", count=count, **options)))
    assert found is not None
    return found


def skewed(count: int, seed: int) -> list[Job]:
    """Jobs of which one in ten takes a hundred times as long as the others."""
    random = Random(seed)
    return [Job(number, 100.0 if random.random() < 0.1 else 1.0) for number in range(count)]


def seconds_with(route: Any, jobs: list[Job], workers: int) -> float:
    """How long a pool takes for all these jobs, given to it at once."""
    with simulation() as sim:
        team = crew(sim, work, workers)
        for each in [team.assign(job, pool("worker", route)) for job in jobs]:
            each.get()
        return sim.now


def test_least_loaded_is_done_long_before_round_robin_when_work_is_skewed() -> None:
    """Guards the choice by reservations: long jobs do not pile up behind each other while others are idle."""
    jobs = skewed(200, seed=3)
    least = seconds_with("least_loaded", jobs, 10)
    around = seconds_with("round_robin", jobs, 10)
    total = sum(job.seconds for job in jobs)
    assert total / 10 <= least <= total / 10 + 100.0
    assert around > 1.5 * least


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), workers=st.integers(1, 6))
def test_least_loaded_is_never_far_from_the_best_there_is(seed: int, workers: int) -> None:
    """Guards greedy scheduling: at most the longest job more than perfectly shared work (Graham 1966)."""
    jobs = skewed(20, seed)
    assert seconds_with("least_loaded", jobs, workers) <= sum(job.seconds for job in jobs) / workers + 100.0


def test_least_loaded_is_decided_by_what_is_reserved_now() -> None:
    """Guards the defects of the sketches: load goes down again, and is not what was counted some time ago."""
    with simulation() as sim:
        team = crew(sim, work, 3)
        before = [team.assign(Job(number, 5.0), "worker") for number in range(2)]
        assert team.assign(Job(9, 0.0), "worker").get() == "w-3"
        assert team.assign(Job(9, 0.0), "worker").get() == "w-3"
        assert {each.get() for each in before} == {"w-1", "w-2"}
        done = [team.assign(Job(number, 1.0), "worker") for number in range(3)]
        assert {each.get() for each in done} == {"w-1", "w-2", "w-3"}


def test_round_robin_goes_around_whatever_the_load() -> None:
    """Guards the route: equal numbers for all, in order."""
    with simulation() as sim:
        team = crew(sim, who, 3)
        answers = [team.assign(number, pool("worker", "round_robin")).get() for number in range(7)]
        assert answers == ["w-1", "w-2", "w-3", "w-1", "w-2", "w-3", "w-1"]


def test_round_robin_keeps_its_turn_when_members_come_and_go() -> None:
    """Guards the route while the team changes: only those who are there get work."""
    with simulation() as sim:
        team = crew(sim, who, 2)
        route = pool("worker", "round_robin")
        assert team.assign(1, route).get() == "w-1"
        team.join(member("new", who, role="worker")).get()
        assert {team.assign(number, route).get() for number in range(3)} == {"w-1", "w-2", "new"}
        team.leave("w-2").get()
        assert {team.assign(number, route).get() for number in range(4)} == {"w-1", "new"}


def test_random_takes_every_member_in_the_long_run_and_is_repeatable() -> None:
    """Guards the route: near equal shares, from the randomness of the runtime, so that a seed repeats it."""

    def chosen() -> list[str]:
        with simulation(seed=5) as sim:
            team = crew(sim, who, 4)
            return [team.assign(number, pool("worker", "random")).get() for number in range(200)]

    first = chosen()
    assert first == chosen()
    assert all(30 <= count <= 70 for count in Counter(first).values())
    assert len(set(first)) == 4


def test_consistent_hash_has_one_member_for_each_key() -> None:
    """Guards the route: equal keys go to the same member, all get some."""
    with simulation() as sim:
        team = crew(sim, who, 4)
        route = pool("worker", "consistent_hash", key=lambda order: order["customer"])  # type: ignore[index]
        by_key: dict[int, set[str]] = {}
        for number in range(120):
            answer = team.assign({"customer": number % 40, "number": number}, route).get()
            by_key.setdefault(number % 40, set()).add(answer)
        assert all(len(answers) == 1 for answers in by_key.values())
        assert set.union(*by_key.values()) == {"w-1", "w-2", "w-3", "w-4"}


def test_consistent_hash_moves_only_the_keys_of_a_member_that_left() -> None:
    """Guards consistent hashing: all other keys stay with their members."""
    with simulation() as sim:
        team = crew(sim, who, 4)
        route = pool("worker", "consistent_hash")
        before = {key: team.assign(key, route).get() for key in range(60)}
        team.leave("w-2").get()
        after = {key: team.assign(key, route).get() for key in range(60)}
    assert all(after[key] == before[key] for key in before if before[key] != "w-2")
    assert "w-2" not in after.values()


@pytest.mark.parametrize("route", ["least_loaded", "round_robin", "random", "consistent_hash"])
def test_every_route_is_for_capabilities_and_for_steps_of_patterns(route: Any) -> None:
    """Guards the target: a pool stands wherever a member may."""
    with simulation() as sim:
        team = crew(sim, who, 2, capabilities={"dig"})
        assert team.play(sequential(pool(can("dig"), route)), 1).get() in ("w-1", "w-2")


def test_a_key_function_that_raises_is_the_error_of_the_caller_alone() -> None:
    """Guards user code in a pool: the coordinator goes on."""
    with simulation() as sim:
        team = crew(sim, who, 2)
        route = pool("worker", "consistent_hash", key=lambda value: value.missing)  # type: ignore[attr-defined]
        with pytest.raises(RoutingFailed):
            team.assign(1, route).get()
        with pytest.raises(RunFailed) as caught:
            team.play(sequential(route), 1).get()
        assert isinstance(caught.value.error, StepFailed)
        assert isinstance(caught.value.error.error, RoutingFailed)
        assert not sim.runtime.cells["crew/coordinator"].incarnation > 1


def test_an_unknown_route_is_refused() -> None:
    """Guards bad arguments."""
    with pytest.raises(ValueError, match="fastest"):
        pool("worker", "fastest")  # type: ignore[arg-type]


def test_a_member_that_is_down_is_passed_over_while_there_are_others() -> None:
    """Guards the choice: work does not wait for a restart when another member is up."""

    async def fragile(value: Any, context: Context) -> str:
        if value == "break":
            raise OSError("broken")
        return context.member

    with simulation() as sim:
        team = crew(sim, fragile, 2, backoff=constant(50.0))
        with pytest.raises(WorkFailed) as caught:
            team.assign("break", "worker").get()
        down = caught.value.member
        answers = {team.assign("fine", "worker").get() for _ in range(4)}
        assert answers == {"w-1", "w-2"} - {down}
        assert sim.now < 1.0


def finish_order(priorities: list[int], ageing: float, every: float = 0.0) -> list[int]:
    """In which order one slot does work of these priorities, given to it while it is busy."""
    order: list[int] = []

    async def note(number: int) -> None:
        await asyncio.sleep(1.0)
        order.append(number)

    with simulation() as sim:
        spec = team("crew", member("one", note), ageing=ageing)
        crew = begun(sim, spec)
        assert crew is not None
        futures = [crew.assign(-1, "one")]
        for number, priority in enumerate(priorities):
            sim.advance(every)
            futures.append(crew.assign(number, "one", priority=priority))
        for each in futures:
            each.get()
    return order[1:]


def test_more_urgent_work_is_done_first_and_equals_in_their_order() -> None:
    """Guards priorities, by number or by name."""
    levels = [Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.NORMAL, Priority.CRITICAL]
    assert finish_order([int(level) for level in levels], ageing=60.0) == [4, 2, 1, 3, 0]


def test_low_priority_does_not_starve() -> None:
    """Guards ageing: under a stream of urgent work that is more than the slot can do, one of low priority is done when
    it has waited for as many `ageing` as there are levels between, before all urgent work that came later than that.
    """
    # Work comes every 0.4 seconds; 3 levels behind, it goes before all that come 30 seconds after it.
    assert finish_order([0, *[3] * 120], ageing=10.0, every=0.4).index(0) in (74, 75)
    # Without ageing to speak of it would be the last.
    assert finish_order([0, *[3] * 120], ageing=1e9, every=0.4)[-1] == 0


@settings(max_examples=40)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=12))
def test_queued_work_is_done_by_priority_and_then_by_arrival(priorities: list[int]) -> None:
    """Guards the line against a model: a stable sort."""
    expected = sorted(range(len(priorities)), key=lambda number: -priorities[number])
    assert finish_order(priorities, ageing=60.0) == expected


@pytest.mark.parametrize("route", ["least_loaded", "round_robin", "random", "consistent_hash"])
def test_what_waits_for_a_member_that_leaves_goes_to_another_of_its_pool(route: Any) -> None:
    """Guards work for a pool: it is for any of them, whichever was chosen first."""
    with simulation() as sim:
        team = crew(sim, work, 3)
        asked = [team.assign(Job(number, 1.0), pool("worker", route)) for number in range(12)]
        sim.advance(0.5)
        left = team.leave("w-1")
        sim.advance(30.0)
        assert left.get() == ("w-1",)
        assert {each.get() for each in asked} <= {"w-1", "w-2", "w-3"}


@pytest.mark.parametrize("route", ["least_loaded", "round_robin", "random", "consistent_hash"])
def test_work_of_a_pool_whose_member_terminates_is_tried_by_another(route: Any) -> None:
    """Guards the attempts of work for a pool: one may be lost to the member that is just going."""
    tries: list[str] = []

    async def first_breaks(value: object, context: Context) -> str:
        tries.append(context.member)
        if len(tries) == 1:
            raise OSError("lost")
        return context.member

    with simulation() as sim:
        team = crew(sim, first_breaks, 2, restart="temporary")
        assert team.assign(1, pool("worker", route), attempts=3).get() == tries[1]
        assert len(set(tries)) == 2
