"""A bound on how many calls begin in a time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import sleep
from teams.resilience import CallRefused, RateLimited, rate_limit
from tests.teams.resilience.cast import VISITS, Service, Visit, crowd, play

NOW = Visit(takes=0)


def test_calls_begin_evenly_in_the_order_they_came() -> None:
    """Guards the pace without a burst."""
    service = Service()

    async def main() -> list[int | BaseException]:
        return await crowd(rate_limit(4, per=2)(service.call), [NOW] * 5)

    assert play(main)[0] == [0, 1, 2, 3, 4]
    assert service.begun == [0.0, 0.5, 1.0, 1.5, 2.0]


def test_after_a_pause_a_burst_goes_at_once() -> None:
    """Guards the size of the bucket: it fills up to that, and no further."""
    service = Service()
    guarded = rate_limit(2, per=2, burst=3)(service.call)

    async def main() -> None:
        await crowd(guarded, [NOW] * 4)
        await sleep(99)
        await crowd(guarded, [NOW] * 5)

    play(main)
    assert service.begun == [0.0, 0.0, 0.0, 1.0, 100.0, 100.0, 100.0, 101.0, 102.0]


def test_without_waiting_it_says_how_long() -> None:
    """Guards the refusal and its event."""
    service = Service()
    guarded = rate_limit(1, per=8, wait=False)(service.call)

    async def main() -> None:
        await guarded(NOW)
        await sleep(3)
        with pytest.raises(RateLimited) as caught:
            await guarded(NOW)
        assert caught.value.retry_after == 5.0
        await sleep(5)
        await guarded(NOW)

    assert len(play(main)[1].of(CallRefused)) == 1
    assert service.begun == [0.0, 8.0]


def test_a_caller_that_leaves_the_queue_leaves_its_place_to_the_next() -> None:
    """Guards the rate from those who never began."""
    service = Service()

    async def main() -> None:
        await crowd(rate_limit(1, per=4)(service.call), [NOW, Visit(takes=0, leaves_after=1), NOW])

    play(main)
    assert service.begun == [0.0, 4.0]


@given(VISITS, st.sampled_from([1, 2, 3, 7]), st.sampled_from([0.5, 3.0]), st.integers(1, 3), st.booleans())
def test_in_no_time_do_more_begin_than_the_rate_and_the_burst(
    visits: list[Visit], calls: int, per: float, burst: int, wait: bool
) -> None:
    """Guards the bound for any arrivals and cancellations, in several windows, and the order of the line."""
    service = Service()

    async def main() -> list[int | BaseException]:
        return await crowd(rate_limit(calls, per=per, burst=burst, wait=wait)(service.call), visits)

    outcomes, _ = play(main)
    for periods in (1, 2, 5):
        assert service.most_within(periods * per * (1 - 1e-9)) <= burst + periods * calls - (burst == 1)
    arrivals = [visit.at for visit in service.seen]
    assert arrivals == sorted(arrivals)
    assert wait or service.begun == arrivals
    assert not wait or not any(isinstance(each, RateLimited) for each in outcomes)
