"""The time limit on a call."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given

from actors import sleep
from teams.resilience import CallTimedOut, TimedOut, timeout
from tests.teams.resilience.cast import VISITS, Broken, Service, Visit, crowd, play


def test_a_call_that_takes_too_long_is_cancelled_at_the_limit() -> None:
    """Guards the limit and the event."""
    service = Service()

    async def main() -> float:
        with pytest.raises(TimedOut) as caught:
            await timeout(2.5)(service.call)(Visit(takes=10))
        assert caught.value.seconds == 2.5
        assert service.under_way == 0
        return asyncio.get_running_loop().time()

    ended, seen = play(main)
    assert ended == 2.5
    assert [(event.call, event.seconds) for event in seen.of(CallTimedOut)] == [("Service.call", 2.5)]


def test_a_timeout_of_the_call_itself_is_raised_as_it_is() -> None:
    """Guards telling the two apart."""
    own = TimeoutError("my own")

    async def call() -> None:
        raise own

    async def main() -> None:
        with pytest.raises(TimeoutError) as caught:
            await timeout(1)(call)()
        assert caught.value is own

    assert play(main)[1].of(CallTimedOut) == []


def test_a_cancellation_from_outside_is_not_a_timeout() -> None:
    """Guards the cancellation of the caller."""

    async def main() -> bool:
        task = asyncio.ensure_future(timeout(5)(sleep)(10))
        await sleep(1)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert play(main)[0]


@given(VISITS)
def test_no_call_outlives_its_limit_and_every_caller_learns_how_it_went(visits: list[Visit]) -> None:
    """Guards the limit for any durations, failures and cancellations."""
    service = Service()

    async def main() -> list[int | BaseException]:
        return await crowd(timeout(3)(service.call), visits)

    outcomes, _ = play(main)
    for visit, outcome in zip(visits, outcomes, strict=True):
        left_first = visit.leaves_after is not None and visit.leaves_after < min(visit.takes, 3)
        if isinstance(outcome, TimedOut):
            assert visit.takes >= 3
        elif isinstance(outcome, Broken):
            assert visit.fails
            assert visit.takes <= 3
        elif isinstance(outcome, asyncio.CancelledError):
            assert visit.leaves_after is not None
            assert visit.leaves_after <= min(visit.takes, 3)
        else:
            assert isinstance(outcome, int)
            assert visit.takes <= 3
        assert not left_first or isinstance(outcome, asyncio.CancelledError)
    assert service.under_way == 0
