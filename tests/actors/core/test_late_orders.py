"""Orders to stop and kills that come before an actor is up, or when its end has begun already."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from actors import Actor, ActorRef, Exited, Future, IgnoreStart, Killed, Normal, StartError
from actors.spi import sleep
from actors.testing import Simulation, simulation
from supervisors import Failure, child, start, supervisor
from tests.actors.cast import Host, Player, Starter, forever, stage
from tests.support import in_loop

HOSTS: list[Host] = ["loop", "thread"]
GRACE = 5.0
"""Seconds that the actors here have to stop in."""


class Above(Actor):
    """Has an actor below it that never stops by itself."""

    def __init__(self, refs: list[ActorRef[Any]], end: Callable[[], object] = lambda: None) -> None:
        refs.append(self.ref)
        self._end = end

    async def on_start(self) -> None:  # type: ignore[override]
        await self.spawn(Starter, args={"on_stop": forever}, shutdown=None)
        self._end()

    def on_receive(self, message: Callable[[Any], object]) -> None:
        message(self)


def declines() -> None:
    """A start that declines."""
    raise IgnoreStart


@contextmanager
def declining(host: Host) -> Iterator[tuple[Simulation, ActorRef[Any], Future[Any]]]:
    """An actor that has declined its start, and waits for what lives below it."""
    with simulation() as sim:
        refs: list[ActorRef[Any]] = []
        coming = sim.runtime.spawn(Above, args=(refs, declines), host=host, shutdown=GRACE)
        sim.advance(1000)
        assert refs[0].is_alive()
        assert not coming.done()
        yield sim, refs[0], coming


@pytest.mark.parametrize("host", HOSTS)
def test_a_stop_of_an_actor_that_declines_its_start_is_timed(host: Host) -> None:
    """What lives below it never ends: actor and all below it are killed when the time of the order is over."""
    with declining(host) as (sim, actor, coming):
        actor.stop(block=False, drain=False)
        sim.advance(0.9 * GRACE)
        assert not coming.done()
        sim.advance(0.2 * GRACE)
        with pytest.raises(StartError) as caught:
            coming.get(timeout=0)
        assert caught.value.reason == Killed("did not stop in time")
        assert sim.actors() == []


@pytest.mark.parametrize("host", HOSTS)
def test_a_kill_of_an_actor_that_declines_its_start_ends_what_is_below(host: Host) -> None:
    """At once, and its starter is told that it was killed."""
    with declining(host) as (sim, actor, coming):
        actor.kill()
        sim.settle()
        with pytest.raises(StartError) as caught:
            coming.get(timeout=0)
        assert isinstance(caught.value.reason, Killed)
        assert sim.actors() == []


@pytest.mark.parametrize("host", HOSTS)
def test_a_stop_of_an_actor_that_has_ended_its_hooks_is_timed(host: Host) -> None:
    """Its own exit gave it all the time that what lives below it takes; the order does not."""
    with simulation() as sim:
        refs: list[ActorRef[Any]] = []
        actor = sim.spawn(Above, args=(refs,), host=host, shutdown=0)
        actor.tell(lambda self: self.exit(Normal()))
        sim.advance(1000)
        assert actor.is_alive()
        ended = actor.ended()
        actor.stop(block=False, drain=False)
        sim.settle()
        assert ended.get(timeout=0) == Killed("did not stop in time")
        assert sim.actors() == []


async def fails_and_cleans_up(actor: Any) -> None:
    """A start that fails and leaves behind what takes a while to end."""
    actor.push_async_callback(sleep, 0.5)
    raise OSError("disk")


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("host", HOSTS)
def test_a_failed_start_is_no_failure_once_the_child_is_told_to_stop(host: Host, ordered: bool) -> None:
    """Its supervisor asks `on_failure` and counts only what the child does of its own accord."""
    failures: list[Failure] = []
    with simulation() as sim:
        root = sim.start(supervisor("root", on_failure=failures.append))
        coming = root.start_child(child("a", Starter, args={"on_start": fails_and_cleans_up}, host=host))
        sim.advance(0.1)
        assert not coming.done()
        if ordered:
            root.terminate_child("a")
        sim.advance(1)
        assert coming.done()
        assert [failure.child for failure in failures] == ([] if ordered else ["a"])


@pytest.mark.parametrize("host", HOSTS)
def test_a_kill_while_a_failed_start_is_cleaned_up_is_its_reason(host: Host) -> None:
    """The starter is told of what came last, as with any other end."""
    with simulation() as sim:
        refs: list[ActorRef[Any]] = []

        async def on_start(actor: Any) -> None:
            refs.append(actor.ref)
            await fails_and_cleans_up(actor)

        coming = sim.runtime.spawn(Starter, args={"on_start": on_start}, host=host)
        sim.advance(0.1)
        assert not coming.done()
        refs[0].kill()
        sim.advance(1)
        with pytest.raises(StartError) as caught:
            coming.get(timeout=0)
        assert isinstance(caught.value.reason, Killed)


@in_loop
async def test_a_supervisor_that_is_told_to_stop_before_it_is_built_stops() -> None:
    """It hears of the order and of its children, and need not be killed."""
    async with stage() as w, start(supervisor("root"), runtime=w.runtime) as root:
        coming = root.start_child(supervisor("inner", child("a", Player), shutdown=GRACE))
        stopped = root.terminate_child("inner")  # the root handles both before the other has its first turn
        await w.advance(1000)
        assert coming.done()
        assert stopped.done()
        assert [str(event.reason) for event in w.seen(Exited) if event.path == "root/inner"] == ["shutdown"]
