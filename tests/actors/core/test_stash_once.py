"""A message that is stashed twice is handled once."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor, DeadLetter, Quarantined
from actors.testing import simulation
from supervisors import child, supervisor
from tests.actors.cast import stage
from tests.support import in_loop


class Twice(Actor):
    """Stashes each message twice until it is ready."""

    seen: tuple[Any, ...] = ()
    ready = False

    def on_receive(self, message: Any) -> Any:
        if message == "ready":
            self.ready = True
            self.unstash()
        elif self.ready:
            self.seen += (message,)
        else:
            self.stash()
            if message == "back":
                self.unstash()
                self.ready = True
            self.stash()


@in_loop
async def test_a_message_that_is_stashed_twice_is_handled_once() -> None:
    async with stage() as w:
        ref = await w.runtime.spawn(Twice)
        for message in ("a", "b", "ready"):
            ref.tell(message)
        await w.settle()
        assert ref.state()["seen"] == ("a", "b")
        assert ref.status().stashed == 0


@pytest.mark.parametrize("message", ["once", "back"])
def test_a_second_stash_does_nothing_in_a_simulation_either(message: str) -> None:
    """Guards the journal: also where the message went back to the queue between the two."""
    with simulation() as sim:
        ref = sim.spawn(Twice)
        ref.tell(message)
        ref.tell("ready")
        sim.settle()
        assert ref.state()["seen"] == (message,)


@given(st.integers(0, 3), st.sampled_from(["tell", "ask"]))
def test_a_handler_that_stashes_and_raises_has_its_message_once(redeliver: int, way: str) -> None:
    """Guards a message against being in the stash and the cause of a crash at once: the crash decides."""
    handled: list[int] = []

    class Fickle(Actor):
        def on_receive(self, message: object) -> None:
            handled.append(self.incarnation)
            self.stash()
            raise ValueError(message)

        def on_start(self) -> None:
            self.unstash()

    with simulation() as sim:
        spec = child("a", Fickle, backoff=None, redeliver=redeliver, max_restarts=None)
        actor = sim.start(supervisor("root", spec)).child("a")
        ends: list[object] = []
        sim.runtime.events.subscribe(ends.append, DeadLetter, Quarantined)
        if way == "ask":
            with pytest.raises(ValueError, match="poison"):
                actor.ask("poison")
        else:
            actor.tell("poison")
        sim.advance(5)
        assert handled == list(range(1, 2 if way == "ask" else redeliver + 2))
        assert len(ends) == 1


class Leaves(Actor):
    """Stashes a message and is killed in its handler, which then raises, waits or returns. The next one takes it."""

    def __init__(self, handled: list[int], then: str) -> None:
        self.handled, self.then = handled, then

    def on_start(self) -> None:
        self.unstash()

    def put_aside(self) -> bool:
        self.handled.append(self.incarnation)
        if self.incarnation > 1:
            return False
        self.stash()
        self.ref.kill()
        if self.then == "raises":
            raise ValueError(self.then)
        return True

    def on_receive(self, message: object) -> object:
        return self.put_aside() or message


class LeavesLater(Leaves):
    async def on_receive(self, message: object) -> object:
        if self.put_aside() and self.then == "waits":
            await asyncio.sleep(60)
        return message


@given(
    st.sampled_from([Leaves, LeavesLater]),
    st.sampled_from(["loop", "thread"]),
    st.sampled_from(["raises", "waits", "returns"]),
    st.sampled_from(["tell", "ask"]),
)
def test_a_message_stashed_before_a_kill_of_its_handler_is_handled_again(
    kind: type[Leaves], host: Literal["loop", "thread"], then: str, way: str
) -> None:
    """Guards a message against being refused and in the stash at once, whatever its handler does after the kill."""
    handled: list[int] = []
    with simulation() as sim:
        spec = child("a", kind, host=host, args=[handled, then], backoff=None)
        actor = sim.start(supervisor("root", spec)).child("a")
        letters: list[DeadLetter] = []
        sim.runtime.events.subscribe(letters.append, DeadLetter)
        if way == "ask":
            assert actor.ask("message", timeout=30) == "message"
        else:
            actor.tell("message")
        sim.advance(30)
        assert (handled, letters) == ([1, 2], [])
