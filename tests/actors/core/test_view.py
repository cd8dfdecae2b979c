"""Views: how other threads read what an actor knows without reading its memory."""

from __future__ import annotations

import asyncio
import pickle
import threading
import time
from typing import Any

import pytest

from actors import Actor, ActorDeadError, Runtime
from actors.testing import simulation
from supervisors import child, constant, supervisor


class Counting(Actor):
    """Shows how many messages it has had in all its incarnations."""

    def __init__(self) -> None:
        self._seen = self.kept(list[object])

    def on_receive(self, message: object) -> None:
        self._seen.append(message)
        self.publish_view(tuple(self._seen))
        if message == "crash":
            raise ValueError(message)


def test_a_view_is_what_the_actor_published_last_in_every_thread() -> None:
    """Guards the view: it is replaced as a whole, and read without asking."""
    with Runtime(log=False) as runtime:
        ref = runtime.spawn(Counting).get()
        assert ref.view() is None
        for number in range(3):
            ref.ask(number)
        read: list[object] = []
        thread = threading.Thread(target=lambda: read.append(ref.view()))
        thread.start()
        thread.join()
        assert read == [(0, 1, 2)]


def test_a_view_stays_through_a_restart_and_ends_with_its_place() -> None:
    """Guards readers while an actor is down, and against views that outlive what they are about."""
    with simulation() as sim:
        root = sim.start(supervisor("root", child("a", Counting, backoff=constant(10.0))))
        ref: Any = root.child("a")
        ref.tell("crash")
        sim.advance(1.0)
        assert ref.status().state == "down"
        assert ref.view() == ("crash",)
        sim.advance(20.0)
        assert ref.view() == ("crash",)
        ref.ask("more")
        assert ref.view() == ("crash", "more")
        root.terminate_child("a").get()
        assert ref.view() is None


class Waits(Actor):
    """Takes ten seconds on the loop."""

    async def on_receive(self, message: object) -> None:
        await asyncio.sleep(10.0)


class Blocks(Actor):
    """Takes ten seconds in its thread."""

    host = "thread"

    def on_receive(self, message: object) -> None:
        time.sleep(10.0)  # noqa: TID251 - virtual time, in a thread of its own


@pytest.mark.parametrize("busy", [Waits, Blocks])
def test_a_dead_actors_error_says_whether_a_handler_had_begun(busy: type[Actor]) -> None:
    """Guards at most once: what still waited when its actor was killed may be done by another, what had begun not."""
    with simulation() as sim:
        ref = sim.spawn(busy)
        asked = [ref.ask(number, block=False, timeout=None) for number in range(2)]
        sim.settle()
        ref.kill()
        sim.advance(20.0)
        errors = []
        for each in [*asked, ref.ask(2, block=False)]:
            with pytest.raises(ActorDeadError) as caught:
                each.get()
            errors.append(caught.value)
        assert [each.begun for each in errors] == [True, False, False]
        assert [pickle.loads(pickle.dumps(each)).begun for each in errors] == [True, False, False]
