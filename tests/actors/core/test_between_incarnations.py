"""What can be asked of an actor that has no incarnation at the moment, and of chains and lanes at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor, ActorDeadError, ActorRef, DeadLetter, Down, Future, NameTaken, Runtime, bounded, prioritized
from actors.testing import Simulation, simulation
from supervisors import ChildStartError, child, constant, supervisor
from tests.actors.cast import Player, stage
from tests.support import in_loop


def crash(_: Any) -> None:
    """A message that crashes a player."""
    raise ValueError("boom")


def waiting(sim: Simulation, **options: Any) -> ActorRef[Any]:
    """An actor that crashed at 0 s and is started again at 60 s."""
    root = sim.start(supervisor("root", child("a", Player, backoff=constant(60), **options)))
    actor: ActorRef[Any] = root.child("a")
    actor.tell(crash)
    sim.advance(1)
    return actor


# Spawning (H1)


def test_nothing_is_spawned_below_an_actor_without_an_incarnation() -> None:
    """Guards the tree against a child whose parent cannot end it."""
    with simulation() as sim:
        parent = waiting(sim)
        with pytest.raises(ActorDeadError, match="root/a"):
            sim.runtime.spawn(Actor, parent=parent)
        sim.advance(100)
        assert parent.is_alive()


@in_loop
async def test_a_spawn_that_crosses_with_the_end_of_its_parent_fails() -> None:
    """Guards the spawner in another thread: the parent ends between the call and the start."""
    async with stage() as w:
        parent = await w.runtime.spawn(Player)
        future = None

        def spawn_and_end(actor: Player) -> None:
            nonlocal future
            future = actor.spawn(Actor)
            actor.ref.kill()

        parent.tell(spawn_and_end)
        await w.settle()
        assert future is not None
        assert future.done()
        assert not w.runtime.cells


@given(st.integers(0, 3), st.sampled_from(["crash", "kill", "stop"]))
def test_a_tree_stops_whatever_its_actors_spawn_at_their_end(seed: int, end: str) -> None:
    """Guards `stop`: a task that outlives its actor goes on spawning below it."""

    class Breeder(Player):
        def on_stop(self) -> None:
            self.spawn(Player)

        def on_failure(self, *_: object) -> None:
            self.spawn(Player)

    with simulation(seed=seed) as sim:
        root = sim.start(supervisor("root", child("a", Breeder, backoff=constant(60))))
        actor = root.child("a")
        ends: dict[str, Callable[[], object]] = {
            "crash": lambda: actor.tell(crash),
            "kill": actor.kill,
            "stop": lambda: actor.stop(block=False),
        }
        ends[end]()
        sim.advance(1)
        assert root.stop(block=False) is not None
        sim.advance(30)
        assert not sim.runtime.cells


# Paths (H2)


def test_a_child_whose_path_is_taken_is_refused_and_the_tree_goes_on() -> None:
    """Guards a start against never ending because its notices carry another id."""
    with simulation() as sim:
        root = sim.start(supervisor("root"))
        sim.spawn(Actor, name="x", parent=root)
        with pytest.raises(ChildStartError, match="root/x") as failed:
            root.start_child(child("x", Actor)).get()
        assert isinstance(failed.value.__cause__, NameTaken)
        assert root.start_child(child("y", Actor)).get().is_alive()


def test_a_tree_whose_path_is_taken_does_not_start() -> None:
    """Guards the start of a tree beside an actor of the same path."""
    with simulation() as sim:
        sim.spawn(Actor, name="root/w")
        with pytest.raises(ChildStartError, match="root/w"):
            sim.start(supervisor("root", child("w", Actor)))


# Monitors and links (M2)


def test_a_monitor_between_two_incarnations_waits_for_the_next_end() -> None:
    """Guards rule 31: one message for an end, and none for an end that was before."""
    with simulation() as sim:
        actor = waiting(sim)
        down = actor.monitor()
        sim.advance(100)
        assert actor.status().state == "running"
        assert not down.done()
        actor.kill()
        sim.settle()
        assert down.get().reason.kind == "killed"


def test_a_link_made_while_an_actor_is_down_counts_from_its_next_end() -> None:
    """Guards a healthy actor against the end that was before it was linked."""
    with simulation() as sim:
        actor, other = waiting(sim), sim.spawn(Player)
        other.link(actor)
        sim.advance(100)
        assert other.is_alive()
        actor.kill()
        sim.settle()
        assert not other.is_alive()


def test_a_link_from_an_actor_that_has_ended_ends_the_other() -> None:
    """Guards rule 31 in both directions: `gone.link(other)` is `other.link(gone)`."""
    with simulation() as sim:
        gone, other = sim.spawn(Player), sim.spawn(Player)
        gone.kill()
        sim.settle()
        gone.link(other)
        sim.settle()
        assert not other.is_alive()


def test_watchers_of_a_start_that_failed_are_told_when_it_fails() -> None:
    """Guards against a notice that comes with the next attempt, a backoff later."""
    downs: list[Future[Down]] = []

    class Late(Player):
        def on_start(self) -> None:
            if self.incarnation == 2:
                downs.append(self.ref.monitor())
                raise OSError

    with simulation() as sim:
        root = sim.start(supervisor("root", child("a", Late, backoff=constant(60))))
        actor = root.child("a")
        actor.kill()
        sim.advance(61)
        assert actor.status().state == "down"
        assert [down.done() for down in downs] == [True]


# Stops (M5, L2)


@pytest.mark.parametrize("drain", [True, False])
@pytest.mark.parametrize("restart", ["permanent", "transient"])
def test_a_stop_between_two_incarnations_is_kept(drain: bool, restart: str) -> None:
    """Guards `stop`: its future tells the truth, and a transient actor does not come back."""
    with simulation() as sim:
        actor = waiting(sim, restart=restart)
        stopped = actor.stop(block=False, drain=drain)
        sim.advance(50)
        assert not stopped.done()
        sim.advance(200)
        assert stopped.get() is True
        assert actor.is_alive() == (restart == "permanent")


@pytest.mark.parametrize(
    "mailbox", [None, bounded(5), prioritized(lambda m: 0.0), prioritized(lambda m: 0.0, capacity=5)]
)
@pytest.mark.parametrize("first", ["stop", "suspend"])
def test_a_stop_reaches_a_suspended_actor(first: str, mailbox: Any) -> None:
    """Guards `suspend`: the order to stop still gets through, in either order; what waits is a dead letter each."""
    with simulation() as sim:
        actor = sim.spawn(Player, mailbox=mailbox)
        if first == "suspend":
            actor.suspend()
            sim.settle()
        actor.tell("waits")
        stopped = actor.stop(block=False)
        if first == "stop":
            actor.suspend()
        sim.settle()
        assert stopped.get() is True
        assert not actor.is_alive()


def test_a_suspended_permanent_actor_stops_once() -> None:
    """Guards the next incarnation against the stop of the one before; its queue is kept."""
    with simulation() as sim:
        actor = sim.start(supervisor("root", child("a", Player, backoff=None))).child("a")
        actor.suspend()
        actor.tell("waits")
        stopped = actor.stop(block=False)
        sim.advance(1)
        assert stopped.get() is True
        assert actor.incarnation == 2
        actor.resume()
        sim.settle()
        assert actor.incarnation == 2
        assert actor.state()["seen"] == ["waits"]


# Deep chains (L5)


class Link(Actor):
    """One of a chain: it spawns the next."""

    def __init__(self, left: int) -> None:
        self.left = left

    def on_start(self) -> None:
        if self.left:
            self.spawn(Link, args=(self.left - 1,))


@pytest.mark.parametrize("end", ["kill", "stop"])
@in_loop
async def test_a_chain_deeper_than_the_stack_ends_whole(end: str) -> None:
    """Guards rule 20 at any depth."""
    async with stage() as w:
        top = await w.runtime.spawn(Link, args=(3000,), shutdown=None)
        await w.settle()
        assert len(w.runtime.cells) == 3001
        top.kill() if end == "kill" else top.stop(block=False)
        await w.settle()
        assert not w.runtime.cells


# The system lane (L7)


def test_ends_that_an_actor_did_not_hear_of_are_dead_letters() -> None:
    """Guards against loss in silence: a `Down` that waits for an actor which crashes."""

    class Watcher(Player):
        def on_receive(self, message: Any) -> Any:
            if isinstance(message, Down):
                raise OSError
            for ref in message:
                self.monitor(ref)
            return None

    with simulation() as sim:
        letters: list[DeadLetter] = []
        sim.runtime.events.subscribe(letters.append, DeadLetter)
        watcher = sim.start(supervisor("root", child("w", Watcher, backoff=None))).child("w")
        watched = [sim.spawn(Player), sim.spawn(Player)]
        watcher.ask(watched)
        watcher.suspend()
        for each in watched:
            each.kill()
        sim.settle()
        watcher.resume()
        sim.settle()
        assert sorted(each.reason for each in letters) == ["crashed", "dropped"]
        assert {type(each.message) for each in letters} == {Down}


@pytest.mark.parametrize("host", ["loop", "thread"])
def test_a_message_that_is_sent_after_suspend_waits_for_resume(host: Any) -> None:
    heard: list[int] = []

    class Hearer(Actor):
        def on_receive(self, message: int) -> None:
            heard.append(message)

    with Runtime(watchdog=None, log=False) as runtime:
        ref, other = runtime.spawn(Hearer, host=host).get(), runtime.spawn(Hearer).get()
        for each in range(50):
            ref.suspend()
            ref.tell(each)
            other.stop()  # the loop thread has done what was asked of it
            other = runtime.spawn(Hearer).get()
            assert heard == list(range(each))
            ref.resume()
            ref.ask(-1)
            assert heard.pop() == -1
