"""Members that block, with a policy around them: the policy is one for all of them, and lives on the loop."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from actors.testing import CrashInStart, FaultPlan, faults, simulate, simulation
from supervisors import constant, start
from teams import Context, Handoff, WorkFailed, member, team
from teams.resilience import CircuitOpen, batch, bulkhead, cache, circuit_breaker, rate_limit, retry, timeout


def slow(value: int) -> int:
    """Blocks for a second."""
    time.sleep(1)  # noqa: TID251 - virtual: the kit simulates it
    return value


@simulate(plan=faults.plans("crew/members/*"), examples=25)
def test_a_bound_holds_over_members_that_block_whatever_crashes(sim: Any, plan: FaultPlan) -> None:
    """Guards `through` with one bulkhead for several members: no more are under way, and no slot is lost."""
    under_way, most = 0, 0

    def work(value: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            return slow(value)
        finally:
            under_way -= 1

    crew = sim.start(team("crew", member("worker", work, count=3, through=bulkhead(2), max_restarts=None)))
    early = [crew.assign(number, "worker", attempts=3) for number in range(6)]
    sim.run(until=5)
    sim.heal()
    sim.eventually("all that was begun under faults has ended", lambda: all(each.done() for each in early), within=60)
    pending = [crew.assign(number, "worker") for number in range(5)]
    sim.eventually("all is done", lambda: all(each.done() for each in pending), within=60)
    assert most <= 2
    assert under_way == 0
    assert [each.get() for each in pending] == list(range(5))


def test_members_that_block_share_a_circuit() -> None:
    """Guards `through` in threads of the system: each call has its own, and the breaker is one for all."""
    threads: set[int] = set()

    def fails(_: object) -> None:
        threads.add(threading.get_ident())
        raise ConnectionError("no line")

    breaker = circuit_breaker(failures=2, reset_after=1000)
    with start(team("crew", member("caller", fails, count=3, through=breaker, backoff=None)), log=False) as root:
        crew: Any = root
        errors = [_error_of(crew.assign(number, f"caller-{number % 3 + 1}").get) for number in range(4)]
    assert [type(error.error) for error in errors] == [ConnectionError, ConnectionError, CircuitOpen, CircuitOpen]
    assert threading.get_ident() not in threads


def _error_of(ask: Callable[..., object]) -> Any:
    with pytest.raises(WorkFailed) as caught:
        ask(timeout=10)
    return caught.value


def test_a_policy_does_the_same_for_functions_that_wait_and_that_block() -> None:
    """Guards the policies that have callers wait for each other: batch, cache, rate limit."""
    batches: list[list[int]] = []
    asked: list[int] = []

    def squares(values: list[int]) -> list[int]:
        batches.append(values)
        slow(0)
        return [value * value for value in values]

    def look_up(value: int) -> int:
        asked.append(value)
        return slow(value)

    with simulation() as sim:
        crew = sim.start(
            team(
                "crew",
                member("squares", squares, count=3, through=batch(3, max_delay=10)),
                member("library", look_up, count=2, through=cache(ttl=60)),
                member("line", slow, count=2, through=rate_limit(1, per=5)),
            )
        )
        answers = [crew.assign(number, "squares") for number in range(3)]
        answers += [crew.assign(7, "library"), crew.assign(7, "library")]
        answers += [crew.assign(1, "line"), crew.assign(2, "line")]
        sim.advance(2.0)
        assert [each.get() for each in answers[:6]] == [0, 1, 4, 7, 7, 1]
        assert len(batches) == 1
        assert asked == [7]
        assert not answers[6].done()
        sim.advance(5.0)
        assert answers[6].get() == 2


def test_a_cancelled_function_that_blocks_holds_its_slot_until_it_returns() -> None:
    """Guards the bound of a bulkhead: who has been cancelled or has run out of time is still under way."""
    with simulation() as sim:
        policy = timeout(0.25) | bulkhead(1, waiting=0)
        crew = sim.start(team("crew", member("worker", slow, count=2, through=policy, backoff=None)))
        first = crew.assign(1, "worker-1")
        sim.advance(0.5)
        assert not first.done()
        second = crew.assign(2, "worker-2")
        sim.advance(0.25)
        assert "BulkheadFull" in str(_error_of(second.get))
        sim.advance(0.5)
        assert "TimedOut" in str(_error_of(first.get))


def test_a_call_whose_thread_does_not_start_fails_and_frees_its_slot() -> None:
    """Guards a caller that would wait for ever for a function that never begins."""
    with simulation(FaultPlan(CrashInStart("crew/members/worker/**"))) as sim:
        policy = retry(1, backoff=constant(0.5)) | bulkhead(1, waiting=0)
        crew = sim.start(team("crew", member("worker", slow, through=policy)))
        pending = crew.assign(1, "worker")
        sim.advance(5.0)
        assert pending.done()
        assert pending.get() == 1


def test_a_member_killed_while_its_function_blocks_leaves_nothing_behind() -> None:
    """Guards the stop: the thread ends with its function, and the kit counts what is left."""
    with simulation() as sim:
        crew = sim.start(team("crew", member("worker", slow, through=retry(1), backoff=None)))
        pending = crew.assign(1, "worker", attempts=2)
        sim.advance(0.5)
        crew.member("worker").kill()
        sim.advance(5.0)
        assert pending.get() == 1


def test_a_function_that_exits_crashes_its_member_alone() -> None:
    """Guards the loop: what the function raises in its thread never ends anything but the member."""

    def leaves(_: object) -> None:
        raise SystemExit(3)

    with start(team("crew", member("worker", leaves, through=retry(1), backoff=None)), log=False) as root:
        crew: Any = root
        error = _error_of(crew.assign(1, "worker").get)
        assert "SystemExit" in str(error)
        assert crew.is_alive()


def test_a_blocking_function_gets_its_context_and_is_asked_for_offers() -> None:
    """Guards the rest of what functions get: the context, `accepts`, and awaitables that they return."""

    def who(_: object, context: Context) -> str:
        return context.member

    def indirect(value: int) -> Any:
        return asyncio.sleep(0, value)

    def picky(value: object) -> bool | str:
        slow(0)
        return value != 2 or "not two"

    def giver(value: int) -> Handoff:
        return Handoff("picky", reason="try")

    with simulation() as sim:
        crew = sim.start(
            team(
                "crew",
                member("who", who, through=retry(1)),
                member("indirect", functools.partial(indirect), through=retry(1)),
                member("picky", slow, through=retry(1), accepts=picky),
                member("giver", giver),
            )
        )
        answers = [crew.assign(1, "who"), crew.assign(5, "indirect"), crew.assign(1, "giver")]
        sim.advance(10.0)
        assert [each.get() for each in answers] == ["who", 5, 1]
