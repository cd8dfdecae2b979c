"""Trying again: what is worth it, how often, and until when."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import sleep
from supervisors import constant, exponential, linear
from teams.resilience import (
    BulkheadFull,
    CallGivenUp,
    Fatal,
    RateLimited,
    Recoverable,
    Retried,
    TimedOut,
    rate_limit,
    retry,
)
from tests.teams.resilience.cast import QUARTERS, Broken, play


class Script:
    """A function whose calls end as they are told to, each after its time; the last one again and again."""

    def __init__(self, *ends: BaseException | str, takes: Sequence[float] = (0.0,)) -> None:
        self.ends = ends
        self.takes = takes
        self.began: list[float] = []
        self.ended: list[float] = []

    async def __call__(self) -> str:
        number = len(self.began)
        loop = asyncio.get_running_loop()
        self.began.append(loop.time())
        try:
            await sleep(self.takes[min(number, len(self.takes) - 1)])
        finally:
            self.ended.append(loop.time())
        end = self.ends[min(number, len(self.ends) - 1)]
        if isinstance(end, BaseException):
            raise end
        return end


class Flaky(Recoverable):
    """A marked failure."""


class Hopeless(Fatal):
    """A marked failure."""


def test_a_call_that_fails_twice_is_made_three_times() -> None:
    """Guards the delays between the attempts, and the events."""
    script = Script(Broken(1), Broken(2), "done")

    async def main() -> str:
        return await retry(5, backoff=linear(1.0, jitter="none")).call(script)

    result, seen = play(main)
    assert result == "done"
    assert script.began == [0.0, 1.0, 3.0]
    assert [(event.attempt, event.delay) for event in seen.of(Retried)] == [(1, 1.0), (2, 2.0)]
    assert seen.of(CallGivenUp) == []


def test_the_last_exception_is_raised_with_a_note_of_how_many_attempts() -> None:
    """Guards what the caller sees when nothing helps."""
    ends = [Broken(number) for number in range(4)]
    script = Script(*ends)

    async def main() -> None:
        with pytest.raises(Broken) as caught:
            await retry(3, backoff=constant(2.0)).call(script)
        assert caught.value is ends[3]
        assert caught.value.__notes__ == ["Script (called in Stage-1): gave up after 4 attempts in 6 s"]

    _, seen = play(main)
    assert [event.attempts for event in seen.of(CallGivenUp)] == [4]


def test_an_exception_that_is_raised_over_and_over_has_the_last_note_alone() -> None:
    """Guards against notes that pile up on one object; what others noted on it stays."""
    singleton = Broken("always the same")
    singleton.add_note("of another")
    script = Script(singleton)

    async def main() -> list[str]:
        for max_retries in (0, 1, 1):
            with pytest.raises(Broken):
                await retry(max_retries, backoff=constant(2.0)).call(script)
        return singleton.__notes__

    gave_up = "Script (called in Stage-1): gave up after 2 attempts in 2 s"
    assert play(main)[0] == ["of another", gave_up]


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (Broken(), 4),
        (KeyError(), 1),
        (Flaky(), 4),
        (Hopeless(), 1),
        (asyncio.CancelledError(), 1),
    ],
    ids=repr,
)
def test_on_says_what_is_worth_another_attempt_and_the_markers_overrule_it(error: BaseException, attempts: int) -> None:
    """Guards the table of the module: recoverable and fatal failures are told apart."""
    script = Script(error)

    async def main() -> None:
        with pytest.raises(type(error)):
            await retry(3, backoff=None, on=(Broken, Hopeless)).call(script)

    play(main)
    assert len(script.began) == attempts


@pytest.mark.parametrize(("fatal", "attempts"), [((Broken,), 1), (lambda error: error.args == ("no",), 1), ((), 3)])
def test_fatal_takes_exceptions_out_of_on_by_class_or_by_predicate(fatal: object, attempts: int) -> None:
    """Guards what no further attempt will mend."""
    script = Script(Broken("no"))

    async def main() -> None:
        with pytest.raises(Broken):
            await retry(2, backoff=None, fatal=fatal).call(script)  # type: ignore[arg-type]

    play(main)
    assert len(script.began) == attempts


def test_jitter_comes_from_the_randomness_of_the_runtime() -> None:
    """Guards that a simulation repeats the delays, and that they are not all alike."""

    async def main() -> None:
        with pytest.raises(Broken):
            await retry(4, backoff=exponential(1.0)).call(Script(Broken()))

    def delays(seed: int) -> list[float]:
        return [event.delay for event in play(main, seed=seed)[1].of(Retried)]

    assert delays(1) == delays(1)
    assert delays(1) != delays(2)


def test_a_refusal_that_says_when_is_waited_for() -> None:
    """Guards attempts that would be refused for certain."""

    async def main() -> list[float]:
        script = Script("done")
        guarded = retry(1, backoff=None) | rate_limit(1, per=10.0, wait=False)
        await guarded.call(script)
        await guarded.call(script)
        return script.began

    result, seen = play(main)
    assert result == [0.0, 10.0]
    assert isinstance(seen.of(Retried)[0].error, RateLimited)
    assert BulkheadFull("x", 1, 0).retry_after is None


def test_the_deadline_cancels_the_attempt_that_is_under_way() -> None:
    """Guards the total time, and that the cause is told."""
    script = Script(Broken("first"), "late", takes=(1.0, 10.0))

    async def main() -> float:
        with pytest.raises(TimedOut) as caught:
            await retry(5, backoff=constant(1.0), deadline=4.0).call(script)
        assert isinstance(caught.value.__cause__, Broken)
        assert "2 attempts in 4 s" in caught.value.__notes__[0]
        return asyncio.get_running_loop().time()

    assert play(main)[0] == 4.0


def test_no_attempt_begins_that_would_begin_at_the_deadline() -> None:
    """Guards waiting for nothing: the exception comes at once."""
    script = Script(Broken())

    async def main() -> float:
        with pytest.raises(Broken):
            await retry(5, backoff=constant(2.0), deadline=4.0).call(script)
        return asyncio.get_running_loop().time()

    assert play(main)[0] == 2.0
    assert script.began == [0.0, 2.0]


def test_a_cancellation_between_two_attempts_ends_it() -> None:
    """Guards that a pause is cancelled like a call."""
    script = Script(Broken())

    async def main() -> bool:
        task = asyncio.ensure_future(retry(5, backoff=constant(2.0)).call(script))
        await sleep(1.0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert play(main)[0]
    assert len(script.began) == 1


@given(
    max_retries=st.integers(0, 5),
    ends=st.lists(st.sampled_from([Broken("b"), Flaky("f"), Hopeless("h"), KeyError("k"), "done"]), min_size=1),
    takes=st.lists(QUARTERS, min_size=1),
    pause=st.sampled_from([0.25, 1.0, 3.0]),
    deadline=st.none() | st.sampled_from([0.25, 1.0, 4.0, 20.0]),
)
def test_never_more_calls_than_it_says_nor_any_beyond_the_deadline(
    max_retries: int, ends: list[BaseException | str], takes: list[float], pause: float, deadline: float | None
) -> None:
    """Guards both bounds for any failures and durations, and that success or the right exception comes out."""
    script = Script(*ends, takes=takes)
    policy = retry(max_retries, backoff=constant(pause), on=Broken, deadline=deadline)

    async def main() -> BaseException | str:
        try:
            return await policy.call(script)
        except Exception as error:  # noqa: BLE001 - the outcome
            return error

    outcome, _ = play(main)
    made = len(script.began)
    assert 1 <= made <= max_retries + 1
    assert deadline is None or (max(script.began) < deadline and max(script.ended) <= deadline)
    heard = [ends[min(number, len(ends) - 1)] for number in range(made)]
    assert all(isinstance(each, Broken | Recoverable) for each in heard[:-1])
    if isinstance(outcome, TimedOut):
        assert script.ended[-1] == deadline
    else:
        assert outcome is heard[-1]
        if isinstance(outcome, Broken | Recoverable) and deadline is None:
            assert made == max_retries + 1
