"""Remembering answers: for a time, within a bound, and one flight for each key."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import sleep
from teams.resilience import CallsItself, WrongCall, cache, retry
from teams.resilience._cache import Answers
from tests.teams.resilience.cast import VISITS, Broken, Service, Visit, crowd, play


def test_an_answer_is_good_for_its_time_from_when_it_came() -> None:
    """Guards the edge of the time to live."""
    service = Service()
    policy = cache(ttl=10)
    guarded = policy(service.call)
    visit = Visit(takes=2)

    async def main() -> list[int]:
        answers = [await guarded(visit)]
        await sleep(9.75)
        answers.append(await guarded(visit))
        await sleep(0.25)
        return [*answers, await guarded(visit)]

    assert play(main)[0] == [0, 0, 1]
    assert policy.statistics == (1, 2, 1)


def test_calls_with_one_key_wait_for_one_flight() -> None:
    """Guards the herd that asks the same thing at once."""
    service = Service()

    async def main() -> list[int | BaseException]:
        same = Visit(takes=5)
        return await crowd(lambda visit: cached(same), [Visit(at=at) for at in (0, 1, 2, 4)])

    cached = cache(ttl=60)(service.call)
    assert play(main)[0] == [0, 0, 0, 0]
    assert len(service.begun) == 1


def test_a_call_inside_its_own_flight_is_refused_at_once_and_named() -> None:
    """Guards against a wait for oneself; under another key it is a call like any other."""

    @cache(ttl=60)
    async def countdown(number: int, step: int) -> int:
        return number if number <= 0 else await countdown(number - step, step)

    async def main() -> int:
        with pytest.raises(CallsItself, match=r"countdown \(called in .*\) .* cache\(ttl=60"):
            await countdown(3, 0)
        return await countdown(3, 1)

    assert play(main)[0] == 0


def test_a_further_task_waits_for_the_flight_it_was_begun_in() -> None:
    """Guards against a false alarm: the flight may land without it."""
    begun: list[asyncio.Task[str]] = []

    @cache(ttl=60)
    async def ask() -> str:
        begun.append(asyncio.ensure_future(ask()))
        await sleep(1)
        return "landed"

    async def main() -> tuple[str, str]:
        return await ask(), await begun[0]

    assert play(main)[0] == ("landed", "landed")
    assert len(begun) == 1


def test_a_cancelled_flight_lands_in_another_call() -> None:
    """Guards those who wait from the one who leaves."""
    calls: list[float] = []

    async def slow() -> str:
        calls.append(asyncio.get_running_loop().time())
        await sleep(5)
        return "answer"

    async def main() -> list[str | BaseException]:
        cached = cache(ttl=60)(slow)
        return await crowd(lambda visit: cached(), [Visit(leaves_after=2), Visit(at=1), Visit(at=1)])

    outcomes, _ = play(main)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert outcomes[1:] == ["answer", "answer"]
    assert calls == [0.0, 2.0]


def test_a_failed_flight_fails_for_the_one_who_made_the_call() -> None:
    """Guards those who wait from the failure of another call, and failures from being remembered."""
    ends = iter([True, False])

    async def call() -> str:
        await sleep(1)
        if next(ends):
            raise Broken
        return "answer"

    async def main() -> list[str | BaseException]:
        cached = cache(ttl=60)(call)
        return await crowd(lambda visit: cached(), [Visit(), Visit(), Visit()])

    outcomes, _ = play(main)
    assert isinstance(outcomes[0], Broken)
    assert outcomes[1:] == ["answer", "answer"]


def test_the_key_tells_functions_types_and_names_apart() -> None:
    """Guards against answers to another question."""
    calls: list[object] = []

    async def one(*args: object, **kwargs: object) -> None:
        calls.append((args, kwargs))

    async def other(*args: object) -> None:
        calls.append(args)

    async def main() -> int:
        policy = cache(ttl=60)
        for _ in range(2):
            for value in (1, 1.0, True, "1"):
                await policy(one)(value)
            await policy(one)(x=1, y=2)
            await policy(one)(y=2, x=1)
            await policy(other)(1)
        return len(calls)

    assert play(main)[0] == 6


def test_a_key_function_says_what_is_alike() -> None:
    """Guards keys of the user's own, and what cannot be told apart without."""
    service = Service()

    async def main() -> list[int]:
        cached = cache(ttl=60, key=lambda visit: visit.key)(service.call)
        answers = [await cached(Visit(takes=takes, key=key)) for takes, key in ((0, 1), (1, 1), (0, 2))]
        with pytest.raises(WrongCall, match="give it a `key` function"):
            await cache(ttl=60)(asyncio.sleep)(0, [])
        return answers

    assert play(main)[0] == [0, 0, 1]


