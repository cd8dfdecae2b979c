"""The kill switch: nothing begins, and what is under way ends."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import sleep
from actors.testing import simulation
from teams.resilience import CallRefused, Fatal, SwitchThrown, fallback, kill_switch, retry
from tests.support import in_loop
from tests.teams.resilience.cast import QUARTERS, VISITS, Broken, Service, Stage, Visit, crowd, play


def test_it_ends_calls_under_way_and_refuses_others_until_it_is_reset() -> None:
    """Guards the switch, its reason and its events."""
    service = Service()
    switch = kill_switch()
    guarded = switch(service.call)

    async def main() -> tuple[list[int | BaseException], int]:
        task = asyncio.ensure_future(crowd(guarded, [Visit(takes=9), Visit(takes=9), Visit(at=2, takes=0)]))
        await sleep(1)
        switch.throw("fire")
        switch.throw("fire!")
        outcomes = await task
        assert switch.thrown == "fire!"
        switch.reset()
        return outcomes, await guarded(Visit(takes=0))

    (outcomes, after), seen = play(main)
    assert [(type(each), getattr(each, "reason", "")) for each in outcomes] == [(SwitchThrown, "fire!")] * 3
    assert service.seen == [Visit(takes=9), Visit(takes=9), Visit(takes=0)]
    assert after == 2
    assert service.under_way == 0
    assert len(seen.of(CallRefused)) == 3


def test_a_thrown_switch_is_not_retried_but_a_fallback_may_answer() -> None:
    """Guards that a thrown switch is fatal to `retry` and a failure to `fallback`."""
    service = Service()
    switch = kill_switch()
    switch.throw("no")

    async def main() -> str:
        with pytest.raises(SwitchThrown) as caught:
            await (retry(5) | switch)(service.call)(Visit())
        assert isinstance(caught.value, Fatal)
        guarded = fallback(value="offline") | switch
        return str(await guarded(service.call)(Visit()))

    assert play(main)[0] == "offline"
    assert service.begun == []


def test_a_call_may_throw_the_switch_it_goes_through() -> None:
    """Guards code that finds out itself that everything has to stop."""
    switch = kill_switch()

    async def call() -> None:
        switch.throw("from inside")
        await sleep(5)

    async def main() -> None:
        with pytest.raises(SwitchThrown, match="from inside"):
            await switch(call)()

    play(main)


def test_the_test_itself_may_throw_it_from_outside_of_the_loop() -> None:
    """Guards a console, where no loop runs."""
    switch = kill_switch()
    with simulation() as sim:
        stage = sim.spawn(Stage)

        async def main() -> str:
            with pytest.raises(SwitchThrown):
                await switch(sleep)(50)
            return "ended"

        future = stage.ask(main, block=False, timeout=None)
        sim.advance(1)
        switch.throw("from outside")
        sim.settle()
        assert future.get() == "ended"
        assert sim.now == 1.0


@in_loop
async def test_it_may_be_thrown_from_another_thread() -> None:
    """Guards signal handlers and consoles in a thread."""
    switch = kill_switch()
    begun = asyncio.Event()

    async def call() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(switch(call)())
    await begun.wait()
    thread = threading.Thread(target=switch.throw, args=("from a thread",))
    thread.start()
    with pytest.raises(SwitchThrown, match="from a thread"):
        await task
    thread.join()


def test_a_loop_that_closes_meanwhile_keeps_no_other_call_from_being_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards throwing from another thread: between asking a loop whether it is open and calling it, it may close."""
    switch = kill_switch()

    async def call(begun: asyncio.Event) -> None:
        begun.set()
        await asyncio.Event().wait()

    def closed(*_: object) -> None:
        raise RuntimeError("Event loop is closed")

    with asyncio.Runner() as closing, asyncio.Runner() as other:
        tasks = []
        for runner in (closing, other):
            begun = asyncio.Event()
            tasks.append(runner.get_loop().create_task(switch(call)(begun)))
            runner.run(begun.wait())
        with monkeypatch.context() as patch:
            patch.setattr(closing.get_loop(), "call_soon_threadsafe", closed)
            switch.throw("from outside")
        with pytest.raises(SwitchThrown, match="from outside"):
            other.get_loop().run_until_complete(tasks[1])


@given(VISITS, QUARTERS, st.none() | QUARTERS)
def test_while_it_is_thrown_nothing_is_under_way(visits: list[Visit], at: float, back: float | None) -> None:
    """Guards both sides of the switch for any arrivals, failures and cancellations."""
    service = Service()
    switch = kill_switch()

    async def main() -> list[int | BaseException]:
        async def hand() -> None:
            await sleep(at)
            switch.throw()
            for _ in range(4):
                await asyncio.sleep(0)
            assert service.under_way == 0
            if back is not None:
                await sleep(back)
                assert service.under_way == 0
                switch.reset()

        hands = asyncio.ensure_future(hand())
        outcomes = await crowd(switch(service.call), visits)
        await hands
        return outcomes

    outcomes, _ = play(main)
    assert all(isinstance(each, int | Broken | SwitchThrown | asyncio.CancelledError) for each in outcomes)
    until = at + back if back is not None else float("inf")
    assert all(began <= at or began >= until for began in service.begun)


@pytest.mark.parametrize("reason", ["", None])
def test_a_switch_is_thrown_without_a_reason_as_well(reason: Any) -> None:
    """An emergency needs no reason."""
    switch = kill_switch()
    switch.throw(reason)
    assert switch.thrown == "it was thrown"
