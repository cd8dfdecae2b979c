"""The watchdog: it names the actor that holds the loop, and where."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from actors import LoopBlocked, ManualClock, Runtime
from actors._runtime.watchdog import Watchdog
from tests.actors.cast import Player, events_of, forever, left_behind, manual, stage
from tests.support import in_loop


@in_loop
async def test_a_turn_over_the_limit_is_reported_once_with_actor_and_stack() -> None:
    """Guards the search for who blocks the loop; each turn is named once, however long it lasts."""
    async with stage() as w:
        dog = Watchdog(w.runtime, 1.0)
        ref = await w.runtime.spawn(Player)

        def hold_the_loop(_: Any) -> None:
            dog.look()
            w.clock.advance(0.9)
            dog.look()
            w.clock.advance(0.2)
            dog.look()
            w.clock.advance(5)
            dog.look()

        for _ in range(2):
            await ref.call(hold_the_loop)
        blocked = w.seen(LoopBlocked)
        assert [event.path for event in blocked] == [ref.path] * 2
        assert "hold_the_loop" in blocked[0].stack
        assert blocked[0].seconds >= 1


@in_loop
async def test_a_handler_that_waits_does_not_hold_the_loop() -> None:
    """Guards against false alarms: waiting is what the loop is for; blocking after a wait is not."""
    async with stage(default_timeout=None) as w:
        dog = Watchdog(w.runtime, 1.0)
        ref = await w.runtime.spawn(Player)
        answer = ref.ask(lambda self: wait_on(self), block=False)

        async def wait_on(_: Any) -> None:
            await asyncio.sleep(0)
            dog.look()
            w.clock.advance(2)
            dog.look()

        await w.settle()
        await answer
        assert [event.path for event in w.seen(LoopBlocked)] == [ref.path]
        w.events.clear()
        ref.tell(forever)
        await w.settle()
        for _ in range(3):
            dog.look()
            w.clock.advance(10)
        assert w.seen(LoopBlocked) == []
        ref.kill()


def test_the_watchdog_of_a_runtime_looks_by_itself_and_ends_with_it() -> None:
    """Guards the thread: it reports while the loop is held, and is gone after the block."""
    clock = ManualClock()
    options = manual(clock) | {"watchdog": 0.01}
    with Runtime(**options) as runtime:
        events = events_of(runtime)
        reported = threading.Event()
        runtime.events.subscribe(lambda _: reported.set(), LoopBlocked)
        ref = runtime.spawn(Player).get()

        def hold(_: Any) -> bool:
            for _ in range(1000):  # the dog has to see the turn twice, with time between the two
                clock.advance(1)
                if reported.wait(0.01):
                    return True
            return False

        assert ref.ask(hold) is True
        assert [event.path for event in events if isinstance(event, LoopBlocked)] == [ref.path]
    assert left_behind(runtime) == {}
