"""Numbers of seconds that are none: refused where they are given, before they reach a timer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from actors import Future, LoopClock, ManualClock, wait_for_stop
from actors.testing import simulation
from tests.actors.cast import Player, stage
from tests.support import in_loop

NONE_OF_THEM: list[Any] = [float("nan"), float("inf"), -1, -0.5, "1s", True]

OF_THE_ACTOR: dict[str, Callable[[Any, Any], object]] = {
    "tell_after": lambda self, seconds: self.tell_after(seconds, "late"),
    "tell_after with a key": lambda self, seconds: self.tell_after(seconds, "late", key="k"),
    "tell_every": lambda self, seconds: self.tell_every(seconds, "late"),
    "set_idle_timeout": lambda self, seconds: self.set_idle_timeout(seconds),
    "wait_for_stop": lambda self, seconds: wait_for_stop(seconds),
}

OF_THE_REF: dict[str, Callable[[Any, Any], object]] = {
    "ask": lambda ref, seconds: ref.ask("late", timeout=seconds),
    "ask without a wait": lambda ref, seconds: ref.ask("late", block=False, timeout=seconds),
    "stop": lambda ref, seconds: ref.stop(timeout=seconds),
    "wait": lambda ref, seconds: ref.wait(timeout=seconds),
    "ended().get": lambda ref, seconds: ref.ended().get(timeout=seconds),
    "a mapped future": lambda ref, seconds: ref.ended().map(str).get(timeout=seconds),
    "a future with a hook": lambda ref, seconds: _hooked().get(timeout=seconds),
    "a settled future": lambda ref, seconds: _settled().get(timeout=seconds),
}


def _hooked() -> Future[Any]:
    future: Future[Any] = Future()
    future.set_get_hook(lambda timeout: timeout)
    return future


def _settled() -> Future[Any]:
    future: Future[Any] = Future()
    future.set(1)
    return future


@pytest.mark.parametrize("seconds", NONE_OF_THEM, ids=repr)
@pytest.mark.parametrize("name", OF_THE_ACTOR)
def test_an_actor_is_refused_seconds_that_are_none_and_timers_go_on(name: str, seconds: Any) -> None:
    """Guards the timers of everybody: one NaN puts a heap out of order."""
    with simulation() as sim:
        seen: list[Any] = []
        neighbour = sim.spawn(Player, args=(seen,))
        ref = sim.spawn(Player, host="thread", args=(seen,))
        neighbour.ask(lambda self: self.tell_every(2.0, "tick") and None)
        refusal = rf"seconds must be a number >=? 0.*, got {re.escape(repr(seconds))}$"
        with pytest.raises(ValueError, match=refusal):
            ref.ask(lambda self: OF_THE_ACTOR[name](self, seconds))
        neighbour.ask(lambda self: self.tell_after(1.0, "once") and None)
        sim.advance(5.0)
        assert seen == ["once", "tick", "tick"]


@pytest.mark.parametrize("seconds", NONE_OF_THEM, ids=repr)
@pytest.mark.parametrize("name", OF_THE_REF)
def test_a_timeout_that_is_no_number_of_seconds_is_refused_before_it(name: str, seconds: Any) -> None:
    """Nothing is sent, and nothing is stopped."""
    with simulation() as sim:
        seen: list[Any] = []
        ref = sim.spawn(Player, args=(seen,))
        with pytest.raises(ValueError, match=rf"seconds must be .*, got {re.escape(repr(seconds))}$"):
            OF_THE_REF[name](ref, seconds)
        sim.advance(1.0)
        assert seen == []
        assert ref.is_alive()


@pytest.mark.parametrize("seconds", NONE_OF_THEM, ids=repr)
@in_loop
async def test_a_call_with_a_timeout_that_is_no_time_is_refused_before_it(seconds: Any) -> None:
    async with stage() as w:
        seen: list[Any] = []
        ref = await w.runtime.spawn(Player, args=(seen,))
        with pytest.raises(ValueError, match="seconds must be a number >= 0, or None for no limit, got"):
            await ref.call("late", timeout=seconds)
        await w.settle()
        assert seen == []


def test_no_clock_takes_a_time_that_is_not_a_number() -> None:
    """The second line, behind the check of each caller."""
    loop = asyncio.new_event_loop()
    try:
        with simulation() as sim:
            for clock in (ManualClock(), LoopClock(loop), sim.runtime.clock):
                with pytest.raises(ValueError, match="the time is NaN"):
                    clock.call_at(float("nan"), lambda: None)
    finally:
        loop.close()
