"""Threads that were left behind: a handler that passed its time limit goes on, and its incarnation is over."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from contextvars import Context
from typing import Any, Literal

import pytest

from actors import Actor, Crashed, IncarnationEnded, Normal
from actors.testing import simulation
from supervisors import child, constant, supervisor

REFUSED = ["register('late')", "join('late')", "subscribe()", "tell_after()", "monitor()", "link()"]


class Late(Actor):
    """Asks for something of its own after its time limit has passed."""

    host = "thread"

    def __init__(self, heard: list[Any], peer: str) -> None:
        self.heard, self.peer = heard, peer

    def on_receive(self, message: object) -> None:
        if message != "late":
            self.heard.append(message)
            return
        time.sleep(5.0)  # noqa: TID251 - in virtual time
        other = self.runtime.find(self.peer)
        assert other is not None
        for ask in (
            lambda: self.register("late"),
            lambda: self.join("late"),
            lambda: self.subscribe(),
            lambda: self.tell_after(0.1, "tick"),
            lambda: self.monitor(other),
            lambda: self.link(other),
        ):
            try:
                ask()
            except IncarnationEnded as error:
                self.heard.append(error.what)


class Peer(Actor):
    """Is watched by nothing in the end."""

    def on_receive(self, message: object) -> None:
        raise RuntimeError(message)


@pytest.mark.parametrize("restart", ["temporary", "permanent"])
def test_what_a_thread_left_behind_asks_for_is_refused(restart: Literal["temporary", "permanent"]) -> None:
    """Neither the place without an incarnation nor the next incarnation gets what the last one asks for."""
    with simulation() as sim:
        heard: list[Any] = []
        late = child("late", Late, args=(heard, "root/peer"), handler_timeout=1.0, restart=restart, backoff=None)
        root = sim.start(supervisor("root", late, child("peer", Peer, backoff=None)))
        ref, peer = root.child("late"), root.child("peer")
        ref.tell("late")
        sim.advance(10.0)
        assert heard == REFUSED
        assert sim.runtime.whereis("late") is None
        assert sim.runtime.members("late") == []
        if restart == "permanent":
            peer.tell("crash")  # a link would end the next incarnation, a monitor would tell it
            sim.advance(1.0)
            assert ref.status().incarnation == 2
            assert heard == REFUSED


class Began(Actor):
    """Its first incarnation begins a thread of its own, which has no context of the actor: the test plays it."""

    number: int

    def __init__(self, instances: list[Any]) -> None:
        instances.append(self)
        self.seen: list[Any] = []

    def on_receive(self, message: object) -> object:
        if message == "crash":
            raise RuntimeError(message)
        self.seen.append(message)
        return message


async def _nothing() -> None:
    pass


RAISE: dict[str, Callable[[Any, Any], object]] = {
    "healthy": lambda old, _: old.healthy(),
    "publish_view": lambda old, _: old.publish_view("old"),
    "tell_after": lambda old, _: old.tell_after(1.0, "tick"),
    "tell_after with a key": lambda old, _: old.tell_after(1.0, "tick", key="k"),
    "tell_every": lambda old, _: old.tell_every(1.0, "tick"),
    "set_idle_timeout": lambda old, _: old.set_idle_timeout(1.0),
    "monitor": lambda old, peer: old.monitor(peer),
    "link": lambda old, peer: old.link(peer),
    "stash": lambda old, _: old.stash(),
    "unstash": lambda old, _: old.unstash(),
    "spawn": lambda old, _: old.spawn(Peer),
    "register": lambda old, _: old.register("late"),
    "watch_name": lambda old, _: old.watch_name("late"),
    "watch_group": lambda old, _: old.watch_group("late"),
    "join": lambda old, _: old.join("late"),
    "subscribe": lambda old, _: old.subscribe(),
    "create_task": lambda old, _: old.create_task(_nothing()),
    "enter_context": lambda old, _: old.enter_context(contextlib.nullcontext()),
    "enter_async_context": lambda old, _: old.enter_async_context(contextlib.nullcontext()).send(None),
    "callback": lambda old, _: old.callback(print),
    "push_async_callback": lambda old, _: old.push_async_callback(_nothing),
}
CHANGE_NOTHING: dict[str, Callable[[Any, Any], object]] = {
    "exit": lambda old, _: old.exit(Crashed(RuntimeError("old"))),
    "exit in order": lambda old, _: old.exit(Normal()),
    "stop": lambda old, _: old.stop(),
    "unregister": lambda old, _: old.unregister("mine"),
    "unwatch_name": lambda old, _: old.unwatch_name("else"),
    "unwatch_group": lambda old, _: old.unwatch_group("else"),
    "leave": lambda old, _: old.leave("ours"),
    "unlink": lambda old, peer: old.unlink(peer),
    "demonitor": lambda old, _: old.demonitor(old.number),
    "cancel_timer": lambda old, _: old.cancel_timer("k"),
    "keyed_timers": lambda old, _: old.keyed_timers(),
}


def _belongings(ref: Any, runtime: Any) -> object:
    """All that an incarnation has, as it is seen from outside."""
    cell = ref._cell
    return (
        *(ref.status(), ref.view(), runtime.registry.size, runtime.members("ours"), runtime.whereis("mine")),
        *(cell.possessions and (cell.possessions.idle, cell.possessions.owned, dict(cell.possessions.keyed)),),
        cell.possessions and cell.possessions.healthy,
    )


def _own(actor: Any, peer: Any) -> None:
    actor.register("mine")
    actor.join("ours")
    actor.watch_name("else")
    actor.watch_group("else")
    actor.link(peer)
    actor.tell_after(1000.0, "never", key="k")
    actor.number = actor.monitor(peer)


@pytest.mark.parametrize("where", ["the next runs", "between the two", "the next is being made"])
@pytest.mark.parametrize("name", [*RAISE, *CHANGE_NOTHING])
def test_an_instance_that_has_ended_changes_nothing_of_the_next(name: str, where: str) -> None:
    """Guards the next incarnation from a thread that the last one began: the thread has only the instance."""
    with simulation() as sim:
        instances: list[Any] = []
        refused: list[IncarnationEnded] = []

        def ask() -> None:
            old = instances[0]
            if name in RAISE:
                with pytest.raises(IncarnationEnded) as caught:
                    RAISE[name](old, peer)
                refused.append(caught.value)
            else:
                assert not CHANGE_NOTHING[name](old, peer)

        class Next(Began):
            def __init__(self, made: list[Any]) -> None:
                super().__init__(made)
                if len(made) > 1 and where == "the next is being made":
                    Context().run(ask)
                    self.tell_after(1000.0, "own")

        root = sim.start(
            supervisor("root", child("a", Next, args=(instances,), backoff=constant(10.0)), child("peer", Peer))
        )
        ref, peer = root.child("a"), root.child("peer")
        instances[0].number = -1
        ref.tell("crash")
        sim.advance(5.0)
        if where == "between the two":
            before = _belongings(ref, sim.runtime)
            ask()
            sim.advance(1.0)
            assert _belongings(ref, sim.runtime) == before
        sim.advance(10.0)
        if where == "the next runs":
            ref._cell.context.run(_own, instances[1], peer)
            sim.advance(1.0)
            instances[0].number = instances[1].number
            before = _belongings(ref, sim.runtime)
            ask()
            sim.advance(5.0)
            assert _belongings(ref, sim.runtime) == before
        sim.advance(5.0)
        assert ref.status().incarnation == 2
        assert ref.status().state == "running"
        assert "tick" not in instances[1].seen
        assert sim.runtime.whereis("late") is None
        assert sim.runtime.members("late") == []
        for error in refused:
            assert error.incarnation == 1
            assert name.split()[0] in str(error)


def test_a_name_of_the_spec_is_not_given_up_with_an_incarnation() -> None:
    """An incarnation that registers it once more does not own it."""

    class Named(Actor):
        def on_start(self) -> None:
            self.register("n")

        def on_receive(self, message: object) -> None:
            raise RuntimeError(message)

    with simulation() as sim:
        root = sim.start(supervisor("root", child("a", Named, name="n", backoff=constant(10.0))))
        root.child("a").tell("crash")
        sim.advance(1.0)
        assert root.child("a").status().state == "down"
        assert sim.runtime.whereis("n") == root.child("a")