def test_clear_forgets_what_is_remembered_and_what_is_under_way() -> None:
    """Guards an answer from before the change that made the user clear the cache."""
    service = Service()
    policy = cache(ttl=60)
    cached = policy(service.call)

    async def main() -> list[int | BaseException]:
        async def clear() -> None:
            await sleep(2)
            policy.clear()

        clearing = asyncio.ensure_future(clear())
        same = Visit(takes=3)
        outcomes = await crowd(lambda visit: cached(same), [Visit(at=at) for at in (0, 1, 2.5, 4, 6)])
        await clearing
        return outcomes

    assert play(main)[0] == [0, 0, 1, 1, 1]


def test_retry_outside_of_a_cache_makes_a_new_flight() -> None:
    """Guards the composition of the two."""
    service = Service()

    async def main() -> None:
        with pytest.raises(Broken):
            await (retry(2, backoff=None) | cache(ttl=60))(service.call)(Visit(fails=True))

    play(main)
    assert len(service.begun) == 3


@given(VISITS, st.sampled_from([0.5, 2.0, 60.0]), st.integers(1, 2))
def test_never_two_flights_of_a_key_nor_more_answers_than_the_bound(
    visits: list[Visit], ttl: float, max_size: int
) -> None:
    """Guards both bounds for any failures, durations and cancellations; failures stay with their makers."""
    service = Service()
    policy = cache(ttl=ttl, max_size=max_size, key=lambda visit: visit.key)

    async def call(visit: Visit) -> int:
        assert policy.statistics.size <= max_size
        return await service.call(visit)

    async def main() -> list[int | BaseException]:
        return await crowd(policy(call), visits)

    outcomes, _ = play(main)
    assert all(peak <= 1 for peak in service.peak_of_key.values())
    assert policy.statistics.size <= max_size
    assert policy.statistics.misses == len(service.begun)
    made = [each.args[0] for each in outcomes if isinstance(each, Broken)]
    assert len(made) == len(set(made))  # no caller got the failure of another
    for visit, outcome in zip(visits, outcomes, strict=True):
        if isinstance(outcome, int):
            assert service.seen[outcome].key == visit.key
        elif isinstance(outcome, asyncio.CancelledError):
            assert visit.leaves_after is not None
        else:
            assert visit.fails


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from(["find", "keep", "wait"]), st.integers(0, 5)), max_size=40),
)
def test_the_least_recently_used_answer_goes_first(max_size: int, steps: list[tuple[str, int]]) -> None:
    """Guards the bound and the order against a plain model."""
    answers, now = Answers(ttl=10.0, max_size=max_size), 0.0
    model: OrderedDict[int, float] = OrderedDict()
    for step, number in steps:
        if step == "wait":
            now += number
        elif step == "keep":
            answers.keep(number, number, now)
            model.pop(number, None)
            while len(model) >= max_size:
                model.popitem(last=False)
            model[number] = now + 10.0
        else:
            expected = number in model and now < model[number]
            assert (answers.find(number, now, None) is not None) == expected
            if expected:
                model.move_to_end(number)
            else:
                model.pop(number, None)
        assert len(answers) == len(model) <= max_size
