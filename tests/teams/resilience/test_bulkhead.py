"""A bound on how many calls are under way at once."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import sleep
from teams.resilience import BulkheadFull, CallRefused, CallsItself, bulkhead, retry
from tests.teams.resilience.cast import VISITS, Broken, Service, Visit, crowd, play


def test_those_who_wait_come_in_the_order_they_came() -> None:
    """Guards the line."""
    service = Service()

    async def main() -> list[int | BaseException]:
        return await crowd(bulkhead(2)(service.call), [Visit(at=at / 4, takes=5) for at in range(6)])

    assert play(main)[0] == [0, 1, 2, 3, 4, 5]
    assert service.begun == [0.0, 0.25, 5.0, 5.25, 10.0, 10.25]


def test_more_than_may_wait_are_refused() -> None:
    """Guards the bound of the line, its error and its event."""
    service = Service()

    async def main() -> list[int | BaseException]:
        return await crowd(bulkhead(1, waiting=1)(service.call), [Visit(takes=5)] * 4)

    outcomes, seen = play(main)
    assert outcomes[:2] == [0, 1]
    assert [type(each) for each in outcomes[2:]] == [BulkheadFull] * 2
    assert "1 calls are under way and 1 wait" in str(outcomes[2])
    assert len(seen.of(CallRefused)) == 2


def test_a_slot_whose_new_owner_leaves_goes_to_the_next() -> None:
    """Guards the moment between the turn and the caller's own step."""
    service = Service()

    async def main() -> list[int | BaseException]:
        # The second caller leaves at the very moment at which the first one's slot comes to it.
        return await crowd(bulkhead(1)(service.call), [Visit(takes=5), Visit(leaves_after=5), Visit(takes=1)])

    outcomes, _ = play(main)
    assert outcomes[0] == 0
    assert isinstance(outcomes[2], int)


def test_a_call_inside_as_many_calls_as_slots_is_refused_at_once() -> None:
    """Guards against a wait for oneself; `retry` does not take it for something that passes."""
    policy = bulkhead(2)

    @retry(3) | policy
    async def nested(depth: int) -> int:
        return depth if depth == 0 else await nested(depth - 1)

    async def main() -> tuple[int, int]:
        with pytest.raises(CallsItself, match=r"nested \(called in .*\) .* bulkhead\(limit=2, waiting=None\)"):
            await nested(2)
        return await nested(1), await nested(1)  # no slot is lost

    (answers, seen) = play(main)
    assert answers == (0, 0)
    assert seen.sim.now == 0.0


def test_a_call_that_outlives_the_one_it_was_begun_in_waits_its_turn() -> None:
    """Guards against a false alarm: a further task may wait for the slot of the one that started it."""
    policy = bulkhead(1)
    begun: list[asyncio.Task[None]] = []

    @policy
    async def outer() -> None:
        begun.append(asyncio.ensure_future(policy(sleep)(1)))
        await sleep(1)

    async def main() -> None:
        await outer()
        await begun[0]
        await outer()
        await begun[1]

    assert play(main)[1].sim.now == 4.0


@given(VISITS, st.integers(1, 3), st.none() | st.integers(0, 3))
def test_never_more_at_once_than_the_limit_and_no_slot_is_lost(
    visits: list[Visit], limit: int, waiting: int | None
) -> None:
    """Guards the bound for any arrivals, failures and cancellations."""
    service = Service()
    policy = bulkhead(limit, waiting=waiting)

    async def main() -> list[int | BaseException]:
        outcomes = await crowd(policy(service.call), visits)
        await crowd(policy(service.call), [Visit()] * limit)  # all slots are free again
        return outcomes

    outcomes, _ = play(main)
    assert service.peak <= limit
    assert len(service.begun) >= limit
    assert service.begun[-limit:] == [service.begun[-1]] * limit
    refused = [each for each in outcomes if isinstance(each, BulkheadFull)]
    assert not refused or waiting is not None
    assert all(isinstance(each, int | Broken | BulkheadFull | asyncio.CancelledError) for each in outcomes)
